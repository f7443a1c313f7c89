"""The site: ``sphinx-build -W -b html docs docs/_build``.

The pages are plain Markdown that reads as well on a code host. What the sidebar lists is worked out from index.md: each
of its headings is a section, and the pages that it links to, in their order, are the section's.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "src"))
sys.path.insert(0, str(HERE / "scripts"))

import reference  # noqa: E402

from striate._version import __version__  # noqa: E402

project = "striate"
author = "The striate authors"
release = version = __version__
html_title = f"striate {release}"
html_theme = "furo"
extensions = ["myst_parser"]
exclude_patterns = ["_build", "scripts"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
smartquotes = False
suppress_warnings = ["misc.highlighting_failure"]  # a console block may show anything


def sections(index: str) -> list[tuple[str, list[str]]]:
    """The headings of index.md, each with the links ``Title <page>`` below it; a page stands under its first only."""
    seen: set[str] = set()
    found = []
    for part in re.split(r"^## ", index, flags=re.M)[1:]:
        links = [(text, page) for text, page in re.findall(r"\[([^\]]+)\]\(([\w-]+)\.md\)", part) if page not in seen]
        seen |= {page for _, page in links}
        found.append((part.splitlines()[0], [f"{text} <{page}>" for text, page in links]))
    return [(title, links) for title, links in found if links]


def add_sections(app, docname: str, source: list[str]) -> None:
    """Gives index.md the hidden tables of contents that make the sidebar, and the generated pages what they say now."""
    if docname in ("api", "verbs"):
        source[0] = reference.pages()[docname]
    if docname == "index":
        for title, links in sections(source[0]):
            lines = [":::{toctree}", ":hidden:", f":caption: {title}", "", *links, ":::"]
            source[0] += "\n" + "\n".join(lines) + "\n"


def setup(app) -> None:
    app.connect("source-read", add_sections)
