"""What defines a series of runs, kept in its folder: each of them is trained as the first one, whenever that is."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import count
from pathlib import Path
from typing import Any

from striate.datasets import Data, DataSet, open_data
from striate.datasets.options import DATA_OPTIONS
from striate.datasets.sources.mask_values import with_earlier_names
from striate.errors import ModelError, RecipeError, shortened
from striate.files import read_json, write_safely
from striate.learning import NamedRecipe, Recipe, World
from striate.loading import Given, open_network
from striate.run.folder import SERIES, check_out
from striate.run.options import RunOptions, given_recipe, sorted_settings
from striate.run.own import code_of
from striate.spec import format, parse

# what may be said anew in the middle of a series: it changes no network
FREE = ("device", "log", "page", "keep_epochs", "baseline", "strict", "source")


@dataclass(frozen=True)
class SeriesStart:
    """A series that begins, or one that goes on.

    Args:
        words: What defines it, as its ``series.json`` says.
        how: The network, recipe, settings and options, as :func:`~striate.run.making.prepare` takes them.
        folder: Of one that goes on; None of a new one.
        out: Where a new one is to go.
    """

    words: dict[str, Any]
    how: dict[str, Any]
    folder: Path | None = None
    out: str | Path | None = None

    @classmethod
    def of(
        cls,
        kinds: tuple[str, ...],
        net: Given | None,
        data: Data,
        recipe: Recipe | NamedRecipe | str | None,
        settings: Mapping[str, Any],
        **counts: Any,
    ) -> SeriesStart:
        """One of *kinds*, by what is said of it; to resume, what is not said is as it was.

        Raises:
            RecipeError: To resume, something is said that is not so in the series; or there are several processes.
            ModelError: There is nothing to resume.
        """
        if World.of_environment().size > 1:
            raise RecipeError("several trainings run one after the other in one process; start without torchrun")
        of_recipe, of_run = sorted_settings(settings)
        out, resume = of_run.pop("out", None), of_run.pop("resume", False)
        usual = {field.name: field.default for field in fields(RunOptions)}
        given = of_recipe | {n: v for n, v in of_run.items() if not _is(v, usual[n])}
        given |= {n: v for n, v in {"net": net, "recipe": given_recipe(recipe), **counts}.items() if v is not None}
        source = {"source": str(data)} if isinstance(data, str | Path) else {}
        said = {name: _plain(name, value) for name, value in given.items()} | source
        if not resume:
            return cls(said, _how(given), out=out)
        folder = _found(kinds, data, out)
        before = read_series(folder)
        if before.get("kind") not in kinds:
            verb = "curve" if before.get("kind") == "curve" else "train"
            raise RecipeError(
                f"{folder}: is a series of another kind ({before.get('kind')}); resume it with striate {verb} DATA "
                f"--out {folder} --resume"
            )
        _compare(folder, before, said)
        kept = {name: value for name, value in before.items() if name not in given}
        lost = {name: value["object"] for name, value in kept.items() if _is_object(value)}
        for name, what in lost.items():
            if name not in FREE:
                raise RecipeError(f"{folder}: was begun with {name} {what}, which no file brings along; give it again")
        kept = {name: _value(name, value) for name, value in kept.items() if name not in lost}
        return cls(before | said, _how(kept | given), folder)

    @property
    def seed(self) -> int:
        """Of the first run."""
        return int(self.words.get("seed", (self.words.get("recipe") or {}).get("seed", 0)))

    @property
    def of_data(self) -> dict[str, Any]:
        """How the data are to be understood."""
        return {name: self.how["options"][name] for name in DATA_OPTIONS if name in self.how["options"]}

    def opened(self, data: Data, kind: str, **options: Any) -> tuple[DataSet, SeriesStart]:
        """The data, and the series of a *kind* with its folder: ``runs/DATA-KIND`` with the next free number, if none
        was named.

        Raises:
            DataError: As :func:`~striate.datasets.open_data`.
            RecipeError: The data are others than at the start, or the folder holds something else.
        """
        earlier = (self.words.get("data") or {}).get("classes", ())
        dataset = with_earlier_names(open_data(data, **self.of_data, **options), earlier)
        names = "\n".join(name for part in dataset.parts.values() for name in part.names)
        facts = {
            "kind": kind,
            "seed": self.seed,
            "data": {
                "name": dataset.name,
                "task": dataset.task.name,
                "classes": list(dataset.classes),
                **{part: len(items) for part, items in dataset.parts.items()},
                "items": f"{zlib.crc32(names.encode()):08x}",  # a checksum of their names
            },
        }
        if self.folder:
            _compare(self.folder, self.words, facts)
            return dataset, self
        folder = check_out(self.out) if self.out is not None else _new_folder(f"{dataset.name}-{kind}")
        return dataset, replace(self, words=self.words | facts, folder=folder)

    def write(self) -> None:
        """Writes ``series.json`` into the folder."""
        assert self.folder
        write_safely(self.folder / SERIES, json.dumps(self.words, indent=2) + "\n")


def _is(value: Any, other: Any) -> bool:
    return value is other or (isinstance(value, str | int | float) and value == other)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "object" in value


def _plain(name: str, value: Any) -> Any:
    """*value* as JSON has it; of what no file can hold, the name of its type."""
    if name == "net":
        network = open_network(value)
        if network.origin == "zoo":
            return network.name
        if network.graph is None:
            return {"object": code_of(network)}
        return {"name": network.name, "layers": format(network.graph)}
    if isinstance(value, NamedRecipe):
        return {"net": value.net, "init": value.init, **asdict(value.recipe)}
    if isinstance(value, Recipe):
        return _plain(name, NamedRecipe(value, ""))
    if isinstance(value, tuple | list):
        found = [_plain("", one) for one in value]
        return next((one for one in found if _is_object(one)), found)
    if isinstance(value, Path):
        return str(value)
    return value if isinstance(value, str | int | float | None) else {"object": type(value).__name__}


def _value(name: str, plain: Any) -> Any:
    """What :func:`_plain` made *plain* of."""
    if name == "net" and isinstance(plain, dict):
        return replace(open_network(parse(plain["layers"])), name=plain["name"])
    if name == "recipe":
        recipe = Recipe.from_dict({n: v for n, v in plain.items() if n not in ("net", "init")})
        return NamedRecipe(recipe, "", plain["net"], plain["init"])
    return tuple(plain) if name == "input" and isinstance(plain, list) else plain


def _how(values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* as arguments of :func:`~striate.run.making.prepare`."""
    of_recipe, of_run = ({f.name for f in fields(kind)} for kind in (Recipe, RunOptions))
    return {
        "net": values.get("net"),
        "recipe": values.get("recipe"),
        "settings": {n: v for n, v in values.items() if n in of_recipe and n != "seed"},
        "options": {n: v for n, v in values.items() if n in of_run},
    }


