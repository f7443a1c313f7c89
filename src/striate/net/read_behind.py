"""What runs behind Python's back: compiled code, functions of somebody's own in C++."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from striate.net.read_call import Record, tensors

if TYPE_CHECKING:
    from striate.net.read_trace import Trace


class Behind(TorchDispatchMode):
    """Sees every operation, also of compiled code: which tensors came out of which."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace
        self.made_of: dict[int, list[Record]] = {}
        self.kept: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [r for t in tensors((args, kwargs or {})) for r in self.sources(t)]
        out = func(*args, **(kwargs or {}))
        if given:
            for tensor in tensors(out):
                self.made_of[id(tensor)] = list(dict.fromkeys(given))
                self.kept.append(tensor)
        return out

    def sources(self, tensor: Tensor) -> list[Record]:
        value = self.trace.values.get(id(tensor))
        return [value.record.now()] if value else self.made_of.get(id(tensor), [])

    def forget(self, tensor: Tensor) -> None:
        self.made_of.pop(id(tensor), None)
