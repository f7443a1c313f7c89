"""What several verbs share: their common arguments and options, ``key=value`` words, and output."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
import typer.core

from striate.errors import closest, nearest, printable
from striate.files import finite

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
ModelOrExported = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run's folder, such as runs/digits-lenet5, a model file (.safetensors), or an .onnx file.",
    ),
]
DATA_HELP = "A built-in name (digits, shapes, mnist, fashion-mnist, cifar10), or a folder or table (docs/data.md)."
DataArgument = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]
SIZE = ("--input", "-i", "--imgsz")  # the names of an option for the input's size
Input = Annotated[
    str | None,
    typer.Option(*SIZE, metavar="CxHxW", help="Input size, such as 3x224x224, or 224. [default: the network's own]"),
]
HEADING = "The data"  # of --help, under which the options stand that say how data are to be understood
of_data = partial(typer.Option, rich_help_panel=HEADING)
DATA_OPTIONS: dict[str, Any] = {
    "task": of_data(
        metavar="TASK", help="classification, multilabel, regression or segmentation. [default: from the data]"
    ),
    "classes_from": of_data(
        metavar="WHERE", help="Class from the file name, such as 'name:{class}_*', or from the folder ('parent')."
    ),
    "mask_threshold": of_data(min=1, max=65535, help="Binarise masks: this value and above is foreground."),
    "value_range": of_data(
        "--range",
        metavar="LOW:HIGH",
        help="Images of more than 8 bits: the values of black and white. [default: 0:65535]",
    ),
    "label": of_data(
        metavar="COLUMN", help="Table: target column, or several separated by commas. [default: detected]"
    ),
    "file": of_data("--file", metavar="COLUMN", help="Table: column of image files. [default: detected]"),
    "text": of_data("--text", metavar="COLUMN", help="Table: column of texts; A,B joins several. [default: detected]"),
    "group": of_data(
        metavar="COLUMN",
        help="Keep each patient, video, ... in one split: a table's column, 'name:{group}_#' in file names, or parent.",
    ),
}
Split = Annotated[str, typer.Option("--split", "--part", help="test, val, train or all.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto (a GPU if there is one), cpu, cuda or cuda:N.")]
BatchSize = Annotated[int, typer.Option("--batch-size", "-b", "--batch", min=1, help="Batch size.")]
Tta = Annotated[
    str | None,
    typer.Option(
        "--tta",
        metavar="none|flip|shift|flip+shift",
        help="Test-time augmentation: mean over mirrored or shifted views. [default: the model's]",
    ),
]

KEY = re.compile(r"([A-Za-z]\w*(?:-\w+)*)=(.*)", re.DOTALL)
SAME = {"model": ("net",), "net": ("model",), "source": ("files", "image")}  # other keys for an argument
LONG = 2000  # characters of a message's line
NO = ("no", "false", "0", "off")
NUMBERS = re.compile(r"[-\N{MINUS SIGN}][.\d]")  # how typed numbers may begin, and no option does
# the options that say where something is written
WRITTEN = ("out", "find_lr", "steps", "animation", "sheet", "svg", "html")
EARLIER = ("--film", "--most", "--part", "--optimiser")  # names of earlier versions: still taken, no longer shown
FAULTS = (  # what click says of a value, and what we say
    (r"(.+) is not a valid (?:float|number)\.?", r"\1 is not a number"),
    (r"(.+) is not a valid int(?:eger)?\.?", r"\1 is not a whole number"),
    (r"(.+) is not in the range x>=(.+?)\.?", r"must be at least \2, got \1"),
    (r"(.+) is not in the range x<=(.+?)\.?", r"must be at most \2, got \1"),
    (r"(.+) is not in the range (.+)<=x<=(.+?)\.?", r"must be from \2 to \3, got \1"),
)
VALUES = {"int": "N", "int range": "N", "float": "FLOAT", "float range": "FLOAT"}  # in --help
NONE_SUCH = {  # settings of other tools that there is no need of
    "workers": "loading chooses its own number of processes",
    "cache": "decoded images are cached by themselves",
    "project": "use --out DIR",
    "name": "use --out DIR",
}


def takes_data_options(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The decorator of a verb whose ``**options`` are those of ``DATA_OPTIONS``, but for those *left_out*: they stand
    before its first own option under their heading, or before ``--json``.
    """
    added: dict[str, Any] = {
        name: Annotated[int | None if option.min else str | None, option]
        for name, option in DATA_OPTIONS.items()
        if name not in left_out
    }

    def taking(verb: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(verb, eval_str=True)
        own = list(signature.parameters.values())[:-1]
        place = next(
            i
            for i, p in enumerate(own)
            if p.name == "json" or getattr(p.annotation.__metadata__[0], "rich_help_panel", None) == HEADING
        )
        own[place:place] = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=option)
            for name, option in added.items()
        ]
        verb.__annotations__ |= added
        vars(verb)["__signature__"] = signature.replace(parameters=own)
        return verb

    return taking


