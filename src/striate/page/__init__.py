"""The live page: a network in a browser, drawn on by hand, with every unit's arithmetic."""

from striate.page.document import document as document
from striate.page.scene import NetworkScene as NetworkScene
from striate.page.scene import Sample as Sample
from striate.page.view import View as View
