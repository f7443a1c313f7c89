"""The page of an experiment: the claim, what was done, what came out, and how to try it oneself."""

from __future__ import annotations

import platform
import re
from importlib.resources import files

import numpy as np
import torch
from PIL import Image

from striate._version import __version__
from striate.experiments.outcome import Gallery, Outcome, Part, ResultTable
from striate.plotting import ColourScale, Panel, panel_image, short
from striate.plotting.text import DENSITY
from striate.report.lines import LineChart, line_chart
from striate.report.markup import Html, el, html_document, html_table, join, note, num, section
from striate.report.pictures import png_url


def outcome_page(outcome: Outcome) -> str:
    """The HTML file of *outcome*.

    >>> outcome_page(Outcome("1 and 1 are 2.", True, ()))[:15]
    '<!doctype html>'
    """
    about = outcome.experiment
    title = about.title if about else "An experiment"
    pytorch, python = torch.__version__.partition("+")[0], platform.python_version()
    versions = f"striate {__version__}, PyTorch {pytorch}, Python {python}"
    body = join(
        el("header", el("h1", title)),
        el("blockquote", el("p", about.claim), el("footer", about.source), class_="claim") if about else None,
        el(
            "div",
            el("p", outcome.answer, class_="verdict"),
            el("p", outcome.result),
            class_="outcome" if outcome.holds else "outcome not",
        ),
        section("What was done", el("p", about.method)) if about else None,
        *(section(part.title, *_part(part)) for part in outcome.parts),
        _try_it(outcome),
        el("footer", f"Seed {outcome.seed}, {outcome.seconds:.1f} s. Written by {versions}. Nothing is fetched."),
    )
    return html_document(title, body, files("striate.experiments").joinpath("page.css").read_text("utf-8"))


def _part(part: Part) -> list[Html]:
    match part:
        case ResultTable():
            inside = [_table(part)]
        case LineChart():
            inside = [line_chart(part)]
        case Gallery():
            inside = [el("div", *map(_figure, part.panels), class_="gallery")]
            inside += [_scale_bar(part.scale)] if part.scale else []
    return [*inside, note(part.note)] if part.note else inside


def _table(table: ResultTable) -> Html:
    texts = [spec == "" for _, spec in table.columns]
    rows = []
    for cells, written in zip(table.rows, table.texts(), strict=True):
        first, *others = [
            el("td", text) if is_text else num(text, bar=_share(cell, spec))
            for cell, text, is_text, (_, spec) in zip(cells, written, texts, table.columns, strict=True)
        ]
        rows.append(el("tr", el("th", written[0], scope="row") if texts[0] else first, *others))
    leading = next((i for i, is_text in enumerate(texts) if not is_text), len(texts))
    return html_table([title for title, _ in table.columns], rows, text=leading, high=len(rows) > 24)


def _share(cell: object, spec: str) -> float | None:
    """*cell*, where it is a share, which gets a bar."""
    return cell if re.fullmatch(r"\.\d%", spec) and isinstance(cell, float) and 0 <= cell <= 1 else None


def _figure(panel: Panel) -> Html:
    image = panel_image(panel)
    alt = ". ".join(text for text in (panel.title, panel.note) if text).replace("\n", " ")
    width = round(image.width / DENSITY)
    caption = el("figcaption", panel.title or None, el("small", panel.note) if panel.note else None)
    picture = el("img", src=png_url(image), alt=alt, width=width, height=round(image.height / DENSITY))
    return el("figure", picture, caption, style=f"width:{max(width, 96)}px")


def _scale_bar(scale: ColourScale) -> Html:
    low = -scale.limit if scale.signed else 0.0
    ramp = Image.fromarray(np.repeat(scale.colours(np.linspace(low, scale.limit, 200))[None], 8, axis=0))
    ends = (el("span", short(low)), el("img", src=png_url(ramp), alt=""), el("span", short(scale.limit)))
    return el("p", *ends, class_="scale")


def _try_it(outcome: Outcome) -> Html | None:
    if outcome.experiment is None:
        return None
    name = outcome.experiment.name
    command = f"striate experiment {name} --seed {outcome.seed + 1}"
    python = (
        "import striate\n\n"
        f'found = striate.experiment("{name}", seed={outcome.seed + 1})\n'
        "print(found)        # the tables and the result\n"
        "print(*found.data)  # what it was computed from, such as arrays and networks\n"
        f'found.save("{name}.html")'
    )
    return section(
        "Try it yourself",
        el("p", "Another seed draws other data and other initial weights:"),
        el("pre", el("code", command)),
        el("p", "The same in Python, with everything it was computed from:"),
        el("pre", el("code", python)),
    )
