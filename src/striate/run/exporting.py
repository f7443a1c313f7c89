"""``striate.export``: a network or model to a file for elsewhere, and the items on which it is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from striate.datasets import Data
from striate.errors import DataError, ModelError, RecipeError, SpecError, nearest
from striate.exporters import FORMATS, Exported, Smaller, export_model, export_source
from striate.exporters.comparing import Running, generated
from striate.exporters.snippets import write_snippet
from striate.loading import Given, Network, open_network
from striate.model.model import Model
from striate.run.folder import Say, to_stderr
from striate.run.measuring import Held, measure_scores, parts_for
from striate.run.splits import data_of_run, run_of
from striate.sampling import evenly
from striate.spec import Shape

MOST = 1000  # items that are compared
CALIBRATION = 256  # of training, by which the ranges of int8 are set


def export(
    net: Given,
    to: str = "source",
    *,
    out: str | Path | None = None,
    input: Shape | str | int | None = None,
    compare: Data = None,
    quantise: str | None = None,
    half: bool = False,
    min_gain: float = 1.2,
    max_loss: float = 0.01,
    snippet: str | None = None,
    say: Say = to_stderr,
    **options: Any,
) -> Exported:
    """Writes a network or a trained model as a file that needs no striate, once its outputs are those of the network.

    Args:
        net: What :func:`striate.loading.open_network` takes; for all formats but source a trained model.
        to: ``"source"``: a PyTorch file, of a model with its weights beside. ``"onnx"``: an ONNX file with weights,
            preparation after resizing, and contract. ``"openvino"``: the same for OpenVINO, as ``.xml`` and ``.bin``.
            ``"program"``: the same as a program of ``torch.export``. ``"tflite"``: the same for LiteRT, for one item.
        out: The file; named after the network, if not given.
        input: Of source: the input's shape, where the network does not say it.
        compare: Data on whose test split (else validation, else training split; 1,000 items at most) the file is
            compared with the model. [the test split of the run, where that is at hand; else generated inputs]
        quantise: ``"int8"``: weights and activations of 8 bits, their ranges from 256 items of the training split of
            *compare*.
        half: Weights as float16 in the file; computed is in float32.
        min_gain: A smaller file is refused that is not so many times as fast (int8), or as small (half).
        max_loss: Likewise one whose metric on the compared items is worse by more: of shares the difference, of errors
            the share by which they are larger.
        snippet: Of ONNX: ``"python"``, ``"js"`` or ``"cpp"``: the result's ``snippet`` is a program that uses the file.
        say: Told, in a line each, what is noticed about the data.
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it.

    Returns:
        ``path``, ``files``, ``max_difference``, ``label_flips``; of a model's formats also ``comparison``.

    Raises:
        SpecError: There is no such network or format, or a file that is not ours would be overwritten.
        ModelError: The network is not trained.
        ExportError: The outputs differ, or a package is missing; nothing is written.

    >>> from tempfile import mkdtemp
    >>> export("lenet5", out=mkdtemp() + "/lenet5.py").max_difference
    0.0
    """
    if to != "source" and to not in FORMATS:
        raise SpecError(f"--to {to}: no such format{nearest(to, ['source', *FORMATS])}")
    network = open_network(net, input=input)
    if to != "source":
        path = Path(out) if out is not None else Path(f"{network.name}{FORMATS[to].endings[0]}")
        kind = _kind(quantise, half)
        program = "" if snippet is None else _program(network.model, path, to, snippet)
        items = comparison_items(network.model, compare, say, **options)
        smaller = None
        if kind:
            smaller = _smaller(network.model, items, kind, min_gain, max_loss)
        done = export_model(
            network.model, path, to, inputs=items.inputs, names=items.names, on=items.on, smaller=smaller
        )
        return replace(done, snippet=program)
    unused = {"compare": compare, "quantise": quantise, "half": half, "snippet": snippet}
    for option in (name for name, value in unused.items() if value not in (None, False)):
        raise RecipeError(f"--{option} is for --to onnx and its like; source is compared bit for bit as it is")
    return _source(network, out)


def _program(model: Model, path: Path, to: str, language: str) -> str:
    if to != "onnx":
        raise RecipeError(f"--snippet {language} is for --to onnx")
    return write_snippet(model.contract, path.name, language)


def _kind(quantise: str | None, half: bool) -> str:
    """Which smaller file is asked for; "" for none."""
    if quantise not in (None, "int8"):
        raise RecipeError(f"quantise is {quantise!r}{nearest(str(quantise), ['int8'])}")
    if quantise and half:
        raise RecipeError("--quantise and --half exclude each other; use one")
    return quantise or ("half" if half else "")


def _smaller(model: Model, items: Items, kind: str, min_gain: float, max_loss: float) -> Smaller:
    held, contract = items.held, model.contract
    if held is None:
        option = "--half" if kind == "half" else f"--quantise {kind}"
        raise RecipeError(f"{option} is measured on labelled data, and the run's are not at hand; give --compare DATA")

    def measured(running: Running) -> float:
        scores = measure_scores(lambda inputs: running(inputs)[1], contract, held, batch_size=16)
        return float(getattr(scores, contract.task.metric.name))

    return Smaller(kind, items.calibration(), contract.task.metric, measured, min_gain, max_loss)


def _source(network: Network, out: str | Path | None) -> Exported:
    trained = network.contract is not None
    name = network.zoo_name or ("net" if trained else network.name)
    path = Path(out) if out is not None else Path(f"{name.replace('-', '_')}.py")
    if not trained:
        return export_source(network.description(), path, name=name, origin=network.describe())
    if network.is_own:
        raise SpecError(
            f"{network.given}: a PyTorch module has its source already; export the trained model with --to onnx or "
            "--to program"
        )
    with TemporaryDirectory() as folder:
        file = network.path or Path(folder) / "model.safetensors"
        if network.path is None:
            network.model.save(file)
        return export_source(file, path, name=name, origin=network.describe())


@dataclass(frozen=True, eq=False)
class Items:
    """What an exported file is compared on: prepared inputs, their names, what they are; the split, where it is one,
    and what int8 is calibrated on.
    """

    inputs: np.ndarray
    names: tuple[str, ...]
    on: str
    held: Held | None = None
    calibration: Callable[[], np.ndarray] = lambda: np.zeros(0)


def comparison_items(model: Model, data: Data, say: Say, **options: Any) -> Items:
    """The items of *data*; without any those of the run that the model is of; else generated ones.

    Raises:
        DataError: The data that were given cannot be read, or are for another task.
    """
    found: Any = data
    if data is None:
        folder = run_of(model.path)
        try:
            found = None if folder is None else data_of_run(folder)
        except (DataError, ModelError) as error:
            say(f"note: the run's own data are not at hand ({error}); inputs are generated")
    if found is None:
        inputs = generated(model.contract)
        return Items(inputs, tuple(f"input {i}" for i in range(len(inputs))), "generated inputs")
    held, split = _some_split(model, found, say, **options)
    arrays = held.arrays
    name = found if isinstance(found, str | Path) else getattr(found, "name", "the data")

    def calibration() -> np.ndarray:
        if split == "train":
            # which may be sorted by class
            return np.asarray(arrays.inputs[evenly(len(arrays.inputs), CALIBRATION)])
        return parts_for(model, found, "train", most=CALIBRATION, **options)[0].arrays.inputs

    said = "training" if split == "train" else split
    return Items(np.ascontiguousarray(arrays.inputs), arrays.names, f"the {said} split of {name}", held, calibration)


def _some_split(model: Model, data: Any, say: Say, **options: Any) -> tuple[Held, str]:
    """The test split; where there is none, the next."""
    for split in ("test", "val"):
        try:
            return parts_for(model, data, split, say=say, most=MOST, **options)[0], split
        except DataError as error:
            if "split of its own" not in str(error):
                raise
    return parts_for(model, data, "train", say=say, most=MOST, **options)[0], "train"
