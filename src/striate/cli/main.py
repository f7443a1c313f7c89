"""``striate VERB ...``: the verbs, and what every error becomes: one clear message and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Annotated, Never

import typer

import striate
from striate.cli import check, data, doctor, evaluate, export, lab, predict, see, train, weights, zoo
from striate.cli.common import Grouped
from striate.errors import DataError, Error, ModelError, ShapeError

app = typer.Typer(
    name="striate",
    help="A workbench for convolutional neural networks.",
    epilog="Begin with: striate train digits",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
VERBS = (
    doctor.doctor,
    data.data,
    train.train,
    evaluate.evaluate,
    predict.predict,
    check.check,
    zoo.zoo,
    weights.weights,
    export.export,
    lab.convolve,
    lab.pool,
    lab.activation,
    see.filters_command,
    see.maps_command,
    see.activity_command,
    see.unit_command,
    see.field_command,
    see.peaks_command,
    see.explain_command,
    see.imagine_command,
)
for verb in VERBS:
    app.command(verb.__name__.removesuffix("_command"), cls=Grouped)(verb)

CODES: dict[type[Error], int] = {ShapeError: 1, DataError: 3, ModelError: 4}  # every other: 2, usage


def _version(wanted: bool) -> None:
    if wanted:
        print(f"striate {striate.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the verb."""


def main() -> Never:
    """The entry point: runs the verb; a user's mistake is one message on stderr, never a traceback."""
    debug = "--debug" in sys.argv[1:]
    sys.argv = [sys.argv[0], *(word for word in sys.argv[1:] if word != "--debug")]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end the run
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="striate")
    except Error as error:
        if debug:
            raise
        print(f"striate: {error}", file=sys.stderr)
        sys.exit(CODES.get(type(error), 2))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has gone, as in `striate zoo | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if debug:
            raise
        print(f"striate: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if debug or not (isinstance(error, MemoryError) or "memory" in str(error)):
            raise
        first = str(error).splitlines()[0] if str(error) else "MemoryError"
        print(f"striate: out of memory ({first}); take a smaller net, input or --batch", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)
