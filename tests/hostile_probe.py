"""Runs cases of :mod:`hostile_inputs` through the command line, in this one process, each under limits of memory and
processor time: ``python tests/hostile_probe.py FOLDER STEP [WORD]``, every STEPth of those whose names contain WORD. A
line of JSON for each: its name, the exit code (or what ended it), what it printed, the bytes by which the peak of
memory rose, and the processor's seconds.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

from hostile_inputs import CASES, prepared_cases
from striate.cli import main
from striate.run import prepare

MEMORY = 400_000_000  # bytes beyond what the process has
SECONDS = 20  # of the processor; and three times as many in all, for what waits


class StuckError(BaseException):
    """Nobody catches it."""


def stuck(number, frame):
    raise StuckError(signal.Signals(number).name)


def status(field: str) -> int:
    return 1024 * int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def limited(words: list[str]) -> tuple[object, str]:
    """The exit code, or the traceback's last line; and what was printed."""
    printed, before = io.BytesIO(), (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = stream = io.TextIOWrapper(printed, "utf-8", write_through=True)
    sys.argv = ["striate", *words]
    resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent()) + SECONDS, resource.RLIM_INFINITY))
    signal.alarm(3 * SECONDS)
    try:
        main()
        code: object = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException as error:
        places = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)][-4:]
        code = f"{type(error).__name__}: {str(error)[:200]} ({', '.join(places)})"
    finally:
        signal.alarm(0)
        for limit in (resource.RLIMIT_DATA, resource.RLIMIT_CPU):
            resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2)
        sys.stdout, sys.stderr = before
        stream.detach()
    return code, printed.getvalue().decode("utf-8", "backslashreplace")


def finished_run(folder: Path) -> Path:
    run = prepare("digits", "flatten; linear 10", settings={"epochs": 1, "fraction": 0.1}, out=folder)
    for _ in run.events():
        pass
    run.finish()
    return folder


def report(root: Path, step: int, word: str) -> None:
    warnings.simplefilter("ignore")
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, stuck)
    run = finished_run(root / "run")
    chosen = [name for name in CASES if word in name][::step]
    for name in [name for name in CASES if name not in chosen]:
        del CASES[name]
    os.chdir(root)
    for name, _, words in prepared_cases(root, run):
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what it is now
        before, used = status("VmRSS"), spent()
        code, said = limited(words)
        found = {"name": name, "words": words, "code": code, "said": said[-6000:], "length": len(said)}
        cost = {"memory": status("VmHWM") - before, "seconds": spent() - used, "pwned": (root / "pwned").exists()}
        print(json.dumps(found | cost), flush=True)


if __name__ == "__main__":
    report(Path(sys.argv[1]), int(sys.argv[2]), " ".join(sys.argv[3:]))
