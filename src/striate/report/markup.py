"""HTML made of elements, so that text is escaped by construction and a tag cannot stay open."""

from __future__ import annotations

from html import escape

VOID = frozenset({"meta", "img", "br"})

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


def _attribute(name: str, value: str | float | bool) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{_safe(f"{value:.4g}" if isinstance(value, float) else str(value))}"'


def _safe(text: str) -> str:
    # A file name that is not UTF-8 arrives with lone surrogates, which no file can be written with.
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
