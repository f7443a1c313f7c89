"""What the columns of a table are: the files or texts, the targets, the split, the group."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from striate.datasets.sources.rows import (
    FILES,
    HEADINGS,
    LABELS,
    NUMBERING,
    OTHER_LABELS,
    SPLIT,
    SPLIT_CELLS,
    TEXTS,
    CsvTable,
    is_whole,
    parse_number,
)
from striate.errors import DataError, closest, listed_quoted, nearest
from striate.model.opening import is_image

_SAMPLE = 1000  # rows that are looked at to tell what a column is
_COUNTED = 8, 100  # rows whose numbers, from 0 or 1 on, are one more each: so many at least, and so many are looked at
_REPEATED = 25  # rows of one image, as tables of objects have them, at most on average
_SENTENCE = 4  # words of a cell on average: a class has fewer
_GROUPS = set(
    "patient subject person participant case study series session video clip burst sequence donor user speaker "
    "writer".split()
)
_ABOUT_PEOPLE = ("age", "sex", "gender", "alter", "geschlecht", "ethnicity", "race")  # seldom what is to be learned
_DATE = re.compile(r"(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4})([ T]\d\d?:\d\d.*)?$")
_MOST_CLASSES = 0.5  # of the rows: a column with more different values than that is no column of classes
Found = Callable[[str, bool], bool]  # whether a cell names a file, or is its number without the zeros before it


@dataclass(frozen=True, kw_only=True)
class ColumnChoice:
    """The columns that somebody names, by their titles; None where they are to be found.

    Args:
        label: Of the targets; several, separated by commas, are numbers, or labels of 0 and 1.
        file: Of the image files.
        text: Of the texts; several, separated by commas, are joined.
        group: Of a patient, a video, a burst: rows of one value always go to the same split.
    """

    label: str | None = None
    file: str | None = None
    text: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.given.items():
            if not isinstance(value, str) or not value.strip():
                raise DataError(f"--{name} {value!r}: expected the title of a column")
        if self.file and self.text:
            raise DataError("--file and --text: items are files or texts; give one of them")

    @property
    def given(self) -> dict[str, str]:
        """Those that were named."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table, in small letters.

    Args:
        source: Of the files or texts; of texts one or several, which are joined.
        is_text: Whether they are texts.
        targets: One of labels, or several of numbers.
        labels: Whether the only target column is one of labels, whatever is in its cells.
        split: "" where there is none.
        group: "" where none was named.
        unused: The others.
    """

    source: tuple[str, ...]
    is_text: bool
    targets: tuple[str, ...]
    labels: bool
    split: str
    group: str
    unused: tuple[str, ...]

    @classmethod
    def of(cls, table: CsvTable, choice: ColumnChoice | None = None, found: Found | None = None) -> TableColumns:
        """What the columns of *table* are.

        Args:
            table: The table; its first rows are looked at.
            choice: The columns that were named.
            found: Whether a cell names an image file; if not given, whether it looks like one.

        Raises:
            DataError: No column of files or texts, or several; no targets, or several columns that may be they.
        """
        choice = choice or ColumnChoice()
        source, is_text = input_columns(table, choice, found)
        group = _named(table, choice.group, "group")[0] if choice.group else ""
        split = split_column(table, (*source, group))
        taken = (*source, split, group)
        if choice.label:
            targets = _named(table, choice.label, "label")
            labels = len(targets) == 1 and _are_labels(table, targets[0])
        else:
            targets, labels = _targets(table, taken, source[0])
        used = {*taken, *targets}
        rest = tuple(name for name in table.columns if name and name not in used)
        return cls(source, is_text, targets, labels, split, group, rest)

    def check_in(self, other: CsvTable, train: CsvTable) -> None:
        """Raises a DataError where *other* lacks a column that *train* has and that is needed."""
        for name in (*self.source, *self.targets):
            if name not in other.columns:
                raise DataError(
                    f"{other.path}: no column {name!r}, which {train.path.name} has{nearest(name, other.columns)}"
                )

    def lacking_in(self, other: CsvTable) -> bool:
        """Whether *other* has the inputs, and nothing that may be the targets: it is there to be predicted."""
        known = {*other.columns}
        near = any(closest(name, other.columns) for name in self.targets)
        return known.issuperset(self.source) and not known.intersection(self.targets) and not near


def input_columns(
    table: CsvTable, choice: ColumnChoice | None = None, found: Found | None = None
) -> tuple[tuple[str, ...], bool]:
    """The columns of files or texts, and whether they are texts: by their names, else by what is in them."""
    choice = choice or ColumnChoice()
    if choice.file:
        return _named(table, choice.file, "file")[:1], False
    if choice.text:
        return _named(table, choice.text, "text"), True
    label = _named(table, choice.label, "label") if choice.label else ()
    columns = [name for name in table.columns if name and name not in label]
    files = [name for name in columns if name in FILES]
    texts = [name for name in columns if name in TEXTS]
    if len(files) > 1:
        files = [name for name in files if are_files(table, name, found, by_number=True)][:1] or files
    if files and texts and not are_files(table, files[0], found, True) and are_files(table, texts[0], found):
        files, texts = texts, []
    if files and texts:
        raise DataError(
            f"{table.heading}: both {table.title(files[0])!r} and {table.title(texts[0])!r} could be "
            f"the input; name one: --file {_quoted(table.title(files[0]))}, or --text {_quoted(table.title(texts[0]))}"
        )
    if files:
        return (_only(table, files, "file"),), False
    headings = [name for name in columns if name in HEADINGS]
    if texts:
        return (*headings, _only(table, texts, "text")), True
    if images := [name for name in columns if not is_image(name) and all(map(is_image, _sample(table, name)))]:
        return (images[0],), False  # under whatever name, in whatever language
    varied = [name for name in columns if found and _is_varied(table, name)]
    if ids := [name for name in varied if are_files(table, name, found)]:
        return (ids[0],), False
    if ids := [name for name in varied if is_called_file(name) and are_files(table, name, found, by_number=True)]:
        return (ids[0],), False
    if headings and _words(table, headings[0]) >= 2:
        return (headings[0],), True
    long = {name: words for name in columns if (words := _words(table, name)) >= 2}
    if long:
        return (max(long, key=lambda name: long[name]),), True
    numbers = [name for name in columns if _is_numeric(table, name)]
    if len(numbers) >= max(2, len(columns) - 2):
        raise DataError(
            f"{table.path}: {len(numbers)} columns of numbers and no files or texts: their order means nothing to a "
            "convolution; expected image files, texts, or signals of 16 numbers or more in a row"
        )
    near = {name: closest(name, (*FILES, *TEXTS)) for name in columns[:100]}
    meant = "".join(f"; by {name!r}, did you mean {close!r}?" for name, close in near.items() if close)
    raise DataError(
        f"{table.heading}: no header that names a column of files or texts, but "
        f"{listed_quoted(table.titles)}{meant}; begin the table with one, such as file,label or text,label, or name "
        "the column with --file or --text"
    )


def split_column(table: CsvTable, taken: Sequence[str] = ()) -> str:
    """The column that names each row's split, by its name or because all its cells do; "" where there is none."""
    named = [name for name in table.columns if name in SPLIT[:2]]
    if len(named) > 1:
        raise DataError(f"{table.heading}: the columns {listed_quoted(named)} mean the same thing; rename all but one")
    if named:
        return named[0]
    for name in table.columns:
        cells = {cell.lower() for cell in _sample(table, name)} if name and name not in taken else {""}
        if len(cells) > 1 and "train" in {SPLIT_CELLS.get(cell) for cell in cells} and cells <= SPLIT_CELLS.keys():
            return name
    return ""


