"""The predictions of a model for whatever is given. Loads nothing of training, so that one image is soon answered."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from striate.datasets.sources.columns import ColumnChoice
from striate.errors import DataError, RecipeError, counted
from striate.metrics.conformal import more_than_chance
from striate.metrics.shared import share_of
from striate.model.contract import Contract, check_tta
from striate.model.opening import is_image
from striate.model.ordinary import NO_WORD
from striate.model.predictor import Predictor, output_context
from striate.model.sources import Item, Source
from striate.run.folder import Say, to_stderr
from striate.run.items import GivenItems, Shard
from striate.run.rows import SUFFIXES, RowFile, finished_rows, note_of
from striate.runtime import OnnxModel, is_exported, load, load_fastest
from striate.tasks.answers import Answer, Mask, answer_of

if TYPE_CHECKING:
    from striate.datasets import Data
    from striate.loading import Given

AUTO = "auto"
FEW = 3  # items that a warning names, and for which an exported file is made ready sooner


def opened(
    model: Given | Predictor,
    device: str | None = None,
    batch_size: int = 1,
    tta: str | None = None,
    *,
    few: bool = False,
    engine: str | None = None,
    precision: str | None = None,
    say: Say = to_stderr,
) -> Predictor:
    """Whatever predicts, ready: an exported file in its own runtime, without torch; all else as a ``Model``.

    Args:
        model: A model file, a run's folder, an ``.onnx`` file, a ``Model``, an ``OnnxModel``.
        device: Where it goes first; None: where it is.
        batch_size: That is asked for.
        tta: Test-time augmentation instead of the model's own; an exported file has its own inside.
        few: A few items will be predicted: an exported file is made ready for these sooner, and for many slower.

        engine: Of an exported file: ``"onnxruntime"``, ``"openvino"``, ``"auto"`` (the fastest, measured once).
        precision: ``"bf16"``: faster on some processors, and less exact.
        say: Told which engine was chosen.

    Raises:
        ModelError: There is no such model. RecipeError: What is asked of it does not fit it.
    """
    if not isinstance(batch_size, int) or batch_size < 1:
        raise RecipeError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    if not isinstance(model, OnnxModel) and not is_exported(model):
        from striate.run.devices import placed

        if engine is not None:
            raise RecipeError(f"engine {engine} is of an exported file (.onnx), and {model} is none; omit it")
        return placed(cast("Given", model), device, tta, precision)
    if isinstance(model, OnnxModel):
        for name, value in (
            ("device", None if device == AUTO else device),
            ("engine", engine),
            ("precision", precision),
        ):
            if value is not None:
                raise RecipeError(
                    f"{name} {value} is chosen when an exported file is loaded, and {model.path} is; omit it"
                )
    found = model if isinstance(model, OnnxModel) else _exported(str(model), engine, precision, say, device, few)
    if tta not in (None, found.contract.tta):
        check_tta(str(tta), found.contract)
        raise RecipeError(f"tta is {tta!r}, and {found.path} was exported with {found.contract.tta!r}; export it anew")
    return found


def _exported(
    path: str, engine: str | None, precision: str | None, say: Say, device: str | None, few: bool
) -> OnnxModel:
    how: dict[str, Any] = {"device": device or "cpu", "precision": precision or "float32"}
    if engine == AUTO:
        return load_fastest(path, say=say, **how)
    return load(path, few=few, engine=engine or "onnxruntime", **how)


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
    resume: bool = False,
    top: int = 3,
    engine: str | None = None,
    precision: str | None = None,
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
        tta: Test-time augmentation (``none``, ``flip``, ``shift``, ``flip+shift``); the model's own, if not given.
        sets: Of one class per item: also the classes that contain the right one for this share of the items (``0.9``,
            ``"90%"``).
        out: A table that is written as the predictions come: ``.csv``, ``.jsonl`` (all that is known of each item) or
            ``.parquet``; what cannot be read is a row with the reason. Of segmentation: or a folder to which each
            image's mask is written, as a PNG.
        label: Of a table: the column of the targets, which is not looked at.
        file: Of a table: the column of the image files.
        text: Of a table: the column of the texts; several, separated by commas, are joined.
        shard: ``(3, 8)`` or ``"3/8"``: the third of eight equal shares of the *sources*, of which nothing else is
            read. The shares one after the other are, bit for bit, the whole. Whole batches are shared out.
        resume: Of a table: go on with what was written before an interruption.
        top: Of a table: so many of the classes of each item.
        engine: Of an ``.onnx`` file: ``"onnxruntime"`` [the default], ``"openvino"``, or ``"auto"``: the fastest, which
            is measured once and kept beside the file.
        precision: ``"float32"`` [the default], or ``"bf16"``: faster on some processors, and less exact.
        say: Told, in a line each, which files of a folder are no images.

    Raises:
        ModelError: There is no such model.
        DataError: Naming the first that cannot be read, unless a table is written, where it is a row.
        RecipeError: There is no such share, or no such table to go on with.

    >>> from tempfile import mkdtemp
    >>> from striate import open_data, train
    >>> model = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, out=mkdtemp(), quiet=True)
    >>> (prediction,) = predict(model, open_data("digits").test.inputs[0])
    >>> len(prediction.top), round(sum(probability for _, probability in prediction.top), 6)
    (10, 1.0)
    """
    answers = []
    how: dict[str, Any] = {"threshold": threshold, "batch_size": batch_size, "device": device, "tta": tta, "sets": sets}
    how |= {"engine": engine, "precision": precision}
    for answer, _ in predictions(
        model, sources, **how, out=out, label=label, file=file, text=text, shard=shard, resume=resume, top=top, say=say
    ):
        if not isinstance(answer, DataError):
            answers.append(answer)
        elif out is None or Path(out).suffix.lower() not in SUFFIXES:
            raise answer
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
    resume: bool = False,
    top: int = 3,
    engine: str | None = None,
    precision: str | None = None,
    say: Say = to_stderr,
    resumed: Callable[[int, int], None] = lambda rows, failed: None,
) -> Iterator[tuple[Answer | DataError, Path | None]]:
    """As :func:`predict`, one by one: the prediction, or the error in its place, and the mask's file.

    Of a table that is gone on with, *resumed* is told the number of its rows, and of those without a prediction.
    """
    how_computed: dict[str, Any] = {"engine": engine, "precision": precision, "say": say}
    found = opened(model, device, batch_size, tta, few=_few(sources), **how_computed)
    if threshold is not None and (not isinstance(threshold, int | float) or not 0 <= threshold <= 1):
        raise RecipeError(f"threshold must be a number from 0 to 1, got {threshold!r}")
    path, contract = None if out is None else Path(out), found.contract
    table = path if path is not None and path.suffix.lower() in SUFFIXES else None
    if path is not None and table is None and not contract.task.per_pixel:
        raise RecipeError(
            f"--out {out}: masks are written by a model for segmentation, this is for {contract.task}; a table ends in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    if table is not None and not table.parent.is_dir():
        raise RecipeError(f"--out {table}: no folder {table.parent}; create it first")
    if resume and table is None:
        raise RecipeError(f"resume goes with a table, such as --out answers.csv, got {out!r}")
    asked = None if sets is None else share_of(sets, "sets")
    how: dict[str, Any] = {"batch_size": batch_size, "threshold": threshold, "sets": asked}
    share, columns = Shard.parse(shard), ColumnChoice(label=label, file=file, text=text)
    again = share.count > 1 or (path is not None and table is None)
    items = GivenItems(sources, contract, columns, say, again=again)
    size = found.at_a_time(batch_size)
    own = items.share(share, size)
    if table is None:
        answered = (answer for _, answer in _answered(found, own, items.first, how, say))
        yield from ((answer, None) for answer in answered) if path is None else _with_masks(answered, path, items)
        return
    about = how | {"shard": shard and str(shard), "tta": contract.tta, "top": top, "model": _checksum(found)}
    about["items"] = items.count  # of one share: others would make its bounds others
    about |= {name: getattr(found, name, None) for name in ("engine", "precision")}
    if resume and table.exists() and not note_of(table).exists():
        done = finished_rows(table, about, own)
        if done is None:
            say(f"{table}: left as it is; nothing beside it says with which model and settings it was made")
            return
        resumed(*done)
        say(f"{table} is finished: {counted(done[0], 'row')} of this model and these items; nothing to do")
        return
    with RowFile(
        table, _example(contract, found.least(asked), top), about, batch_size=size, resume=resume, top=top,
        texts=contract.mode == "text",
    ) as rows:  # fmt: skip
        resumed(rows.rows, rows.failed)
        try:
            for item, answer in _answered(found, rows.remaining(own), items.first + rows.rows, how, say):
                rows.add(item, answer)
                yield answer, None
        except KeyboardInterrupt:
            say(f"{table} is unfinished; --resume goes on with it")
            raise
    failed = f", {rows.failed:,} of them with the reason why there is no prediction" if rows.failed else ""
    say(f"wrote {table}: {counted(rows.rows, 'row')}{failed}")


def _few(sources: Any) -> bool:
    """Whether these are a few images or sentences: no folders, tables, arrays."""
    given = [sources] if isinstance(sources, str | Path) else sources
    if not isinstance(given, list | tuple) or len(given) > FEW or not all(isinstance(s, str | Path) for s in given):
        return False
    return not any(os.path.exists(s) and not (os.path.isfile(s) and is_image(s)) for s in given)


def _with_masks(
    answers: Iterable[Answer | DataError], folder: Path, items: GivenItems
) -> Iterator[tuple[Answer | DataError, Path | None]]:
    from striate.run.mask_files import mask_names, write_mask

    names = islice(mask_names(items.all()), items.first, None)  # of all, so that two shares never write one file
    for answer, name in zip(answers, names, strict=False):
        written = isinstance(answer, Mask) and write_mask(answer, folder, name, len(items.contract.classes))
        yield answer, written or None


def _answered(
    model: Predictor, items: Iterator[Item | DataError], first: int, how: dict[str, Any], say: Say
) -> Iterator[tuple[Item | DataError, Answer | DataError]]:
    """Each item with its answer, of which the *first* has that number; at the end, where many are odd, that is said."""
    kept, given = tee(items)  # what is read ahead, and no more, is kept between them
    unlike, rare, blank = _Some(), _Some(), _Some()

    def notice(item: Item, words: tuple[str, ...]) -> None:
        if NO_WORD in words:
            blank.add(repr(item.text))
        else:
            unlike.add(f"{item.file or 'an item'} ({', '.join(words)})")

    read = 0
    answers = model.answers(given, **how, notice=notice)
    for i, (item, answer) in enumerate(zip(kept, answers, strict=True), first):
        read += not isinstance(answer, DataError)
        if getattr(answer, "out_of_distribution", False):
            rare.add(str(getattr(item, "file", None) or f"item {i}"))
        yield item, answer
    if blank.count:
        say(
            f"warning: {blank.count:,} of {read:,} texts have no word that training saw; what is predicted for them "
            f"says nothing of them: {blank}"
        )
    if more_than_chance(unlike.count, read):
        say(
            f"warning: {unlike.count:,} of {read:,} items are unlike the training items (fewer than 1 in 100 ordinary "
            f"items are); predictions for them may be wrong: {unlike}"
        )
    if more_than_chance(rare.count, read):
        say(
            f"warning: {rare.count:,} of {read:,} items may be out of distribution, of a kind that the model was not "
            f"trained on: their scores are as low as those of 1 ordinary item in 100 (energy score): {rare}"
        )


@dataclass
class _Some:
    """How many there were, and what the first are called."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if self.count <= FEW:
            self.first.append(name)

    def __str__(self) -> str:
        return ", ".join(self.first) + (f" and {self.count - FEW:,} more" if self.count > FEW else "")


def _example(contract: Contract, least: float | None, top: int) -> dict[str, Any]:
    """The row of some answer: the columns of all of them."""
    zeros = np.zeros(contract.task.outputs_of(len(contract.classes), contract.input))
    return answer_of(contract.task, zeros, output_context(contract, least=least)).row(top)


def _checksum(model: Predictor) -> str:
    """Of the model's file, or, where it has none, of its contract."""
    if model.path is None or not model.path.is_file():
        return f"{zlib.crc32(model.contract.to_json().encode()):08x}"
    found = 0
    with model.path.open("rb") as stream:
        while chunk := stream.read(2**20):
            found = zlib.crc32(chunk, found)
    return f"{found:08x}"