def writes(*endings: str) -> Callable[[Path | None], Path | None]:
    """The callback of an option that says where a file of one of *endings* goes: refused before any work is done."""

    def checked(path: Path | None) -> Path | None:
        if path and path.suffix.lower() not in endings:
            raise typer.BadParameter(f"{path}: the file must end in {' or '.join(endings)}")
        if path and not path.parent.is_dir():
            raise typer.BadParameter(f"{path}: no folder {path.parent}; create it first")
        return path

    return checked


def output_file(metavar: str, help: str) -> Any:
    """The option ``--out``, ``-o`` of a file that ends as *metavar* does."""
    return typer.Option("--out", "-o", metavar=metavar, help=help, callback=writes(Path(metavar).suffix))


def keep_inputs(values: dict[str, Any]) -> None:
    """Refuses what would be written over what is read, before anything is; *values* are all arguments by name."""
    inputs = {name: value for name, value in values.items() if name not in WRITTEN}
    paths = [
        (name, Path(re.sub(r"(\.py):\w+$", r"\1", str(one))))  # FILE.py:NAME is a file, too
        for name, value in inputs.items()
        for one in (value if isinstance(value, list | tuple) else [value])
        if isinstance(one, str | Path)
    ]
    for option in WRITTEN:
        given = values.get(option)  # a path or, as typer has it here, still text; --steps of another verb is a number
        out = Path(given) if given and isinstance(given, str | Path) else None
        if out is None or not out.exists() or values.get("resume"):
            continue
        for name, path in paths:
            with suppress(OSError, ValueError):  # typed numbers, texts: no paths
                if not path.exists():
                    continue
                if path.samefile(out):
                    lost = "is an input, and would be overwritten"
                elif path.is_file() and out.is_dir() and path.parent.samefile(out):
                    lost = f"contains the input {path.name}, which could be overwritten"
                elif name in ("data", "files", "source") and out.is_file() and path.resolve() in out.resolve().parents:
                    lost = f"lies in the input {path}, and would be overwritten"
                else:
                    continue
                raise typer.BadParameter(f"--{option.replace('_', '-')} {out}: {lost}; give another name")


class Verb(typer.core.TyperCommand):
    """A verb that takes ``key=value`` for ``--key value``, ``--out`` and ``--output`` for ``-o``, and arguments that
    begin with a minus sign and a digit, that writes over none of its inputs, and whose options stand in ``--help``
    under the headings of their ``rich_help_panel``. Of an option with several names, ``--help`` shows the first long
    and the short one.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        taken = {name for p in self.params for name in p.opts}
        for output in (p for p in self.params if "-o" in p.opts):
            output.opts += [name for name in ("--out", "--output") if name not in taken]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, self._without_keys(ctx, args))
        except Exception as error:
            if near := getattr(error, "possibilities", None):  # of an unknown option: by the names that --help shows
                shown = {name: p.opts[0] for p in self.params for name in p.opts}
                error.possibilities = list(dict.fromkeys(shown.get(name, name) for name in near))  # type: ignore[attr-defined]
            _reword(error)
            if (message := getattr(error, "message", "")).startswith("Got unexpected extra argument"):
                net = "a network is given with --net, " if any("--net" in p.opts for p in self.params) else ""
                quotes = any(p.param_type_name == "argument" for p in self.params)
                why = f"; {net}what has spaces in it goes in quotes: 'conv 6 5; relu'" if quotes else "; it takes none"
                error.message = message + why  # type: ignore[attr-defined]
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]  # of typer, around what is required

    def invoke(self, ctx: Any) -> Any:
        keep_inputs(ctx.params)
        return super().invoke(ctx)

    def _without_keys(self, ctx: Any, args: list[str]) -> list[str]:
        """*args* with every ``key=value`` as an option or in its argument's place, and all arguments behind ``--``."""
        options = {name: p for p in self.params if isinstance(p, typer.core.TyperOption) for name in p.opts}
        arguments = {p.name or "": p for p in self.params if isinstance(p, typer.core.TyperArgument)}
        settings: list[str] = []
        words: list[str] = []
        given: dict[str, str] = {}
        keyed = False
        rest = iter(args)
        for word in rest:
            key = KEY.fullmatch(word)
            name = word.removeprefix("--").replace("-", "_")
            if word == "--":
                words += rest
            elif key and not (Path(word).exists() and self._named(key[1], options, arguments) is None):
                keyed, found = True, self._named(key[1], options, arguments)
                if isinstance(found, typer.core.TyperArgument):
                    given[found.name or ""] = key[2]
                else:
                    settings += self._option(key[1], key[2], found, [*options, *arguments])
            elif word not in options and word.startswith("--") and name in arguments:
                keyed, given[name] = True, next(rest, "")
            elif NUMBERS.match(word):
                keyed = True
                words.append(word)
            elif word.startswith("-") and word != "-":
                settings.append(word)
                option = options.get(word)
                if option is not None and not option.is_flag and not option.count:
                    settings += [value for value in (next(rest, None),) if value is not None]
            else:
                words.append(word)
        if not keyed:
            return args
        placed = []
        for name, argument in arguments.items():
            if name in given or words:
                placed.append(given[name] if name in given else words.pop(0))
            elif argument.required:
                raise typer.BadParameter(f"missing argument {argument.metavar or name}", ctx=ctx)
        return [*settings, "--", *placed, *words]

    def _named(
        self, key: str, options: dict[str, typer.core.TyperOption], arguments: dict[str, typer.core.TyperArgument]
    ) -> Any:
        """The option or argument that *key* names, if one does."""
        long = "--" + key.replace("_", "-")
        named = next((arguments[name] for name in (key, *SAME.get(key, ())) if name in arguments), None)
        return options.get(long) or named

    def _option(self, key: str, value: str, option: typer.core.TyperOption | None, known: list[str]) -> list[str]:
        if option is None:
            names = [name.removeprefix("--") for name in known if not re.fullmatch("-.", name) and name not in EARLIER]
            hint = f"; {NONE_SUCH[key]}" if key in NONE_SUCH else nearest(key, names, "--help lists them")
            raise typer.BadParameter(f"{key}={value}: no option {key!r}{hint}")
        if option.is_flag:
            return [] if value.lower() in NO else [option.opts[0]]
        return [option.opts[0], value]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            names = parameter.opts
            parameter.opts = [
                *[n for n in names if n.startswith("--")][:1],
                *[n for n in names if len(n) == 2],
            ] or names
            if record := parameter.get_help_record(ctx):
                record = (_value_named(record[0]), record[1])
                headings.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
            parameter.opts = names
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _reword(error: Any) -> None:
    """A value that is no number or out of range, in few words, of the option by the name that ``--help`` shows."""
    for said, ours in FAULTS:
        if found := re.fullmatch(said, getattr(error, "message", "")):
            error.message = found.expand(ours)
    if isinstance(getattr(error, "param", None), typer.core.TyperOption):
        error.param_hint = f"'{error.param.opts[0]}'"


