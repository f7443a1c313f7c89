"""A trained network with its contract: scores, predictions, the file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import nn

from striate.analysis import infer
from striate.errors import DataError, Error, ModelError
from striate.files import write_safely
from striate.learning import Scorer, evaluating
from striate.model.contract import Contract
from striate.model.header import (
    BYTES,
    FORMAT,
    Header,
    check_agree,
    check_outputs,
    model_file,
    read_header,
    with_sorted_metadata,
)
from striate.model.ordinary import unlike
from striate.model.placing import in_pixels, upright_mask
from striate.model.prepare import normalise
from striate.model.sources import Item, Source, network_inputs, source_items, sources_in
from striate.net import assemble
from striate.spec import Graph, Shape, format
from striate.tasks.scoring import Answer, Labels, Mask, OutputContext, Prediction, Values, log_softmax, scoring_of

__all__ = ["Labels", "Mask", "Model", "Prediction", "Source", "Values", "load", "output_context"]

DTYPES = {
    torch.float32: "F32", torch.int64: "I64", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
MAX_SCORES = 2**24  # that a batch gives at most, where every pixel has some


class Model:
    """A module from inputs to scores, and the contract by which items become its input and its scores predictions.

    Args:
        module: ``(N, *contract.input)`` to scores: ``(N, K)`` for K classes (or their softmax), labels (or their
            sigmoid) or standardised values; in segmentation ``(N, K, H, W)``.
        contract: How items are prepared, and what the outputs mean.

    >>> from striate.net import build
    >>> from striate.spec import parse
    >>> contract = Contract(("dark", "bright"), (1, 2, 2), "L", (0.5,), (0.5,))
    >>> model = Model(build(parse("input 1x2x2; flatten; linear 2")), contract)
    >>> model.predict(np.zeros((5, 7), np.uint8))[0].class_ in contract.classes
    True
    """

    def __init__(self, module: nn.Module, contract: Contract) -> None:
        self.module = module
        self.contract = contract
        self.path: Path | None = None  # the file that it was loaded from
        self.code = ""  # of somebody's own module: where it is from, such as my_net.py:Net

    @torch.no_grad()
    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """float32 or wider, before any softmax or sigmoid, for prepared *inputs* ``(N, *contract.input)``."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        x = normalise(torch.from_numpy(np.require(inputs, requirements=["C", "W"])).to(device), self.contract)
        scores_of, mirrored_too = Scorer(self.module, self.contract.task), self.contract.tta == "flip"
        with evaluating(self.module):
            scores = scores_of(x)
            if not isinstance(scores, torch.Tensor):
                raise DataError(
                    f"the network gives a {type(scores).__name__}; expected one tensor of scores, so return that alone"
                )
            if mirrored_too:
                mirrored = scores_of(x.flip(-1))
                scores = (scores + (mirrored.flip(-1) if self.contract.task.per_pixel else mirrored)) / 2
        return scores.cpu().numpy()

    def log_probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Of every class, in natural logarithms: prepared inputs to float64 ``(N, K)``."""
        return log_softmax(self.scores(inputs), self.contract.temperature)

    def at_a_time(self, batch_size: int) -> int:
        """How many items of a batch can go through the network together without filling the memory with scores."""
        outputs = self.contract.task.outputs_of(len(self.contract.classes), self.contract.input)
        return max(1, min(batch_size, MAX_SCORES // prod(outputs)))

    def predict(
        self,
        source: Source | Iterable[Source],
        *,
        batch_size: int = 64,
        threshold: float | None = None,
        sets: float | None = None,
    ) -> list[Any]:
        """The predictions for *source*, in order: each a :class:`Prediction`; for several labels :class:`Labels`, for
        numbers :class:`Values`, for pixels a :class:`Mask`.

        Args:
            source: An image file, a folder of them (searched through), a Pillow image, an array or a tensor
                (``(H, W)`` or ``(H, W, C)``; uint8, or floats in 0..1), a batch of these, or a list. For a model of
                texts: a sentence, or a file with a sentence per line (a ``Path``, or a name that ends in ``.txt``).
                For one of values: an array of the contract's input, a batch of them, or a ``.npy`` file.
            batch_size: How many items go through the network at a time.
            threshold: The probability from which on one of several labels is predicted [0.5]; of one class per item
                that below which the answer is "unknown" [the contract's].
            sets: With one class per item: also the classes that contain the right one for this share of the items.

        Raises:
            DataError: Naming the first that cannot be read.
            RecipeError: No prediction sets of such a coverage are known.
        """
        answers = []
        for answer in self.answers(sources_in(source), batch_size=batch_size, threshold=threshold, sets=sets):
            if isinstance(answer, DataError):
                raise answer
            answers.append(answer)
        return answers

    def answers(
        self,
        sources: Iterable[Source | Item | DataError],
        *,
        batch_size: int = 64,
        threshold: float | None = None,
        sets: float | None = None,
        notice: Callable[[Item, tuple[str, ...]], None] | None = None,
    ) -> Iterator[Answer | DataError]:
        """As :meth:`predict`, one by one, with the error in place of a prediction that cannot be made; *notice* is
        told of each item that is unlike those of training, and in what.
        """
        least = None if sets is None else self.contract.least_for(sets)
        items = [item for source in sources for item in source_items(source, self.contract)]
        batch_size = self.at_a_time(batch_size)
        batches = (items[at : at + batch_size] for at in range(0, len(items), batch_size))
        for some, read in network_inputs(batches, self.contract):
            good = [found[0] for found in read if not isinstance(found, DataError)]
            scores = iter(self.scores(np.stack(good)) if good else [])
            if notice and good:
                taken = [(item, found[1]) for item, found in zip(some, read, strict=True) if isinstance(found, tuple)]
                odd = unlike(np.stack(good), [size for _, size in taken], self.contract)
                for (item, _), words in zip(taken, odd, strict=True):
                    if words and isinstance(item, Item):
                        notice(item, words)
            for item, found in zip(some, read, strict=True):
                if isinstance(item, DataError):
                    yield item
                elif isinstance(found, DataError):
                    yield found
                else:
                    size = None if found[1] is None else np.array([found[1]])
                    of: dict[str, Any] = {"threshold": threshold, "file": item.file, "text": item.text, "least": least}
                    context = output_context(self.contract, size, **of)
                    yield scoring_of(self.contract.task).predict(next(scores), context)

    def check_savable(self) -> None:
        """ModelError, as of :meth:`save`, where the file would be one that nobody could load."""
        state = self.module.state_dict().items()
        tensors = {name: (DTYPES.get(value.dtype, str(value.dtype)), tuple(value.shape)) for name, value in state}
        header = Header(self.graph, self.contract, tensors)
        if self.graph is None:
            _check_own(self, header)
        else:
            check_agree(self.graph, self.contract)
            _check_shapes(assemble(self.graph), header)

    def reloaded(self, path: Path) -> Model:
        """The model in the file at *path*, whose network is this one's."""
        return load(path, None if self.graph is not None else copy.deepcopy(self.module))

    @property
    def graph(self) -> Graph | None:
        """What the module was built from; None for somebody's own module."""
        graph = getattr(self.module, "graph", None)
        return graph if isinstance(graph, Graph) else None

    def save(self, path: str | Path) -> None:
        """Writes the one file that contains everything: weights, net, contract.

        The file of somebody's own module has the weights, and of its code the name alone: see :func:`load`.

        Raises:
            ModelError: The module was built from a description and changed since, so the file could not say what it
                is; or it does not give what the contract says.
        """
        try:
            self.check_savable()
        except ModelError as error:
            raise ModelError(f"{path}: not saved: {error}") from None
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.module.state_dict().items()}
        about = {"striate": FORMAT, "contract": self.contract.to_json()}
        if self.graph is None:
            about["code"] = self.code or type(self.module).__name__
            tensors = {name: value.clone() for name, value in tensors.items()}  # some may share their memory
        else:
            about["net"] = format(self.graph)
        write_safely(Path(path), with_sorted_metadata(to_bytes(tensors, about)))


