"""How fast a run trains: items per second, the share of the time that it waits for data, and the peak memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch

from striate.learning import Epoch

MUCH, LONG_WAIT = 0.1, 10.0  # a share of the time, and seconds: waiting for more than both of them is said


@dataclass
class Pace:
    """Of the epochs of a run so far, in this process.

    >>> pace = Pace()
    >>> pace.add(Epoch(1, 0.5, None, None, 0.1, seconds=20.0, best=True, items=3000, waiting=15.0))
    >>> pace.items_per_second, pace.waiting_share
    (150.0, 0.75)
    """

    items: int = 0  # gone through the network in training
    seconds: float = 0.0  # training and validating
    waiting: float = 0.0  # seconds of these, until a batch was there

    def add(self, epoch: Epoch) -> None:
        """Counts an *epoch*."""
        self.items += epoch.items
        self.seconds += epoch.seconds
        self.waiting += epoch.waiting

    @property
    def items_per_second(self) -> float:
        """Of training and validation together; 0 before the first epoch."""
        return self.items / self.seconds if self.seconds else 0.0

    @property
    def waiting_share(self) -> float:
        """Of the time, in which a batch was waited for."""
        return self.waiting / self.seconds if self.seconds else 0.0

    def note(self) -> str:
        """What to say where much time was spent waiting for data; "" where not."""
        if self.waiting_share <= MUCH or self.waiting <= LONG_WAIT:
            return ""
        return (
            f"{self.waiting_share:.0%} of the time was spent waiting for data ({self.waiting:.0f} s); a lighter "
            f"augmentation or a smaller input makes batches sooner"
        )


def items_rate(items: float, seconds: float, what: str) -> str:
    """So many items per second, in words; *what* in the plural.

    >>> items_rate(5000, 2, "images"), items_rate(3, 2, "images"), items_rate(3, 0, "images")
    ('2,500 images/s', '1.5 images/s', '')
    """
    if not seconds:
        return ""
    rate = items / seconds
    return f"{rate:,.0f} {what}/s" if rate >= 10 else f"{rate:.1f} {what}/s"


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that this process has had in memory; of a GPU, that torch has had in its. None: not known here."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
