"""A trained network with its contract: predict, evaluate, save, load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import nn

from striate.errors import DataError, Error, ModelError
from striate.files import write_safely
from striate.learn import Scorer, evaluating
from striate.model.contract import Contract
from striate.model.header import FORMAT, Header, check_agree, read_header
from striate.model.image import decode, from_array
from striate.model.prepare import fit, normalise
from striate.net import assemble
from striate.spec import Graph, Shape, format

DTYPES = {torch.float32: "F32", torch.int64: "I64"}
Source = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """The answer for one image: the likeliest class, its probability, and all classes from the likeliest down."""

    class_: str
    probability: float
    top: tuple[tuple[str, float], ...]
    file: str | None = None  # None for an image or an array

    def as_dict(self) -> dict[str, object]:
        """As ``striate predict --json`` prints it."""
        top = [{"class": name, "probability": p} for name, p in self.top]
        return {"file": self.file, "class": self.class_, "probability": self.probability, "top": top}


class Model:
    """A module from images to class scores, and the contract by which images become its input.

    Args:
        module: ``(N, *contract.input)`` to ``(N, len(contract.classes))`` scores, or their softmax.
        contract: How files and arrays are prepared, and what the outputs mean.
    """

    def __init__(self, module: nn.Module, contract: Contract) -> None:
        self.module = module
        self.contract = contract

    @torch.no_grad()
    def log_probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Of every class, in natural logarithms: uint8 ``(N, C, H, W)`` to float64 ``(N, K)``."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        x = normalise(torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(device), self.contract)
        with evaluating(self.module):
            scores = Scorer(self.module)(x)
        return scores.double().log_softmax(1).cpu().numpy()

    def predict(self, source: Source | Iterable[Source], *, batch: int = 64) -> list[Prediction]:
        """The answers for *source*, in order.

        Args:
            source: An image file, a folder of them (searched through), a Pillow image, an array
                (``(H, W)`` or ``(H, W, C)``; uint8, or floats in 0..1), or several of these.
            batch: How many images go through the network at a time.

        Raises:
            DataError: Naming the first that cannot be read.
        """
        several = isinstance(source, Iterable) and not isinstance(source, str | np.ndarray | Image.Image | Path)
        answers = []
        for answer in self.answers(source if several else [source], batch=batch):  # type: ignore[list-item]
            if isinstance(answer, DataError):
                raise answer
            answers.append(answer)
        return answers

    def answers(self, sources: Iterable[Source], *, batch: int = 64) -> Iterator[Prediction | DataError]:
        """As :meth:`predict`, one by one, with the error in place of an answer that cannot be given."""
        items = [item for source in sources for item in files_of(source)]
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(items), batch):
                some = items[start : start + batch]
                read = list(pool.map(self._pixels, some))
                good = [pixels for pixels in read if isinstance(pixels, np.ndarray)]
                found = iter(np.exp(self.log_probabilities(np.stack(good))) if good else [])
                for item, pixels in zip(some, read, strict=True):
                    yield self._answer(item, next(found)) if isinstance(pixels, np.ndarray) else pixels

    def _pixels(self, item: Source | DataError) -> np.ndarray | DataError:
        try:
            if isinstance(item, DataError):
                return item
            if isinstance(item, str | Path):
                return fit(decode(item, self.contract.mode), self.contract)
            if isinstance(item, np.ndarray):
                return fit(from_array(item), self.contract)
            if isinstance(item, Image.Image):
                return fit(item, self.contract)
            raise DataError(f"got a {type(item).__name__}; wanted a path, a Pillow image or a numpy array")
        except DataError as error:
            return error
        except (OSError, SyntaxError) as error:  # a Pillow image that is read only now
            return DataError(f"the image is damaged or cut short ({error})")

    def _answer(self, item: Source | DataError, probabilities: np.ndarray) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")
        top = tuple((self.contract.classes[i], float(probabilities[i])) for i in order)
        return Prediction(*top[0], top, str(item) if isinstance(item, str | Path) else None)

    @property
    def graph(self) -> Graph | None:
        """What the module was built from; None for somebody's own module."""
        graph = getattr(self.module, "graph", None)
        return graph if isinstance(graph, Graph) else None

    def save(self, path: str | Path) -> None:
        """Writes the one file that holds everything: weights, net, contract.

        Raises:
            ModelError: The module was not built from a description, or was changed since, so the file could not say
                what it is.
        """
        if self.graph is None:
            raise ModelError(
                f"{path}: only networks built by striate.build can be saved as a model file; "
                f"save this module's weights with safetensors, or describe it as a net"
            )
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.module.state_dict().items()}
        described = {name: (DTYPES.get(t.dtype, str(t.dtype)), tuple(t.shape)) for name, t in tensors.items()}
        try:
            check_agree(self.graph, self.contract)
            _check_shapes(assemble(self.graph), Header(self.graph, self.contract, described))
        except ModelError as error:  # a file that nobody could load
            raise ModelError(f"{path}: not saved: {error}") from None
        about = {"striate": FORMAT, "net": format(self.graph), "contract": self.contract.to_json()}
        write_safely(Path(path), to_bytes(tensors, about))