def load(path: str | Path, module: nn.Module | None = None) -> Model:
    """The model in the file at *path*, or in the run's folder *path*, on the CPU and ready to predict.

    Args:
        path: The file, or the folder.
        module: Of a file with the weights of somebody's own module: such a module, into which they are put. No file
            brings code along.

    Raises:
        ModelError: Naming the file and what is wrong with it; nothing of it is used before all is checked.

    >>> import tempfile
    >>> from striate.net import build
    >>> from striate.spec import parse
    >>> contract = Contract(("dark", "bright"), (1, 2, 2), "L", (0.5,), (0.5,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Model(build(parse("input 1x2x2; flatten; linear 2")), contract).save(Path(folder) / "a.safetensors")
    ...     load(Path(folder) / "a.safetensors").contract == contract
    True
    """
    path = model_file(path)
    header = read_header(path)
    try:
        if (header.graph is None) != (module is not None):
            raise ModelError(_own_or_not(path, header))
        net = assemble(header.graph) if header.graph else cast(nn.Module, module)
        _check_shapes(net, header)
        tensors = from_bytes(path.read_bytes())
        for name, value in tensors.items():
            if not torch.isfinite(value).all():
                raise ModelError(f"the tensor {name!r} contains values that are not numbers (NaN or infinity)")
        net.load_state_dict(tensors, assign=header.graph is not None)
        model = Model(net, header.contract)
        if header.graph is None:
            model.code = header.code
            _check_own(model, header)
    except Error as error:
        first, *more = str(error).splitlines()
        raise ModelError("\n".join([f"{path}: {first}", *more[:5], *["  ..."][: len(more[5:])]])) from None
    except (SafetensorError, RuntimeError, TypeError, LookupError, OverflowError, OSError) as error:
        raise ModelError(f"{path}: the weights cannot be loaded ({str(error).splitlines()[0]})") from None
    net.eval()
    model.path = path
    return model


