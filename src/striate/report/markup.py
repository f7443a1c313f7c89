"""HTML made of elements, so that text is escaped by construction and a tag cannot stay open; tables; a whole page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from striate.metrics.shared import percent

VOID = frozenset({"meta", "img", "br", "wbr"})

Child = str | int | None


class Html(str):
    """Text that is markup already; any other string is escaped on its way into an element."""

    __slots__ = ()


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """One element. A None child or attribute is left out; ``class_`` is ``class``, ``text_anchor`` ``text-anchor``.

    >>> el("td", "a < b", class_="num")
    '<td class="num">a &lt; b</td>'
    """
    opening = tag + "".join(_attribute(k, v) for k, v in attributes.items() if v is not None and v is not False)
    if tag in VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """*children* one after the other, without an element around them."""
    return Html("".join(c if isinstance(c, Html) else _safe(str(c)) for c in children if c is not None))


def breakable(text: str) -> Html:
    """A *text* with names of files, whose lines end after a slash or an underline before they end inside a word.

    >>> breakable("a/b_c.png")
    'a/<wbr>b_<wbr>c.png'
    """
    return join(*(part if i % 2 == 0 else join(part, el("wbr")) for i, part in enumerate(re.split(r"([/_\\]+)", text))))


def item_caption(name: str) -> Html:
    """What an item is called, in small letters."""
    return el("small", breakable(name))


def _attribute(name: str, value: str | float | bool) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{_safe(f"{value:.4g}" if isinstance(value, float) else str(value))}"'


def _safe(text: str) -> str:
    # A file name that is not UTF-8 arrives with lone surrogates, which no file can be written with.
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def section(title: str, *children: Child) -> Html:
    """A part of the page under its title."""
    return el("section", el("h2", title), *children)


def note(text: str) -> Html:
    """A paragraph that explains, in small letters."""
    return el("p", text, class_="note")


def class_rows(rows: Iterable[tuple[str, Sequence[Html]]]) -> list[Html]:
    """A table's rows, each a class's name and its numbers."""
    return [el("tr", el("th", name, scope="row"), *cells) for name, cells in rows]


def ratio(share: float | None) -> Html:
    """A cell with a share in percent and a bar for it."""
    return num("–" if share is None else percent(share), bar=share)


def num(text: str, bar: float | None = None) -> Html:
    """A cell with a number, and a *bar*, 0 to 1, below it."""
    style = None if bar is None else f"--bar:{100 * bar:.1f}%"
    return el("td", text, class_="num" if bar is None else "num bar", style=style)


def html_table(
    head: Sequence[str], rows: Sequence[Html], foot: Child = None, *, text: int = 1, high: bool = False
) -> Html:
    """A table whose first *text* columns are text and whose others are numbers."""
    titles = (el("th", t, scope="col", class_=None if i < text else "num") for i, t in enumerate(head))
    last = el("tfoot", foot) if foot else None
    return box(el("table", el("thead", el("tr", *titles)), el("tbody", *rows), last), high=high)


def box(table: Html, *, high: bool = False) -> Html:
    """A wide or high table scrolls by itself, so that the page does not. Reachable by keyboard."""
    return el("div", join(table), class_="box high" if high else "box", tabindex=0)


# Even if a name slipped through unescaped, the browser would run and fetch nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_document(title: str, body: Html, style: str = "") -> str:
    """A whole HTML file around *body*, in the style of the reports and in *style* (CSS) beyond it.

    >>> html_document("Pets", el("h1", "Pets"))[:15]
    '<!doctype html>'
    """
    css = files("striate.report").joinpath("page.css").read_text("utf-8") + style
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Html(css)),
    )
    return f"<!doctype html>\n{el('html', head, el('body', el('main', body)), lang='en')}\n"
