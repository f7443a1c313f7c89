"""The programs of ``--snippet``: they prepare images as the contract says, and print what the model says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_exported_models import MODELS, model_of, write

import striate
from striate.errors import SpecError
from striate.exporters.snippets import ENDINGS, write_snippet
from striate.model.contract import Contract
from striate.model.prepare import fit
from striate.model.words import numbers_of

RULES = {
    "stretch": {"resize": "stretch"},
    "fit, grey, bicubic": {"resize": "fit", "mode": "L", "interpolation": "bicubic"},
    "crop, nearest": {"resize": "crop", "interpolation": "nearest"},
    "scaled": {"resize": "crop", "scale_to": 32},
    "alpha": {"resize": "fit", "mode": "RGBA"},  # in Python alone, as what follows
    "of 12 bits": {"mode": "L", "value_range": (0.0, 4095.0)},
    "of a range, RGB": {"resize": "fit", "value_range": (-1.5, 50000.0)},
}
OF_BYTES = [*RULES][:4]


def contract_of(rule: str) -> Contract:
    words = {"mode": "RGB"} | RULES[rule]
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[words["mode"]]
    return Contract(('a"b', "c"), (channels, 20, 28), mean=(0.5,) * channels, std=(0.5,) * channels, **words)


def images(alpha: bool = True) -> list[Image.Image]:
    """Larger, smaller, odd, exactly as large; smooth and noisy; with and without what is transparent."""
    rng = np.random.default_rng(0)
    found = []
    for width, height in ((91, 64), (64, 91), (13, 9), (28, 20), (200, 33), (56, 5)):  # 2.5 becomes 2 in "fit"
        pixels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
        image = Image.fromarray(pixels)
        found += [image.convert("RGB"), image.resize((5, 5)).resize((width, height)).convert("RGB")]
        found += [image] if alpha else []
    return found


@pytest.mark.parametrize("rule", RULES)
def test_the_python_program_prepares_bit_for_bit(rule: str, tmp_path: Path) -> None:
    contract = contract_of(rule)
    program = write_snippet(contract, "a.onnx", "python")
    body = program[program.index("def prepare") : program.index("images = ")]
    names = {"np": np, **{name: __import__("PIL", fromlist=[name]).__dict__[name] for name in ("Image", "ImageOps")}}
    names["contract"] = json.loads(contract.to_json())
    exec(body, names)
    deep = np.random.default_rng(1).integers(0, 65536, (2, 50, 61)) >> [[[0]], [[4]]]  # of 16 bits, and of 12
    deep = [Image.fromarray(values.astype(np.uint16)) for values in deep]
    for i, image in enumerate([*images(), Image.new("P", (40, 30), 3), Image.new("LA", (9, 9), (200, 100)), *deep]):
        image.save(tmp_path / f"{i}.png")
        assert np.array_equal(names["prepare"](tmp_path / f"{i}.png"), fit(image, contract)), (rule, i)
    values = np.array([[-9.0, np.nan, 2047.5, 60000.0, 3.0, np.inf]], np.float32)
    Image.fromarray(values).save(tmp_path / "values.tif")
    if contract.value_range:
        assert np.array_equal(names["prepare"](tmp_path / "values.tif"), fit(Image.fromarray(values), contract))
    else:  # as predict does
        Image.fromarray(np.full((4, 4), 65536, np.int32)).save(tmp_path / "large.tif")
        for name in ("values.tif", "large.tif"):
            with pytest.raises(ValueError, match=f"{name}: the range of its values is unknown; save it with 8 or 16"):
                names["prepare"](tmp_path / name)
    turned = images(alpha=False)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(names["prepare"](tmp_path / "turned.png"), fit(image, contract))


OTHERS = ["multilabel", "regression", "segmentation", "text", "signal"]


@pytest.mark.parametrize("kind", ["classification", *[pytest.param(k, marks=pytest.mark.slow) for k in OTHERS]])
def test_the_python_program_says_what_the_model_says(kind: str, tmp_path: Path) -> None:
    model, items = model_of(kind), [tmp_path / "a.npy"]
    if kind == "text":
        items = ["A good film, isn't it?"]
    elif kind == "signal":
        np.save(items[0], np.random.default_rng(0).normal(0, 9, model.contract.input))
    else:
        items = [tmp_path / "a.png", tmp_path / "b.png"]
        for image, path in zip(images(alpha=False), items, strict=False):
            image.save(path)
    write(model, tmp_path / "it's.onnx")
    (tmp_path / "use.py").write_text(write_snippet(model.contract, "it's.onnx", "python"))
    command = [sys.executable, "-W", "error", "-X", "utf8", "use.py", *map(str, items)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for line, item, answer in zip(done.stdout.splitlines(), items, model.predict([*items]), strict=True):
        said = line.removeprefix(f"{item} ")
        if kind == "classification":
            assert said == f"{answer.class_} {answer.probability:.4f}"
        elif kind == "segmentation":
            inside = model.predict(fit(Image.open(item), model.contract).transpose(1, 2, 0))[0]
            assert said == str({name: f"{share:.1%}" for name, share in sorted(inside.shares)})
        elif kind in ("multilabel", "regression"):
            values = dict(answer.values if kind == "regression" else answer.probabilities)
            assert eval(said) == pytest.approx(values, rel=1e-5, abs=1e-5)
        else:
            assert said == f"{answer.class_} {answer.probability:.4f}"


def test_what_is_unknown_is_said_once(tmp_path: Path) -> None:
    contract = replace(MODELS["classification"][1], threshold=0.123456789)
    program = write_snippet(contract, "a.onnx", "python")
    answer = program[program.index("for path, output") :]
    for output, said in (([0.12345678, 0, 0], "x unknown\n"), ([0, 0.12345679, 0], "x b 0.1235\n")):
        names = {"contract": json.loads(contract.to_json()), "probabilities": np.array([output])}
        with redirect_stdout(StringIO()) as printed:
            exec(answer, names | {"sys": SimpleNamespace(argv=["", "x"])})
        assert printed.getvalue() == said


def test_programs_that_there_are_not() -> None:
    with pytest.raises(SpecError, match="--snippet js: of images with transparency there is a program in python alone"):
        write_snippet(contract_of("alpha"), "a.onnx", "js")
    for language in ("js", "cpp"):
        with pytest.raises(SpecError, match=rf"--snippet {language}: of images with a range of values \(--range\) th"):
            write_snippet(contract_of("of 12 bits"), "a.onnx", language)
    points = replace(MODELS["regression"][1], positions=((0, 2),))
    for language in ENDINGS:
        said = f"--snippet {language}: no such program for positions, which .* gives them in pixels of the image"
        with pytest.raises(SpecError, match=said):
            write_snippet(points, "a.onnx", language)


def test_words_come_apart_as_in_training() -> None:
    contract = MODELS["text"][1]
    program = write_snippet(contract, "a.onnx", "python")
    names = {"np": np, "re": __import__("re"), "contract": {"vocabulary": contract.vocabulary}}
    exec(program[program.index("def prepare") : program.index("items = ")], names)
    for text in (
        "It's a GOOD film, but I can't say why!",
        "good good good good good good good bad",
        "",
        "3.5 1,000 play",
    ):
        assert np.array_equal(names["prepare"](text), numbers_of([text], contract.vocabulary, 7)[0]), text


def program_inputs(contract: Contract, tmp_path: Path) -> tuple[list[dict], list[np.ndarray]]:
    """Images as raw bytes in files, and what they should become."""
    given, expected = [], []
    for i, image in enumerate(images()):
        raw = np.asarray(image)
        (tmp_path / f"{i}.raw").write_bytes(raw.tobytes())
        given.append({"file": f"{i}.raw", "width": image.width, "height": image.height, "channels": raw.shape[2]})
        expected.append(fit(image, contract))
    return given, expected


def check_close(found: bytes, expected: np.ndarray) -> None:
    """Pillow counts in whole numbers: a byte may be one more or less, and hardly one is."""
    gaps = np.abs(np.frombuffer(found, np.uint8).reshape(expected.shape).astype(int) - expected)
    assert gaps.max() <= 1
    assert (gaps > 0).mean() < 0.05


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.parametrize("rule", OF_BYTES)
def test_the_javascript_program_prepares_as_the_contract_says(rule: str, tmp_path: Path) -> None:
    contract = contract_of(rule)
    (tmp_path / "node_modules/onnxruntime-node").mkdir(parents=True)
    (tmp_path / "node_modules/onnxruntime-node/index.js").touch()
    (tmp_path / "use.js").write_text(write_snippet(contract, "a.onnx", "js"))
    given, expected = program_inputs(contract, tmp_path)
    (tmp_path / "all.js").write_text(
        'const fs = require("fs"), { prepare } = require("./use.js");\n'
        f"for (const g of {json.dumps(given)})\n"
        '  fs.writeFileSync(g.file + ".out", prepare(fs.readFileSync(g.file), g.width, g.height, g.channels));\n'
    )
    subprocess.run(["node", "all.js"], cwd=tmp_path, check=True)
    for g, right in zip(given, expected, strict=True):
        check_close((tmp_path / f"{g['file']}.out").read_bytes(), right)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize("rule", OF_BYTES)
def test_the_cpp_program_prepares_as_the_contract_says(rule: str, tmp_path: Path) -> None:
    contract = contract_of(rule)
    (tmp_path / "use.cpp").write_text(write_snippet(contract, "a.onnx", "cpp"))
    (tmp_path / "all.cpp").write_text(
        '#define PREPARE_ALONE\n#include "use.cpp"\n#include <cstdlib>\n#include <fstream>\n#include <iterator>\n'
        "int main(int, char** a) {\n"
        "  std::ifstream in(a[1], std::ios::binary); Bytes b(std::istreambuf_iterator<char>(in), {});\n"
        "  Bytes o = prepare(b, atoi(a[2]), atoi(a[3]), atoi(a[4]));\n"
        '  std::ofstream(std::string(a[1]) + ".out", std::ios::binary).write((const char*)o.data(), o.size());\n}\n'
    )
    subprocess.run(
        ["g++", "-O1", "-std=c++17", "-Wall", "-Werror", "-Wno-unused-variable", "all.cpp", "-o", "all"],
        cwd=tmp_path,
        check=True,
    )
    given, expected = program_inputs(contract, tmp_path)
    for g, right in zip(given, expected, strict=True):
        subprocess.run(["./all", *map(str, g.values())], cwd=tmp_path, check=True)
        check_close((tmp_path / f"{g['file']}.out").read_bytes(), right)


@pytest.mark.parametrize("kind", MODELS)
def test_no_word_is_left_to_be_put_in(kind: str) -> None:
    for language in ENDINGS:
        text = write_snippet(MODELS[kind][1], "my file.onnx", language)
        assert "my file.onnx" in text
        assert language != "cpp" or 'session(env, ORT_TSTR("my file.onnx"), ' in text  # as wide letters on Windows
        assert not any(f"@{word}" in text or f"${word}" in text for word in ("FILE", "PLACE", "W", "H", "S", "AREA"))


def test_the_command_prints_the_program_alone(trained: Path, cli, in_folder) -> None:
    answer = cli("export", trained, "--to", "onnx", "-o", "a.onnx", "--snippet", "python")
    assert answer.out == write_snippet(striate.load(trained).contract, "a.onnx", "python")
    assert answer.err.startswith("wrote a.onnx\ncompared on ")
    said = cli("export", trained, "--to", "onnx", "-o", "a.onnx", "--snippet", "rust").err
    assert said == "striate: --snippet rust: no such language; it is one of python, js, cpp\n"
    assert "--snippet js is for --to onnx" in cli("export", trained, "--to", "program", "--snippet", "js").err
    with pytest.raises(SpecError, match="did you mean 'python'"):
        write_snippet(MODELS["signal"][1], "a.onnx", "pyhton")
