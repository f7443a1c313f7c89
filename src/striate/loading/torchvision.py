"""torchvision's pretrained weights as models: a file's tensors, a network of the zoo, their preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from striate.errors import DataError, ModelError, SpecError, nearest
from striate.files import read_regular_text
from striate.loading.network import open_network
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import assemble
from striate.net.weights import Stored, Wanted, matches, open_weights, take, wanted, without_prefix
from striate.net.weights_tables import TABLES, Table
from striate.spec import Graph, lower
from striate.zoo import ZOO

IMAGENET = tuple(str(i) for i in range(1000))  # names for the classes of torchvision's weights, in their order


def from_torchvision(
    net: str,
    file: str | Path,
    *,
    classes: Sequence[str] | None = None,
    scale_to: int | None = None,
    sides: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Model:
    """The model of torchvision's pretrained weights, to predict with, to save, to fine-tune.

    Args:
        net: A network of the zoo that torchvision has too, such as ``"resnet50"``.
        file: A state dict with torchvision's names: ``.pth`` or ``.safetensors``.
        classes: The class names in the order of the outputs; ``"0"`` to ``"999"``, if not given.
        scale_to: Pixels of the image's shorter side before the centre crop; those of ``IMAGENET1K_V1`` (256,
            ConvNeXt 236), if not given. ``IMAGENET1K_V2`` needs 232.
        sides: Keep GoogLeNet's auxiliary heads.
        say: Callback for messages: what was left out, filled or assumed.

    Raises:
        SpecError: torchvision has no weights of that network.
        ModelError: Naming the file and all that is wrong with it; nothing in it is run.

    >>> from_torchvision("lenet5", "lenet5.pth")
    Traceback (most recent call last):
    striate.errors.SpecError: lenet5: torchvision has no weights of it; it has those of alexnet_owt, ...
    """
    table = _table(net)
    if sides and not table.sides:
        raise SpecError(f"{net}: torchvision's {table.theirs} has no auxiliary heads; omit --sides")
    names = tuple(classes) if classes is not None else IMAGENET
    graph, whole = _graph(net, len(names), sides), _graph(net, len(names), True) if table.sides else None
    assert graph.input is not None
    if scale_to is not None and scale_to < max(graph.input):
        raise SpecError(f"scale_to is {scale_to}; expected {max(graph.input)} or more, the size of the crop")
    contract = Contract(
        names, graph.input, "RGB", table.mean, table.std,
        resize="crop", interpolation=table.interpolation, scale_to=scale_to or table.scale_to,
    )  # fmt: skip
    stored = without_prefix(open_weights(file), _wanted(net, len(names)))
    try:
        state, notes = take(stored, graph, table, None if sides else whole)
    except ModelError as error:
        raise ModelError(f"{error}{_advice(stored, net, len(names), classes is not None)}") from None
    module = assemble(graph)
    module.load_state_dict(state, assign=True)
    for note in notes:
        say(note)
    if classes is None:
        say("the classes are named 0 to 999; give a file with their names, one per line, in torchvision's order")
    return Model(module.eval(), contract)


def read_classes(path: str | Path) -> tuple[str, ...]:
    """The class names in a text file, one per line.

    Raises:
        DataError: It cannot be read, or a line is empty or repeated.
    """
    try:
        lines = [line.strip() for line in read_regular_text(path).rstrip().splitlines()]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; expected a text file, one class name per line") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not valid UTF-8 text; expected one class name per line") from None
    for number, line in enumerate(lines, start=1):
        if not line:
            raise DataError(f"{path}: line {number} is empty; expected one class name per line")
        if lines.index(line) < number - 1:
            raise DataError(
                f"{path}: line {number} repeats {line!r} of line {lines.index(line) + 1}; class names must be unique"
            )
    if len(lines) < 2:
        raise DataError(f"{path}: contains {len(lines)} class names; expected two or more, one per line")
    return tuple(lines)


def _table(net: str) -> Table:
    if net in TABLES:
        return TABLES[net]
    for ours, table in TABLES.items():
        if table.theirs == net:
            raise SpecError(f"{net}: torchvision's {net} is {ours!r} here")
    if net in ZOO:
        raise SpecError(f"{net}: torchvision has no weights of it; it has those of {', '.join(TABLES)}")
    raise SpecError(f"{net}: no network of the zoo{nearest(net, TABLES, 'striate zoo lists them')}")


def _graph(net: str, classes: int, sides: bool) -> Graph:
    if not sides:
        return open_network(net, classes=classes).description()
    entry = ZOO[net]
    return lower(entry.make(classes=classes, sides=True), entry.input)


def _advice(stored: Stored, net: str, classes: int, named: bool) -> str:
    """The way out of a file that does not fit: what it looks like instead."""
    shares = {name: _share(stored, name, classes) for name in TABLES}
    best = max(TABLES, key=lambda name: (shares[name], name == net))
    if best != net:
        if shares[best] < 0.5:
            return ""
        want = _wanted(best, classes)
        fits = matches(stored, TABLES[best], want)
        return f"\nthe keys look like those of {best} ({fits} of its {len(want)} are there and fit); use that network"
    head = list(_wanted(net, classes))[-1]
    _, shape = stored.tensors.get(head, ("", ()))
    if not shape or shape[0] == classes:
        return ""
    way = f"{'expected' if named else 'give --classes'} a file with its {shape[0]} class names, one per line"
    return f"\nthe file is for {shape[0]} classes; {way}"


@lru_cache(maxsize=len(TABLES))
def _wanted(net: str, classes: int) -> dict[str, Wanted]:
    return wanted(_graph(net, classes, False), TABLES[net])


def _share(stored: Stored, net: str, classes: int) -> float:
    """How similar the file and *net* are: tensors that fit, of all that either has."""
    want = _wanted(net, classes)
    fits = matches(stored, TABLES[net], want)
    return fits / (len(want) + len(stored.tensors) - fits)
