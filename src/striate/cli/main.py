"""``striate VERB ...``: the verbs, and what every error becomes: one message and an exit code."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from typing import Annotated, Any, Never

import typer

from striate._version import __version__
from striate.cli import (
    curve,
    data,
    evaluate,
    experiment,
    export,
    filtering,
    inspect,
    networks,
    page,
    runs,
    serve,
    train,
)
from striate.cli.common import Verb, Verbs, echo
from striate.errors import Error

HELP = {"help_option_names": ["--help", "-h"]}
app = typer.Typer(
    name="striate",
    cls=Verbs,
    context_settings=HELP,
    help="A workbench for convolutional neural networks.",
    epilog="Start with: striate train digits. Options may be given as key=value too: striate train digits epochs=5",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
HEADINGS: dict[str, dict[str, Callable[..., None]]] = {  # under which --help lists the verbs
    "Data": {"data": data.data_command, "doctor": data.doctor_command},
    "Train and predict": {
        "train": train.train_command,
        "evaluate": evaluate.evaluate_command,
        "predict": evaluate.predict_command,
        "export": export.export_command,
        "serve": serve.serve_command,
        "runs": runs.runs_command,
        "curve": curve.curve_command,
    },
    "Networks": {"check": networks.check_command, "zoo": networks.zoo_command, "weights": networks.weights_command},
    "Filters by hand": {
        "convolve": filtering.convolve_command,
        "pool": filtering.pool_command,
        "activation": filtering.activation_command,
        "lab": filtering.lab_command,
    },
    "Inspect a model": {
        "filters": inspect.filters_command,
        "maps": inspect.maps_command,
        "activity": inspect.activity_command,
        "unit": inspect.unit_command,
        "field": inspect.field_command,
        "peaks": inspect.peaks_command,
        "explain": inspect.explain_command,
        "imagine": inspect.imagine_command,
        "view": page.view_command,
    },
    "Claims of the tutorials": {"experiment": experiment.experiment_command},
}
VERBS = {name: verb for verbs in HEADINGS.values() for name, verb in verbs.items()}
Verbs.headings = {heading: tuple(verbs) for heading, verbs in HEADINGS.items()}
for name, verb in VERBS.items():
    app.command(name, cls=Verb, context_settings=HELP)(verb)

# of an error's kind, by name, so that no package is imported to say it; every other: 2, usage
CODES = {"ShapeError": 1, "ExportError": 1, "DataError": 3, "ModelError": 4}


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"striate {__version__}")
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
    with one_of_several():
        _run(debug)
    raise AssertionError


@cache
def _commands() -> Any:
    """The verbs with their options, which take longer to put together than most verbs to run."""
    return typer.main.get_command(app)


def _run(debug: bool) -> Never:
    try:
        with silent_unless_first():
            _commands()(prog_name="striate")
    except Error as error:
        if debug:
            raise
        if says_it():
            echo(f"striate: {error}", error=True)
        sys.exit(next((CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in CODES), 2))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has gone, as in `striate zoo | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)  # as a shell reports SIGPIPE, which Windows has not
    except OSError as error:
        if debug:
            raise
        why = (
            "not found, or cannot be created there" if isinstance(error, FileNotFoundError) else error.strerror or error
        )
        echo(f"striate: {error.filename or 'system'}: {why}", error=True)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not says_it():  # the process that this one waited for is gone, and has said why
            sys.exit(1)
        if debug or not (isinstance(error, MemoryError) or "memory" in str(error)):
            raise
        first = str(error).splitlines()[0] if str(error) else "MemoryError"
        echo(f"striate: out of memory ({first}); use a smaller network, input or --batch-size", error=True)
        sys.exit(1)
    sys.exit(0)


SEVERAL = int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ
FIRST = not SEVERAL or os.environ["RANK"] == "0"
SIGNALLED = 128  # exit codes above: stopped by a signal


@contextmanager
def silent_unless_first() -> Iterator[None]:
    """Whatever is printed inside, the first process alone prints."""
    if FIRST:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def says_it() -> bool:
    """Whether this process is the one to say what went wrong."""
    if not SEVERAL:
        return True
    from striate.learning.distributed import first_to_fail

    return first_to_fail()


@contextmanager
def one_of_several() -> Iterator[None]:
    """Ends the process itself where it is one of several: at the end of Python, PyTorch's threads that wait for the
    other processes may abort it.
    """
    try:
        yield
    except SystemExit as end:
        if not SEVERAL:
            raise
        code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        if not FIRST and 0 < code < SIGNALLED:  # torchrun ends all with the first, which may not have spoken yet
            time.sleep(1)
        os._exit(code)
