"""From the graph to torch: one module per node, reachable under the node's own name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from striate.analysis import faults, infer, repair
from striate.errors import ShapeError, SpecError, counted, nearest
from striate.net.init import check_init, initialise
from striate.net.layers import layer
from striate.spec import Graph, Opaque, Shape, Spec, lower

Step = tuple[str, list[str], tuple[str, ...], tuple[str, ...]]  # a node, its path, what it reads, what it frees


class Net(nn.Module):
    """A graph as a torch module: ``(N, *input)`` to the output of its last node.

    ``net.taps(x)`` gives the ends of side heads too, by name; ``net(x)`` does not even compute them.

    Every node is a submodule under its own name (``net.conv1``, ``net.stage2.conv1``), so hooks, ``print`` and
    state dicts speak the paper's names. ``net.graph`` is the graph it was built from.
    """

    def __init__(self, graph: Graph, shapes: dict[str, Shape]) -> None:
        super().__init__()
        self.graph = graph
        self._plan: list[Step] = []  # a name in use, before any layer is placed
        for node in graph.nodes:
            self._place(node.name.split("."), layer(node.op, shapes[node.inputs[0]]))
        self._plan = self._planned((graph.output,))

    def _planned(self, outputs: tuple[str, ...]) -> list[Step]:
        """What to run for *outputs*, in order: each node with what it reads, and what nobody needs after it."""
        needed = set(outputs)
        steps: list[Step] = []
        for node in reversed(self.graph.nodes):
            if node.name in needed:
                done = tuple(i for i in dict.fromkeys(node.inputs) if i not in needed)  # no later reader
                needed |= set(node.inputs)
                steps.append((node.name, node.name.split("."), node.inputs, done))
        return steps[::-1]

    def _place(self, path: list[str], module: nn.Module) -> None:
        """Puts *module* under its dotted name, making the groups on the way."""
        parent: nn.Module = self
        for i, part in enumerate(path, 1):
            if part not in parent._modules:
                if hasattr(parent, part):
                    name = ".".join(path)
                    raise SpecError(f"{name}: torch modules use the name {part!r} themselves; use {part}1 or another")
                parent.add_module(part, module if i == len(path) else nn.Module())
            parent = parent.get_submodule(part)

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x, self._plan)[self.graph.output]

    def taps(self, x: Tensor, *names: str) -> dict[str, Tensor]:
        """The values of the nodes called *names* (without any: the output and every tap), from one pass.

        Raises:
            SpecError: There is no node of that name.
        """
        names = names or (self.graph.output, *self.graph.taps)
        known = [node.name for node in self.graph.nodes]
        for name in names:
            if name not in known:
                raise SpecError(f"the net has no layer {name!r}{nearest(name, known)}")
        values = self._run(x, self._planned(names))
        return {name: values[name] for name in names}

    def _run(self, x: Tensor, plan: list[Step]) -> dict[str, Tensor]:
        values = {"input": x}
        for name, path, inputs, done in plan:
            module: Any = self
            for part in path:  # looked up each time, so that a layer that somebody replaces is the one that runs
                module = module._modules[part]
            x = module(*[values[i] for i in inputs])
            for i in done:  # its last reader has read it: the memory is free again
                del values[i]
            values[name] = x
        return values


def build(
    net: Spec | Graph,
    input: Shape | None = None,
    *,
    init: str = "auto",
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Net:
    """A torch module of *net*, with its initial weights.

    Args:
        net: A spec or a graph.
        input: The shape of one input, ``(C, H, W)``; not needed where the graph says it.
        init: Weight initialisation: ``auto``, ``lecun``, ``glorot``, ``he``, ``lenet``, ``alexnet``;
            ``whiten`` is completed by :func:`~striate.net.init.whiten`, which looks at images.
        seed: Random seed of the initial weights.
        device: Device; ``"meta"`` allocates and initialises nothing.

    Raises:
        ShapeError: The layers do not fit together; every fault is listed.
        SpecError: No input size is given, or the net was read from code and has parts that are not known.

    >>> from striate.spec import parse
    >>> net = build(parse("input 1x28x28; conv 6 5; relu; flatten; linear 10"))
    >>> net(torch.zeros(2, 1, 28, 28)).shape, net.conv1
    (torch.Size([2, 10]), Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1)))
    """
    check_init(init)
    graph = lower(net, input)
    if graph.input is None:
        raise SpecError("no input size given; build needs one, such as input=(1, 28, 28)")
    check_joins(graph)
    _check_known(graph)
    module = assemble(graph)
    if torch.device(device).type == "meta":
        return module
    materialise(module, device)
    initialise(module, init, seed)
    return module


def assemble(graph: Graph) -> Net:
    """The module of *graph* on the meta device: names and shapes, no memory; ShapeError where layers do not fit."""
    shapes, problems = infer(graph)
    if not problems:
        with torch.device("meta"):
            return Net(graph, shapes)
    raise _refusal(graph)


def materialise(module: nn.Module, device: str | torch.device) -> None:
    """Memory on *device* for what :func:`assemble` made. ``Module.to_empty`` does so too, and loads sympy for it.

    >>> from striate.spec import lower, parse
    >>> net = assemble(lower(parse("input 1x8x8; flatten; linear 10"), None))
    >>> materialise(net, "cpu")
    >>> net.linear1.weight.device, net.linear1.weight.requires_grad
    (device(type='cpu'), True)
    """
    meta = module.state_dict()
    empty = {name: torch.empty(t.shape, dtype=t.dtype, device=device) for name, t in meta.items()}
    module.load_state_dict(empty, assign=True)


def _check_known(graph: Graph) -> None:
    """SpecError for a net that was read from code and is more, or less, than its words say."""
    unknown = [node.name for node in graph.nodes if isinstance(node.op, Opaque)]
    if unknown or graph.counted:
        what = f"{unknown[0]} is not known inside" if unknown else f"{graph.counted[0][0]} has no weights of its own"
        raise SpecError(
            f"{what}: a net read from code is analysed, it cannot be built; use the module it was read from"
        )


def check_joins(graph: Graph) -> None:
    """ShapeError where layers do not fit, or branches of different strides meet."""
    if faults(graph)[1]:
        raise _refusal(graph)


def _refusal(graph: Graph) -> ShapeError:
    problems = repair(graph).problems
    listed = "\n".join(f"  {p}" for p in problems)
    return ShapeError(f"the layers' shapes do not match ({counted(len(problems), 'error')}):\n{listed}")
