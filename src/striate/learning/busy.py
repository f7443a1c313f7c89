"""A busy machine is noticed while a network is trained on it."""

from __future__ import annotations


class BusyWatch:
    """Notices that steps take much longer than they did: other programs use the processor, and threads that wait for
    each other make it worse. Then one thread is used for a while, if that is faster.

    ``after(seconds)`` is told of every step and gives the number of threads for the next.

    >>> watch = BusyWatch(threads=2)
    >>> [watch.after(seconds) for seconds in [0.01] * 8 + [0.1] * 8][-1]
    1
    """

    WINDOW = 8  # steps whose median is looked at
    SLOWER = 2.5  # times the reference: busy

    def __init__(self, threads: int) -> None:
        self.all = self.threads = threads
        self.reference: float | None = None  # seconds of an undisturbed step
        self.recent: list[float] = []
        self.before: float | None = None  # the median with all threads, when they were given up
        self.rest = 0  # steps with one thread before all are tried again

    def after(self, seconds: float) -> int:
        if self.all <= 1:
            return self.threads
        self.recent.append(seconds)
        if self.threads == 1:
            self.rest -= 1
        if len(self.recent) < self.WINDOW:
            return self.threads
        median = sorted(self.recent)[len(self.recent) // 2]
        if self.threads > 1:
            self.recent = self.recent[1:]
            self.reference = median if self.reference is None else min(self.reference, median)
            if median > self.SLOWER * self.reference:
                self.threads, self.before, self.rest, self.recent = 1, median, 16 * self.WINDOW, []
        elif self.rest <= 0 or (self.before is not None and median > self.before):  # no better so, or try again
            self.threads, self.recent = self.all, []
        else:
            self.recent = self.recent[1:]
        return self.threads
