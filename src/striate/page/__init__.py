"""The live page: a network in a browser, drawn on by hand, with every unit's arithmetic; and the convolution lab."""

from typing import TYPE_CHECKING

from striate.lazy import offered

if TYPE_CHECKING:
    from striate.page.scene import NetworkScene as NetworkScene
    from striate.page.scene import Sample as Sample
    from striate.page.view import View as View

# which need torch; the lab does without
_, __getattr__ = offered(__name__, {"page.scene": "NetworkScene Sample", "page.view": "View"})
