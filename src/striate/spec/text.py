"""The text form: one node a line, ``[name:] op required-fields [key=value ...] [<- input, ...]``.

The grammar is the dataclass: required fields stand in order, the others as ``key=value`` where they are not
at their default, so ``parse(format(g)) == g``. Lines may be separated by ``;``; ``#`` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import lru_cache
from typing import Any

from striate.errors import SpecError, nearest, shape_text
from striate.spec.graph import Graph, Node, check_input, check_node, check_taps
from striate.spec.op import Base, Shape, shown, word
from striate.spec.ops import OPS, Op
from striate.spec.pasted import LIKE, from_pasted


def parse(text: str) -> Graph:
    """The graph that *text* describes.

    Raises:
        SpecError: With the line, the reason, the nearest word and the line itself.

    >>> parse("input 1x28x28; conv 6 5; relu; flatten; linear 10").nodes[0]
    Node(name='conv1', op=Conv(6, 5), inputs=('input',))
    """
    input: Shape | None = None
    nodes: list[Node] = []
    taps: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    known, groups = {"input"}, set[str]()
    for where, line in _lines(text):
        try:
            if line.split()[0].lower() == "input":
                if nodes or input is not None:
                    raise SpecError("the input is given once, before every layer")
                input = _read_input(line)
                continue
            if line.split()[0].lower() == "taps":
                taps += tuple(name.strip() for name in line.split(maxsplit=1)[-1].split(","))
                check_taps(taps, known - {"input"})
                continue
            if line.split()[0].lower() == "counted":
                raise SpecError(
                    "counted says that a layer read from code shares its weights, which a net in words cannot; "
                    "leave the line out, and each layer has weights of its own"
                )
            node = _read_node(line, counts, nodes[-1].name if nodes else "input")
            check_node(node, known, groups)
        except SpecError as error:
            meant = from_pasted(line)
            said = f"this is Python; in the notation it is: {meant}" if meant else error
            raise SpecError(f"{where}: {said}\n    {line}") from None
        nodes.append(node)
    return Graph(input, tuple(nodes), taps)


def _near_word(words: list[str]) -> str:
    """The word that is near in meaning, or else in spelling."""
    for count in (2, 1):
        meant = LIKE.get(" ".join(words[:count]).lower())
        if meant:
            return f"; did you mean {meant!r}?"
    return nearest(words[0], ["input", *OPS], "docs/notation.md lists the layers")


def format(graph: Graph) -> str:
    """The text of *graph*, a line a node; names and inputs are left out where ``parse`` gives the same.

    >>> print(format(parse("input 1x28x28; conv 6 5 padding=same; c: relu; add <- conv1, c")), end="")
    input 1x28x28
    conv 6 5 padding=2
    c: relu
    add <- conv1, c
    """
    lines = [] if graph.input is None else ["input " + _show(graph.input)]
    counts: dict[str, int] = {}
    before = "input"
    for node in graph.nodes:
        given = _given_name(node.op, counts)
        line = op_text(node.op) if node.name == given else f"{node.name}: {op_text(node.op)}"
        if node.inputs != (before,):
            line += " <- " + ", ".join(node.inputs)
        lines.append(line)
        before = node.name
    lines += ["taps " + ", ".join(graph.taps)] * bool(graph.taps)
    lines += [f"counted {name} {count}" for name, count in graph.counted]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1024)
def op_text(op: Base) -> str:
    """The op alone, as in a line of the text form.

    >>> from striate.spec.ops import Conv
    >>> op_text(Conv(64, 7, stride=2, padding=3))
    'conv 64 7 stride=2 padding=3'
    """
    words = [word(op)] + [_show(v) if required else f"{name}={_show(v)}" for name, v, required in shown(op)]
    return " ".join(words)


def read_shape(text: str) -> Shape:
    """The shape that ``1x28x28`` writes.

    >>> read_shape("3x224x224")
    (3, 224, 224)
    """
    parts = text.strip().lower().replace("×", "x").split("x")
    if not all(re.fullmatch(r"[0-9]{1,9}", p.strip()) for p in parts):
        raise SpecError(f"{text!r} is not a size; write channels and sizes with x between, such as 3x224x224")
    shape = tuple(int(p) for p in parts)
    check_input(shape)
    return shape


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """The statements, each with the words for its place: a line, or a layer where one line holds them all."""
    many = "\n" in text.strip()
    for number, line in enumerate(text.splitlines(), 1):
        for part, statement in enumerate(line.split("#")[0].split(";"), 1):
            if statement.strip():
                yield (f"line {number}" if many else f"layer {part}"), statement.strip()


def _read_input(line: str) -> Shape:
    words = line.split()[1:]
    if len(words) != 1:
        raise SpecError("the input is one word, such as: input 1x28x28")
    return read_shape(words[0])


def _read_node(line: str, counts: dict[str, int], before: str) -> Node:
    body, arrow, sources = line.partition("<-")
    layers = re.split(r"\s*(?:,|->|→|\|)\s*(?=[A-Za-z])", body)
    if len(layers) > 1:
        raise SpecError(f"layers are separated by ';': {'; '.join(layers).strip()}")
    name, colon, rest = body.partition(":")
    words = (rest if colon else body).split()
    if not words:
        raise SpecError("there is no layer here" + ("; write one after the name" if colon else ""))
    op = _read_op(words)
    given = _given_name(op, counts)
    inputs = tuple(s.strip() for s in sources.split(",")) if arrow else (before,)
    if "" in inputs:
        raise SpecError("a name is missing after <-")
    return Node(name.strip() if colon else given, op, inputs)


def _given_name(op: Base, counts: dict[str, int]) -> str:
    """The name of a node without one: its kind, and its place among those of its kind."""
    counts[op.stem] = counts.get(op.stem, 0) + 1
    return f"{op.stem}{counts[op.stem]}"


def _read_op(words: list[str]) -> Op:
    cls = OPS.get(words[0].lower())
    if words[0].lower() == "opaque":
        what = f"{words[1]} was" if len(words) > 1 else "this layer was"
        raise SpecError(
            f"{what} read from code and its inside is not known: it is not an op of the notation; describe it in words"
        )
    if cls is None:
        raise SpecError(f"unknown layer {words[0]!r}{_near_word(words)}")
    known = {f.name: str(f.type) for f in fields(cls)}
    required = [f.name for f in fields(cls) if f.default is MISSING]
    optional = [name for name in known if name not in required]
    plain = [w for w in words[1:] if "=" not in w]
    if len(plain) != len(required):
        usage = " ".join([words[0], *(n.upper() for n in required), *(f"[{n}=]" for n in optional)])
        needs = f"{words[0]} needs {' and '.join(required)}" if required else f"{words[0]} takes named values alone"
        raise SpecError(f"{needs}: {usage!r}, got {' '.join([words[0], *plain])!r}")
    values = {name: _read(w, known[name], f"{words[0]}: {name}") for name, w in zip(required, plain, strict=True)}
    for key, _, value in (w.partition("=") for w in words[1:] if "=" in w):
        if key not in known:
            raise SpecError(f"{words[0]} has no argument {key!r}{nearest(key, known)}")
        if key in values:
            raise SpecError(f"{words[0]}: {key} is given twice")
        values[key] = _read(value, known[key], f"{words[0]}: {key}")
    return cls(**values)


def _read(text: str, kind: str, where: str) -> Any:
    """The value that *text* writes for a field of the declared type *kind*."""
    if kind == "bool":
        if text not in ("yes", "no"):
            raise SpecError(f"{where} must be yes or no, got {text!r}")
        return text == "yes"
    if kind == "Table":
        return _read_table(text, where)
    if kind == "str" or (kind == "Padding" and text in ("same", "valid")):
        return text
    try:
        if kind == "float":
            return float(text)
        numbers = [int(part) for part in (text.split("x") if kind != "int" else [text])]
    except ValueError:
        wanted = {"float": "a number", "int": "a whole number"}.get(kind, "whole numbers, such as 3 or 3x5")
        raise SpecError(f"{where} must be {wanted}, got {text!r}") from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def _read_table(text: str, where: str) -> tuple[tuple[int, ...], ...]:
    try:
        return tuple(tuple(int(n) for n in row.split("-")) for row in text.split(","))
    except ValueError:
        raise SpecError(f"{where} must name the inputs of every output, such as 0-1-2,1-2-3; got {text!r}") from None


def _show(value: object) -> str:
    if isinstance(value, tuple) and isinstance(value[0], tuple):
        return ",".join("-".join(map(str, row)) for row in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return shape_text(value) if isinstance(value, tuple) else str(value)
