"""The ``forward`` of a class: layers nested where one follows the other, names where a value is read twice."""

from __future__ import annotations

import re
from keyword import iskeyword

from striate.exporters.code import own, quoted
from striate.exporters.groups import Member, ModuleGroup
from striate.spec import Add, Concat

NEST, LONG = 4, 96  # so many calls in one another; so many letters in a line that is to be read
HEAVY = ("nn.Conv", "nn.Linear", "ChannelsFirstEmbedding", "TabledConvolution", "FixedCodes")
INPUTS = ("x", "y", "z")
NOT_NAMES = {"self", "torch", "taps", "nn", "F", "found"}


def forward(group: ModuleGroup, taps: tuple[str, ...]) -> list[str]:
    """The lines of the methods that run a class: ``forward``; ``taps`` where the net has side heads, named *taps*;
    ``scores`` where it ends in a softmax.
    """
    count = len(group.reads)
    names = [INPUTS[k] if count <= len(INPUTS) else f"x{k + 1}" for k in range(count)]
    given = ", ".join(["self", *(f"{name}: Tensor" for name in names)])
    given += ", taps: dict[str, Tensor] | None = None" if taps else ""
    result, last = group.result, group.all[group.result]
    softmax = last.key[:2] == ("layer", "nn.Softmax") and last.inputs[0] >= 0 and not group.path
    said = "What goes into the softmax." if softmax else "Side heads are computed into *taps*, where it is given."
    text = [f"def {'scores' if softmax else 'forward'}({given}) -> Tensor:"]
    text += [f'    """{said}"""'] * (softmax or bool(taps))
    text += [f"    {line}" for line in _Body(group, taps).run(names, last.inputs[0] if softmax else result)]
    if softmax:
        scores = f"self.scores({', '.join(names + ['taps'] * bool(taps))})"
        text += ["", f"def forward({given}) -> Tensor:", f"    return {own(last.name.split('.'))}({scores})"]
    if taps:
        text += [
            "",
            "def taps(self, x: Tensor) -> dict[str, Tensor]:",
            '    """The output and the ends of the side heads, by name, from one pass."""',
            "    found: dict[str, Tensor] = {}",
            f"    return {{{quoted(group.output)}: self(x, found), **found}}",
        ]
    return text


class _Body:
    """Writes the lines of one forward. A value is named by its member; the inputs are -1, -2, ..."""

    def __init__(self, group: ModuleGroup, taps: tuple[str, ...]) -> None:
        self.members = group.all
        self.taps = {group.ends[tap]: tap for tap in taps}
        self.short = len(self.members) <= 3 and group.is_chain
        self.code: dict[int, str] = {}  # what each value is called, or the term that it is
        self.reads: dict[int, set[str]] = {}  # the names in it
        self.left: dict[int, int] = {}  # how often it will be read yet
        self.text: list[str] = []
        self.room = ""

    def run(self, names: list[str], result: int) -> list[str]:
        for k, name in enumerate(names):
            self.code[-1 - k], self.reads[-1 - k] = name, {name}
        main, wanted = self.needed([result]), self.needed([result, *self.taps])
        reads = [j for i in wanted for j in self.members[i].inputs] + [result, *self.taps]
        self.left = {i: reads.count(i) for i in {*reads, *self.code}}
        for i in wanted:
            inside = i not in main  # of a side head, which is computed where somebody asks for it
            self.text += ["if taps is not None:"] * (inside and not self.room)
            self.room = "    " * inside
            self.step(i, wanted)
            if i in self.taps:
                self.text += ["if taps is not None:"] * (not inside)
                self.text.append(f"    taps[{quoted(self.taps[i])}] = {self.code[i]}")
                self.left[i] -= 1
        return [*self.text, f"return {self.code[result]}"]

    def needed(self, ends: list[int]) -> list[int]:
        """The members that *ends* stand on, in order."""
        found = set(ends)
        for i in range(len(self.members) - 1, -1, -1):
            found |= set(self.members[i].inputs) if i in found else set()
        return sorted(i for i in found if i >= 0)

    def step(self, i: int, wanted: list[int]) -> None:
        member = self.members[i]
        if member.is_join:
            term = self.join(member)
        else:
            term = f"{own(member.name.split('.'))}({', '.join(self.code[j] for j in member.inputs)})"
        names = set().union(*(self.reads[j] for j in member.inputs))
        for j in member.inputs:
            self.left[j] -= 1
        readers = [self.members[r] for r in wanted if i in self.members[r].inputs]
        ends = self.left[i] == 1 and not readers  # the result itself, or a tap: it stands in its return
        sole = len(readers) == self.left[i] == 1
        if ends or (sole and len(term) <= LONG - 20 and self.nests(term, readers[0])):
            self.code[i], self.reads[i] = term, names
        else:
            name = self.name(member)
            self.text.append(f"{self.room}{name} = {term}")
            self.code[i], self.reads[i] = name, {name}

    def nests(self, term: str, reader: Member) -> bool:
        """Whether *term* may stand inside its only reader."""
        if reader.is_join:
            return term.count("(") <= NEST
        heavy = reader.key == ("group",) or (reader.key[0] == "layer" and str(reader.key[1]).startswith(HEAVY))
        return self.short or (not heavy and term.count("self.") < NEST)

    def join(self, member: Member) -> str:
        terms = [self.code[j] for j in member.inputs]
        if member.key == ("join", Concat):
            return f"torch.cat([{', '.join(terms)}], dim=1)"
        sign = " + " if member.key == ("join", Add) else " * "
        return sign.join(f"({term})" if re.search(r"\) [+*] |^\w+ [+*] ", term) else term for term in terms)

    def name(self, member: Member) -> str:
        """A name for a value: ``x``, unless somebody needs the ``x`` of before, else the member's own."""
        used = set().union(*(self.reads[j] for j, left in self.left.items() if left and j in self.reads))
        name = "x"
        if "x" in used:
            name = re.sub(r"\W", "_", member.name)
            name = name if name[0].isalpha() else f"x{name}"
        while name in used or iskeyword(name) or name in NOT_NAMES:
            name += "_"
        return name