def _compare(folder: Path, before: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    for name, now in said.items():
        then = before.get(name)
        if then == now or name in FREE:
            continue
        if isinstance(then, dict) and isinstance(now, dict):
            names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
            then, now = ({n: of[n] for n in names if n in of} for of in (then, now))
        raise RecipeError(
            f"{folder}: was begun with another {name} ({_short(then)}, now {_short(now)}); resume with the same "
            f"(what is not said is as it was), or omit --resume to start a new series"
        )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {one}" for name, one in value.items())
    text = "none" if value is None else " ".join(str(value).split())
    return shortened(text)


def read_series(folder: Path) -> dict[str, Any]:
    """What the ``series.json`` in *folder* says; ModelError where there is none."""
    path = folder / SERIES
    if not path.is_file():
        raise ModelError(f"{folder}: no series to resume in it; omit --resume to start one")
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); omit --resume to start a new series") from None


def _found(kinds: tuple[str, ...], data: Data, out: str | Path | None) -> Path:
    """The folder of the series to resume: *out*, or the newest under runs/ of the data."""
    if out is not None:
        return Path(out)
    source = str(data) if isinstance(data, str | Path) else open_data(data).name
    for path in sorted(Path("runs").glob(f"*/{SERIES}"), key=lambda path: path.stat().st_mtime, reverse=True):
        words = read_series(path.parent)
        if words.get("kind") in kinds and words.get("source", words["data"]["name"]) == source:
            return path.parent
    raise ModelError(f"runs: no series of {source} to resume; omit --resume to start one")


def _new_folder(name: str) -> Path:
    """The first of ``runs/NAME``, ``runs/NAME-2`` and so on that does not exist."""
    folders = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in count(1))
    return next(folder for folder in folders if not folder.exists())
