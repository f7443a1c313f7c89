"""Fine-tuning: a trained model's network with a new head, its weights, its preparation, and frozen layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from striate.analysis import infer
from striate.errors import ModelError, RecipeError, SpecError, listed, nearest, shape_text
from striate.fetching import Fetching
from striate.learning import freeze
from striate.loading.network import Given, open_network
from striate.loading.official import official_model
from striate.model.contract import IMAGES, Contract
from striate.net import Net
from striate.net.weights import load_weights, open_weights
from striate.spec import RBF, Conv, ConvTranspose, Embedding, Graph, Join, Linear, PadChannels, TableConv
from striate.tasks import CLASSIFICATION, Task

HEADS = (Linear, Conv, ConvTranspose, RBF)  # what says how many outputs there are


@dataclass(frozen=True)
class Pretrained:
    """A model to fine-tune: where it is from, its module, its graph and its contract."""

    path: str
    name: str
    module: nn.Module
    graph: Graph | None  # of somebody's own module: none
    contract: Contract
    official: bool = False  # torchvision's, for ImageNet

    @classmethod
    def of(
        cls, weights: Given, fetching: Fetching | None = None, say: Callable[[str], None] = lambda text: None
    ) -> Pretrained:
        """That of a model file, a run's folder, or a ``Model``; or torchvision's official weights by their name or in
        their file, fetched where they are not there yet. ModelError where it is none.
        """
        if isinstance(weights, str | Path) and (official := official_model(weights, fetching, say)):
            name, file, model = official
            return cls(file.name, name, model.module, model.graph, model.contract, official=True)
        network = open_network(weights)
        model = network.model
        return cls(network.given, network.name, model.module, network.graph, model.contract)

    def has_head_for(self, classes: tuple[str, ...], task: Task) -> bool:
        """Whether its own head predicts *classes*."""
        return classes == self.contract.classes and task == self.contract.task

    def graph_for(self, classes: tuple[str, ...], task: Task = CLASSIFICATION) -> Graph:
        """Its network, for *classes*.

        Raises:
            SpecError: Its head cannot, or it predicts for whole items and the task is for pixels, or the other way.
        """
        if task.per_pixel != self.contract.task.per_pixel:
            raise SpecError(
                f"{self.path}: is a model for {self.contract.task}, the data for {task}; give a network with --net: "
                f"layers of the same name and shape get the file's weights"
            )
        if self.graph is None:
            raise SpecError(
                f"{self.path}: the weights are of a PyTorch module of your own; name its code too, with "
                "--net FILE.py:NAME"
            )
        if self.has_head_for(classes, task):
            return without_sides(self.graph)
        return with_classes(self.graph, len(classes), self.path)

    def contract_for(self, fresh: Contract, name: str) -> Contract:
        """Its preparation, in the contract *fresh* of other data and the network called *name*."""
        contract = same_preparation(self.contract, fresh, name, self.path)
        if self.has_head_for(fresh.classes, fresh.task) and fresh.task.standardised:
            contract = replace(contract, target_mean=self.contract.target_mean, target_std=self.contract.target_std)
        return contract

    def into(self, module: nn.Module, contract: Contract, say: Callable[[str], None]) -> tuple[str, ...]:
        """Loads its weights into *module*, all but those of the head for the other classes of *contract*; gives the
        layers that were loaded, and says which were and which are new.
        """
        head: tuple[str, ...] = ()
        if isinstance(module, Net) and not self.has_head_for(contract.classes, contract.task):
            head = head_of(module.graph)
        loaded, new, unused = carry(self.module, module, but=frozenset(head), path=self.path)
        say(f"loaded the weights of {len(loaded)} of {len(loaded) + len(new)} layers from {self.path}")
        say(f"new layers: {listed(new, 10)}" if new else "head kept: same classes")
        if unused:
            say(f"not loaded (no layer with that name): {listed(unused, 10)}")
        return loaded


def head_of(graph: Graph) -> tuple[str, ...]:
    """The layer that decides how many outputs *graph* has, and what comes after it; none where its end is a join.

    >>> from striate.spec import parse
    >>> head_of(parse("conv 6 5; relu; flatten; linear 10; softmax"))
    ('linear1', 'softmax1')
    """
    names: tuple[str, ...] = ()
    for node in graph.back(graph.output):
        if isinstance(node.op, Join | TableConv | Embedding | PadChannels):
            break
        names = (node.name, *names)
        if isinstance(node.op, HEADS):
            return names
    return ()


def with_classes(graph: Graph, classes: int, path: str) -> Graph:
    """*graph* with *classes* outputs, and without its side heads, which would still answer for the old classes.

    Raises:
        SpecError: Its end is not of a kind that can be given another number of outputs.
    """
    graph = without_sides(graph)
    head = head_of(graph)[:1]
    nodes = tuple(replace(n, op=replace(n.op, out=classes)) if n.name in head else n for n in graph.nodes)  # type: ignore[arg-type]
    shapes, problems = infer(Graph(graph.input, nodes))
    if not problems and shapes[graph.output][0] == classes:
        return Graph(graph.input, nodes)
    raise SpecError(
        f"{path}: the end of its network cannot be given {classes} outputs; give a network with --net: "
        f"layers of the same name and shape get the file's weights"
    )


def without_sides(graph: Graph) -> Graph:
    """*graph* with only those nodes that its output needs."""
    return graph.only(graph.output)


def same_preparation(contract: Contract, fresh: Contract, name: str, path: str) -> Contract:
    """*fresh*, the contract of a net called *name* for other data, with the preparation of *contract*.

    Where the network takes another size, it sees the same part of the image.

    Raises:
        SpecError: The network takes other channels, for which the file has no mean and standard deviation, or other
            items.
    """
    input = fresh.input
    kinds = ["images" if c.mode in IMAGES else c.mode for c in (fresh, contract)]
    if kinds[0] != kinds[1]:
        raise SpecError(f"{name}: the data are {kinds[0]}, the weights of {path} are for {kinds[1]}; use others")
    if contract.mode != "text" and input[0] != contract.input[0]:
        raise SpecError(
            f"{name}: takes {input[0]} channel(s), the weights of {path} {contract.input[0]} ({contract.mode}); "
            f"start the network with: input {shape_text((contract.input[0], *input[1:]))}"
        )
    scale = contract.scale_to
    if scale is not None and input != contract.input:
        scale = max(*input[1:], round(scale * min(input[1:]) / min(contract.input[1:])))
    kept = {f: getattr(contract, f) for f in ("mode", "mean", "std", "resize", "interpolation", "vocabulary")}
    return replace(fresh, **kept, scale_to=scale)


@torch.no_grad()
def carry(
    source: nn.Module, target: nn.Module, *, but: frozenset[str] = frozenset(), path: str
) -> tuple[tuple[str, ...], ...]:
    """Copies into *target* the weights of every layer that *source* has with the same name and the same shapes.
    Gives the layers that were copied, those that were not, and those of the file that the network does not have.

    Args:
        source: The module whose weights are taken.
        target: The module that gets them; its other layers stay as they are.
        but: Layers that are left as they are all the same.
        path: Where the source comes from, for the message.

    Raises:
        ModelError: No layer is the same in both.
    """
    given, expected = _by_layer(source), _by_layer(target)
    loaded = []
    for layer, values in expected.items():
        others = given.get(layer, {})
        same = {key: v.shape for key, v in values.items()} == {key: v.shape for key, v in others.items()}
        if same and layer not in but:
            loaded.append(layer)
            for key, value in values.items():
                value.copy_(others[key])
    if not loaded and expected.keys() - but:
        raise ModelError(
            f"{path}: none of its layers has the name and shape of one of the network; it has {listed(given, 10)}, "
            f"the network has {listed(expected, 10)}; omit --net to use the file's own network"
        )
    new = tuple(layer for layer in expected if layer not in loaded)
    return tuple(loaded), new, tuple(layer for layer in given if layer not in expected)


def carry_stored(path: Path, module: nn.Module, say: Callable[[str], None]) -> tuple[str, ...]:
    """Loads what fits of the state dict or checkpoint in *path* into somebody's own *module*; gives the layers that got
    all of theirs, and says which are new.

    Raises:
        ModelError: It is damaged or foreign, or nothing in it fits.
    """
    new = {name.rpartition(".")[0] for name in load_weights(module, open_weights(path), strict=False)}
    layers = [name for name, part in module.named_modules() if part._parameters]
    loaded = tuple(name for name in layers if name not in new)
    say(f"loaded the weights of {len(loaded)} of {len(layers)} layers from {path}")
    if new:
        say(f"new layers: {listed(sorted(new))}")
    return loaded


def _by_layer(module: nn.Module) -> dict[str, dict[str, torch.Tensor]]:
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in module.state_dict().items():
        layer, _, key = name.rpartition(".")
        layers.setdefault(layer, {})[key] = value
    return layers


def freeze_to(module: nn.Module, names: list[str], layer: str, loaded: tuple[str, ...] | None = None) -> list[str]:
    """Freezes all layers up to and including *layer* (or the group of that name), of *names* in the order of
    ``striate check``.
    Says what that comes to, and which of it, not being among those *loaded* from a file, keeps its random weights.

    Raises:
        SpecError: There is no such layer.
        RecipeError: Nothing would be left to train.
    """
    ends = [i for i, name in enumerate(names) if name == layer or name.startswith(f"{layer}.")]
    if not ends:
        raise SpecError(f"--freeze {layer}: no layer with that name{_nearest_layer(layer, names)}")
    frozen = names[: ends[-1] + 1]
    fixed, trained = freeze(module, frozen)
    if not trained:
        raise RecipeError(f"--freeze {layer}: leaves nothing to train; use an earlier layer")
    lines = [f"frozen up to {frozen[-1]}: {fixed:,} parameters; trainable: {trained:,}"]
    if loaded is not None:
        random = tuple(name for name in _by_layer(module) if name in frozen and name not in loaded)
        lines += [f"warning: frozen with random weights: {listed(random, 10)}; add --weights, or freeze less"] * bool(
            random
        )
    return lines


def _nearest_layer(layer: str, names: list[str]) -> str:
    """The end of a message: the nearest name, else the parts that the net has at the top."""
    groups = {".".join(parts[:i]) for name in names for parts in [name.split(".")] for i in range(1, len(parts))}
    near = nearest(layer, [*names, *sorted(groups)])
    tops = list(dict.fromkeys(name.split(".")[0] for name in names))
    return near if "did you mean" in near else nearest(layer, tops)
