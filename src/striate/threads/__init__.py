"""Locks: what must not happen in two threads at once, such as two hooks on one module; and the processors there are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()
_guard = threading.Lock()


@contextmanager
def one_at_a_time(thing: Any) -> Iterator[None]:
    """Within it no other thread is within it for the same *thing* (a module): the others wait. The thread itself may
    enter it again. Of a module that ``torch.compile`` wraps, the inner one counts.

    >>> with one_at_a_time(threading), one_at_a_time(threading):
    ...     print("alone")
    alone
    """
    thing = getattr(thing, "_orig_mod", thing)
    with _guard:
        lock = _locks.setdefault(thing, threading.RLock())
    with lock:
        yield


def processors() -> int:
    """How many processors this process may use.

    >>> processors() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
