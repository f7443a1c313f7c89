"""A trained network with its contract: scores, predictions, the file."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import nn
from torch.nn import functional as F

from striate.analysis import infer
from striate.errors import DataError, Error, ModelError, listed
from striate.files import write_safely
from striate.learning import Scorer, Speed, evaluating
from striate.model.contract import TEST_TIME, Contract
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
from striate.model.predictor import Predictor
from striate.model.prepare import normalise
from striate.net import assemble
from striate.net.read_run import in_evaluation, materialised, predictions_alone
from striate.spec import Graph, Shape, format

DTYPES = {
    torch.float32: "F32", torch.int64: "I64", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


class Model(Predictor):
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
        super().__init__(contract)
        self.module = module
        self.precision = "float32"  # in which scores are computed, or "bf16"
        self.code = ""  # of somebody's own module: where it is from, such as my_net.py:Net
        self.estimator = ""  # what an estimator keeps in the file besides: its parameters and classes, as JSON

    @torch.no_grad()
    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """float32 or wider, before any softmax or sigmoid, for prepared *inputs* ``(N, *contract.input)``."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        x = normalise(torch.from_numpy(np.require(inputs, requirements=["C", "W"])).to(device), self.contract)
        with evaluating(self.module), Speed(precision=self.precision).autocast(device):
            scores = averaged_scores(Scorer(self.module, self.contract.task), x, self.contract)
        return (scores.float() if scores.dtype is torch.bfloat16 else scores).cpu().numpy()

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
        about |= {"estimator": self.estimator} if self.estimator else {}
        if self.graph is None:
            about["code"] = self.code or type(self.module).__name__
            tensors = {name: value.clone() for name, value in tensors.items()}  # some may share their memory
        else:
            about["net"] = format(self.graph)
        write_safely(Path(path), with_sorted_metadata(to_bytes(tensors, about)))


def averaged_scores(scores_of: Scorer, x: torch.Tensor, contract: Contract) -> torch.Tensor:
    """The scores of a batch as the network takes it; with test-time augmentation the mean over the views of each item.

    Raises:
        DataError: The network gives something else.
    """
    scores = scores_of(x)
    if not isinstance(scores, torch.Tensor):
        raise DataError(
            f"the network gives a {type(scores).__name__}; expected one tensor of scores, so return that alone"
        )
    first, *others = TEST_TIME[contract.tta]
    total, weights = scores * first[0], first[0]
    for weight, mirrored, down, right in others:
        view = _shifted(x, down, right)
        part = scores_of(view.flip(-1) if mirrored else view)
        if contract.task.per_pixel:
            part = _shifted(part.flip(-1) if mirrored else part, -down, -right)
        total, weights = total + weight * part, weights + weight
    return total / weights if others else scores


def _shifted(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """*images* ``(N, C, H, W)`` moved by as many pixels, -1 to 1; the border repeats."""
    if not (down or right):
        return images
    height, width = images.shape[-2:]
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return padded[..., 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def load(path: str | Path, module: nn.Module | None = None) -> Model:
    """The model in the file at *path*, or in the run's folder *path*, on the CPU and ready to predict.

    Args:
        path: The file, or the folder.
        module: Of a file with the weights of your own PyTorch module: such a module, into which they are put. Model
            files contain no code.

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
        if header.graph:
            net: nn.Module = assemble(header.graph)
        else:  # lazy layers get their sizes
            shapes = (header.contract.input,)
            net, _ = materialised(cast(nn.Module, module), shapes)
            in_evaluation(net)
            net = predictions_alone(net, shapes)
        _check_shapes(net, header)
        tensors = from_bytes(path.read_bytes())
        for name, value in tensors.items():
            if not torch.isfinite(value).all():
                raise ModelError(f"the tensor {name!r} contains values that are not numbers (NaN or infinity)")
        net.load_state_dict(tensors, assign=header.graph is not None)
        model = Model(net, header.contract)
        model.estimator = header.estimator
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
        f"contains the weights of the PyTorch module {code}; model files contain no code, so name the module too: "
        f"{named}@{path}, or in Python striate.load({str(path)!r}, module)"
    )


def _check_shapes(module: nn.Module, header: Header) -> None:
    """Every weight of the net is there with its shape and dtype, and nothing else is."""
    expected = {name: (DTYPES.get(t.dtype, "?"), tuple(t.shape)) for name, t in module.state_dict().items()}
    missing, extra = sorted(expected.keys() - header.tensors.keys()), sorted(header.tensors.keys() - expected.keys())
    if missing:
        raise ModelError(f"the net needs {listed(missing, 6)}, which the file does not contain")
    if extra:
        raise ModelError(f"the file contains {listed(extra, 6)}, which the net does not have")
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
