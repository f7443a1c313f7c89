"""How a layer's kernels change while a network learns, from the models that a run kept of its epochs."""

from __future__ import annotations

from pathlib import Path

from striate.errors import ModelError
from striate.files import write_safely
from striate.inspect.filters import film, filters
from striate.model.model import load


def film_of(model: str | Path, layer: str | None, out: str | Path) -> int:
    """Writes a GIF of the kernels of *layer* over the epochs of a run, and gives how many there were.

    Args:
        model: The run's model file, or its folder; it was trained with ``--keep-epochs`` (``keep_epochs=True``).
        layer: A convolution; the first, if not given.
        out: Where the film goes.

    Raises:
        ModelError: The run kept no epochs. SeeError: There is no such convolution.
    """
    model = Path(model)
    folder = (model if model.is_dir() else model.parent) / "epochs"
    kept = sorted(folder.glob("*.safetensors"))
    if not kept:
        raise ModelError(f"{folder}: there are no models of single epochs; train with --keep-epochs to have them")
    moments = [(f"epoch {int(p.stem)}" if p.stem.isdecimal() else p.stem, filters(load(p).module, layer)) for p in kept]
    write_safely(Path(out), film(moments))
    return len(moments)