def _own_or_not(path: Path, header: Header) -> str:
    """What to say where a module was given and none is needed, or the other way round."""
    if header.graph is not None:
        return "it says itself what its network is; omit the module"
    code = header.code if header.code.isprintable() else repr(header.code)
    named = code if ".py:" in code else f"FILE.py:{code}"
    return (
        f"contains the weights of {code}, somebody's own PyTorch module, and no file brings code along; give the "
        f"module too: {named}@{path}, or in Python striate.load({str(path)!r}, module)"
    )


def output_context(
    contract: Contract,
    sizes: np.ndarray | None = None,
    *,
    names: tuple[str, ...] | None = None,
    threshold: float | None = None,
    file: str | None = None,
    text: str | None = None,
    least: float | None = None,
) -> OutputContext:
    """How what *contract* did to items is undone, for :mod:`striate.tasks.scoring`.

    Args:
        contract: Says how targets were standardised, and which are positions.
        sizes: int ``(N, 2)``, the images' width and height as they came, in whose pixels positions and masks are given;
            those of the network's input, if not given.
        names: Of the items.
        threshold: The probability from which on a label is predicted, or below which a class is "unknown"; the
            contract's, if not given.
        file: Where one item came from.
        text: One item, where it is a text.
        least: The probability from which on a class is in the prediction set; None: no sets.
    """
    return OutputContext(
        contract.classes,
        names,
        contract.positions,
        contract.threshold if threshold is None else threshold,
        contract.temperature,
        least,
        contract.energy,
        file=file,
        text=text,
        unstandardise=lambda scores: scores.astype(np.float64) * contract.target_std + contract.target_mean,
        in_pixels=lambda values: in_pixels(values, contract, sizes),
        upright=lambda mask, size=None: upright_mask(
            mask, contract, size or (None if sizes is None else (*sizes[0].tolist(),))
        ),
    )


def _check_shapes(module: nn.Module, header: Header) -> None:
    """Every weight of the net is there with its shape and dtype, and nothing else is."""
    expected = {name: (DTYPES.get(t.dtype, "?"), tuple(t.shape)) for name, t in module.state_dict().items()}
    missing, extra = sorted(expected.keys() - header.tensors.keys()), sorted(header.tensors.keys() - expected.keys())
    if missing:
        raise ModelError(f"the net needs {_some(missing)}, which the file does not contain")
    if extra:
        raise ModelError(f"the file contains {_some(extra)}, which the net does not have")
    for name, (dtype, shape) in expected.items():
        if header.tensors[name] != (dtype, shape):
            came: tuple[str, Shape] = header.tensors[name]
            raise ModelError(f"{name} is {came[0]} of shape {list(came[1])}, the net needs {dtype} of {list(shape)}")
    if header.graph is not None:
        check_outputs(infer(header.graph)[0][header.graph.output], header.contract)


def _check_own(model: Model, header: Header) -> None:
    """ModelError unless somebody's own module takes what the contract says, and gives it."""
    odd = next((name for name, (dtype, _) in header.tensors.items() if dtype not in BYTES), None)
    if odd is not None:
        raise ModelError(f"{odd} is {header.tensors[odd][0]}; a model file takes {', '.join(BYTES)}")
    contract = model.contract
    dtype = {"values": np.float32, "text": np.int64}.get(contract.mode, np.uint8)
    try:
        outputs = model.scores(np.zeros((2, *contract.input), dtype)).shape[1:]
    except DataError as error:
        raise ModelError(str(error)) from None
    except Exception as error:  # whatever somebody's code raises
        why = " ".join(str(error).split())
        raise ModelError(
            f"the module does not take inputs of {list(contract.input)}: {type(error).__name__}: {why}"
        ) from None
    check_outputs(outputs, contract)


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
