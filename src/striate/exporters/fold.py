"""What repeats: units of one structure are one kind, and become one class with arguments, or stay where they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from striate.exporters.tree import Step, Unit
from striate.exporters.words import made
from striate.spec import Join

Key = tuple[object, ...]


@dataclass(eq=False)
class Slot:
    """A step of a kind; some of its units may lack it."""

    name: str
    key: Key
    inputs: tuple[int, ...]


@dataclass(eq=False)
class Kind:
    """Units that differ in numbers, in activations, in steps that some lack, and in what lies inside their units."""

    slots: list[Slot]
    result: int
    inputs: int
    units: list[Unit] = field(default_factory=list)

    @property
    def is_chain(self) -> bool:
        return all(unit.is_chain for unit in self.units)

    @property
    def joins(self) -> list[type[Join]]:
        return [s.key[1] for s in self.slots if s.key[0] == "join"]  # type: ignore[misc]

    @property
    def example(self) -> int:
        """The first unit that lacks the least."""
        return max(range(len(self.units)), key=lambda i: (len(self.units[i].steps), -i))

    def steps(self, slot: int, units: list[Unit | None]) -> list[Step | None]:
        """The step of each of *units* at *slot*; None where one lacks it."""
        name = self.slots[slot].name
        return [unit.named.get(name) if unit else None for unit in units]


def step_key(step: Step) -> Key:
    """What two steps of one kind have alike."""
    if isinstance(step.part, Unit):
        return ("unit",)
    if isinstance(step.part.op, Join):
        return ("join", type(step.part.op))
    layer = made(step.part.op, step.given)
    return ("act",) if layer.act else ("layer", layer.cls, tuple(a.field for a in layer.args))


def kinds(root: Unit) -> dict[Unit, Kind]:
    """The kind of every unit in *root*."""
    by_key: dict[Key, Kind] = {}
    for unit in _all(root):
        slots = [Slot(step.name, step_key(step), step.inputs) for step in unit.steps]
        key = (unit is root, len(unit.inputs), unit.result, *((s.name, s.key, s.inputs) for s in slots))
        by_key.setdefault(key, Kind(slots, unit.result, len(unit.inputs))).units.append(unit)
    found: list[Kind] = []
    for kind in sorted(by_key.values(), key=lambda k: -len(k.slots)):
        larger = next((k for k in found if root not in k.units and _within(kind, k) and not _nested(kind, k)), None)
        if larger and root not in kind.units:
            larger.units += kind.units
        else:
            found.append(kind)
    order = {unit: i for i, unit in enumerate(_all(root))}
    for kind in found:
        kind.units.sort(key=order.__getitem__)
    return {unit: kind for kind in found for unit in kind.units}


def _all(unit: Unit) -> Iterator[Unit]:
    yield unit
    for step in unit.steps:
        if isinstance(step.part, Unit):
            yield from _all(step.part)


def _within(small: Kind, large: Kind) -> bool:
    """Whether *small* is *large* without some of its steps that have one input, whose readers read that instead."""
    names = {slot.name for slot in small.slots}
    if small.inputs != large.inputs or not names < {slot.name for slot in large.slots}:
        return False
    at: dict[int, int] = {-1 - i: -1 - i for i in range(large.inputs)}  # of large's steps: small's
    count = 0
    for i, slot in enumerate(large.slots):
        inputs = tuple(at[j] for j in slot.inputs)
        if slot.name not in names:
            if len(slot.inputs) > 1 or slot.key[0] == "join" or _numbered(large, slot):
                return False
            at[i] = inputs[0]
        elif count < len(small.slots) and (slot.name, slot.key, inputs) == (
            small.slots[count].name,
            small.slots[count].key,
            small.slots[count].inputs,
        ):
            at[i] = count
            count += 1
        else:
            return False
    return count == len(small.slots) and at[large.result] == small.result


def _nested(one: Kind, other: Kind) -> bool:
    """Whether a unit of one kind lies in a unit of the other."""
    paths = [[f"{unit.path}." for unit in kind.units] for kind in (one, other)]
    return any(a.startswith(b) or b.startswith(a) for a in paths[0] for b in paths[1])


def _numbered(kind: Kind, slot: Slot) -> bool:
    """Whether *slot* is one of several units of one name and a number: stages of 3 and of 6 blocks are no one kind."""
    stems = [re.sub(r"\d+$", "", s.name) for s in kind.slots if s.key[0] == "unit"]
    return slot.key[0] == "unit" and stems.count(re.sub(r"\d+$", "", slot.name)) > 1


def optional(kind: Kind, slot: int, units: list[Unit | None]) -> bool:
    """Whether some of *units* lack *slot*."""
    steps = kind.steps(slot, units)
    return any(step is None and unit is not None for step, unit in zip(steps, units, strict=True))


def classes(root: Unit, of: dict[Unit, Kind]) -> set[Kind]:
    """The kinds that become classes; the others, straight chains all, are written where they stand."""
    chosen = set(of.values())
    for kind in sorted(chosen, key=lambda k: -max(map(_height, k.units))):
        mixed = any(optional(kind, i, list(kind.units)) for i in range(len(kind.slots)))
        if not kind.is_chain or root in kind.units or mixed:
            continue
        places, length = _places(root, of, chosen).count(kind), _length(kind, of, chosen)
        if places * (length + 2) <= length + 8 + places:
            chosen.discard(kind)
    return chosen


def _height(unit: Unit) -> int:
    return 1 + max((_height(step.part) for step in unit.steps if isinstance(step.part, Unit)), default=0)


def _length(kind: Kind, of: dict[Unit, Kind], chosen: set[Kind]) -> int:
    """About how many lines the layers of *kind* take; numbered blocks take two, for they fold."""
    unit = kind.units[0]
    lines = 0
    for numbered, steps in groupby(unit.steps, key=lambda s: isinstance(s.part, Unit) and re.sub(r"\d+$", "", s.name)):
        some = list(steps)
        inner = [of[s.part] for s in some if isinstance(s.part, Unit)]
        lines += sum(1 if k in chosen else 2 + _length(k, of, chosen) for k in inner) if inner else len(some)
        if numbered and len(some) > 2 and inner[0] in chosen:
            lines += 2 - len(some)
    return lines


def _places(root: Unit, of: dict[Unit, Kind], chosen: set[Kind]) -> list[Kind]:
    """The kind of every place at which a unit is written, each class's inside once."""
    found: list[Kind] = []
    seen: set[Kind] = set()

    def visit(kind: Kind, units: list[Unit | None]) -> None:
        for slot in range(len(kind.slots)):
            parts = [step.part if step else None for step in kind.steps(slot, units)]
            inner = [part if isinstance(part, Unit) else None for part in parts]
            there = list(dict.fromkeys(of[unit] for unit in inner if unit))
            for k in there:
                some = [unit if unit and of[unit] is k else None for unit in inner]
                found.extend([k] * (1 if len(there) == 1 else sum(unit is not None for unit in some)))
                if k not in chosen:  # written here
                    visit(k, some)
                elif k not in seen:
                    seen.add(k)
                    visit(k, list(k.units))

    visit(of[root], [root])
    return found
