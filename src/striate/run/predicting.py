"""The predictions of a model for whatever is given. Loads nothing of training, so that one image is soon answered."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from striate.datasets.sources.columns import ColumnChoice
from striate.errors import DataError, RecipeError, listed
from striate.files import write_safely
from striate.metrics.conformal import more_than_chance
from striate.metrics.shared import share_of
from striate.model.contract import check_tta
from striate.model.predictor import Predictor
from striate.model.sources import Item, Source, source_items
from striate.report.pictures import NOTHING, class_colours
from striate.run.folder import Say, to_stderr
from striate.run.items import items_of
from striate.run.shards import Shard
from striate.runtime import OnnxModel, is_exported, load
from striate.tasks.answers import Answer, Mask

if TYPE_CHECKING:
    from striate.datasets import Data
    from striate.loading import Given


def opened(
    model: Given | Predictor, device: str | None = None, batch_size: int = 1, tta: str | None = None
) -> Predictor:
    """Whatever predicts, ready: an exported file in its own runtime, without torch; all else as a ``Model``.

    Args:
        model: A model file, a run's folder, an ``.onnx`` file, a ``Model``, an ``OnnxModel``.
        device: Where it goes first; None: where it is.
        batch_size: That is asked for.
        tta: Test-time augmentation instead of the model's own; an exported file has its own inside.

    Raises:
        ModelError: There is no such model. RecipeError: What is asked of it does not fit it.
    """
    if not isinstance(batch_size, int) or batch_size < 1:
        raise RecipeError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    if not isinstance(model, OnnxModel) and not is_exported(model):
        from striate.run.devices import placed

        return placed(cast("Given", model), device, tta)
    found = model if isinstance(model, OnnxModel) else load(cast(str, model), device=device or "cpu")
    if tta not in (None, found.contract.tta):
        check_tta(str(tta), found.contract)
        raise RecipeError(f"tta is {tta!r}, and {found.path} was exported with {found.contract.tta!r}; export it anew")
    return found


def predict(
    model: Given | Predictor,
    sources: Source | Iterable[Source] | Data,
    *,
    threshold: float | None = None,
    batch_size: int = 64,
    device: str | None = None,
    tta: str | None = None,
    sets: float | str | None = None,
    out: str | Path | None = None,
    label: str | None = None,
    file: str | None = None,
    text: str | None = None,
    shard: str | tuple[int, int] | None = None,
    say: Say = to_stderr,
) -> list[Answer]:
    """The predictions of *model* for *sources*, in their order, under their names.

    Args:
        model: A model file, a run's folder, an ``.onnx`` file that ``striate export`` wrote, or a ``Model``.
        sources: What :meth:`Model.predict <striate.model.model.Model.predict>` takes: an image file, a folder, an
            array, a batch, a sentence; or several of them. Also all that :func:`train` takes: a table, an ``.npz``, a
            DataFrame, ``(X, y)``, a data set, with targets (which are not looked at) or without.
        threshold: The probability from which on one of several labels is predicted [0.5]; of one class per item that
            below which the answer is "unknown" [the model's, which evaluate chose].
        batch_size: How many items go through the network at a time.
        device: Where the model goes first: ``"auto"``, ``"cpu"``, ``"cuda"``; it stays where it is, if not given.
        tta: Test-time augmentation: ``"none"`` or ``"flip"``; the model's own, if not given.
        sets: Of one class per item: also the classes that contain the right one for this share of the items (``0.9``,
            ``"90%"``).
        out: Of segmentation: a folder to which each image's mask is written, as a PNG.
        label: Of a table: the column of the targets, which is not looked at.
        file: Of a table: the column of the image files.
        text: Of a table: the column of the texts; several, separated by commas, are joined.
        shard: ``(3, 8)`` or ``"3/8"``: the third of eight equal shares of the *sources*, of which nothing else is
            read. The shares one after the other are, bit for bit, the whole. Whole batches are shared out.
        say: Told, in a line each, which files of a folder are no images.

    Raises:
        ModelError: There is no such model.
        DataError: Naming the first that cannot be read.
        RecipeError: There is no such share.

    >>> from tempfile import mkdtemp
    >>> from striate import open_data, train
    >>> model = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, out=mkdtemp(), quiet=True)
    >>> (prediction,) = predict(model, open_data("digits").test.inputs[0])
    >>> len(prediction.top), round(sum(probability for _, probability in prediction.top), 6)
    (10, 1.0)
    """
    answers = []
    how: dict[str, Any] = {"threshold": threshold, "batch_size": batch_size, "device": device, "tta": tta, "sets": sets}
    for answer, _ in predictions(
        model, sources, **how, out=out, label=label, file=file, text=text, shard=shard, say=say
    ):
        if isinstance(answer, DataError):
            raise answer
        answers.append(answer)
    return answers


def predictions(
    model: Given | Predictor,
    sources: Source | Iterable[Source] | Data,
    *,
    threshold: float | None = None,
    batch_size: int = 64,
    device: str | None = None,
    tta: str | None = None,
    sets: float | str | None = None,
    out: str | Path | None = None,
    label: str | None = None,
    file: str | None = None,
    text: str | None = None,
    shard: str | tuple[int, int] | None = None,
    say: Say = to_stderr,
) -> Iterator[tuple[Answer | DataError, Path | None]]:
    """As :func:`predict`, one by one: the prediction, or the error in its place, and the mask's file."""
    found = opened(model, device, batch_size, tta)
    if threshold is not None and (not isinstance(threshold, int | float) or not 0 <= threshold <= 1):
        raise RecipeError(f"threshold must be a number from 0 to 1, got {threshold!r}")
    if out is not None and not found.contract.task.per_pixel:
        raise RecipeError(
            f"--out {out}: masks are written by a model for segmentation, this is for {found.contract.task}"
        )
    share, contract = Shard.parse(shard), found.contract
    given = items_of(sources, contract, ColumnChoice(label=label, file=file, text=text), say)
    items = [item for source in given for item in source_items(source, contract)]
    own = share.of(range(len(items)), found.at_a_time(batch_size))
    names = _mask_names(items) if out is not None else []  # of all, so that two shares never write one file
    odd: list[str] = []

    def notice(item: Item, words: tuple[str, ...]) -> None:
        odd.append(f"{item.file or 'an item'} ({', '.join(words)})")

    asked = None if sets is None else share_of(sets, "sets")
    how: dict[str, Any] = {"batch_size": batch_size, "threshold": threshold, "sets": asked, "notice": notice}
    answers = found.answers((items[i] for i in own), **how)
    rare: list[str] = []
    read = 0
    for i, answer in zip(own, answers, strict=True):
        read += not isinstance(answer, DataError)
        if getattr(answer, "out_of_distribution", False):
            rare.append(str(getattr(items[i], "file", None) or f"item {i}"))
        if isinstance(answer, Mask) and out is not None:
            yield answer, _write_mask(answer, Path(out), names[i], len(contract.classes))
        else:
            yield answer, None
    if more_than_chance(len(odd), read):
        say(
            f"warning: {len(odd):,} of {read:,} items are unlike the training items (fewer than 1 in 100 ordinary "
            f"items are); predictions for them may be wrong: {listed(odd, 3)}"
        )
    if more_than_chance(len(rare), read):
        say(
            f"warning: {len(rare):,} of {read:,} items may be out of distribution, of a kind that the model was not "
            f"trained on: their scores are as low as those of 1 ordinary item in 100 (energy score): {listed(rare, 3)}"
        )


def _mask_names(items: Iterable[Item | DataError]) -> list[str]:
    """A name for each item's mask, without suffix; where several files have one name, ``name-2`` and so on."""
    taken: dict[str, int] = {}
    names: list[str] = []
    for item in items:
        stem = name = "" if isinstance(item, DataError) else Path(str(item.file)).stem
        while name in taken:
            taken[stem] += 1
            name = f"{stem}-{taken[stem]}"
        taken[name] = 1
        names.append(name)
    return names


def _write_mask(answer: Mask, folder: Path, name: str, classes: int) -> Path:
    """A mask of class numbers with a palette, so that it is seen as colours and read as numbers; 255 is no class."""
    image = Image.fromarray(answer.mask)
    palette = (*class_colours(classes), *[NOTHING] * (256 - classes))  # all 256: Pillow would cut bits off
    image.putpalette([value for colour in palette for value in colour])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    folder.mkdir(parents=True, exist_ok=True)
    write_safely(folder / f"{name}.png", stream.getvalue())
    return folder / f"{name}.png"
