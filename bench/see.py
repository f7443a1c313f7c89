"""Claim: Grad-CAM of one image costs at most 1.5 times one forward and backward pass, the choice of the layer and
all; a hundred calls of any method leave no hook behind, and the memory as it was.

Evidence: the pass that it is compared with is the plain one, from the score back to the input, in the same process,
turn by turn.

    python bench/see.py                  # resnet18 and googlenet at 224x224, resnet20 at 32x32
    python bench/see.py vgg16            # another net of the zoo, at its own input
"""

from __future__ import annotations

import gc
import resource
import statistics
import sys

import torch
from torch import nn

import striate
from common import in_turn, machine, seconds
from striate.inspect.attribution import METHODS, cam_layer, grad_cam
from striate.zoo import ZOO

TURNS = 15
CALLS = 100
LIMIT = 1.5


def cost(name: str) -> float:
    """Grad-CAM's time over that of one forward and backward pass, medians; prints both."""
    shape = ZOO[name].input
    net, x = striate.build(ZOO[name].make(), shape).eval(), torch.randn(1, *shape)
    layer = cam_layer(net, x).name

    def plain() -> None:
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(net(leaf)[0].max(), leaf)

    calls = {
        "pass": lambda: seconds(plain),
        "grad_cam": lambda: seconds(lambda: grad_cam(net, x)),
        "its layer given": lambda: seconds(lambda: grad_cam(net, x, layer=layer)),
    }
    taken = in_turn(calls, TURNS, warm=2)
    middle = {what: statistics.median(each) for what, each in taken.items()}
    ratio, given = (middle[what] / middle["pass"] for what in ("grad_cam", "its layer given"))
    print(
        f"{name} {'x'.join(map(str, shape))}: forward and backward {middle['pass'] * 1e3:.1f} ms, Grad-CAM at {layer} "
        f"{middle['grad_cam'] * 1e3:.1f} ms = {ratio:.2f} times (layer given: {given:.2f}), medians of {TURNS}"
    )
    return ratio


def resident() -> float:
    """Megabytes of this process, now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def hooks(net: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in net.modules() for kind in kinds)


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def left_behind(method: str) -> bool:
    """Whether a hundred calls of *method* leave hooks, tensors or memory; prints how much."""
    net, x = striate.build(ZOO["resnet20"].make(), (3, 32, 32)), torch.randn(1, 3, 32, 32)
    options = {"integrated_gradients": {"steps": 4}, "smoothgrad": {"samples": 4}, "occlusion": {"window": 16}}
    for _ in range(10):
        METHODS[method](net, x, 0, **options.get(method, {}))
    alive, before = tensors(), resident()
    for _ in range(CALLS):
        METHODS[method](net, x, 0, **options.get(method, {}))
    grown, more = resident() - before, tensors() - alive
    print(f"{method}: after {CALLS} calls {hooks(net)} hooks, {more:+d} tensors, {grown:+.1f} MiB")
    return bool(hooks(net)) or more > 0 or grown > 5


def main() -> int:
    torch.set_num_threads(1)
    print(machine("torch", threads=1))
    ratios = [cost(name) for name in sys.argv[1:] or ("resnet18", "googlenet", "resnet20")]
    faults = [method for method in METHODS if left_behind(method)]
    good = max(ratios) <= LIMIT and not faults
    print(
        f"{'holds' if good else 'DOES NOT HOLD'}: at most {max(ratios):.2f} times; left behind by: {faults or 'none'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
