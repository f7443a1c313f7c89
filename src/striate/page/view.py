"""``striate.view``: the page of a network, written to a file, served on this machine, or shown in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from striate.datasets import open_data
from striate.errors import DataError, Error, ModelError, SeeError
from striate.files import write_safely
from striate.inspect.models.inspected import Inspectable, InspectedModel, Size, inspected
from striate.inspect.models.over_data import items_for
from striate.model.sources import Source, source_items
from striate.page.document import document
from striate.page.scene import NetworkScene, Sample

SAMPLES = 24  # inputs that are offered at most


@dataclass(frozen=True, eq=False)
class View:
    """The page of a network. In a notebook it shows itself; :meth:`save` writes it as one file.

    Args:
        scene: The network, its weights and its sample inputs.
    """

    scene: NetworkScene

    def html(self) -> str:
        """The whole page as one HTML document."""
        return document(self.scene)

    def save(self, path: str | Path) -> Path:
        """Writes the page as one file, which needs neither striate nor the internet.

        >>> import tempfile
        >>> page = view("conv 2 3; relu; flatten; linear 3", input=(1, 8, 8))
        >>> page.save(Path(tempfile.mkdtemp()) / "page.html").name
        'page.html'
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise SeeError(f"{path}: the file must end in .html")
        write_safely(path, self.html().encode())
        return path

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame of its own, without access to the notebook around it."""
        inside = html.escape(self.html(), quote=True)
        return f'<iframe sandbox="allow-scripts" srcdoc="{inside}" style="width:100%;height:720px;border:0"></iframe>'


def view(
    net: Inspectable,
    source: Source | Sequence[Source] | None = None,
    *,
    data: str | Path | None = None,
    input: Size = None,
) -> View:
    """The live page of a network: draw its input, see every feature map, and open any unit's arithmetic.

    Args:
        net: What :func:`striate.check` takes: a run's folder, a model file, a ``Model``, a network by name or text
            (with random weights), or any ``nn.Module`` whose forward can be followed.
        source: Inputs that the page offers: an image file or several, a folder of them, arrays, sentences.
        data: A data set whose test items are offered; of a run's folder or model file, the run's own if it can still be
            opened.
        input: ``(C, H, W)``, where the network does not say it.

    Raises:
        ModelError, SpecError: There is no such network. DataError: An input cannot be read. SeeError: The network
            cannot be computed in a page.

    >>> page = view("lenet5")
    >>> len(page.html()) < 700_000
    True
    """
    model = inspected(net, input)
    samples = _of_source(model, source) if source is not None else _of_data(model, net, data)
    title = str(net) if isinstance(net, str | Path) else type(model.module).__name__
    return View(NetworkScene.of(model, samples, title))


def _of_source(model: InspectedModel, source: Source | Sequence[Source]) -> list[Sample]:
    several: list[Source] = list(source) if isinstance(source, list | tuple) else [cast(Source, source)]
    found: list[Sample] = []
    for one in several:
        for item in source_items(one, model.contract):
            if isinstance(item, DataError):
                raise item
            name = (
                str(item.source) if model.contract.mode == "text" else Path(item.file or f"input {len(found) + 1}").name
            )
            found.append(Sample(name, model.item(item.source)))
            if len(found) == SAMPLES:
                return found
    return found


def _of_data(model: InspectedModel, net: Any, data: str | Path | None) -> list[Sample]:
    """Items of the test split of *data*, evenly spread; without *data*, of the run's own data if they are there."""
    asked = data is not None
    if data is None:
        data = _data_of_run(net)
    if data is None:
        return []
    try:
        arrays = items_for(model.contract, data, "test", max_items=SAMPLES)
        labels = _labels(data)
    except Error:
        if asked:
            raise
        return []
    return [Sample(_named(name, labels), item) for name, item in zip(arrays.names, arrays.inputs, strict=True)]


def _labels(data: str | Path) -> dict[str, str]:
    """The class of each test item by its name, where an item has one."""
    dataset = open_data(data)
    part = dataset.parts["test"]
    if not dataset.task.exclusive or dataset.task.per_pixel:
        return {}
    return {name: dataset.classes[int(target)] for name, target in zip(part.names, part.targets, strict=True)}


def _named(name: str, labels: dict[str, str]) -> str:
    return labels.get(name) or Path(name).name


def _data_of_run(net: Any) -> str | None:
    from striate.run.folder import read_about

    if not isinstance(net, str | Path):
        return None
    folder = Path(net) if Path(net).is_dir() else Path(net).parent
    try:
        return str(read_about(folder)["data"])
    except (ModelError, KeyError):
        return None
