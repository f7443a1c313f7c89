"""The layers gathered into cells: one that makes a map, and the activations, norms and such that go with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from striate.analysis.report import Layer, Report
from striate.drawing.words import KINDS, LIGHT, caption, size_of_map, tip_of, word_of
from striate.spec.op import Shape


@dataclass
class Cell:
    """What is drawn as one thing. Cell 0 is the net's input; *inputs* are the numbers of the cells that it reads.

    *before* and *after* are light layers (``LIGHT``); *main* is None in the input, and where there are only those.
    """

    index: int
    inputs: tuple[int, ...]
    main: Layer | None = None
    before: list[Layer] = field(default_factory=list)
    after: list[Layer] = field(default_factory=list)
    input: Shape | None = None
    faults: list[str] = field(default_factory=list)
    output: bool = False  # whether it gives the net's result
    label: str = ""  # its name where a group around it says the rest

    @property
    def name(self) -> str:
        """The name of its main layer."""
        return (self.main or self.layers[0]).name if self.layers and self.index else "input"

    @property
    def layers(self) -> list[Layer]:
        return [*self.before, *([self.main] if self.main else []), *self.after]

    @property
    def shape(self) -> Shape | None:
        """What it shows: the map that its main layer makes, before anything flattens it."""
        if self.main:
            return self.main.output
        return self.input or self.layers[-1].output

    @property
    def kind(self) -> str:
        if self.main is None:
            return "input" if self.index == 0 else "norm"
        return KINDS.get(word_of(self.main), "other")

    @property
    def size(self) -> str:
        return size_of_map(self.shape)

    @property
    def tip(self) -> str:
        given = [f"input {size_of_map(self.input)}"] if self.input else []
        return "\n".join(given + [tip_of(layer) for layer in self.layers] + self.faults)

    def words(self, channels: bool = False) -> list[str]:
        """Its layers in a few words each, in order."""
        return [caption(layer, channels) for layer in self.layers]


def cells(report: Report) -> list[Cell]:
    """The cells in an order in which each reads only earlier ones.

    >>> from striate.analysis import check
    >>> [cell.words() for cell in cells(check("conv 6 5; relu; maxpool 2; flatten; linear 10", "1x28x28"))]
    [[], ['5x5 conv', 'relu'], ['2x2 max pool /2', 'flatten'], ['linear']]
    """
    readers = Counter(name for layer in report.layers for name in layer.inputs)
    found = [Cell(0, (), input=report.input)]
    owner = {"input": 0}
    for layer in report.layers:
        # what a mere listing of layers leaves open reads the one before
        inputs = tuple(owner[name] for name in layer.inputs if name in owner) or (found[-1].index,)
        cell = _joins(layer, found[inputs[0]], readers)
        if cell is None:
            cell = Cell(len(found), inputs)
            found.append(cell)
        _put(layer, cell)
        owner[layer.name] = cell.index
    found[owner[report.layers[-1].name] if report.layers else 0].output = True
    for problem in report.problems:
        found[owner.get(problem.layer, 0)].faults.append(f"{problem.message}; fix: {problem.fix}")
    return found


def _joins(layer: Layer, source: Cell, readers: Counter[str]) -> Cell | None:
    """The cell of what *layer* reads, where the layer belongs to it and nothing else reads in between."""
    last = source.layers[-1].name if source.layers else "input"
    if layer.inputs != (last,) or readers[last] > 1:
        return None
    if word_of(layer) in LIGHT:
        return source if source.kind != "join" or _same_part(layer, source) else None
    return source if source.main is None and source.index else None


def _same_part(layer: Layer, join: Cell) -> bool:
    """Whether a light layer behind a join is of the join's block, and not the beginning of what follows."""
    assert join.main
    return layer.name.split(".")[:-1][:1] == join.main.name.split(".")[:-1][:1]


def _put(layer: Layer, cell: Cell) -> None:
    if word_of(layer) not in LIGHT:
        cell.before, cell.main = [*cell.before, *cell.after], layer
        cell.after = []
    else:
        cell.after.append(layer)
