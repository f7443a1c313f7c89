"""Many items worked on at once, in worker processes that share memory with this one.

Thousands of small images keep Python busy, not the decoder, and threads of one process take turns at Python. So on
Linux the process forks: its children call Pillow and numpy alone (never torch, whose threads a fork loses), write
where this process sees it, and end with it. Elsewhere, and for few items, threads do the same work.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import queue
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from time import monotonic

import numpy as np

from striate.errors import DataError

WAITING, STARTED, DONE, FAILED = range(4)  # what has become of an item
FEW = 64  # items that are done sooner than processes start
CHUNKS = 1024  # that the items are handed out in: their numbers fit into the smallest pipe (4,096 bytes)
TICK = 0.1  # seconds between two reports of progress
MAX_WORKERS = 16  # each keeps a decoded photo
LONGEST = 600  # characters of a reason
CRASHED = "reading it ended the process that did it (out of memory, or a damaged file)"

Found = Callable[[int, str], None]
Take = Callable[[], list[int]]  # the positions of the next chunk; none when all have been handed out


@dataclass(frozen=True)
class _Job:
    """What every worker knows: the work, and a byte for each item; one more says that all are to stop."""

    items: Sequence[int]
    work: Callable[[int], None]
    states: mmap.mmap

    def work_off(self, take: Take, failed: Found, needed: Callable[[], bool] = lambda: True) -> None:
        """What one worker does: chunk after chunk, as long as it is *needed*."""
        items, states = self.items, self.states
        while chunk := take():
            for place in chunk:
                if states[-1] or not needed():
                    return
                states[place] = STARTED
                try:
                    self.work(items[place])
                    states[place] = DONE
                except DataError as error:
                    failed(items[place], str(error))
                    states[place] = FAILED


def for_each(
    items: Sequence[int],
    work: Callable[[int], None],
    *,
    found: Found,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """``work(i)`` for every item *i*, several at a time; ``found(i, why)`` for each that raises a DataError.

    Args:
        items: What to work on, in this order.
        work: Leaves its result in memory that processes share: an ``mmap`` that is anonymous or a file's.
        found: Called in this process, in any order. What it raises ends the work.
        progress: Called in this process with the number of items that are done, at most ten times per second.

    Raises:
        RuntimeError: *work* raised something else in a worker process; the text is its traceback.

    >>> squares = np.frombuffer(mmap.mmap(-1, 8 * 100), np.int64)
    >>> def square(i: int) -> None:
    ...     squares[i] = i * i
    >>> for_each(range(100), square, found=print)
    >>> int(squares.sum())
    328350
    """
    if not len(items):
        return
    job = _Job(items, work, mmap.mmap(-1, len(items) + 1))
    states = np.frombuffer(job.states, np.uint8)[:-1]
    tick = _at_intervals(lambda: progress(int(np.count_nonzero(states >= DONE))))
    try:
        while (waiting := np.flatnonzero(states == WAITING).tolist()) and _fork_pays(len(items)):
            _in_processes(job, waiting, found, tick)
            for place in np.flatnonzero(states == STARTED).tolist():  # its process is gone
                states[place] = FAILED
                found(items[place], CRASHED)
            if (states[waiting] == WAITING).all():  # the system lets no process be made
                break
        if waiting:
            _in_threads(job, waiting, found, tick)
    finally:
        job.states[-1] = True
    progress(len(items))


def worker_count() -> int:
    """How many workers there are at most: the cores that this process may use, up to 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


def _fork_pays(n: int) -> bool:
    # Elsewhere fork is missing (Windows) or breaks the system's own libraries (macOS).
    return sys.platform == "linux" and n > FEW and worker_count() > 1


def _at_intervals(call: Callable[[], None]) -> Callable[[], None]:
    last = monotonic()

    def sometimes() -> None:
        nonlocal last
        if monotonic() - last >= TICK:
            last = monotonic()
            call()

    return sometimes


def _chunks(waiting: list[int]) -> list[list[int]]:
    size = -(-len(waiting) // CHUNKS)
    return [waiting[i : i + size] for i in range(0, len(waiting), size)]


def _in_threads(job: _Job, waiting: list[int], found: Found, tick: Callable[[], None]) -> None:
    chunks, failures = iter(_chunks(waiting)), queue.SimpleQueue[tuple[int, str]]()
    with ThreadPoolExecutor(worker_count()) as pool:
        try:
            threads = {
                pool.submit(job.work_off, lambda: next(chunks, []), lambda *failure: failures.put(failure))
                for _ in range(worker_count())
            }
            while threads or not failures.empty():
                ended, threads = wait(threads, TICK)
                while not failures.empty():
                    found(*failures.get())
                for thread in ended:
                    thread.result()
                tick()
        finally:
            job.states[-1] = True


def _in_processes(job: _Job, waiting: list[int], found: Found, tick: Callable[[], None]) -> None:
    """Works off what is *waiting* in forked children: all of it, unless children die or none can be made."""
    chunks, parent, children = _chunks(waiting), os.getpid(), list[int]()
    with _pipe() as (tasks, hand_out), _pipe() as (results, report):
        hand_out.write(b"".join(number.to_bytes(4) for number in range(len(chunks))))

        def run_child() -> None:
            hand_out.close()
            job.work_off(
                lambda: chunks[int.from_bytes(number)] if (number := tasks.read(4)) else [],
                lambda i, why: _send(report, i, why),
                lambda: os.getppid() == parent,
            )

        try:
            with suppress(OSError):  # no more processes, or no memory for one: those that there are do it
                for _ in range(min(worker_count(), len(chunks))):
                    children.append(_fork(run_child, report))
            hand_out.close()
            report.close()
            _listen(results, found, tick)
        finally:
            for child in children:  # at its end, or no longer needed
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                with suppress(ChildProcessError):  # somebody has told the system to forget children
                    os.waitpid(child, 0)


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    out, into = os.pipe()
    with FileIO(out, "rb") as reading, FileIO(into, "wb") as writing:
        yield reading, writing


def _fork(work: Callable[[], None], report: FileIO) -> int:
    """A child that does *work* and nothing else, whatever happens in it."""
    # Ctrl-C goes to every process of the terminal; only the parent decides what it means. Signals wait until the
    # child has said so.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: see the top
            child = os.fork()
        if child:
            return child
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            gc.freeze()  # to collect what was there before would touch, and so copy, all of the memory
            work()
        except BaseException:
            _send(report, -1, traceback.format_exc()[-LONGEST:])
        finally:
            os._exit(0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(report: FileIO, i: int, why: str) -> None:
    line = json.dumps([i, why[:LONGEST]], ensure_ascii=False)
    report.write(line.encode(errors="backslashreplace") + b"\n")  # under 4,096 bytes: written as one piece


def _listen(results: FileIO, found: Found, tick: Callable[[], None]) -> None:
    """Passes on what the children send, until the last of them has ended."""
    poll, rest = select.poll(), b""
    poll.register(results, select.POLLIN)
    while True:
        if poll.poll(1000 * TICK):
            sent = results.read(1 << 16)
            if not sent:
                return
            *lines, rest = (rest + sent).split(b"\n")
            for line in lines:
                i, why = json.loads(line)
                if i < 0:
                    raise RuntimeError(why)
                found(i, why)
        tick()
