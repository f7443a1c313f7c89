"""The usual slips of whole layers, mended before they run: what they would refuse, or take the batch for."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from striate.errors import shape_text
from striate.net.read_call import each_input, tensors
from striate.net.read_mend import Mended

NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
SINGLE = (
    nn.Linear, nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.modules.dropout._DropoutNd,
    nn.ReLU, nn.Flatten,
)  # fmt: skip


def mended_layer(module: nn.Module, args: tuple[Any, ...], batch: int) -> Mended | None:
    """What is wrong with a layer of torch before it runs, with the fix and the arguments that were meant; the layer
    itself is changed as its fix says (who calls this puts it back in order).
    """
    x = args[0]
    if isinstance(x, tuple | list) and x and isinstance(x[0], Tensor) and isinstance(module, SINGLE):
        said = f"{type(module).__name__} takes one tensor, and is given the {len(x)} of a layer before it"
        return Mended(said, f"{', '.join(['x', *['_'] * (len(x) - 1)])} = ... before it", module, (x[0], *args[1:]))
    if batch < 2 or not isinstance(x, Tensor):
        return None
    shape = shape_text(x.shape[1:]) or "a number"
    if isinstance(module, nn.RNNBase):
        return _recurrent(module, args, batch) if batch in x.shape[:2] else None
    if x.shape[:1] != (batch,):
        return None
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        wanted = NORMS.get(x.ndim)
        if wanted is None or isinstance(module, wanted) or not type(module).__module__.startswith("torch."):
            return None
        name = type(module).__name__
        module._check_input_dim = lambda *_: None  # it would refuse the input
        said = f"{name} is for inputs of other axes than {shape}"
        return Mended(said, f"{wanted.__name__}({module.num_features})", module, args)
    layers = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.TransformerEncoder)
    if isinstance(module, layers) and x.ndim == 3 and x.shape[1] != batch:
        parts = [part for part in module.modules() if getattr(part, "batch_first", None) is False]
        if not parts:
            return None
        for part in parts:
            part.batch_first = True  # type: ignore[assignment]  # a plain attribute of each
        what = f"{type(module).__name__} takes the first axis for the sequence, and it is the batch"
        return Mended(what, "batch_first=True", module, args)
    return None


def _recurrent(module: nn.RNNBase, args: tuple[Any, ...], batch: int) -> Mended | None:
    x, *states = args
    said, fix, pairs = [], [], list[tuple[Tensor, Tensor]]()
    kind = type(module).__name__
    if x.ndim == 3 and not module.batch_first and x.shape[1] != batch:
        module.batch_first = True
        said.append(f"{kind} takes the first axis for the sequence, and it is the batch")
        fix.append("batch_first=True")
    if x.ndim == 3 and x.shape[-1] != module.input_size:
        said.append(f"{kind}({module.input_size}, {module.hidden_size}) expects {module.input_size} features, "
                    f"given {shape_text(each_input(tuple(x.shape), batch))}")  # fmt: skip
        fix.append(f"{kind}({x.shape[-1]}, {module.hidden_size})")
        module.input_size = x.shape[-1]
        for name in ("weight_ih_l0", "weight_ih_l0_reverse")[: 1 + module.bidirectional]:
            own = getattr(module, name)
            new = nn.Parameter(own.new_empty(len(own), x.shape[-1]), requires_grad=own.requires_grad)
            setattr(module, name, new)  # among its flat weights, too
            pairs.append((new, own))
    given = list(tensors(states))
    sizes = {t.shape[1] for t in given if t.ndim == 3 and t.shape[1] != batch}
    if sizes:
        (size, *_) = sizes
        said.append(f"its first state is made for a batch of {size}")
        fix.append(f"x.size(0) in place of {size}")
        new_states = [t.new_zeros(t.shape[0], batch, *t.shape[2:]) for t in given]
        states = [tuple(new_states) if isinstance(states[0], tuple | list) else new_states[0]]
    return Mended("; ".join(said), " and ".join(fix), module, (x, *states), weights=pairs) if said else None
