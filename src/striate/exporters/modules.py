"""The classes of a file: ``__init__`` with the layers under their own names, ``forward`` with the joins."""

from __future__ import annotations

from striate.errors import shape_text
from striate.exporters import fold
from striate.exporters.arguments import Arguments, Column, Parameter
from striate.exporters.fold import Kind
from striate.exporters.forward import forward
from striate.exporters.layout import WIDTH, Call, Code, Item, becomes, flat, has_notes, lines
from striate.exporters.names import class_names
from striate.exporters.parts import Parts, noted
from striate.exporters.tree import Unit
from striate.spec import Shape

Condition = Parameter | tuple[Column, Column]  # an argument says it; or these counts of channels differ


class Writer:
    """Writes the classes of the units in *root*, whose own class is called *name*."""

    def __init__(self, root: Unit, name: str, taps: tuple[str, ...]) -> None:
        self.root, self.taps = root, taps
        kinds = fold.kinds(root)
        self.main = kinds[root]
        self.names = class_names(self.main, fold.classes(root, kinds), name)
        self.parts = Parts(kinds, self.names, self.define)
        self.arguments: dict[Kind, Arguments] = {}
        self.written: list[list[str]] = []

    def classes(self) -> list[list[str]]:
        """The lines of each class, in order; the net's own is the last, without its docstring."""
        self.define(self.main)
        return self.written

    def define(self, kind: Kind) -> Arguments:
        """Writes the class of *kind*, and before it those that it uses; gives its arguments."""
        if kind not in self.arguments:
            arguments = Arguments(kind.units, self.parts.literal, kind.example)
            self.layers(kind, arguments, {})
            for p in arguments.parameters:  # what came later may have made an argument needless: a second look
                p.uses.clear()
            self.layers(kind, arguments, {})
            arguments.parameters = [p for p in arguments.parameters if p.uses]
            conditions = self.conditions(kind, arguments)
            arguments.settle([unit.steps[unit.result].output[0] for unit in kind.units])
            self.arguments[kind] = arguments
            self.written.append(self.class_lines(kind, arguments, conditions))
        return self.arguments[kind]

    def class_lines(self, kind: Kind, arguments: Arguments, conditions: dict[int, Condition]) -> list[str]:
        text = [f"class {self.names[kind]}(nn.Module):"]
        if kind is not self.main:
            text += [f'    """{about(kind)}"""', ""]
        layers = self.layers(kind, arguments, conditions)
        if layers:
            declared = ("self", *(p.declared() for p in arguments.parameters))
            text += lines("def ", Call("__init__", tuple(Item("", d) for d in declared)), " -> None:", 4)
            text += ["        super().__init__()", *layers, ""]
        return text + forward(kind, self.taps if kind is self.main else ())

    def layers(self, kind: Kind, arguments: Arguments, conditions: dict[int, Condition]) -> list[str]:
        """The lines of ``__init__`` that make the layers."""
        text: list[str] = []
        spaces: set[str] = set()
        for i, slot in enumerate(kind.slots):
            if slot.key[0] == "join":
                continue
            *outer, name = slot.name.split(".")
            for k in range(1, len(outer) + 1):  # a group of names that has no forward of its own
                if (space := ".".join(outer[:k])) not in spaces:
                    spaces.add(space)
                    text += lines(*becomes(outer[: k - 1], outer[k - 1], "nn.Module()"))
            steps = kind.steps(i, list(kind.units))
            code = self.parts.code(steps, arguments, (slot.name,))
            note = noted(steps, arguments)
            condition = _text(conditions[i], arguments, slot.name) if i in conditions else ""
            text += _placed(outer, name, code, note, condition)
        return text

    def conditions(self, kind: Kind, arguments: Arguments) -> dict[int, Condition]:
        """For each step that some units lack: what says that it is there."""
        found: dict[int, Condition] = {}
        for i, slot in enumerate(kind.slots):
            if not fold.optional(kind, i, list(kind.units)):
                continue
            present = [step is not None for step in kind.steps(i, list(kind.units))]
            before, behind = _channels(kind, i)
            changes = [a != b for a, b in zip(before, behind, strict=True)] == present
            if changes and all(_known(c, arguments, slot.name) for c in (before, behind)):
                found[i] = before, behind
                continue
            flag = next((p for p in arguments.parameters if p.uses == {slot.name} and p.says(present)), None)
            if flag is None:
                flag = Parameter(f"with_{slot.name}", (slot.name,), present)
                arguments.parameters.append(flag)
            else:
                flag.is_flag()
            found[i] = flag
        return found


def about(kind: Kind) -> str:
    first, others = kind.units[kind.example], len(kind.units) - 1
    sizes = f"{shape_text(first.given)} -> {shape_text(first.steps[first.result].output)}"
    more = f" and {others} like it; the sizes are those of {first.path}" if others else ""
    return f"{first.path}{more}: {sizes}."


def _placed(outer: list[str], name: str, code: Code, note: str, condition: str) -> list[str]:
    """The lines that put *code* in its place; with a *condition*, nothing where it does not hold."""
    if not condition:
        return lines(*becomes(outer, name, code), comment=note)
    either = lines(*becomes(outer, name, f"{flat(code)} if {condition} else nn.Identity()"), comment=note)
    if len(either) == 1 and len(either[0]) <= WIDTH and not has_notes(code):
        return either
    there = lines(*becomes(outer, name, code), indent=12, comment=note)
    return [*lines(*becomes(outer, name, "nn.Identity()")), f"        if {condition}:", *there]


def _text(condition: Condition, arguments: Arguments, slot: str) -> str:
    if isinstance(condition, Parameter):
        return condition.name
    before, behind = (flat(arguments.code(column, "channels", (slot,))) for column in condition)
    return f"{before} != {behind}"


def _known(column: Column, arguments: Arguments, slot: str) -> bool:
    return len(set(column)) == 1 or arguments.find(column, "channels", (slot,)) is not None


def _channels(kind: Kind, slot: int) -> tuple[Column, Column]:
    """For each unit, the channels that come to *slot* and those that leave it."""
    before: Column = []
    behind: Column = []
    for unit in kind.units:
        (step,) = kind.steps(slot, [unit])
        shape = step.given if step else _bypassing(kind, slot, unit)
        before.append(shape[0])
        behind.append(step.output[0] if step else shape[0])
    return before, behind


def _bypassing(kind: Kind, slot: int, unit: Unit) -> Shape:
    """The shape of what goes by a step that *unit* lacks."""
    source = kind.slots[slot].inputs[0]
    if source < 0:
        return unit.shapes[-1 - source]
    (step,) = kind.steps(source, [unit])
    return step.output if step else _bypassing(kind, source, unit)
