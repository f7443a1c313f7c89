"""Figures of numbers: colours that mean something, panels, scale bars, contact sheets. No torch."""

from striate.plotting.picture import (
    ColourScale,
    HasPicture,
    IntensityScale,
    Panel,
    Picture,
    figure,
    image_panel,
    panel_grid,
    panel_image,
    range_text,
    short,
    value_panel,
    word_panel,
    write_image,
)

__all__ = [
    "ColourScale",
    "HasPicture",
    "IntensityScale",
    "Panel",
    "Picture",
    "figure",
    "image_panel",
    "panel_grid",
    "panel_image",
    "range_text",
    "short",
    "value_panel",
    "word_panel",
    "write_image",
]
