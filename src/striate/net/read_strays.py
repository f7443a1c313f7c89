"""Layers and parameters that a module holds and does not know of: in a plain list, where no optimizer finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from striate.analysis import Problem
from striate.errors import counted


@dataclass(frozen=True)
class Stray:
    """What is not registered: where it is, and what to write."""

    path: str
    message: str
    fix: str

    def problem(self, layer: str) -> Problem:
        return Problem(layer, self.message, self.fix)


@contextmanager
def adopted(module: nn.Module) -> Iterator[list[Stray]]:
    """Registers what *module* holds in plain lists and dicts as long as it is read, so that it has names and counts."""
    found: list[Stray] = []
    taken: list[tuple[nn.Module, str]] = []
    known = set(map(id, module.modules()))
    open_ = list(module.named_modules())
    while open_:
        path, owner = open_.pop(0)
        if isinstance(owner, torch.jit.ScriptModule) or type(owner).__module__.startswith("torch."):
            continue
        for name, value in list(vars(owner).items()):
            if name.startswith("_") and name in ("_modules", "_parameters", "_buffers"):
                continue
            where = f"{path}.{name}" if path else name
            holder, stray = _registered(name, value, where, known)
            if stray is None:
                continue
            found.append(stray)
            if holder is not None and name.isidentifier() and not isinstance(owner, nn.Sequential | nn.ModuleList):
                owner._modules[name] = holder
                taken.append((owner, name))
                known |= set(map(id, holder.modules()))
                open_ += list(holder.named_modules(prefix=where))[1:]
    try:
        yield found
    finally:
        for owner, name in taken:
            owner._modules.pop(name, None)


def _registered(name: str, value: Any, where: str, known: set[int]) -> tuple[nn.Module | None, Stray | None]:
    """What would register *value*, and what to say; nothing where it holds no layers or parameters of its own."""
    if isinstance(value, Tensor):
        if not value.requires_grad or not value.is_leaf:
            return None, None
        said = f"a plain tensor of {value.numel():,} values that no optimizer gets"
        return None, Stray(where, said, f"self.{name} = nn.Parameter(...)")
    if not isinstance(value, list | tuple | dict) or not value:
        return None, None
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        return None, None
    parts = list(value.values() if isinstance(value, dict) else value)
    shape, what, maker = ("dict", "{...}", "Dict") if isinstance(value, dict) else ("list", "[...]", "List")
    if all(isinstance(part, nn.Module) for part in parts):
        new = [part for part in parts if id(part) not in known]
        count = sum(p.numel() for part in new for p in part.parameters())
        if not new:
            return None, None
        holder: nn.Module = nn.ModuleDict(value) if isinstance(value, dict) else nn.ModuleList(parts)
        lost = f"{count:,} parameters that no optimizer gets" if count else "they are not moved with the module"
        said = f"{counted(len(new), 'layer')} in a plain {shape}: {lost}"
        return holder, Stray(where, said, f"self.{name} = nn.Module{maker}({what})")
    if all(isinstance(part, nn.Parameter) for part in parts):
        count = sum(part.numel() for part in parts)
        held: nn.Module = nn.ParameterDict(value) if isinstance(value, dict) else nn.ParameterList(parts)
        said = f"{counted(len(parts), 'parameter')} in a plain {shape}: {count:,} numbers that no optimizer gets"
        return held, Stray(where, said, f"self.{name} = nn.Parameter{maker}({what})")
    return None, None