def _value_named(names: str) -> str:
    """*names* of an option with a word for its value instead of its type.

    >>> _value_named("-e, --epochs <int range>"), _value_named("--schedule <str>"), _value_named("DATA <str>")
    ('-e, --epochs N', '--schedule SCHEDULE', 'DATA')
    """
    plain, _, kind = names.partition(" <")
    kind = kind.rstrip(">")
    if not kind or "--" not in plain:
        return plain
    return f"{plain} {VALUES.get(kind) or plain.rpartition('--')[2].replace('-', '_').upper()}"


class Verbs(typer.core.TyperGroup):
    """All verbs, which ``--help`` lists under headings. What is wrong with an option is said in characters that a
    terminal can show.
    """

    headings: ClassVar[dict[str, tuple[str, ...]]] = {}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            if getattr(error, "message", "").startswith("No such command"):
                near = closest(args[0], self.commands)
                hint = f"Did you mean {near!r}?" if near else "Begin with a verb, such as: striate train digits"
                error.message = f"No such command {args[0]!r}. {hint}"  # type: ignore[attr-defined]
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(message := getattr(error, "message", None), str):
                error.message = printable(message, lines=True)  # type: ignore[attr-defined]
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = formatter.width - 6 - max(map(len, self.commands))
        for heading, names in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(width)) for name in names])


def print_json(document: Any) -> None:
    """The document on one line; NaN and infinity are null, as JSON has no word for them."""
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    text = json.dumps(finite(document), ensure_ascii=plain, allow_nan=False)
    if not text.isprintable():  # marks that turn the writing round, and the like: escaped too
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    print(text)


def command(*words: object) -> str:
    """A command line to copy: what has spaces in it is quoted."""
    return shlex.join(map(str, words))


def echo(text: object, *, error: bool = False) -> None:
    """Prints *text* without characters that move the cursor or colour the screen: names in it come from the data. Of a
    message's line that has no end, the beginning and the end are shown.
    """
    plain = printable(str(text), lines=True)
    if error and len(plain) > LONG:
        lines = (
            line if len(line) <= LONG else f"{line[: LONG // 2]} ... {line[-LONG // 2 :]}" for line in plain.split("\n")
        )
        plain = "\n".join(lines)
    print(plain, file=sys.stderr if error else sys.stdout, flush=error)


def say(text: str) -> None:
    """Progress and advice go to stderr, so that stdout carries the result alone."""
    echo(text, error=True)
