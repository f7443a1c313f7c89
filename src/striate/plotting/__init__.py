"""Pictures of numbers: colours that mean something, panels, scale bars. No torch."""

from striate.plotting.picture import Panel, Picture, Scale, Shares, Shown, photo, sentence, sheet, values

__all__ = ["Panel", "Picture", "Scale", "Shares", "Shown", "photo", "sentence", "sheet", "values"]
