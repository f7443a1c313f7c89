"""The page as a notebook's widget: its frame, what it tells Python and what it is told."""

import json
import sys

import numpy as np
import pytest

from pages import until
from striate.errors import SeeError
from striate.page.widget import FRAME
from striate.run.viewing import view


@pytest.fixture
def page():
    return view("conv 2 3; relu; flatten; linear 3", input=(1, 8, 8))


def test_the_widget_has_the_page(page):
    pytest.importorskip("anywidget")
    widget = page.widget()
    sent = []
    widget.send = sent.append
    widget.show_unit("conv1:0:2:2")
    widget.set_input(np.ones((1, 2, 2), np.uint8))
    widget.show_panel("kernels")
    assert widget.page == page.html()
    assert sent == [{"open": "conv1:0:2:2"}, {"input": [1, 1, 1, 1]}, {"panel": "kernels"}]


def test_without_anywidget(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(SeeError, match=r"a widget needs the package anywidget: pip install 'striate\[notebook\]'"):
        page.widget()


HOST = """<!doctype html><title>x</title><body><script type="module">
const { default: widget } = await import('data:text/javascript,' + encodeURIComponent(FRAME))
window.model = { page: PAGE, state: {}, get: name => model[name], set: (name, value) => { model[name] = value },
  save_changes: () => { model.saved = true }, on: (_, f) => { model.tell = f } }
window.end = widget.render({ model, el: document.body })
</script>"""


@pytest.mark.slow
def test_what_is_done_in_the_page_is_seen_and_the_other_way_round(browser, page, tmp_path):
    html = HOST.replace("FRAME", json.dumps(FRAME)).replace("PAGE", json.dumps(page.html()).replace("<", "\\u003c"))
    (tmp_path / "host.html").write_text(html)
    context = browser.new_context()
    tab = context.new_page()
    tab.goto((tmp_path / "host.html").as_uri())
    until(tab, "window.model?.saved")
    frame = tab.frame_locator("iframe")
    tab.evaluate("model.tell({ open: 'conv1:1:2:2' })")
    frame.locator("#arithmetic h2").first.wait_for()
    assert frame.locator("#arithmetic h2").first.text_content().startswith("conv1:1:2:2 = ")
    until(tab, "model.state.unit")
    frame.get_by_role("button", name="Kernels").click()
    until(tab, "model.state.panel")
    assert tab.evaluate("[model.state.unit, model.state.panel]") == ["conv1:1:2:2", "kernels:conv1:all"]
    tab.evaluate("model.tell({ input: Array(64).fill(7) })")
    until(tab, "model.state.drawing")
    tab.evaluate("end()")
    context.close()
