"""Claim: networks of 16 channels and more train twice as fast as in a plain loop with the same batch and optimizer,
because precision, memory format and threads are measured and chosen before the first step; and the product's loop, with
its checks and events, costs at most 2% over a bare loop that computes the same way.

Goals on a processor with bfloat16: ResNet-18 (CIFAR form) 1.9, `vgg_small` 2.2, LeNet-5 1.8 times the images per second
of plain eager float32 in NCHW order.

Evidence, two cores of an AMD EPYC (AVX512-BF16, no AMX), torch 2.13, medians of 3, load 1 to 2: ResNet-18 1.91,
`vgg_small` 2.77, LeNet-5 1.80 times (with loops of 3 seconds 1.94, 2.73 and 1.76: the start of a run, 50 ms, counts);
over the bare loop -2.2% (which lacks the kept memory), +1.7 to +8.7% (three goes), +1.3%. Printed by

    python bench/speed.py                     # about 6 minutes
    python bench/speed.py lenet5 --batch 256

Per network three loops over the same uint8 images take turns, A B C A B C...: `plain` (float32, contiguous, torch's own
AdamW, the loss read at every step, as tutorials write it), `chosen` (the same loop in what was chosen, with fused
AdamW), and `run`: what `striate train` does, with events, checks, and state. All shuffle, index and normalise batches
from memory.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from common import arguments, in_turn, load, machine
from striate.learning import Recipe, Speed, Step, fastest, using_threads
from striate.learning.speed import scores_in
from striate.run import prepare
from striate.zoo import ZOO

NETS = {  # the network, its input, items in a batch, goal
    "lenet5": ((1, 32, 32), 256, 1.8),
    "vgg_small": ((3, 64, 64), 64, 2.2),
    "resnet18_cifar": ((3, 32, 32), 64, 1.9),
}
RECIPE = Recipe(epochs=1, lr=1e-3, schedule="constant", warmup=0, label_smoothing=0.0)


def bare(module: nn.Module, x: Tensor, y: Tensor, batch: int, how: Speed, *, plain: bool) -> float:
    """Seconds of a hand-written loop over uint8 images that are all in memory."""
    how.place(module)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=None if plain else True)
    images, classes = x, y
    mean, std = (torch.full((1, x.shape[1], 1, 1), value) for value in (0.5, 0.25))
    with using_threads(how.threads), how.applied(module):
        begun = time.perf_counter()
        for numbers in torch.randperm(len(images)).split(batch):
            x, y = images[numbers].float().div_(255).sub_(mean).div_(std), classes[numbers]
            loss = F.cross_entropy(scores_in(how, module, x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        return time.perf_counter() - begun


def product(net: str, x: Tensor, y: Tensor, batch: int, how: Speed) -> float:
    """Seconds of the training steps of a run with everything but its validation."""
    recipe = Recipe(**RECIPE.as_dict() | {"batch_size": batch})
    with tempfile.TemporaryDirectory() as folder:
        data = (x.numpy(), y.numpy())
        run = prepare(data, net, recipe, input=tuple(x.shape[1:]), out=f"{folder}/run")
        run.speed = how  # as it would choose itself for a longer run
        begun, steps = time.perf_counter(), 0
        for event in run.events():
            if not isinstance(event, Step):
                break
            event.loss  # noqa: B018  # as a progress bar does
            steps, ended = event.step, time.perf_counter()
        return (ended - begun) / (steps * batch) * len(x)  # a part of the images is its validation split


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("nets", nargs="*", default=[*NETS])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=9.0, help="of a loop, about")
    chosen = parser.parse_args()
    print(machine("torch", threads=torch.get_num_threads()))
    for name in chosen.nets:
        shape, batch, goal = NETS[name]
        batch = chosen.batch or batch

        def make(name: str = name, shape: tuple[int, ...] = shape) -> nn.Module:
            return striate.build(ZOO[name].make(classes=10), shape).train()

        def images(count: int, shape: tuple[int, ...] = shape, batch: int = batch) -> tuple[Tensor, Tensor]:
            made = torch.Generator().manual_seed(0)
            x = torch.randint(256, (count * batch, *shape), dtype=torch.uint8, generator=made)
            return x, torch.randint(10, (count * batch,), generator=made)

        x, y = images(8)
        how = fastest(make(), (x[:batch].float() / 255, y[:batch]), steps=10_000)
        x, y = images(8 * max(1, round(chosen.seconds / bare(make(), x, y, batch, Speed(), plain=True))))
        of = {"x": x, "y": y, "batch": batch}
        loops: dict[str, Callable[[], float]] = {
            "plain": lambda of=of: bare(make(), **of, how=Speed(), plain=True),
            "chosen": lambda of=of, how=how: bare(make(), **of, how=how, plain=False),
            "run": lambda of=of, how=how, name=name: product(name, **of, how=how),
        }
        seen = in_turn(loops, chosen.rounds)
        median = {loop: statistics.median(values) for loop, values in seen.items()}
        rates = ", ".join(f"{loop} {len(x) / value:,.0f}" for loop, value in median.items())
        ratio, over = median["plain"] / median["run"], median["run"] / median["chosen"] - 1
        print(f"{name} {'x'.join(map(str, shape))}, batch {batch}: {how}")
        print(f"  images/s (median of {chosen.rounds}): {rates}")
        print(
            f"  the run is {ratio:.2f} times as fast as plain (goal {goal}), and takes {over:+.1%} of the bare loop's ",
            end="",
        )
        print(f"time more (goal 2%); {load()}", flush=True)


if __name__ == "__main__":
    main()
