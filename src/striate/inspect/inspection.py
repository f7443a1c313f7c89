"""What every way of looking returns: a value that says what it found, in words, as JSON and as a figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.errors import shape_text
from striate.plotting.picture import HasPicture


@dataclass(frozen=True, eq=False)
class Inspection(ABC):
    """A result, with *notes* on what should be known of it: that the network is untrained, say."""

    notes: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    @abstractmethod
    def title(self) -> str:
        """What it shows, in a line."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """The numbers behind it."""

    def as_dict(self) -> dict[str, Any]:
        """The numbers and the notes, as ``--json`` prints them."""
        return self.facts() | {"notes": list(self.notes)}

    def lines(self) -> list[str]:
        """The text below the title: unless it is said otherwise, the numbers and short lists of whole numbers."""
        lines = []
        for key, value in self.facts().items():
            name = key.replace("_", " ")
            if isinstance(value, float):
                lines.append(f"  {name} {value:.6g}")
            elif key == "shape":
                lines.append(f"  shape {shape_text(value)}")
            elif isinstance(value, list) and value and all(isinstance(v, int) for v in value):
                lines.append(f"  {name} {', '.join(map(str, value[:10]))}{', ...' * (len(value) > 10)}")
            elif isinstance(value, int) and not isinstance(value, bool):
                lines.append(f"  {name} {value}")
        return lines

    def __str__(self) -> str:
        return "\n".join([self.title, *self.lines(), *(f"note: {note}" for note in self.notes)])


def value_range(values: np.ndarray) -> dict[str, float]:
    """``min``, ``max``, ``mean`` and ``std`` of *values*."""
    return {name: float(getattr(values, name)()) for name in ("min", "max", "mean", "std")}


class DrawnInspection(HasPicture, Inspection):
    """A result with a ``picture()``, which it shows in a notebook."""
