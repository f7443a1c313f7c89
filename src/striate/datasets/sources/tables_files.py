"""The image files that the cells of a table name: relative to its folder, or anywhere below it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from striate.datasets.dataset import SPLIT_NAMES, Broken
from striate.datasets.sources.columns import base_name
from striate.datasets.sources.records import CONTENT
from striate.datasets.sources.rows import CsvTable, Fault
from striate.errors import listed
from striate.model.opening import is_hidden, is_image


class FileFinder:
    """Finds the files that the cells of a table name, relative to its folder or anywhere below it.

    Args:
        folder: The table's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.elsewhere: set[str] = set()  # the folders, where files were found that the cells did not name
        self.padded: dict[
            str, str
        ] = {}  # files whose number has zeros before it, which a spreadsheet took from the cell
        self._index: dict[str, list[str]] | None = None

    def has(self, cell: str, by_number: bool = False) -> bool:
        """Whether *cell* names an image file, with or without its folder and suffix, or the zeros before its number."""
        return bool(cell) and ((is_image(cell) and bool(self._direct(cell))) or bool(self._below(cell, by_number)))

    def files(self, table: CsvTable, column: str, split: str) -> tuple[CsvTable, tuple[Path, ...], tuple[Broken, ...]]:
        """The rows whose file in the *column* is there, their files, and the other rows, which are skipped.

        Raises:
            DataError: As :meth:`cells`; most are not there.
        """
        paths, missing = self.cells(table, column, split)
        absent = [cell for cell, path in zip(table.cells(column), paths, strict=True) if cell and path is None]
        rows, skipped = table.without(missing, self._way_out(absent, column) if missing else "")
        return rows, tuple(path for path in paths if path is not None), skipped

    def cells(self, table: CsvTable, column: str, split: str) -> tuple[list[Path | None], list[Fault]]:
        """The file of each cell of a *column*, None where it is not there, and what is wrong with those.

        Raises:
            DataError: One may be several.
        """
        paths: list[Path | None] = []
        missing: list[Fault] = []
        several: list[Fault] = []
        looked: dict[str, list[str]] = {}  # a cell may stand in a hundred thousand rows
        for line, cell in zip(table.lines, table.cells(column), strict=True):
            if not cell:
                missing.append((line, f"the {column!r} is empty"))
                paths.append(None)
                continue
            if direct := self._direct(cell):
                paths.append(Path(direct))
                continue
            if cell not in looked:
                looked[cell] = [] if _is_foreign(cell) else self._preferred(self._below(cell), split)
            found = looked[cell]
            if len(found) == 1:
                paths.append(Path(found[0]))
                self.elsewhere.add(os.path.relpath(os.path.dirname(found[0]), self.folder) + "/")
            elif found:
                where = "" if several else listed(os.path.relpath(p, self.folder) for p in found)  # the first is shown
                several.append((line, f"{cell!r} is ambiguous: found as {where}"))
            else:
                missing.append((line, f"no file {cell!r} in {self.folder}"))
                paths.append(None)
        if several:
            table.refuse(several, "write paths relative to the table's folder")
        return paths, missing

    def _direct(self, cell: str) -> str:
        for name in dict.fromkeys((cell, cell.replace("\\", "/"))):  # a table that was written on Windows
            path = os.path.join(self.folder, name)
            if os.path.isfile(path):
                return path
        return ""

    def _below(self, cell: str, by_number: bool = True) -> list[str]:
        """The images anywhere below the folder of that name, with or without suffix."""
        if self._index is None:
            self._index = {}
            for root, folders, names in os.walk(self.folder):
                folders[:] = sorted(name for name in folders if not is_hidden(name))
                for name in sorted(names):
                    if is_image(name):
                        stem = os.path.splitext(name)[0]
                        short = {"#" + (stem.lstrip("0") or "0")} if stem.isdecimal() else set()
                        for key in {name, stem} | short:
                            self._index.setdefault(key, []).append(os.path.join(root, name))
        found = self._index.get(base_name(cell), [])
        if not found and by_number and (found := self._index.get("#" + cell, [])):
            self.padded.setdefault(cell, os.path.basename(found[0]))
        inner = os.path.dirname(cell.replace("\\", "/"))
        return [path for path in found if os.path.dirname(path).endswith(inner)] if inner else found

    def _preferred(self, found: list[str], split: str) -> list[str]:
        """Of several, those below a folder that is named after the *split*."""

        def is_of(path: str) -> bool:
            words = re.split(r"[^a-z]+", os.path.relpath(path, self.folder).lower())
            return split in {SPLIT_NAMES.get(word) for word in words}

        return ([path for path in found if is_of(path)] or found) if len(found) > 1 else found

    def _way_out(self, cells: Sequence[str], column: str) -> str:
        """What to do about *cells* of which no file is there."""
        if CONTENT in cells:
            return (
                f"the column {column!r} contains the files themselves, which only images in a Parquet file may; write "
                "each into a file (in Python: Path(f'{i}.png').write_bytes(row['image']['bytes'])), and its name into "
                "this column"
            )
        foreign = next((cell for cell in cells if _is_foreign(cell)), "")
        machine = "these are paths of another machine" if foreign else ""
        wrong = (cell for cell in ([foreign] if foreign else cells) if os.path.dirname(cell.replace("\\", "/")))
        if found := next(((cell, there[0]) for cell in wrong if (there := self._below(base_name(cell)))), None):
            where = os.path.relpath(found[1], self.folder).replace(os.sep, "/")
            said, fix = f"{base_name(found[0])} is here as {where}", _corrected(found[0], where)
            return f"{machine}, and {said}: {fix}" if machine else f"{said}: {fix}"
        if machine:
            return f"{machine}: write them relative to the table's folder"
        self._below("")
        if not self._index:
            return "there is no image in that folder or below it: put the images there"
        suffix = " and have their suffix (.jpg)" if cells and not any(map(is_image, cells)) else ""
        return f"paths are relative to the table's folder{suffix}; correct them or remove the rows"


def _corrected(cell: str, where: str) -> str:
    """How the path in a *cell* becomes that of its file.

    >>> _corrected("/home/me/images/1.png", "images/1.png"), _corrected("photos/1.png", "images/1.png")
    ("remove '/home/me/' from all paths", "replace 'photos/' by 'images/' in all paths")
    """
    written, there = re.split(r"(?<=[\\/])", cell), re.split("(?<=/)", where)
    pairs = zip(reversed(written), reversed(there), strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0].rstrip("\\/") == pair[1].rstrip("/"), pairs)) or 1
    prefix, instead = "".join(written[:-same]), "".join(there[:-same])
    return f"replace {prefix!r} by {instead!r} in all paths" if instead else f"remove {prefix!r} from all paths"


def _is_foreign(cell: str) -> bool:
    """Whether a cell is the whole path of a file on some machine."""
    return cell.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:[\\/]|[a-z]+://", cell) is not None
