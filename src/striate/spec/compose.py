"""How an author composes ops: ``Seq`` one after the other, ``Sum`` and ``Cat`` side by side.

``lower`` turns such a tree into the one flat graph that everything else reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from striate.errors import SpecError
from striate.spec.graph import Graph, Node
from striate.spec.op import Base, Shape, word
from striate.spec.ops import Add, Concat, Join, Multiply, Op, Opaque

Children = tuple[tuple[str | None, "Spec"], ...]


@dataclass(frozen=True, init=False, repr=False)
class _Parts:
    children: Children

    def __init__(self, *unnamed: Spec, **named: Spec) -> None:
        children = tuple((None, c) for c in unnamed) + tuple(named.items())
        for name, child in children:
            if not isinstance(child, Base | _Parts):
                hint = f"; write {child.__name__}()" if isinstance(child, type) else ""
                what = f"{type(self).__name__}: {name or 'a part'}"
                raise SpecError(f"{what} must be a layer or Seq, Sum and such, got {child!r}{hint}")
        object.__setattr__(self, "children", children)

    def __repr__(self) -> str:
        parts = [f"{name}={child!r}" if name else repr(child) for name, child in self.children]
        return f"{type(self).__name__}({', '.join(parts)})"


class Seq(_Parts):
    """Parts one after the other; ``Seq()`` is the identity, as in a skip connection.

    Parts given by keyword carry that name; the others are named in ``lower`` as in the text form.

    >>> from striate.spec import Conv, ReLU
    >>> Seq(conv1=Conv(6, 5), relu1=ReLU())
    Seq(conv1=Conv(6, 5), relu1=ReLU())
    """


class _Branches(_Parts):
    def __init__(self, *unnamed: Spec, **named: Spec) -> None:
        super().__init__(*unnamed, **named)
        if len(self.children) < 2:
            raise SpecError(f"{type(self).__name__} joins two branches or more, got {len(self.children)}")


class Sum(_Branches):
    """Branches of one input, added (He et al. 2015): ``Sum(Seq(...), Seq())``."""


class Cat(_Branches):
    """Branches of one input, concatenated along the channels (Szegedy et al. 2014)."""


class Product(_Branches):
    """Branches of one input, multiplied; a branch of 1x1 maps serves all positions (Hu et al. 2017)."""


class Side(Seq):
    """A side head: what follows goes on from where it began, and its end is a tap, asked for by name
    (Szegedy et al. 2014, section 5).
    """


Spec = Op | Seq | Sum | Cat | Product
JOINS: dict[type[Seq | Sum | Cat | Product], type[Join]] = {Sum: Add, Cat: Concat, Product: Multiply}


def lower(spec: Spec | Graph, input: Shape | None = None) -> Graph:
    """The flat graph of *spec*, for the given input shape ``(C, H, W)`` (or ``(C, L)``, ``(C, D, H, W)``).

    A part without a name is called after its kind and its place among its like: ``conv1``, ``relu1``,
    ``pool1``, and ``block1`` for a Seq, Sum and the like. A part inside a named one has both names: ``stage2.conv1``.
    A join is called ``add``, ``concat`` or ``multiply`` under its own name. The end of a ``Side`` is a tap.

    Raises:
        SpecError: Two layers of one name, or a name that cannot be one.

    >>> from striate.spec import Conv, Flatten, Linear, ReLU
    >>> [node.name for node in lower(Seq(Conv(6, 5), ReLU(), head=Seq(Flatten(), Linear(10)))).nodes]
    ['conv1', 'relu1', 'head.flatten1', 'head.linear1']
    """
    if isinstance(spec, Graph):
        return spec if input is None or tuple(input) == spec.input else _with_input(spec, tuple(input))
    if not isinstance(spec, Base | Seq | Sum | Cat | Product):
        way = "striate.parse makes one of text, striate.open_network of everything else"
        raise SpecError(f"got a {type(spec).__name__} for a network; expected a Seq or a Graph; {way}")
    nodes: list[Node] = []
    taps: list[str] = []

    def emit(name: str, op: Op, inputs: tuple[str, ...]) -> str:
        nodes.append(Node(name, op, inputs))
        return name

    def named(children: Children, prefix: str) -> list[tuple[str, Spec]]:
        seen: dict[str, int] = {}
        result = []
        for name, child in children:
            stem = child.stem if isinstance(child, Base) else "block"
            seen[stem] = seen.get(stem, 0) + 1
            result.append((prefix + (name or f"{stem}{seen[stem]}"), child))
        return result

    def go(part: Spec, name: str, x: str) -> str:
        """Emits *part*, reading from *x*; gives the name of the node that holds its result."""
        match part:
            case Seq(children=children):
                end = x
                for path, child in named(children, name and name + "."):
                    end = go(child, path, end)
                if not isinstance(part, Side):
                    return end
                taps.append(end)
                return x
            case Sum(children=children) | Cat(children=children) | Product(children=children):
                dot = name and name + "."
                ends = tuple(go(child, path, x) for path, child in named(children, dot))
                join = JOINS[type(part)]()
                return emit(dot + word(join), join, ends)
            case _:
                return emit(name or f"{part.stem}1", part, (x,))

    go(spec, "", "input")
    return Graph(None if input is None else tuple(input), tuple(nodes), tuple(taps))


def _with_input(graph: Graph, input: Shape) -> Graph:
    unknown = next((node for node in graph.nodes if isinstance(node.op, Opaque)), None)
    if unknown:
        what = f"{unknown.name} is known for the input alone that the net was read with"
        raise SpecError(f"{what}; read the module again, with {input}")
    return graph.with_input(input)
