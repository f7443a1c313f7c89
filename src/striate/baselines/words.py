"""Texts as bags of words and of pairs of neighbours, weighted by tf-idf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from striate.baselines.linear import Bags

WORDS = 2  # the number of the first word; below are the padding and the unknown word
COMMON = 2  # texts that a pair of words is in, at least

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TfIdf:
    """``tf (ln((1 + n) / (1 + df)) + 1)``, each text scaled to length 1: scikit-learn's ``TfidfVectorizer``.

    Args:
        terms: int64, rising: the words and pairs that were seen, as numbers.
        idf: float64, how much each counts.
        base: One more than the largest word that was seen; what the first word of a pair is multiplied by.
    """

    terms: Integers
    idf: NDArray[np.float64]
    base: int

    @classmethod
    def of(cls, texts: Integers) -> TfIdf:
        """The terms of *texts*, int64 ``(N, L)`` word numbers with 0 behind the end: all words, and the pairs of
        neighbours that two texts or more have.

        >>> TfIdf.of(np.array([[2, 3, 0], [2, 3, 4]])).terms.tolist()
        [2, 3, 4, 13]
        """
        base = int(texts.max(initial=0)) + 1
        _, terms = _terms(texts, base)
        found, texts_with = np.unique(terms, return_counts=True)
        kept = (found < base) | (texts_with >= COMMON)
        return cls(found[kept], np.log((1 + len(texts)) / (1 + texts_with[kept])) + 1, base)

    def bags(self, texts: Integers) -> Bags:
        """*texts* as features.

        >>> TfIdf.of(np.array([[2, 3, 0], [2, 3, 4]])).bags(np.array([[4, 0, 0]])).ids.tolist()
        [2]
        """
        rows, terms, times = _terms(texts, self.base, counted=True)
        at = np.searchsorted(self.terms, terms).clip(max=max(0, len(self.terms) - 1))
        known = self.terms[at] == terms if len(self.terms) else np.zeros(len(terms), bool)
        rows, at = rows[known], at[known]
        weights = times[known] * self.idf[at]
        lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts)))
        starts = np.searchsorted(rows, np.arange(len(texts)))
        return Bags(
            torch.from_numpy(at),
            torch.from_numpy((weights / np.maximum(lengths[rows], 1e-12)).astype(np.float32)),
            torch.from_numpy(starts),
            len(self.terms),
        )


def _terms(texts: Integers, base: int, *, counted: bool = False) -> tuple[Integers, ...]:
    """Of each text its different terms: the rows (rising) and the terms, and how often each is there. Words from *base*
    on were never seen, and are in no pair.
    """
    words = (texts >= WORDS) & (texts < base)
    pairs = words[:, :-1] & words[:, 1:]
    rows = np.concatenate([np.nonzero(words)[0], np.nonzero(pairs)[0]])
    terms = np.concatenate([texts[words], (texts[:, :-1] * base + texts[:, 1:])[pairs]])
    both = rows * (base * base + base) + terms
    found, times = np.unique(both, return_counts=True)
    rows, terms = np.divmod(found, base * base + base)
    return (rows, terms, times) if counted else (rows, terms)