def _targets(table: CsvTable, taken: Sequence[str], source: str) -> tuple[tuple[str, ...], bool]:
    """The columns of targets, and whether it is one of labels."""
    others = [name for name in table.columns if name not in taken]
    strong = [name for name in others if name in LABELS]
    if strong:
        return (_only(table, strong, "label"),), True
    if weak := [name for name in others if name in OTHER_LABELS]:
        words = [name for name in weak if not _is_numeric(table, name)]
        return ((words or weak)[0],), True  # of a number and a name for the same, the name
    left = [name for name in others if name and not (_is_numbering(table, name) or is_group(table, name))]
    left = [name for name in left if not is_empty(table, name)]
    left = [name for name in left if not _is_dates(table, name)] or left
    if not left:
        raise DataError(
            f"{table.heading}: no column of targets beside {source!r}; add one called label "
            "(classes), or columns of numbers"
        )
    numbers = [name for name in left if _is_numeric(table, name)]
    names = [name for name in left if name not in numbers and _is_classes(table, name)]
    cells = {name: {*_sample(table, name)} for name in numbers}
    changing = [name for name in numbers if len(cells[name]) > 1 or cells[name] <= {"0", "1"}]
    if len(changing) == sum(len(cells[name]) == 1 for name in changing):
        changing = []
    if len(names) == 1 and not changing:
        return (names[0],), True
    if changing and any(_is_prose(table, name) for name in names):
        names = [name for name in names if not _is_prose(table, name)]
    if len(changing) == 1 and not names and _are_labels(table, changing[0]):
        return (changing[0],), True
    if not table.headed and (few := _fewest(table, left)):
        return (few,), True
    if names and len(names) + len(changing) > 1:
        several = sorted([*names, *changing], key=lambda name: (name in _ABOUT_PEOPLE, table.columns.index(name)))
        raise DataError(
            f"{table.heading}: the target could be any of {listed_quoted(map(table.title, several))}; name it: "
            f"--label {_quoted(table.title(several[0]))}"
        )
    return tuple(changing or numbers or left), False


def _quoted(title: str) -> str:
    return title if title.replace("_", "").isalnum() else f'"{title}"'


def _named(table: CsvTable, titles: str, option: str) -> tuple[str, ...]:
    """The columns that somebody named."""
    whole = titles.strip().lower()
    names = (whole,) if whole in table.columns else tuple(name.strip().lower() for name in titles.split(","))
    for name in names:
        if name not in table.columns:
            raise DataError(f"{table.path}: no column {name!r} for --{option}{nearest(name, table.titles)}")
    return names


