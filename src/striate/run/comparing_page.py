"""The page of ``striate runs -o page.html``: runs in a table, their curves over each other, and what differs."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.errors import counted
from striate.report.lines import LINES, ChartLine, LineChart, line_chart
from striate.report.markup import Html, breakable, el, html_document, html_table, join, note, num, section

if TYPE_CHECKING:
    from striate.run.comparing import RunRow, RunTable


def runs_page(table: RunTable) -> str:
    """One HTML file that fetches nothing.

    >>> from striate.run.comparing import RunTable
    >>> "no runs" in runs_page(RunTable(()))
    True
    """
    rows = [row for row in table.rows if not row.problem]
    folder = _folder(rows)
    where = f" in {folder}" if folder else ""
    title = f"{counted(len(rows), 'run')}{where}" if rows else "no runs"
    rows = [replace(row, run=row.run.removeprefix(f"{folder}/")) for row in rows]
    body = join(
        el("header", el("h1", title), *(el("p", f"damaged: {problem}") for problem in table.problems)),
        section("Runs", _table(rows), note(CHOOSE)) if rows else None,
        *(_curves(group) for group in _groups(rows)),
        _differences(replace(table, rows=tuple(rows))) if len(rows) > 1 else None,
        el("footer", "Written by striate. Nothing is fetched."),
    )
    return html_document(title, body)


CHOOSE = (
    "Choose by validation, and look at test once. Whether a difference is more than chance says striate evaluate A B."
)


def _folder(rows: list[RunRow]) -> str:
    """What all runs lie in; "" where they do not lie in one folder."""
    parents = {str(Path(row.run).parent) for row in rows}
    return parents.pop() if len(parents) == 1 and rows[1:] and "." not in parents else ""


def _groups(rows: list[RunRow]) -> list[list[RunRow]]:
    """The runs whose metrics can be compared: of one data set and one metric."""
    groups: dict[tuple[str | None, str | None], list[RunRow]] = {}
    for row in rows:
        if row.history:
            groups.setdefault((row.data, row.metric_name), []).append(row)
    return list(groups.values())


def _table(rows: list[RunRow]) -> Html:
    best = {id(min(group, key=lambda row: row.rank)) for group in _groups(rows) if len(group) > 1}
    words = {row.judged.metric.words for row in rows if row.task}
    of = f" {words.pop()}" if len(words) == 1 else ""  # what all have stands in the head
    head = ("run", "data", "network", f"validation{of}", f"test{of}", "kept epoch", "epochs", "seconds", "date")
    cells = []
    for row in rows:
        name = join(breakable(row.run), el("small", " (best on validation)") if id(row) in best else None)
        numbers = (
            _value(row, row.metric, of),
            _value(row, row.test, of, row.interval_text),
            num("–" if row.best_epoch is None else str(row.best_epoch)),
            num(row.epochs_text),
            num(f"{row.seconds or 0:.1f}"),
            num((row.date or "").replace("T", " ")[:16]),
        )
        cells.append(el("tr", el("th", name, scope="row"), el("td", row.data), el("td", row.net or "–"), *numbers))
    return html_table(head, cells, text=3, high=len(rows) > 24)


def _value(row: RunRow, value: float | None, of: str, interval: str = "") -> Html:
    if value is None or not row.task:
        return num("–")
    text = row.judged.metric.number(value) if of else row.text(value)
    return num(join(text, el("br"), el("small", interval)) if interval else text)


def _curves(rows: list[RunRow]) -> Html:
    """The metric and the loss on validation over the epochs, of the best runs of a data set."""
    shown = sorted(rows, key=lambda row: row.rank)[:LINES]
    metric = shown[0].judged.metric
    fewer = f" (the {LINES} best of {len(rows)})" if len(rows) > LINES else ""
    charts = [
        LineChart(
            f"{title} of {rows[0].data}",
            "epoch",
            tuple(ChartLine(row.run, _points(row, column)) for row in shown),
            y=spec,
            zero=False,
        )
        for title, column, spec in (
            (f"Validation {metric.words}", metric.column, _percents(shown, metric.column) if metric.share else ".3g"),
            ("Validation loss", "val/loss", ".3g"),
        )
        if any(_points(row, column) for row in shown)
    ]
    figures = (el("div", el("h3", chart.title), line_chart(chart)) for chart in charts)
    return section(f"Curves: {rows[0].data}{fewer}", el("div", *figures, class_="pair"))


def _percents(rows: list[RunRow], column: str) -> str:
    """How shares are written along an axis: with a digit behind the point where they are close to each other."""
    values = [y for row in rows for _, y in _points(row, column) if y == y]
    return ".1%" if max(values, default=1.0) - min(values, default=0.0) < 0.05 else ".0%"


def _points(row: RunRow, column: str) -> tuple[tuple[float, float], ...]:
    found = [(float(one["epoch"] or 0), one.get(column)) for one in row.history]
    known = tuple((epoch, nan if value is None else float(value)) for epoch, value in found)
    return known if any(value is not None for _, value in found) else ()


def _differences(table: RunTable) -> Html:
    differences = table.differences
    if not differences:
        return section("Settings", el("p", "All settings are the same."))
    named = [name for name in differences if name != "net"]  # many lines; the first table says its name
    head = ["run", *named]
    rows = [
        el("tr", el("th", row.run, scope="row"), *(el("td", _cell(differences[name][i])) for name in named))
        for i, row in enumerate(table.rows)
    ]
    return section("Settings that differ", html_table(head, rows, text=len(head), high=len(rows) > 24))


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
