"""What may be wrong with texts: empty, far too long, broken by a wrong encoding, full of markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from striate.datasets.doctor.case import Case, are_texts
from striate.datasets.doctor.diagnosis import FAULT, WARNING, Problem
from striate.datasets.sources.looking import count

LONG = 4  # times as many words as 99 of 100 texts have at most
_MARKUP = re.compile(
    r"</?(?:a|b|br|div|font|i|img|li|p|span|table|td|ul)\b[^<>]*>|&(?:amp|gt|lt|nbsp|quot|#\d+);", re.I
)
# U+FFFD, control characters, and UTF-8 read as Latin-1 or Windows-1252: "Ã©", "â€™"
_DAMAGE = re.compile("\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f]|Ã[\x80-\xbf]|â€[\x80-\xbf\u2018-\u2122œžŸ]")


def _empty(case: Case) -> Iterator[Problem]:
    if items := _which(case, lambda text: not text.strip()):
        message = f"{count(len(items), 'text')} empty or nothing but spaces"
        yield Problem("empty-text", FAULT, message, "remove these rows, or fill in what is missing", items)


def _very_long(case: Case) -> Iterator[Problem]:
    """Longer by far than 99 of 100: several rows run together, mostly, by a quotation mark that was not closed."""
    lengths = [len(str(text).split()) for part in _parts(case) for text in part.inputs]
    if not lengths:
        return
    most = max(LONG * float(np.percentile(lengths, 99)), 100)
    if items := _which(case, lambda text: len(text.split()) > most):
        message = (
            f"{count(len(items), 'text')} of more than {most:.0f} words, where 99 of 100 have {most / LONG:.0f} at most"
        )
        fix = (
            "look for a quotation mark that is not closed, and cut them; what is over the network's length is not read"
        )
        yield Problem("long-text", WARNING, message, fix, items)


def _markup(case: Case) -> Iterator[Problem]:
    if items := _which(case, lambda text: _MARKUP.search(text) is not None):
        message = f"{count(len(items), 'text')} with remains of HTML, such as <br /> or &amp;"
        yield Problem("markup", WARNING, message, "strip the tags and decode the entities", items)


def _damaged(case: Case) -> Iterator[Problem]:
    if items := _which(case, lambda text: _DAMAGE.search(text) is not None):
        message = f"{count(len(items), 'text')} damaged by a wrong encoding (such as Ã© for é) or control characters"
        yield Problem("encoding", WARNING, message, "save the file again as UTF-8 from its source", items)


def _parts(case: Case) -> list:  # type: ignore[type-arg]
    return [part for part in case.data.parts.values() if len(part) and are_texts(part)]


def _which(case: Case, condition: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(
        name
        for part in _parts(case)
        for name, text in zip(part.names, part.inputs, strict=True)
        if condition(str(text))
    )


CHECKS = (_empty, _very_long, _markup, _damaged)
