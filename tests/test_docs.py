"""Every snippet of the README and of docs/ is run: Python blocks whole, console blocks against the output shown.

Console output is compared word for word, except that numbers stand for any numbers where a command trains, times or
looks into what was trained (`striate train`, `predict`, `explain` ...): the last bits of a float differ between
processors, and training makes the first digits of a probability of them. Accuracies, which end up close to each other,
must be within 15 points of what is shown. A line ``...`` stands for any lines.
``python tests/test_docs.py [FILE...]`` writes the output that it sees into the files.

The rest holds the site together: links lead somewhere, every page is in the index, the generated pages say what the
docstrings and the help say, no page names an option that no verb has, and Sphinx builds it all without a warning.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FILES = [ROOT / "README.md", *PAGES]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LEARNED = (
    *(
        f"striate {verb}"
        for verb in """train curve runs evaluate view predict export filters maps activity unit field peaks explain
        imagine experiment""".split()
    ),
    "curl",  # of a service
)


def make_folder(path: Path) -> Path:
    """Where the snippets of a page run: a folder with the files that they take for granted."""
    from striate.datasets import open_data

    (path / "docs/pictures").mkdir(parents=True)
    test = open_data("digits").test
    seven = test.inputs[int(np.flatnonzero(test.targets == 7)[0])]
    Image.fromarray(seven).resize((64, 64), Image.Resampling.BICUBIC).save(path / "docs/pictures/seven.png")
    shutil.copy(DOCS / "pictures/scene.jpg", path / "docs/pictures/scene.jpg")
    return path


SLOW = (
    "README.md",
    "comparing.md",
    "data-sets.md",
    "data.md",
    "deploy.md",
    "estimators.md",
    "experiments.md",
    "export.md",
    "lab.md",
    "read-report.md",
    "run-folder.md",
    "seeing.md",
    "serve.md",
    "train-photos.md",
    "trust.md",
    "tutorial.md",
    "view.md",
    "weights.md",
)  # they train, or draw much


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, marks=pytest.mark.slow if f.name in SLOW else ()) for f in FILES],
    ids=[file.name for file in FILES],
)
def test_every_snippet_runs(file, tmp_path, monkeypatch):
    folder = make_folder(tmp_path)
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for language, body in BLOCK.findall(file.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(body, str(file), "exec"), names)
        elif language == "console":
            for command, shown in commands(body):
                seen = run(command, folder)
                same = matches(shown, seen, exact=not command.startswith(LEARNED))
                assert same, f"$ {command}\n{seen}\nbut {file.name} shows\n{shown}"


def commands(body: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output shown below it."""
    parts = re.split(r"^\$ (.*)\n", body, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def run(command: str, folder: Path) -> str:
    """What *command* prints. A plain ``striate ...`` runs in this process, which saves the import of torch."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    words = list(words)
    if words[0] == "striate" and not any(set(word) <= set("();<>|&") for word in words if word):
        return run_here(words)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "100"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout


def run_here(words: list[str]) -> str:
    from striate.cli import main

    out = io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.dict(os.environ, {"COLUMNS": "100"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        contextlib.suppress(SystemExit),
    ):
        main()
    return out.getvalue()


def matches(shown: str, seen: str, *, exact: bool) -> bool:
    """Whether the output *seen* is the one *shown*."""

    def lines(text: str) -> list[str]:
        text = re.sub(r"(peak memory \S+) [MG]B", r"\1", text)  # that of the process, which has done other things too
        if not exact:
            text = re.sub(r"\n  (?=\S)", " ", text)  # where a sentence is wrapped depends on the length of its numbers
        plain = text if exact else re.sub(r"\s+best$", "", re.sub(r"-?[\d.,]+(?:e[+-]\d+)?", "#", text), flags=re.M)
        return [re.sub(r"\s+", " ", line).strip() for line in plain.strip().splitlines()]

    gap = "..." if exact else "#"
    pattern = "\n".join(".*" if line == gap else re.escape(line) for line in lines(shown))
    alike = re.fullmatch(pattern, "\n".join(lines(seen)), flags=re.S) is not None
    return alike and (exact or accuracies_are_near(shown, seen))


def accuracies_are_near(shown: str, seen: str, points: float = 15) -> bool:
    """Whether each accuracy *shown* is within *points* of one that is *seen* after the same words."""

    def found(text: str) -> list[tuple[str, float]]:
        what = re.findall(r"^(.*?\baccuracy) +(\d+\.\d+)%", text, re.M)
        return [(re.sub(r"[\d.,]+", "#", " ".join(words.split())), float(value)) for words, value in what]

    there = found(seen)
    return all(any(words == w and abs(value - v) <= points for w, v in there) for words, value in found(shown))


def test_a_wrong_output_is_noticed():
    assert matches("a 1.5\n...\nb", "a 1.5\nx\ny\nb", exact=True)
    assert not matches("a 1.5\nb", "a 1.6\nb", exact=True)
    assert matches("a 1.5%\nb", "a 98.6%\nb", exact=False)
    assert not matches("a 1.5%\nb", "a 1.5%", exact=False)
    assert matches("test accuracy 80.5%\n...", "test accuracy 94.6%\nx", exact=False)
    assert not matches("test accuracy 80.5%\n...", "test accuracy 97.6%\nx", exact=False)
    assert not matches("...\naccuracy 80.5%", "accuracy 50.0%", exact=False)


def plain(text: str) -> str:
    """Markdown without its blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def anchors(text: str) -> set[str]:
    """The names that the headings of a page can be linked by, as code hosts and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(file: Path, text: str) -> list[str]:
    """The links of *text*, which stands in *file*, that lead nowhere in the repository."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", plain(text)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = file.parent / name if name else file
        found = text if not name else target.read_text(encoding="utf-8") if anchor and target.exists() else ""
        if (name and not target.exists()) or (anchor and anchor not in anchors(found)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_every_link_leads_somewhere(file):
    assert not dead_links(file, file.read_text(encoding="utf-8"))


def test_a_dead_link_is_noticed():
    text = "# Here\n\n[a](index.md) [b](nothing.md) [c](#here) [d](#there) [e](index.md#start) `[f](none.md)`\n"
    assert dead_links(DOCS / "x.md", text) == ["nothing.md", "#there"]


def test_every_page_is_in_the_index():
    linked = re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert {page.name for page in PAGES} - {"index.md"} == set(linked)


@pytest.mark.parametrize("script", sorted((DOCS / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_a_script_asked_for_help_says_what_it_is_for_and_makes_nothing(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script.name, "--help"])
    monkeypatch.syspath_prepend(script.parent)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert not end.value.code
    said = capsys.readouterr().out
    assert f"docs/scripts/{script.name}" in said
    assert "written" not in said


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "scripts/reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["api", "verbs"])
def test_the_generated_pages_are_up_to_date(page, reference):
    stored, now = (DOCS / f"{page}.md").read_text(encoding="utf-8"), getattr(reference, page)()
    changed = next(
        (pair for pair in zip(stored.splitlines(), now.splitlines(), strict=False) if len(set(pair)) > 1), ""
    )
    assert stored == now, (
        f"docs/{page}.md is not what the code says any more {changed}: run python docs/scripts/reference.py"
    )


def test_every_option_on_a_page_is_an_option_of_a_verb():
    from typer.main import get_command

    from striate.cli.main import app

    group = get_command(app)
    parameters = [p for command in group.commands.values() for p in command.params]
    known = {option for p in parameters for option in (*p.opts, *p.secondary_opts)}
    known |= {option for p in group.params for option in p.opts} | {"--help"}
    unknown = {}
    for page in FILES:
        text = re.sub(
            r"timm `[^`]*`|`curl [^`]*`|"
            r"^(?:pip|git|\$ curl|srun|torchrun|\w+\$ +torchrun|\$ torchrun|#SBATCH|    --master-addr) .*$",
            "",
            page.read_text(encoding="utf-8"),
            flags=re.M,
        )
        if found := set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - known:
            unknown[page.name] = found
    assert not unknown


def missing_paths(text: str) -> list[str]:
    """The paths in code spans of *text* that are nowhere: below the repository, src/striate or docs."""
    paths = re.findall(r"`([\w.]+(?:/[\w.-]+)*/?[\w-]+\.(?:py|md|json|toml))`", text)
    return [path for path in paths if not any((root / path).exists() for root in (ROOT, ROOT / "src/striate", DOCS))]


def test_the_layout_page_names_what_is_there():
    text = (DOCS / "layout.md").read_text(encoding="utf-8")
    assert not missing_paths(text)
    packages = {path.parent.name for path in (ROOT / "src/striate").glob("*/__init__.py")}
    table = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert packages == table, f"the table of packages in docs/layout.md: {sorted(packages ^ table)}"


def test_a_missing_path_is_noticed():
    assert missing_paths("`spec/ops.py` `spec/nothing.py` `tests/test_docs.py` `errors.py`") == ["spec/nothing.py"]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for name in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(name)
    words = [
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "-d",
        tmp_path / "trees",
        DOCS,
        tmp_path / "site",
    ]
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    index = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert all(f'href="{page.stem}.html"' in index for page in PAGES if page.stem != "index")


def write_outputs(files: list[Path], after: Callable[[Path, Path], None] = lambda file, folder: None) -> None:
    """Puts what the commands print into the files; of a block with lines ``...``, those that it shows. *after* is told
    each file, and the folder in which its commands ran.
    """
    import tempfile

    import torch

    torch.set_num_threads(1)
    for file in files:
        text = file.read_text(encoding="utf-8")
        names: dict[str, object] = {}
        with tempfile.TemporaryDirectory() as name:
            folder = make_folder(Path(name))
            os.chdir(folder)

            def filled(block: re.Match[str], names: dict[str, object] = names, folder: Path = folder) -> str:
                if block[1] == "python":  # which may make what the commands after it take
                    exec(compile(block[2], "a block", "exec"), names)
                if block[1] != "console":
                    return block[0]
                parts = []
                for command, shown in commands(block[2]):
                    seen = run(command, folder)
                    parts.append(
                        f"$ {command}\n{picked(shown, seen) if '...' in shown.splitlines() else seen.rstrip()}"
                    )
                return "```console\n" + "\n\n".join(part.rstrip("\n") for part in parts) + "\n```"

            file.write_text(BLOCK.sub(filled, text), encoding="utf-8")
            os.chdir(ROOT)
            after(file, folder)


def picked(shown: str, seen: str) -> str:
    """The lines of *seen* that *shown* has, whatever the numbers; those that are not found stay, and are named."""

    def form(line: str) -> str:
        return " ".join(re.sub(r"[\d.,]+", "#", line).removesuffix("best").split())

    rest, lines = seen.splitlines(), []
    for line in shown.splitlines():
        alike = [i for i, other in enumerate(rest) if form(other) == form(line)]
        at = max(alike, key=lambda i, line=line, rest=rest: SequenceMatcher(None, rest[i], line).ratio(), default=None)
        if at is None and line not in ("", "..."):
            print(f"not found: {line}", file=sys.stderr)
        if at is not None and line:
            lines.append(rest[at].rstrip())
            rest = rest[at + 1 :]
        else:
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    write_outputs([Path(name).resolve() for name in sys.argv[1:]] or FILES)