def _only(table: CsvTable, found: Sequence[str], option: str) -> str:
    if len(found) > 1:
        raise DataError(
            f"{table.heading}: the columns {listed_quoted(found)} mean the same thing; name one with "
            f"--{option} {found[0]}"
        )
    return found[0]


def _sample(table: CsvTable, column: str) -> list[str]:
    """Cells of the whole column, spread evenly."""
    return table.cells(column)[:: max(1, len(table.rows) // _SAMPLE)]


def are_files(table: CsvTable, column: str, found: Found | None, by_number: bool = False) -> bool:
    """Whether most cells of a column name files."""
    cells = [cell for cell in _sample(table, column) if cell][:50]
    return bool(cells) and sum(found(cell, by_number) if found else is_image(cell) for cell in cells) > len(cells) / 2


def is_called_file(column: str) -> bool:
    """Whether a column's title says that it names the items: any column of numbers may look as if it did.

    >>> [is_called_file(name) for name in ("id", "image", "slide_id", "age", "class_id")]
    [True, True, True, False, False]
    """
    return column not in OTHER_LABELS and (column in FILES or column == "id" or column.endswith(("_id", " id")))


def _is_varied(table: CsvTable, column: str) -> bool:
    """Whether a column has too many different cells for classes or flags, whose numbers may be names of files too."""
    cells = _sample(table, column)
    return _REPEATED * len({*cells}) >= len(cells)


def _words(table: CsvTable, column: str) -> float:
    """How many words a cell has on average; 0 where they are numbers, or few different ones."""
    cells = _sample(table, column)
    if _is_numeric(table, column) or 4 * len({*cells}) < len(cells):
        return 0
    return sum(len(cell.split()) for cell in cells) / len(cells)


def _is_numeric(table: CsvTable, column: str) -> bool:
    cells = [cell for cell in _sample(table, column) if cell]
    return bool(cells) and 2 * sum(parse_number(c, comma=table.comma) is not None for c in cells) >= len(cells)


def _is_classes(table: CsvTable, column: str) -> bool:
    """Whether words come again and again in a column."""
    cells = [cell for cell in _sample(table, column) if cell]
    return 2 <= len(Counter(cells)) <= _MOST_CLASSES * len(cells)


def _fewest(table: CsvTable, columns: Sequence[str]) -> str:
    """Of columns without names the one with few values, if the others have many; else ""."""
    kinds = {name: len({*_sample(table, name)}) for name in columns}
    ranked = sorted((n, name) for name, n in kinds.items() if n > 1 and _is_classes(table, name))
    if not ranked or (len(ranked) > 1 and ranked[1][0] <= 10 * ranked[0][0]):
        return ""
    numbers = [parse_number(cell, comma=table.comma) for cell in _sample(table, ranked[0][1])]
    return ranked[0][1] if all(n is None or is_whole(n) for n in numbers) else ""


def _are_labels(table: CsvTable, column: str) -> bool:
    """Whether a single column of targets is one of labels, and not of amounts: by its name, or by its cells."""
    return (
        column in LABELS
        or column in OTHER_LABELS
        or not _is_numeric(table, column)
        or {*_sample(table, column)} <= {"0", "1", ""}
    )


def _is_dates(table: CsvTable, column: str) -> bool:
    cells = [cell for cell in _sample(table, column) if cell]
    return bool(cells) and all(_DATE.match(cell) for cell in cells)


def _is_numbering(table: CsvTable, column: str) -> bool:
    """Whether a column only numbers or names the rows: by its name, or because it counts them."""
    cells = _sample(table, column)
    if column.strip(" .#:") in NUMBERING or (column.endswith(("_id", " id")) and len({*cells}) == len(cells)):
        return True
    least, most = _COUNTED
    first = [parse_number(cell) for cell in table.cells(column)[:most]]
    return len(first) >= least and first[0] in (0, 1) and all(n == first[0] + i for i, n in enumerate(first))


def is_group(table: CsvTable, column: str) -> bool:
    """Whether a column names a patient, a video and so on, of several rows each: no target, but a group."""
    words = {*re.findall("[a-z]+", re.sub("id$", " ", column))}
    return bool(words & _GROUPS) and _is_classes(table, column)


def _is_prose(table: CsvTable, column: str) -> bool:
    """Whether the cells of a column are sentences."""
    cells = [cell for cell in _sample(table, column) if cell]
    return sum(len(cell.split()) for cell in cells) >= _SENTENCE * len(cells)


def is_empty(table: CsvTable, column: str) -> bool:
    """Whether there is nothing in any cell of a column."""
    return not any(table.cells(column))


def base_name(cell: str) -> str:
    """The last part of a path, of this or another system.

    >>> base_name("C:\\\\data\\\\a.png"), base_name("x/y.jpg")
    ('a.png', 'y.jpg')
    """
    return os.path.basename(cell.replace("\\", "/"))
