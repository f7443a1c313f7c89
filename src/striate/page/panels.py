"""What the panels beside the network show: how it was trained, and how it did on the items of a test split."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import isfinite
from typing import Any

import numpy as np

from striate.tasks import Metric
from striate.tasks.scoring.base import Finding, Findings

BYTES = 36_000  # of compressed items that a file carries, where FEW are not more
SERVED_BYTES = 2_000_000  # likewise, that a page on the local server gets
FEW = 12


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The items of a test split, as the network takes them, and what it made of them.

    Args:
        headline: The metric in a line.
        findings: What is worth looking at.
        inputs: ``(N, ...)``, as the contract prepares them.
        names: Of the items; of texts the texts.
        text: Whether they are texts.
    """

    headline: str
    findings: Findings
    inputs: np.ndarray
    names: Sequence[str]
    text: bool = False

    def document(self, room: int = BYTES) -> dict[str, Any]:
        """As the page takes it: the findings, and as many of their items as fit into *room* bytes, the worst first.

        Items are numbered in the order in which they are carried; a finding whose item is not carried is left out.
        """
        carried: dict[int, bytes] = {}
        for finding in self._order():
            i = finding.index
            if i in carried:
                continue
            packed = zlib.compress(np.ascontiguousarray(self.inputs[i]).tobytes(), 9)
            room -= len(packed)
            if room < 0 and len(carried) >= FEW:
                break
            carried[i] = packed
        number = {i: n for n, i in enumerate(carried)}
        items = np.stack([self.inputs[i] for i in carried]) if carried else self.inputs[:0]
        kind = "u1" if items.dtype == np.uint8 else "<f4"

        def rows(findings: Sequence[Finding]) -> list[list[Any]]:
            return [[number[f.index], f.what, f.how] for f in findings if f.index in number]

        found = self.findings
        matrix = found.confusion
        return {
            "headline": self.headline,
            "n": len(self.inputs),
            "title": found.title,
            "worst": rows(found.worst),
            "counted": found.counted,
            "confusion": None if matrix is None else [[*map(int, at), int(matrix[*at])] for at in np.argwhere(matrix)],
            "cells": [[*cell, rows(some)] for cell, some in found.cells.items() if rows(some)],
            "items": [str(self.names[i]) for i in carried],
            "type": kind,
            "pixels": base64.b64encode(zlib.compress(items.astype(kind).tobytes(), 9)).decode(),
        }

    def _order(self) -> Iterator[Finding]:
        """The worst; then of each cell of the confusion matrix one after the other, mistakes before what is right."""
        yield from self.findings.worst
        cells = self.findings.cells
        for right in (False, True):
            for turn in zip_longest(*(some for (i, j), some in cells.items() if (i == j) is right)):
                yield from (finding for finding in turn if finding is not None)


@dataclass(frozen=True, eq=False)
class Panels:
    """What is known of a network besides its layers.

    Args:
        history: A row per epoch, by the columns of ``metrics.csv``.
        metric: The task's.
        best: The epoch that was kept.
        tested: How it did on a test split.
        init: The initialisation and the random seed of the weights that it began with.
    """

    history: Sequence[Mapping[str, float | None]] = ()
    metric: Metric | None = None
    best: int | None = None
    tested: Evaluated | None = None
    init: tuple[str, int] | None = None

    def document(self) -> dict[str, Any]:
        """As the page takes it, but for the first weights, whose places the scene knows."""
        found: dict[str, Any] = {}
        if self.history and self.metric:
            metric = self.metric
            rows = [
                {key: v if v is not None and isfinite(v) else None for key, v in row.items()} for row in self.history
            ]
            found["history"] = {
                "rows": rows,
                "best": self.best,
                "metric": {"column": metric.column, "title": metric.title, "share": metric.share},
            }
        if self.tested:
            found["tested"] = self.tested.document()
        return found
