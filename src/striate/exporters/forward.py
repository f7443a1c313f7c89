"""The ``forward`` of a class: steps nested where one follows the other, names where a value is read twice."""

from __future__ import annotations

import re
from keyword import iskeyword

from striate.exporters.fold import Kind, Slot
from striate.exporters.layout import Call, Code, Item, call, flat, lines, own
from striate.spec import Add, Concat, Multiply

NEST, LONG = 4, 96  # so many calls in one another; so many letters in a line that is to be read
HEAVY = ("nn.Conv", "nn.Linear", "ChannelsFirstEmbedding", "TabledConvolution", "FixedCodes")
INPUTS = ("x", "y", "z")


def forward(kind: Kind, taps: tuple[str, ...]) -> list[str]:
    """The methods that run a class: ``forward``; ``taps`` where the net has side heads, named *taps*; ``scores``
    where it ends in a softmax.
    """
    body = Body(kind, taps)
    names = [INPUTS[k] if kind.inputs <= len(INPUTS) else f"x{k + 1}" for k in range(kind.inputs)]
    tensors = ", ".join(f"{name}: Tensor" for name in names)
    more = ", taps: dict[str, Tensor] | None = None" if taps else ""
    last = kind.slots[kind.result]
    softmax = last.key[:2] == ("layer", "nn.Softmax") and last.inputs[0] >= 0 and not kind.units[0].path
    said = "What goes into the softmax." if softmax else "Side heads are computed into *taps*, where it is given."
    text = [f"    def {'scores' if softmax else 'forward'}(self, {tensors}{more}) -> Tensor:"]
    text += [f'        """{said}"""'] * (softmax or bool(taps))
    text += body.run(names, last.inputs[0] if softmax else kind.result)
    if softmax:
        scores = f"self.scores({', '.join(names + ['taps'] * bool(taps))})"
        text += ["", f"    def forward(self, {tensors}{more}) -> Tensor:"]
        text.append(f"        return {own(last.name.split('.'))}({scores})")
    if taps:
        result = f'{{"{kind.units[0].output}": self(x, found), **found}}'
        text += [
            "",
            "    def taps(self, x: Tensor) -> dict[str, Tensor]:",
            '        """The output and the ends of the side heads, by name, from one pass."""',
            "        found: dict[str, Tensor] = {}",
            f"        return {result}",
        ]
    return text


