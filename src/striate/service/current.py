"""The model that answers, and the newer file that takes its place while requests go on."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.errors import Error, ModelError
from striate.model.contract import Contract
from striate.model.predictor import Predictor

DTYPES = {"values": np.float32, "text": np.int64}  # of a contract's prepared inputs, by its mode; of all others bytes


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model that has been tried.

    Args:
        predictor: The network with its contract.
        name: Of the model, in the Open Inference Protocol.
        version: 1, and one more for each file that took its place.
    """

    predictor: Predictor
    name: str
    version: int
    since: float = field(default_factory=time.time)

    @property
    def contract(self) -> Contract:
        """What the model takes and gives."""
        return self.predictor.contract


class CurrentModel:
    """The model in use: :attr:`loaded`, which a request keeps from its beginning to its end.

    Args:
        load: Gives the model, each time that it is called as it is now.
        file: Where it is from, to see whether there is a newer one; None: nowhere.
        name: What it is called; "": as its file, or the file's folder.
        say: Told of each newer file, in a line.

    Raises:
        ModelError: It cannot be loaded, or fails on an input of zeros.
    """

    def __init__(
        self, load: Callable[[], Predictor], file: Path | None, name: str = "", say: Callable[[str], None] = print
    ) -> None:
        self.file = file
        self.refused = ""  # why the newest file was not taken; "": it was
        self._load, self._say = load, say
        self._lock = threading.Lock()
        self._seen = self._mark()
        self.loaded = Loaded(_tried(load), name or _name_of(file), 1)

    def _mark(self) -> tuple[int, ...]:
        """What changes when the file does."""
        if self.file is None:
            return ()
        try:
            status = self.file.stat()
        except OSError:
            return (0,)
        return status.st_ino, status.st_size, status.st_mtime_ns

    def look(self, *, anyway: bool = False) -> bool | None:
        """Whether a newer file took the place; None where there is none, False where it is refused and said so, and the
        model stays. *anyway*: also where the file looks the same.
        """
        with self._lock:
            mark = self._mark()
            if self.file is None or (mark == self._seen and not anyway):
                return None
            self._seen = mark
            try:
                predictor = _tried(self._load)
            except Exception as error:  # of the network's own code, or of what computes: no memory is left
                self.refused, more = _why(error, self.file)
                self._say(f"the new {self.file.name} is not taken, the model before it stays: {self.refused}{more}")
                return False
            self.refused = ""
            self.loaded = Loaded(predictor, self.loaded.name, self.loaded.version + 1)
            self._say(f"the new {self.file.name} is taken: version {self.loaded.version}")
            return True


def _tried(load: Callable[[], Predictor]) -> Predictor:
    """The model, after it has computed something, as the first request need not wait for what is made then."""
    predictor = load()
    contract = predictor.contract
    zeros = np.zeros((1, *contract.input), DTYPES.get(contract.mode, np.uint8))
    for _ in range(2):
        if not np.isfinite(predictor.scores(zeros)).all():
            raise ModelError("the network gives NaN or infinity for an input of zeros; train or export it again")
    return predictor


def _why(error: Exception, file: Path) -> tuple[str, str]:
    """Why *file* is not taken, for everyone, without where it lies; and what more the log says.

    >>> _why(ModelError("models/a.onnx: cut short"), Path("models/a.onnx"))
    ('cut short', '')
    >>> _why(RuntimeError("out of memory"), Path("models/a.onnx"))
    ('it could not be computed', ' (RuntimeError: out of memory)')
    """
    if isinstance(error, OSError):
        return error.strerror or "cannot be read", ""
    if not isinstance(error, Error):
        return "it could not be computed", f" ({type(error).__name__}: {error})"
    why = str(error).removeprefix(f"{file}: ").partition("\n")[0]
    for path in sorted({str(file), str(file.absolute()), str(file.resolve())}, key=len, reverse=True):
        why = why.replace(path, file.name)
    return why or "it cannot be loaded", ""


def _name_of(file: Path | None) -> str:
    """What a model is called: as its file; as its run where the file is called as in every run.

    >>> _name_of(Path("runs/my photos/model.safetensors")), _name_of(Path("cat.onnx")), _name_of(None)
    ('my-photos', 'cat', 'model')
    """
    if file is None:
        return "model"
    stem = file.resolve().parent.name if file.stem == "model" else file.stem
    return re.sub(r"[^\w.-]+", "-", stem, flags=re.ASCII).strip("-.") or "model"
