"""Where a model is wrong, on the page: weak slices, mistakes beside what they resemble, labels that look wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striate.diagnosis import LabelErrors, SliceSearch
from striate.report.markup import Html, el, html_table, item_caption, note, num, section
from striate.report.pictures import ItemView, item_figure, items_grid


@dataclass(frozen=True, eq=False)
class CaptionedItem:
    """An item with what to say below it: in bold, plainly, and its name in small letters."""

    view: ItemView | None
    bold: str
    plain: str = ""
    name: str = ""

    def figure(self) -> Html:
        """It as a figure."""
        return el(
            "figure",
            item_figure(self.view, self.bold),
            el(
                "figcaption",
                el("b", self.bold),
                el("span", self.plain) if self.plain else None,
                item_caption(self.name) if self.name else None,
            ),
        )


def captioned_grid(items: Sequence[CaptionedItem]) -> Html:
    """A grid of items."""
    views = {i: item.view for i, item in enumerate(items) if item.view is not None}
    return items_grid(views, *(item.figure() for item in items))


def slices_section(search: SliceSearch, shown: Sequence[Sequence[CaptionedItem]]) -> Html | None:
    """The weak slices as a table, and of each some items; *shown* are these, slice by slice. None of too few items."""
    if not search.looked_at:
        return None
    if not search.slices:
        line = (
            f"None of the {search.looked_at:,} slices that were looked at is worse than the others by more than chance"
        )
        return section("Weak slices", el("p", f"{line}: no label, brightness, size, folder or the like stands out."))
    text = search.error.text
    rows = [
        el(
            "tr",
            el("th", ", ".join([weak.name, *weak.also]), scope="row"),
            num(f"{weak.n:,}"),
            num(text(weak.error)),
            num(" to ".join(map(text, weak.interval))),
            num(text(weak.others)),
            num(f"{weak.p:.3f}"),
        )
        for weak in search.slices
    ]
    head = ["slice", "items", search.error.name, "95% interval", "others", "p"]
    pictures = [
        part
        for weak, items in zip(search.slices, shown, strict=True)
        if items
        for part in (el("h3", f"{weak.name}: the largest errors"), captioned_grid(items))
    ]
    return section(
        "Weak slices",
        el(
            "p",
            f"What items have in common on which the model is worse than on the others, of {search.looked_at:,} slices "
            "that were looked at. More training items of that kind help, or augmentation that makes them.",
        ),
        html_table(head, rows),
        note("p: how often some slice would look as weak by chance alone, corrected for the number looked at."),
        *pictures,
    )


def nearest_section(rows: Sequence[tuple[CaptionedItem, Sequence[CaptionedItem]]]) -> Html | None:
    """Mistakes, each beside the training items that the network finds most like it. None of none."""
    if not rows:
        return None
    shown = [
        el("div", captioned_grid([mistake]), el("div", captioned_grid(items), class_="near"), class_="beside")
        for mistake, items in rows
    ]
    return section(
        "Mistakes beside the nearest training items",
        el(
            "p",
            "Left a test item that the model got wrong, right the training items that the network finds most like it, "
            "with their labels. Where these look like it and have another label, one label may be wrong, or the "
            "classes overlap; where none looks like it, such items are missing in training.",
        ),
        *shown,
        note("By the features before the last layer with weights (cosine similarity)."),
    )


def labels_section(errors: LabelErrors, shown: Sequence[CaptionedItem], command: str = "") -> Html:
    """The labels that look wrong; *shown* are some of their items, *command* lists all."""
    wrong, n = len(errors.wrong), errors.n
    if not wrong:
        return section("Labels that look wrong", el("p", f"None of {n:,}, to a model that has not seen the item."))
    some = f" The {len(shown)} surest are shown" if len(shown) < wrong else ""
    more = ("; ", el("code", command), " lists all.") if some and command else (".",) if some else ()
    ambiguous = len(errors.ambiguous)
    return section(
        "Labels that look wrong",
        el(
            "p",
            f"{wrong:,} of {n:,} labels (label → what a model says that has not seen the item).",
            some,
            *more,
            " Look at them: correct the label, or remove the item.",
        ),
        captioned_grid(shown),
        note(
            "Judged in five folds by a linear model of what the network makes of the items. "
            + (f"{ambiguous:,} more could be another class too." if ambiguous else "")
        ),
    )


def labels_elsewhere(command: str) -> Html:
    """What stands in the place of wrong labels where the search would take long beside the training."""
    return section(
        "Labels that look wrong",
        el(
            "p",
            "Not looked for: that would have taken more than a twentieth of the training. ",
            el("code", command),
            " does.",
        ),
    )