class Body:
    """Writes the lines of one forward. A value is named by its step; the inputs are -1, -2, ..."""

    def __init__(self, kind: Kind, taps: tuple[str, ...]) -> None:
        self.slots = kind.slots
        steps = [(i, kind.steps(i, [kind.units[0]])[0]) for i in range(len(kind.slots))]
        ends = {step.end: i for i, step in steps if step is not None}
        self.taps = {ends[tap]: tap for tap in taps}
        self.short = len(kind.slots) <= 3 and kind.is_chain
        self.code: dict[int, Code] = {}  # what each value is called, or the term that it is
        self.reads: dict[int, set[str]] = {}  # the names in it
        self.left: dict[int, int] = {}  # how often it will be read yet
        self.text: list[str] = []
        self.indent = 8

    def run(self, names: list[str], result: int) -> list[str]:
        for k, name in enumerate(names):
            self.code[-1 - k], self.reads[-1 - k] = name, {name}
        main, wanted = self.needed([result]), self.needed([result, *self.taps])
        reads = [j for i in wanted for j in self.slots[i].inputs] + [result, *self.taps]
        self.left = {i: reads.count(i) for i in {*reads, *self.code}}
        inside = False
        for i in wanted:
            if (i not in main) != inside:
                inside = i not in main
                self.text += ["        if taps is not None:"] * inside
                self.indent = 12 if inside else 8
            self.step(i, self.sole_reader(i, wanted))
            if i in self.taps:
                self.tap(i, inside)
        self.indent = 8
        return [*self.text, *lines("return ", self.code[result])]

    def tap(self, i: int, inside: bool) -> None:
        self.text += ["        if taps is not None:"] * (not inside)
        self.text += lines(f'taps["{self.taps[i]}"] = ', self.code[i], indent=12)
        self.left[i] -= 1

    def needed(self, ends: list[int]) -> list[int]:
        """The steps that *ends* stand on, in order."""
        found = set(ends)
        for i in range(len(self.slots) - 1, -1, -1):
            if i in found:
                found |= set(self.slots[i].inputs)
        return sorted(i for i in found if i >= 0)

    def sole_reader(self, i: int, wanted: list[int]) -> Slot | None:
        """The step that alone reads *i*, once."""
        readers = [r for r in wanted if i in self.slots[r].inputs]
        return self.slots[readers[0]] if len(readers) == self.left[i] == 1 else None

    def step(self, i: int, reader: Slot | None) -> None:
        slot = self.slots[i]
        term = self.join(slot) if slot.key[0] == "join" else self.called(slot)
        names = set().union(*(self.reads[j] for j in slot.inputs))
        for j in slot.inputs:
            self.left[j] -= 1
        text = flat(term)
        ends = self.left[i] == 1 and reader is None  # the result itself, or a tap: it stands in its return
        if ends or (reader and len(text) <= LONG - 20 and self.nests(text, reader)):
            self.code[i], self.reads[i] = term, names
            return
        name = self.name(slot)
        self.text += lines(f"{name} = ", term, indent=self.indent)
        self.code[i], self.reads[i] = name, {name}

    def nests(self, text: str, reader: Slot) -> bool:
        """Whether the term *text* may stand inside its only reader."""
        if reader.key[0] == "join":
            return text.count("(") <= NEST
        heavy = reader.key[0] == "unit" or str(reader.key[1:2]).strip("('").startswith(HEAVY)
        return self.short or (not heavy and text.count("self.") < NEST)

    def called(self, slot: Slot) -> Code:
        return f"{own(slot.name.split('.'))}({', '.join(flat(self.code[j]) for j in slot.inputs)})"

    def join(self, slot: Slot) -> Code:
        if sum(len(flat(self.code[j])) for j in slot.inputs) > LONG:
            self.settle(slot.inputs)
        if slot.key[1] is Concat:
            return call("torch.cat", Call("[", tuple(Item("", self.code[j]) for j in slot.inputs)), dim="1")
        sign = {Add: " + ", Multiply: " * "}[slot.key[1]]  # type: ignore[index]
        total = ""
        for k, j in enumerate(slot.inputs):
            term = flat(self.code[j])
            if re.search(r"\) [+*] |^\w+ [+*] ", term):
                term = f"({term})"
            if len(total) + len(term) > LONG:
                name = self.name(slot, set().union(*(self.reads[j] for j in slot.inputs[k:])))
                self.text += lines(f"{name} = ", total, indent=self.indent)
                total = name
            total += sign * (k > 0) + term
        return total

    def settle(self, values: tuple[int, ...]) -> None:
        """Gives the terms among *values* names, so that a line with all of them is not too long."""
        for j in dict.fromkeys(values):
            if j >= 0 and "(" in flat(self.code[j]):
                name = self.name(self.slots[j], fresh=True)
                self.text += lines(f"{name} = ", self.code[j], indent=self.indent)
                self.code[j], self.reads[j] = name, {name}

    def name(self, slot: Slot, keep: set[str] | None = None, fresh: bool = False) -> str:
        """A name for a value: ``x``, unless somebody needs the ``x`` of before, else the step's own."""
        used = set().union(*(self.reads[j] for j, left in self.left.items() if left and j in self.reads), keep or ())
        name = "x"
        if "x" in used or fresh:
            name = re.sub(r"\W", "_", slot.name)
            name = name if name[0].isalpha() else f"x{name}"
        while name in used or iskeyword(name) or name in ("self", "torch", "taps", "nn", "F", "found"):
            name += "_"
        return name