def files_of(source: Source) -> list[Source | DataError]:
    """*source*, or the image files in it where it is a folder."""
    from striate.data.folders import images_under

    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return [source]
    try:
        return list(images_under(Path(source))) or [DataError(f"{source}: no images in this folder")]
    except DataError as error:
        return [error]


def load(path: str | Path) -> Model:
    """The model in the file at *path*, on the CPU and ready to predict.

    Raises:
        ModelError: Naming the file and what is wrong with it; nothing of it is used before all is checked.
    """
    path = Path(path)
    header = read_header(path)
    try:
        module = assemble(header.graph)
        _check_shapes(module, header)
        tensors = from_bytes(path.read_bytes())
        for name, value in tensors.items():
            if not torch.isfinite(value).all():
                raise ModelError(f"the tensor {name!r} holds values that are no numbers (NaN or infinite)")
        module.load_state_dict(tensors, assign=True)
    except Error as error:
        first, *more = str(error).splitlines()
        raise ModelError("\n".join([f"{path}: {first}", *more[:5], *["  ..."][: len(more[5:])]])) from None
    except (SafetensorError, RuntimeError, TypeError, OverflowError, OSError) as error:
        raise ModelError(f"{path}: the weights cannot be loaded ({str(error).splitlines()[0]})") from None
    module.eval()
    return Model(module, header.contract)


def _check_shapes(module: nn.Module, header: Header) -> None:
    """Every weight of the net is there with its shape and dtype, and nothing else is."""
    wanted = {name: (DTYPES[t.dtype], tuple(t.shape)) for name, t in module.state_dict().items()}
    missing, extra = sorted(wanted.keys() - header.tensors.keys()), sorted(header.tensors.keys() - wanted.keys())
    if missing:
        raise ModelError(f"the net needs {_some(missing)}, which the file does not hold")
    if extra:
        raise ModelError(f"the file holds {_some(extra)}, which the net does not have")
    for name, (dtype, shape) in wanted.items():
        if header.tensors[name] != (dtype, shape):
            came: tuple[str, Shape] = header.tensors[name]
            raise ModelError(f"{name} is {came[0]} of shape {list(came[1])}, the net needs {dtype} of {list(shape)}")
    outputs, classes = _outputs(module), len(header.contract.classes)
    if outputs != (classes,):
        raise ModelError(f"the net gives an output of shape {list(outputs)}, the contract has {classes} classes")


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _outputs(module: nn.Module) -> Shape:
    from striate.analysis import infer

    graph = module.graph
    assert isinstance(graph, Graph)
    return infer(graph)[0][graph.output]
