"""An experiment as a value: what is claimed, how it is tried, and what came out of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from striate.errors import align_columns
from striate.files import write_safely
from striate.plotting import ColourScale, Panel
from striate.report.lines import LineChart

Say = Callable[[str], None]
Cell = str | float | None  # of a table; None where there is no number
WIDTH = 100  # letters of a line of text


@dataclass(frozen=True)
class ResultTable:
    """Numbers of an experiment.

    Args:
        title: Above it.
        columns: Of each its title, and how its numbers are written, as Python's ``format`` takes it: ``","``,
            ``".1%"`` (a share, with a bar on the page); ``""`` for text.
        rows: A cell for each column.
        note: A paragraph that says what to see in it.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def texts(self) -> list[list[str]]:
        """Every cell as it is written.

        >>> ResultTable("nets", (("net", ""), ("right", ".1%")), (("conv", 0.975), ("none", None))).texts()
        [['conv', '97.5%'], ['none', '–']]
        """
        specs = [spec for _, spec in self.columns]
        return [[_written(cell, spec) for cell, spec in zip(row, specs, strict=True)] for row in self.rows]

    def __str__(self) -> str:
        texts = [[title for title, _ in self.columns], *self.texts()]
        words = [i for i, (_, spec) in enumerate(self.columns) if not spec]
        return "\n".join([self.title, *(f"  {line}".rstrip() for line in align_columns(texts, words))])

    def as_dict(self) -> dict[str, Any]:
        titles = [title for title, _ in self.columns]
        return {"title": self.title, "rows": [dict(zip(titles, row, strict=True)) for row in self.rows]}


def columns(text: str) -> tuple[tuple[str, str], ...]:
    """The columns of a :class:`ResultTable` in a line: their titles, each with how its numbers are written.

    >>> columns("network | parameters:, | right:.1%")
    (('network', ''), ('parameters', ','), ('right', '.1%'))
    """
    parts = (part.partition(":") for part in text.split(" | "))
    return tuple((title, spec) for title, _, spec in parts)


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images side by side, each with its title and a note.

    Args:
        title: Above them.
        panels: What is shown; see :func:`striate.plotting.value_panel` and :func:`striate.plotting.image_panel`.
        note: A paragraph that says what to see in them.
        scale: The colours' meaning, as a bar, where the panels share one.
    """

    title: str
    panels: tuple[Panel, ...]
    note: str = ""
    scale: ColourScale | None = None


Part = ResultTable | LineChart | Gallery


@dataclass(frozen=True)
class Experiment:
    """A claim of the tutorials, and how it is tried.

    Args:
        name: On the command line.
        title: Of its page.
        claim: What tutorials say, in a sentence.
        source: Where.
        method: What is done, in a few sentences.
        compute: The experiment: ``(seed, say) -> Outcome``; *say* is told how far it is, in a line each.
    """

    name: str
    title: str
    claim: str
    source: str
    method: str
    compute: Callable[[int, Say], Outcome] = field(repr=False)

    def run(self, seed: int = 0, say: Say = lambda text: None) -> Outcome:
        """The experiment with this random seed: of its data, the initial weights and the order of the items."""
        begun = perf_counter()
        outcome = self.compute(seed, say)
        return replace(outcome, experiment=self, seed=seed, seconds=perf_counter() - begun)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of an experiment; ``print`` shows it, :meth:`save` writes its page.

    Args:
        result: The answer in a sentence or two, with its numbers.
        holds: Whether the claim does.
        parts: Tables, charts and images, in the order of the page.
        data: What it was computed from, to go on with: arrays, modules.
        experiment: Which one it was.
        seed: Its random seed.
        seconds: How long it took.
        page: Where its page was written.
        verdict: The answer in few words, where "The claim holds." is not all that there is to say.
    """

    result: str
    holds: bool
    parts: tuple[Part, ...]
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    experiment: Experiment | None = None
    seed: int = 0
    seconds: float = 0.0
    page: Path | None = None
    verdict: str = ""

    @property
    def claim(self) -> str:
        """What tutorials say."""
        return self.experiment.claim if self.experiment else ""

    @property
    def answer(self) -> str:
        """The verdict, in few words."""
        return self.verdict or ("The claim holds." if self.holds else "The claim does not hold here.")

    @property
    def tables(self) -> list[ResultTable]:
        """Its tables, in the order of the page."""
        return [part for part in self.parts if isinstance(part, ResultTable)]

    def __str__(self) -> str:
        about = self.experiment
        head = [f"{about.name}: {about.title}", f"claim: {about.claim} ({about.source})"] if about else []
        blocks = [
            "\n".join(map(_wrapped, head)),
            *map(str, self.tables),
            _wrapped(f"result: {self.answer} {self.result}"),
        ]
        return "\n\n".join(block for block in blocks if block)

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` gives."""
        return {
            "experiment": self.experiment.name if self.experiment else None,
            "claim": self.claim,
            "source": self.experiment.source if self.experiment else None,
            "result": self.result,
            "holds": self.holds,
            "page": None if self.page is None else str(self.page),
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "tables": [table.as_dict() for table in self.tables],
        }

    def html(self) -> str:
        """Its page: one file that contains everything it shows."""
        from striate.experiments.page import outcome_page

        return outcome_page(self)

    def save(self, path: str | Path) -> Outcome:
        """Writes the page, whole or not at all, and gives the outcome that knows where it is."""
        write_safely(Path(path), self.html().encode())
        return replace(self, page=Path(path))


def _written(cell: Cell, spec: str) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    return "0" if cell == 0 and spec.endswith("e") else format(cell, spec)


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def listed_experiments(experiments: Sequence[Experiment]) -> str:
    """What there is, for the terminal: a name and its claim.

    >>> listed_experiments([Experiment("add", "Adding", "1 and 1 are 2.", "arithmetic", "", lambda seed, say: None)])
    'add  1 and 1 are 2.'
    """
    width = max(len(e.name) for e in experiments)
    rows = (
        textwrap.fill(f"{e.name:{width}}  {e.claim}", WIDTH, subsequent_indent=" " * (width + 2)) for e in experiments
    )
    return "\n".join(rows)
