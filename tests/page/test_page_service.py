"""The page of the prediction service in a real Chromium: what is dropped is answered, narrow, light and dark."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH

from served import TOKEN, model_of, png
from striate.service import ServiceSettings
from striate.service.serving import Serving

pytestmark = pytest.mark.slow


@contextmanager
def shown(browser, kind="colours", address="", **settings):
    """A page of a service of its own, 390 pixels wide; its errors fail the test, but for that of a token."""
    model = model_of(kind)
    serving = Serving(lambda: model, None, ServiceSettings(port=0, name=kind, **settings), print)
    with serving.in_thread() as url:
        context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark", bypass_csp=True)
        page, faults = context.new_page(), []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" and "401" not in m.text else None)
        page.goto(url.split("#")[0] + address)
        yield page
        context.close()
    assert not faults, faults


def test_images_are_answered_and_nothing_is_wider_than_the_window(browser, tmp_path):
    for name, data in (("<b>a.png", png(1)), ("b.png", b"no image")):
        (tmp_path / name).write_bytes(data)
    with shown(browser) as page:
        page.wait_for_selector("#ask:not([hidden])")
        assert page.inner_text("#facts") == "classification: red, green, blue"
        page.set_input_files("#file", [tmp_path / "<b>a.png", tmp_path / "b.png"])
        page.wait_for_selector(".answer:nth-child(2)")
        (answer,) = model_of("colours").predict(png(1))
        first = page.inner_text(".answer:nth-child(1)").split()
        assert first[:2] == ["<b>a.png", answer.class_]
        assert f"{answer.probability:.1%}" in first
        assert page.inner_text(".answer:nth-child(2) .message").startswith("not an image that can be read")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.add_script_tag(path=str(AXE_FILE_PATH))
        for theme in ("dark", "light"):
            assert page.evaluate("document.documentElement.dataset.theme") == theme
            found = page.evaluate("axe.run().then(found => found.violations)")
            assert [f"{one['id']}: {one['help']}" for one in found if one["impact"] in ("serious", "critical")] == []
            page.click("#theme")


def test_a_sentence_and_a_mask_are_answered(browser, tmp_path):
    with shown(browser, "sentences") as page:
        page.fill("#text", "a good film")
        page.click("#sentence button")
        page.wait_for_selector(".answer")
        (answer,) = model_of("sentences").predict("a good film")
        assert page.inner_text(".says") == answer.class_
        assert not page.is_visible("#drop")
    (tmp_path / "a.png").write_bytes(png(2))
    with shown(browser, "masks") as page:
        page.wait_for_selector("#ask:not([hidden])")
        page.set_input_files("#file", tmp_path / "a.png")
        page.wait_for_selector(".answer")
        assert page.locator(".pictures img").count() == 2
        bars = page.locator(".track div")
        colours = [bars.nth(i).evaluate("bar => getComputedStyle(bar).backgroundColor") for i in range(bars.count())]
        assert len({*colours}) == len(colours) == len(model_of("masks").contract.classes)  # those of the mask


def test_the_token_is_asked_for_or_taken_from_the_address(browser):
    with shown(browser, token=TOKEN) as page:
        page.wait_for_selector("#key:not([hidden])")
        assert page.inner_text("#fault") == ""
        page.fill("#token", "wrong")
        page.click("#key button")
        page.wait_for_selector("#fault:has-text('this is not the token')")
        page.fill("#token", TOKEN)
        page.click("#key button")
        page.wait_for_selector("#ask:not([hidden])")
    with shown(browser, address=f"#{TOKEN}", token=TOKEN) as page:
        page.wait_for_selector("#ask:not([hidden])")
        assert not page.is_visible("#key")
        assert "Bearer TOKEN" in page.inner_text("#command")


def test_what_is_too_large_is_not_even_sent(browser, tmp_path):
    (tmp_path / "a.png").write_bytes(bytes(5000))
    with shown(browser, max_bytes=4000) as page:
        page.wait_for_selector("#ask:not([hidden])")
        page.set_input_files("#file", Path(tmp_path / "a.png"))
        page.wait_for_selector("#fault:has-text('the service takes')")
