"""Somebody's own PyTorch module as the network of a run: what it takes and gives, found by running it once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.analysis import Report, analyse
from striate.errors import RecipeError, SpecError
from striate.learning import Recipe
from striate.loading import Given, Network, open_network
from striate.model.contract import IMAGES, OF_CHANNELS
from striate.model.header import code_and_path, model_file, read_header
from striate.model.model import Model, load
from striate.model.words import FIRST
from striate.net.read import check_module
from striate.net.read_run import copy_of, giving_predictions
from striate.run.suiting import InputPlan, fitted
from striate.spec import Graph, Node, Shape
from striate.spec.ops import Opaque


def own_module(network: Network, seed: int) -> nn.Module:
    """A module of one's own for a run, which leaves the one that was given as it is: made anew from the Python file,
    with *seed*; of a module that was given itself a copy, with the weights that it has.
    """
    code = code_of(network)
    if network.weights or ".py:" not in code:
        return giving_predictions(copy_of(network.module))
    from striate.loading.user_code import load_code

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return giving_predictions(load_code(code))


def load_for(net: Given | None, path: Path) -> Model:
    """The model in *path*, which was trained from *net*: somebody's own module, or what says itself what it is."""
    if net is None or read_header(model_file(path)).graph is not None:
        return load(path)
    return load(path, own_module(open_network(net), 0))


def code_of(network: Network) -> str:
    """What a model file says of it: ``my_net.py:Net``, or the name of its class."""
    if network.origin == "Python file":
        return code_and_path(network.given)[0] or network.given
    named = network.model.code if network.contract else ""
    return named or type(network.module).__name__


def graph_of_own(module: nn.Module, network: Network, plan: InputPlan, channels: int | None = None) -> Graph:
    """*module* as the one node of a graph: what it takes, and what it gives for the data of *plan*. Unless *channels*
    are requested, images come in as many as it takes.

    Raises:
        SpecError: It does not take such inputs, its embedding has other words, or its outputs are not those of the
            data.
    """
    name = network.given
    if plan.mode == "text":
        _check_words(module, plan, name)
    input = plan.input or network.input or plan.item
    if plan.mode in IMAGES and not (channels or network.input or plan.says_channels):
        input = _taken(module, input, plan.mode)
    graph = Graph(
        input, (Node("module", Opaque(type(module).__name__, output_of(module, input, plan.mode, name)), ("input",)),)
    )
    return fitted(graph, plan.dataset, name)


def _taken(module: nn.Module, input: Shape, mode: str) -> Shape:
    """*input* in as many channels as *module* takes, since images are read in any; as it is where none will do."""
    for channels in (input[0], *OF_CHANNELS):
        with suppress(Exception):  # whatever somebody's code raises
            _run(module, (channels, *input[1:]), mode)
            return (channels, *input[1:])
    return input


def output_of(module: nn.Module, input: Shape, mode: str, name: str) -> Shape:
    """The shape of what *module* gives for one item of the shape *input*, without the batch."""
    try:
        output = _run(module, input, mode)
    except Exception as error:  # whatever somebody's code raises
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        came = f"{name}: does not take a batch of shape {(2, *input)} ({why})"
        wanted = [p.name for p in signature(module.forward).parameters.values() if p.default is p.empty]
        if isinstance(error, TypeError) and len(wanted) > 1:
            raise SpecError(
                f"{came}: it has several inputs ({', '.join(wanted)}); train it with striate.training, whose batches "
                f"may have as many (docs/pytorch.md)"
            ) from None
        raise SpecError(f"{came}; striate check shows where; --input takes another size") from None
    if isinstance(output, Tensor):
        return tuple(output.shape[1:])
    keys = f" ({', '.join(map(str, output))})" if isinstance(output, Mapping) else ""
    raise SpecError(
        f"{name}: gives a {type(output).__name__}{keys}; expected one tensor of scores, so return that alone, or in a "
        f"dict under 'logits' or 'out'"
    )


def _run(module: nn.Module, input: Shape, mode: str) -> Any:
    from striate.learning.modules import evaluating

    x = torch.zeros(2, *input, dtype=torch.int64 if mode == "text" else torch.float32)
    with torch.no_grad(), evaluating(module):
        return module(x)


def table_of_own(module: nn.Module, graph: Graph) -> Report:
    """The layers of *module*, as far as its forward can be followed; else it is one."""
    assert graph.input is not None
    try:
        return replace(check_module(module, graph.input), problems=())
    except SpecError:
        op = graph.nodes[0].op
        assert isinstance(op, Opaque)
        parameters = sum(p.numel() for p in module.parameters())
        return analyse(Graph(graph.input, (Node("module", replace(op, parameters=parameters), ("input",)),)))


def check_own(recipe: Recipe, init: str, name: str) -> None:
    """RecipeError where a setting is for networks that striate builds itself."""
    if init != "auto":
        raise RecipeError(f"init {init}: {name} brings its own weights; omit it")
    if recipe.start_size != 1:
        raise RecipeError(f"start_size={recipe.start_size:g}: which sizes {name} takes is not known; use start_size=1")


def _check_words(module: nn.Module, plan: InputPlan, name: str) -> None:
    first = next((part for part in module.modules() if isinstance(part, nn.Embedding)), None)
    if first is None:
        raise SpecError(f"{name}: has no nn.Embedding, but texts are word indices, int64 (N, {plan.item[0]})")
    if first.num_embeddings <= FIRST:
        raise SpecError(
            f"{name}: its embedding has room for {first.num_embeddings} words, {FIRST} of them for padding and unknown "
            f"words; use more"
        )


def words_for(module: nn.Module, plan: InputPlan) -> tuple[str, ...]:
    """Of texts, the most frequent words, no more than the embedding of *module* has room for."""
    if plan.mode != "text":
        return ()
    first = next(part for part in module.modules() if isinstance(part, nn.Embedding))
    return plan.vocabulary[: first.num_embeddings - FIRST]
