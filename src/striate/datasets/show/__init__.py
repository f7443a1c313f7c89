"""A data set shown: described in words and numbers, and as a contact sheet of what a network will see."""

from striate.datasets.show.description import DataDescription, describe
from striate.datasets.show.items import sheet_contract, sheet_rows
from striate.datasets.show.sheet import contact_sheet, image_bytes

__all__ = ["DataDescription", "contact_sheet", "describe", "image_bytes", "sheet_contract", "sheet_rows"]
