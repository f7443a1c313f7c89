"""A training run's state in one safetensors file: weights, optimizer, torch's generator, and where it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from striate.errors import ModelError
from striate.files import write_safely
from striate.learning.loop import State
from striate.learning.recipe import Recipe

MEMORY = "optimiser"  # how the files spell the optimizer, since their first version
AVERAGE = "average"  # the averaged weights
NUMBERS = ("epoch", "step", "loss_sum", "items", "seconds")


def save_state(state: State, path: Path, progress: Mapping[str, Any] | None = None) -> None:
    """Writes *state* to *path* safely; and in the same file, so that neither is there without the other, what a run
    keeps besides: *progress*, plain values.

    >>> from tempfile import mkdtemp
    >>> net, path = nn.Linear(3, 2), Path(mkdtemp()) / "state.safetensors"
    >>> save_state(State.new(net, Recipe()), path, {"best_epoch": 3})
    >>> load_state(path, net, Recipe()).epoch, load_progress(path)
    (0, {'best_epoch': 3})
    """
    tensors = {f"model.{name}": value.detach().cpu().contiguous() for name, value in state.module.state_dict().items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if value is not None:
                tensors[f"{MEMORY}.{index}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    if state.rng is not None:
        tensors["rng"] = state.rng
    numbers = {name: getattr(state, name) for name in (*NUMBERS, "course", "start")} | {
        "loss_sum": float(state.loss_sum)
    }
    if state.average:
        averaged = state.average.tensors().items()
        tensors |= {f"{AVERAGE}.{name}": value.cpu().contiguous() for name, value in averaged}
        numbers["updates"] = state.average.updates
    about = {"striate-state": "1", MEMORY: type(state.optimizer).__name__, "numbers": json.dumps(numbers)}
    if progress is not None:
        about["progress"] = json.dumps(dict(progress))
    write_safely(path, to_bytes({name: value.clone() for name, value in tensors.items()}, about))


def load_progress(path: Path) -> dict[str, Any] | None:
    """What :func:`save_state` was given besides the state; None in the files of earlier versions.

    Raises:
        OSError, ValueError, SafetensorError: The file is missing or damaged.
    """
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get("progress")
    return None if text is None else json.loads(text)


def load_state(path: Path, module: nn.Module, recipe: Recipe) -> State:
    """The state at *path*, put into *module* and a new optimizer of *recipe*.

    The optimizer's memory (momenta) is loaded if the recipe's optimizer is of the kind that wrote it.

    Raises:
        ModelError: The file is missing, damaged, or of another network.
    """
    state = State.new(module, recipe)
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("striate-state") != "1":
            raise ModelError(f"{path}: this is not the state of a striate run")
        numbers, kind = json.loads(about["numbers"]), about[MEMORY]
        state = replace(state, **{name: numbers[name] for name in NUMBERS}, rng=tensors.get("rng"))
        state.course = tuple((value, loss) for value, loss in numbers.get("course", ()))
        state.start = tuple(start) if (start := numbers.get("start")) else None
        _check_numbers(state)
        if state.rng is not None:
            torch.Generator().set_state(state.rng)  # raises for what is none
        module.load_state_dict(_under("model.", tensors))
        if state.average and (averaged := _under(f"{AVERAGE}.", tensors)):
            state.average.load(averaged, int(numbers["updates"]))
        memory = _memory(_under(f"{MEMORY}.", tensors), state.optimizer)
    except FileNotFoundError:
        raise ModelError(f"{path}: file not found, so no run to resume; omit --resume") from None
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise
        why = " ".join(str(error).split())
        raise ModelError(f"{path}: cannot resume from this state ({why}); omit --resume to start a new run") from None
    if kind == type(state.optimizer).__name__:
        groups = state.optimizer.state_dict()["param_groups"]
        state.optimizer.load_state_dict({"state": memory, "param_groups": groups})
    return state


def _check_numbers(state: State) -> None:
    whole = (state.epoch, state.step, state.items)
    of_epochs = [n for pair in (*state.course, *filter(None, [state.start])) for n in pair if n is not None]
    others = (state.loss_sum, state.seconds, *of_epochs)
    if not all(type(n) is int and n >= 0 for n in whole) or not all(type(n) in (int, float) for n in others):
        raise ValueError(f"its numbers are {(*whole, *others)}")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _memory(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """What the optimizer remembered of each weight, by the weight's number."""
    kinds = [(p, number) for number, group in enumerate(optimizer.param_groups) for p in group["params"]]
    memory: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        if value.shape not in (torch.Size(), kinds[int(index)][0].shape):
            raise ValueError(f"{name} has shape {tuple(value.shape)}, its weight {tuple(kinds[int(index)][0].shape)}")
        memory.setdefault(int(index), {})[key] = value
    kept = {(kinds[index][1], frozenset(remembered)) for index, remembered in memory.items()}
    if len(kept) > len({number for number, _ in kept}):  # within a group all weights are remembered alike
        raise ValueError("some of the optimizer's memory is missing")
    return memory
