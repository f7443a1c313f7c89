"""Running somebody's forward so that nothing of it stays: on made-up batches, without numbers, all put back after."""

from __future__ import annotations

import logging
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy, deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from striate.errors import SpecError
from striate.net.read_call import tensors
from striate.net.read_graph import NAMED_FIRST
from striate.net.read_modules import unwrapped
from striate.spec import Shape
from striate.threads import one_at_a_time

Inputs = tuple[Shape, ...]  # of one input each, without the batch
BATCH = (11, 13, 17, 19, 23, 29, 31, 37)  # sizes of the batch that is followed: no other axis shall have it


def in_evaluation(module: nn.Module) -> None:
    """``module.eval()``; a program of torch.export, which was made in one mode or the other, stays as it is."""
    with suppress(NotImplementedError):
        module.eval()


def materialised(module: nn.Module, shapes: Inputs) -> tuple[nn.Module, list[str]]:
    """*module*, or where parameters have no size yet a copy that ran once; and whose those are.

    Raises:
        SpecError: It did not come to some of them.
    """
    names = [name for name, p in module.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if not names:
        return module, []
    copied, error = copy_of(module).eval(), ""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            copied(*examples(copied, shapes, real=True)[0]())
        except Exception as failure:
            error = f" ({type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''})"
    left = [name for name, p in copied.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if left:
        raise SpecError(f"{left[0]} has no size yet, and on this input the module does not come to it{error}")
    return copied, list(dict.fromkeys(name.rpartition(".")[0] for name in names))


def copy_of(module: nn.Module) -> nn.Module:
    """A copy of *module*, also of one with buffers that have no size yet, which torch does not copy."""
    lazy = (b for b in module.buffers() if isinstance(b, nn.UninitializedBuffer))
    like: Any = nn.UninitializedBuffer
    return deepcopy(module, {id(b): like(device=b.device, dtype=b.dtype) for b in lazy})


def predictions_alone(module: nn.Module, shapes: Inputs) -> nn.Module:
    """*module*, in evaluation mode, or where it gives its predictions among other things (on an input of *shapes*) one
    with the same layers that gives these alone; the module that somebody else holds stays as it is.
    """
    try:
        with torch.no_grad():
            output = module(*examples(module, shapes, real=True)[0]())
    except Exception:  # whatever somebody's code raises: who uses it says what is wrong
        return module
    if isinstance(output, Tensor) or isinstance(module, torch.jit.ScriptModule):
        return module
    shallow = copy(module)
    shallow._forward_hooks = OrderedDict(module._forward_hooks)
    return giving_predictions(shallow)


def giving_predictions(module: nn.Module) -> nn.Module:
    """*module*, which from now on gives the predictions alone where its forward gives them by a usual name in a dict, a
    named tuple or a dataclass: torchvision's networks with auxiliary heads, those of transformers.

    >>> class Two(nn.Module):
    ...     def forward(self, x):
    ...         return {"aux": x + 1, "out": x}
    >>> giving_predictions(Two())(torch.zeros(1))
    tensor([0.])
    """
    if not isinstance(module, torch.jit.ScriptModule) and _predictions not in module._forward_hooks.values():
        module.register_forward_hook(_predictions)
    return module


def _predictions(module: nn.Module, inputs: Any, output: Any) -> Any:
    if isinstance(output, Tensor):
        return None
    by_key = output._asdict() if hasattr(output, "_asdict") else output
    if isinstance(by_key, Mapping):
        return next((by_key[key] for key in NAMED_FIRST if isinstance(by_key.get(key), Tensor)), None)
    return next((getattr(output, key) for key in NAMED_FIRST if isinstance(getattr(output, key, None), Tensor)), None)


def examples(module: nn.Module, shapes: Inputs, *, real: bool = False) -> list[Callable[[], list[Tensor]]]:
    """Ways to make a batch: of word numbers where the net has an embedding; of several, or of one where these do not
    do. The size is one that no layer has; *real* numbers are of two.
    """
    weight = next((p for p in module.parameters() if p.is_floating_point()), None)
    device = weight.device if weight is not None else torch.device("cpu")
    kinds = [weight.dtype if weight is not None else torch.float32]
    if any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules()):
        kinds.insert(0, torch.long)
    taken = {n for p in module.parameters() for n in _sides(p)} | {n for shape in shapes for n in shape}
    batch = 2 if real else next((b for b in BATCH if not any(n % b == 0 for n in taken if n)), BATCH[0])

    def maker(batch: int, kind: torch.dtype) -> Callable[[], list[Tensor]]:
        def one_of(shape: Shape) -> Tensor:
            if kind == torch.long:
                return torch.zeros(batch, *shape, dtype=kind, device=device)
            return torch.rand(batch, *shape, device=device).to(kind)

        return lambda: [one_of(shape) for shape in shapes]

    return [maker(size, kind) for kind in kinds for size in (batch, 1)]


def _sides(parameter: nn.Parameter) -> tuple[int, ...]:
    return () if isinstance(parameter, nn.parameter.UninitializedParameter) else tuple(parameter.shape)


def without_numbers(module: nn.Module, mode: FakeTensorMode) -> dict[int, Tensor]:
    """Puts tensors without numbers in the place of all parameters and buffers, so that nothing reaches the real
    ones; gives what each of them (by its id) stands for.
    """
    stands_for = {}
    for part in module.modules():
        if not isinstance(part, torch.jit.ScriptModule):
            for own in (part._parameters, part._buffers):
                tensors: dict[str, Any] = own
                for name, value in tensors.items():
                    if value is not None:
                        tensors[name] = mode.from_tensor(value)
                        stands_for[id(tensors[name])] = value
    return stands_for


@contextmanager
def quiet() -> Iterator[None]:
    """torch logs and warns of what fails without numbers; here that is an answer and no event."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about ways to compute that nobody asked for
            yield
    finally:
        log.disabled = before


@contextmanager
def untouched(module: nn.Module, numbers: bool, loose_too: bool = True) -> Iterator[None]:
    """Puts back everything in *module* that its forward changes: attributes, lists, modes; tensors among these
    (*loose_too*), and where it computes with *numbers*, buffers and seeds.
    """
    parts = [part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule)]
    before = [(part, dict(vars(part))) for part in parts]
    modes = [(part, part.training) for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    inner: dict[int, tuple[Any, Any]] = {}
    loose: list[Tensor] = []  # tensors that are neither parameters nor buffers
    for _, own in before:
        for value in own.values():
            _inside(value, inner, loose)
    held = (*module.parameters(), *module.buffers()) if numbers else ()
    values = [(t, t.clone()) for t in (*held, *(loose if loose_too else ()))]
    with torch.random.fork_rng(devices=[], enabled=numbers):
        try:
            yield
        finally:
            for script, mode in modes:
                script.training = mode
            for part, own in before:
                for name in vars(part).keys() - own.keys():
                    del vars(part)[name]
                vars(part).update(own)  # never empty in between: another thread may look
            for now, then in inner.values():
                now.clear()
                now.extend(then) if isinstance(now, list | deque) else now.update(then)
            for tensor, value in values:
                if not torch.equal(tensor, value):
                    with torch.no_grad():
                        tensor.copy_(value)


def _inside(value: object, containers: dict[int, tuple[Any, Any]], tensors: list[Tensor]) -> None:
    """Every container in *value*, with a copy of what it contains, and every tensor that is no parameter."""
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and value.device.type != "meta":
        tensors.append(value)
    elif isinstance(value, dict | list | set | deque) and id(value) not in containers:
        containers[id(value)] = (value, value.copy())
        for part in list(value.values() if isinstance(value, dict) else value):
            _inside(part, containers, tensors)


def gets_through(module: nn.Module, inputs: Iterable[Inputs]) -> dict[Inputs, bool]:
    """Whether the forward gets through on each of *inputs* as it is, and keeps the inputs of a batch apart."""
    module = unwrapped(module)
    found: dict[Inputs, bool] = {}
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with one_at_a_time(module), torch.no_grad(), untouched(module, False), fake as mode, quiet():
        in_evaluation(module)
        without_numbers(module, mode)
        for shapes in inputs:
            if shapes not in found:
                with untouched(module, False, loose_too=False):
                    found[shapes] = _gets_through(module, shapes)
    return found


def _gets_through(module: nn.Module, shapes: Inputs) -> bool:
    for make in examples(module, shapes):
        xs = make()
        try:
            out = module(*xs)
        except Exception:
            continue
        return next((t.shape[:1] == xs[0].shape[:1] for t in tensors(out)), False)
    return False
