"""The frame of a page that contains everything it shows and runs nothing."""

from __future__ import annotations

from importlib.resources import files

from striate.report.markup import Html, el

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
