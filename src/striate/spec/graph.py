"""The graph: a network as a flat list of named nodes. Analysis, text, drawing and building all read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from striate.errors import SpecError, nearest
from striate.spec.op import Shape, word
from striate.spec.ops import Join, Op, Opaque

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")

# What torch modules (and ours: graph) call their own: a layer of such a name could not be reached as `module.name`.
RESERVED = frozenset(
    """T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward graph get_buffer get_extra_state get_parameter get_submodule half input
    ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty
    train training type xpu zero_grad""".split()
)


@dataclass(frozen=True, slots=True)
class Node:
    """One layer: its unique name, what it does, and the names of what it reads (``"input"`` is the net's own)."""

    name: str
    op: Op
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A network: the shape of one input without the batch (None: not given), and its layers in order.

    The last node is the output. *taps* are the ends of side heads: outputs that nothing reads, asked for by name.
    *counted* are layers whose trained numbers are not those of the op alone, with how many they are: in a net read
    from code a layer that runs again, with the same weights, counts 0.
    Checked when made: names are unique and well formed, and a node reads only what stands before it.

    Raises:
        SpecError: Naming the node and what is wrong with it.
    """

    input: Shape | None
    nodes: tuple[Node, ...]
    taps: tuple[str, ...] = ()
    counted: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.input is not None:
            check_input(self.input)
        if not self.nodes:
            raise SpecError("the net has no layers; write at least one, such as conv 6 5")
        known, groups = {"input"}, set[str]()
        for node in self.nodes:
            check_node(node, known, groups)
        if self.output in self.taps:
            raise SpecError(f"{self.output}: a side head cannot end the net; put it before layers of the main path")
        check_taps(self.taps, known - {"input"})
        for name, _ in self.counted:
            if name not in known:
                raise SpecError(f"{name!r}, whose parameters are counted, is no layer{nearest(name, sorted(known))}")

    @property
    def output(self) -> str:
        """The name of the node that gives the net's result."""
        return self.nodes[-1].name

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """The layers by their names, in order."""
        return {node.name: node for node in self.nodes}

    def needed(self, *names: str) -> set[str]:
        """The layers called *names*, and all that they are computed from, the input too.

        >>> from striate.spec import parse
        >>> sorted(parse("a: relu; b: relu; c: relu <- a").needed("c"))
        ['a', 'c', 'input']
        """
        found = set(names)
        for node in reversed(self.nodes):
            if node.name in found:
                found |= set(node.inputs)
        return found

    def back(self, name: str) -> Iterator[Node]:
        """From the layer *name* to the one that it reads, and so on: up to one that reads several, or the input."""
        while name in self.by_name:
            node = self.by_name[name]
            yield node
            name = node.inputs[0] if len(node.inputs) == 1 else ""

    def only(self, *names: str) -> Graph:
        """The same without the layers that those called *names* do not need."""
        found = self.needed(*names)
        return Graph(
            self.input,
            tuple(node for node in self.nodes if node.name in found),
            tuple(tap for tap in self.taps if tap in found),
            tuple(pair for pair in self.counted if pair[0] in found),
        )

    @property
    def read(self) -> set[str]:
        """The names of what somebody reads: other layers, or who asks for the output and the taps."""
        return {name for node in self.nodes for name in node.inputs} | {self.output, *self.taps}

    def with_input(self, input: Shape) -> Graph:
        """The same layers for another *input*, which alone is checked: the layers have been.

        Raises:
            SpecError: It is not the shape of an input.
        """
        check_input(input)
        graph = object.__new__(Graph)
        vars(graph).update(vars(self), input=input)
        return graph


def check_input(shape: Shape) -> None:
    """SpecError unless *shape* is 1 to 4 whole numbers above 0."""
    if not isinstance(shape, tuple) or not 1 <= len(shape) <= 4 or not all(type(n) is int and n > 0 for n in shape):
        raise SpecError(
            f"the input is channels and 1 to 3 sizes, such as 1x28x28, or one number (flat features); got {shape!r}"
        )


def check_taps(taps: tuple[str, ...], known: set[str]) -> None:
    """SpecError unless every tap is one of the *known* layers, and named once."""
    for tap in taps:
        if tap not in known:
            raise SpecError(f"the tap {tap!r} is not a layer of the net{nearest(tap, sorted(known))}")
    if len(set(taps)) < len(taps):
        raise SpecError(f"a tap is named twice: {', '.join(taps)}")


def check_node(node: Node, known: set[str], groups: set[str]) -> None:
    """SpecError unless *node* may follow the nodes called *known*; its names are added to *known* and *groups*."""
    _check_inputs(node, known)
    _check_name(node.name, known, groups)
    known.add(node.name)


def _check_name(name: str, known: set[str], groups: set[str]) -> None:
    if name in known:
        what = "the net's input has that name" if name == "input" else "two layers have that name"
        raise SpecError(f"{name}: {what}; give this one another")
    group, dot, leaf = name.rpartition(".")
    known_group = not dot or group in groups
    if known_group and leaf.isidentifier() and leaf.isascii() and leaf not in RESERVED and name not in groups:
        return  # the short way of nearly all names: only the last part is new
    if not NAME.fullmatch(name):
        raise SpecError(f"{name!r} cannot be a layer's name; use letters, digits and _, not beginning with a digit")
    parts = name.split(".")
    for part in parts:
        if part in RESERVED:
            raise SpecError(f"{name}: torch modules use the name {part!r} themselves; use {part}1 or another")
    above = {".".join(parts[:i]) for i in range(1, len(parts))}
    for clash in (above & known) | ({name} & groups):
        raise SpecError(f"{name}: {clash!r} is the name of a layer and of a group of layers; rename one")
    groups |= above


def _check_inputs(node: Node, known: set[str]) -> None:
    joins = isinstance(node.op, Join)
    if isinstance(node.op, Opaque) and node.inputs:
        joins = len(node.inputs) > 1  # it reads as many as it reads
    if (joins and len(node.inputs) < 2) or (not joins and len(node.inputs) != 1):
        wanted = "two inputs or more" if joins else "one input"
        raise SpecError(
            f"{node.name}: {word(node.op)} reads {wanted}, got {len(node.inputs)}"
            + (f"; name them: {word(node.op)} <- a, b" if joins else "; join them first with add, multiply or concat")
        )
    for name in node.inputs:
        if name not in known:
            raise SpecError(
                f"{node.name}: reads {name!r}, but no earlier layer is named so{nearest(name, sorted(known))}"
            )
