"""The command as one of several processes, which ``torchrun`` started: one speaks, and each ends cleanly."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

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
