"""A network as a drawing: plates as in the papers, the U of encoders and decoders, or a block diagram."""

from striate.drawing.page import draw_svg, lay_out
from striate.drawing.scene import Drawing

__all__ = ["Drawing", "draw_svg", "lay_out"]
