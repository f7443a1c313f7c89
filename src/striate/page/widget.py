"""The page in a notebook as a widget: Python sees what is done in it, and can open units and give inputs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from striate.errors import SeeError

FRAME: Final = """
export default { render({ model, el }) {
  const frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts')
  frame.style = 'width:100%;height:720px;border:0'
  const tell = words => frame.contentWindow.postMessage({ striate: words }, '*')
  const hear = ({ source, data }) => {
    if (source !== frame.contentWindow || !data.striate) return
    model.set('state', data.striate)
    model.save_changes()
  }
  addEventListener('message', hear)
  frame.onload = () => tell({})
  frame.srcdoc = model.get('page')
  model.on('msg:custom', tell)
  el.append(frame)
  return () => removeEventListener('message', hear)
} }
"""


def page_widget(page: str) -> Any:
    """A widget of anywidget that shows the HTML *page* in a frame of its own.

    Its ``state`` is that of the page (the unit, the input, edits, the panel); ``show_unit(name)``, ``show_panel(name)``
    and ``set_input(item)`` do in the page what a hand would.

    Raises:
        SeeError: anywidget is not installed.

    >>> page_widget("<p>hello</p>").state
    {}
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise SeeError("a widget needs the package anywidget: pip install 'striate[notebook]'") from None

    class PageWidget(anywidget.AnyWidget):
        _esm = FRAME
        page = traitlets.Unicode().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)

        def show_unit(self, unit: str) -> None:
            self.send({"open": unit})

        def show_panel(self, name: str | None) -> None:
            self.send({"panel": name})

        def set_input(self, item: Any) -> None:
            self.send({"input": np.asarray(item).ravel().tolist()})

    return PageWidget(page=page)
