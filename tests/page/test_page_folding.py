"""Blocks that fold and unfold, branches and joins, names: what stands where in the diagram, in Chromium."""

import re

import pytest
from axe_playwright_python.base import AXE_FILE_PATH

from pages import opened, until
from striate import view

pytestmark = pytest.mark.slow

# The boxes of everything that stands in the diagram: maps, the words over them, the frames' names
BOXES = """() => [...document.querySelectorAll('.stage, .frame')].flatMap(e => {
  const own = e.classList.contains('frame') ? [e.firstChild] : [...e.querySelectorAll('canvas, .join, .name > *')]
  const label = e.querySelector('b, button, .join').textContent
  return own.map(part => { const r = part.getBoundingClientRect(); return [label, r.left, r.top, r.right, r.bottom] })
})"""
LABELS = "[...document.querySelectorAll('.stage b, .stage > .name > button')].map(e => e.textContent)"
COLUMNS = "document.querySelectorAll('.stage canvas').length"


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return view("resnet20", input=(3, 16, 16)).save(tmp_path_factory.mktemp("folds") / "resnet.html").as_uri()


def state(page):
    return page.evaluate("striate.state()")


def button(page, name):
    """The block's name: over its column, or in its frame."""
    return page.locator(f".diagram .fold[data-block='{name}']")


def labels(page):
    return page.evaluate(LABELS)


# --------------------------------------------------------------------------------------- folding, by mouse and keyboard
def test_a_resnet_shows_its_blocks(browser, resnet):
    with opened(browser, resnet) as page:
        assert labels(page) == [
            "conv1", "stage1.block1", "stage1.block2", "stage1.block3", "stage2.block1", "stage2.block2–3 ×2",
            "stage3.block1", "stage3.block2–3 ×2", "avg", "fc",
        ]  # fmt: skip
        assert page.locator(".stage.folded .about").all_text_contents() == [
            "7 layers", "7 layers", "7 layers", "9 layers", "2 × 7 layers", "9 layers", "2 × 7 layers",
        ]  # fmt: skip
        assert state(page)["open"] == []  # nobody has asked for it


def test_a_click_unfolds_and_folds_and_the_link_keeps_it(browser, resnet):
    with opened(browser, resnet) as page:
        button(page, "stage1.block2").click()
        assert labels(page)[:6] == [
            "conv1", "stage1.block1", "stage1.block2.conv1", "stage1.block2.conv2", "stage1.block2.add",
            "stage1.block3",
        ]  # fmt: skip
        assert page.locator(".stage .join").all_text_contents() == ["+"]
        assert state(page)["open"] == ["stage1", "stage1.block2", "stage2", "stage3"]
        before = labels(page)
        page.reload()
        until(page, "window.striate")
        assert labels(page) == before
        button(page, "stage1").click()
        assert labels(page)[:3] == ["conv1", "stage1", "stage2.block1"]
        assert page.locator(".stage.folded .about").first.text_content() == "3 × 7 layers"
        button(page, "stage1").click()
        assert labels(page) == before  # what was open inside is open again


def test_by_keyboard(browser, resnet):
    with opened(browser, resnet) as page:
        button(page, "stage2.block2–3").focus()
        page.keyboard.press("Enter")
        assert labels(page)[5:7] == ["stage2.block2", "stage2.block3"]
        assert page.evaluate("document.activeElement.dataset.block") == "stage2.block2–3"
        assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
        page.keyboard.press("Enter")
        assert labels(page)[5] == "stage2.block2–3 ×2"
        page.keyboard.press("o")
        assert state(page)["open"] == ["all"]
        assert page.evaluate(COLUMNS) == 34  # conv1, 3 x 3 x (conv, conv, add), 2 x (subsampling, channels), avg, fc
        page.get_by_role("button", name="Fold all").click()
        assert labels(page) == ["conv1", "stage1", "stage2", "stage3", "avg", "fc"]
        assert state(page)["open"] == ["none"]


def test_a_unit_inside_a_folded_block_unfolds_it(browser, resnet):
    with opened(browser, resnet + "#open=none") as page:
        unit = "stage2.block3.sum.body.conv1:3:2:2"
        assert page.evaluate("unit => striate.open(unit)", unit)
        assert "stage2.block3.conv1" in labels(page)
        assert "stage1" in labels(page)  # the others stay as they are
        assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches") is False
        marked = page.locator(".diagram > svg").last.locator("rect").last.bounding_box()
        shown = page.locator(".stage", has_text="stage2.block3.conv1").locator("canvas").bounding_box()
        page.wait_for_timeout(400)
        assert shown["width"] > marked["width"] > 0
        page.reload()
        until(page, "window.striate")
        assert state(page)["unit"] == unit
        button(page, "stage2").click()  # folds it away: nothing is kept open that is not there
        assert state(page)["unit"] is None


def test_the_unit_of_a_folded_block_leads_to_the_nearest_shown_layer(browser, resnet):
    with opened(browser, resnet + "#open=none") as page:
        assert page.evaluate("striate.open('stage2.block3.relu:3:2:2')")
        assert "stage2" in labels(page)  # its maps are those of the folded block
        page.wait_for_timeout(400)
        marks = page.locator(".diagram > svg").last
        before = page.locator(".stage", has_text="stage1").locator("canvas").bounding_box()
        ends = marks.evaluate("e => [...e.querySelectorAll('line')].map(l => l.getBoundingClientRect().left)")
        assert ends
        assert all(before["x"] <= x <= before["x"] + before["width"] + 0.5 for x in ends)
        assert page.locator(".padbox svg rect").count() == 1  # and the field on the input
        page.evaluate("striate.open('stage2.block3.sum.add:3:2:2')")
        assert "stage2" in labels(page)


SHORT = {
    ("c1", "s2", "out"): ["c1", "s2", "out"],
    ("conv1.conv", "conv2.conv"): ["conv1", "conv2"],  # what no other name begins with
    ("conv1", "s1.b1.body.conv1", "s1.b1.body.conv2", "s1.b2.body.conv1", "s1.b2.body.conv2"): [
        "conv1", "s1.b1.conv1", "b1.conv2", "s1.b2.conv1", "b2.conv2",
    ],
    ("net.layer1.0.a", "net.layer1.0.b", "net.layer1.1.a", "net.layer1.1.b", "net.layer1.0", "net.layer1.1–2"): [
        "layer1.0.a", "layer1.0.b", "layer1.1.a", "layer1.1.b", "layer1.0", "layer1.1–2",
    ],
    ("0", "1.conv", "1.norm", "2"): ["0", "conv", "norm", "2"],
    ("u.pool", "u.in.pool", "u.in.in.pool", "u.in.x"): ["pool", "in.pool", "in", "x"],
    ("a.x", "a.y", "b.x", "b.y", "x"): ["a.x", "a.y", "b.x", "b.y", "x"],
}  # fmt: skip


@pytest.mark.parametrize("names", SHORT)
def test_names_are_short_and_all_different(bench_page, names):
    call = "async names => Object.fromEntries((await import('striate/blocks')).shortNames(names))"
    assert bench_page.evaluate(call, list(names)) == dict(zip(names, SHORT[names], strict=True))


def test_convolutions_that_repeat_are_named_first_to_last(bench_page):
    """VGG's, of which each copy is two layers, with and without a group around them."""
    call = """async names => {
      const { Blocks } = await import('striate/blocks')
      const run = names.map(name => [name, `${name}_relu`])
      const stages = run.map(layers => ({ names: layers, shown: layers[1], inputs: [] }))
      return new Blocks([{ run }], stages, () => 'conv').all.map(block => block.name)
    }"""
    for group in ("", "deep."):
        assert bench_page.evaluate(call, [f"{group}conv4_{i}" for i in (1, 2, 3)]) == [f"{group}conv4_1–4_3"]


def test_small_networks_are_whole(browser, lenet_file):
    with opened(browser, lenet_file.as_uri(), viewport={"width": 390, "height": 844}) as page:
        assert labels(page) == ["c1", "s2", "c3", "s4", "c5", "f6", "out"]
        assert page.locator("#folds").is_hidden()


def test_nothing_moves_for_who_wants_no_motion(browser, resnet):
    moving = "document.getAnimations().length"
    with opened(browser, resnet) as page:
        page.keyboard.press("o")
        assert page.evaluate(moving) > 0
        page.evaluate("Promise.all(document.getAnimations().map(motion => motion.finished)).then(() => true)")
        assert page.evaluate(moving) == 0
    with opened(browser, resnet, reduced_motion="reduce") as page:
        page.keyboard.press("o")
        assert page.evaluate(moving) == 0


def test_in_space(browser, resnet):
    with opened(browser, resnet + "#open=none&view=3d", has_touch=True) as page:
        page.wait_for_timeout(300)
        names = page.locator(".space-label").all_text_contents()[:3]
        assert [re.split("3@|16@", text)[0] for text in names] == ["input", "conv1", "stage1"]
        page.locator(".space-label .fold", has_text="stage1").click()
        assert "stage1.block1" in " ".join(page.locator(".space-label").all_text_contents())
        before = page.locator(".space-label").first.bounding_box()
        box = page.locator("#space-canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = page.context.new_cdp_session(page)

        def fingers(kind, *places):
            points = [{"x": x + dx, "y": y + dy, "id": i} for i, (dx, dy) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", (-20, 0), (20, 0))
        fingers("touchMove", (-60, 0), (60, 0))
        fingers("touchEnd")
        page.wait_for_timeout(100)
        after = page.locator(".space-label").first.bounding_box()
        assert abs(after["x"] - x) > abs(before["x"] - x) * 1.5  # nearer by so much as the fingers went apart


# ----------------------------------------------------------------------------------------------- where everything lies
NETS = {
    "lenet5": None, "resnet20": (3, 16, 16), "resnet56": (3, 16, 16), "googlenet": (3, 80, 80),
    "densenet_bc100": (3, 16, 16), "mobilenet_v2": (3, 32, 32), "efficientnet_b0": (3, 32, 32), "textcnn": None,
    "unet_small": (3, 32, 32), "nin": None, "convnext_tiny": (3, 32, 32), "resnet18": (3, 32, 32),
}  # fmt: skip


def overlaps(boxes):
    """Pairs of different columns whose boxes cover each other by more than a pixel."""
    boxes = sorted(boxes, key=lambda box: box[1])
    for i, (a, left, top, right, bottom) in enumerate(boxes):
        for b, x0, y0, x1, y1 in boxes[i + 1 :]:
            if x0 >= right - 1:
                break
            if a != b and min(right, x1) - max(left, x0) > 1 and min(bottom, y1) - max(top, y0) > 1:
                yield a, b


def test_an_overlap_would_be_found():
    assert list(overlaps([["a", 0, 0, 10, 10], ["b", 8, 8, 20, 20], ["c", 30, 0, 40, 9]])) == [("a", "b")]


@pytest.mark.parametrize("net", NETS)
def test_nothing_lies_on_anything_else(browser, net, tmp_path):
    """Folded and unfolded; no two columns have the same name; a skip's lane passes no maps."""
    where = view(net, input=NETS[net]).save(tmp_path / "page.html").as_uri()
    with opened(browser, where, reduced_motion="reduce") as page:
        for _ in range(2):
            assert list(overlaps(page.evaluate(BOXES))) == []
            names = labels(page)
            assert len(set(names)) == len(names), names
            assert all(re.fullmatch(r"[\w.–]+( ×\d+)?", name) for name in names)
            page.keyboard.press("o")
        assert page.locator("body").evaluate("e => e.scrollWidth <= innerWidth + 1")


def test_somebodys_own_module(browser, tmp_path):
    """Blocks by dotted names with numbers; what is neither a branch nor a skip has a line of its own for each join."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x):
            return torch.relu(self.conv2(torch.relu(self.conv1(x))) + x)

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.b, self.c, self.d = nn.Conv2d(3, 8, 3), *(nn.Conv2d(8, 8, 3, padding=1) for _ in "bcd")
            self.layers = nn.Sequential(*[Block() for _ in range(5)])
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            x = self.stem(x)
            b = self.b(x)
            c = self.c(b) + x
            x = self.layers(self.d(b) + c + b)
            return self.head(x.mean((2, 3)))

    where = view(Own().eval(), input=(3, 16, 16)).save(tmp_path / "page.html").as_uri()
    with opened(browser, where, reduced_motion="reduce") as page:
        assert [name for name in labels(page) if "layers" in name or name.isdigit()] == ["layers"]
        button(page, "layers").click()
        assert [name for name in labels(page) if "layers" in name] == [f"layers.{i}" for i in range(5)]
        page.keyboard.press("o")
        assert "layers.3.conv2" in labels(page)
        assert list(overlaps(page.evaluate(BOXES))) == []
        lanes = page.evaluate(
            "[...document.querySelectorAll('.diagram > svg:first-child path')].map(e => e.getAttribute('d'))"
            ".filter(d => d.includes('V')).map(d => /V([0-9.]+) Q/.exec(d)[1])"
        )
        assert len(set(lanes)) >= 3  # in the tangle each its own; in the blocks one below each


def test_an_inception_block_lies_in_rows(browser, tmp_path):
    where = view("googlenet", input=(3, 80, 80)).save(tmp_path / "page.html").as_uri()
    with opened(browser, where, reduced_motion="reduce") as page:
        names = labels(page)
        assert [name for name in names if name.startswith("inception")] == [
            f"inception{name}" for name in "3a 3b 4a 4b 4c 4d 4e 5a 5b".split()
        ]
        assert len(names) == 22  # 7 before them, 9 blocks, pools 3 and 4, 2 heads, avg, fc
        button(page, "inception3a").click()
        boxes = {box[0]: box for box in page.evaluate(BOXES) if box[0].startswith("inception3a.")}
        starts = [boxes[f"inception3a.{name}"] for name in ("branch1", "branch3.reduce", "branch5.reduce", "pool")]
        assert len({round(box[1]) for box in starts}) == 1  # below each other
        assert sorted(box[2] for box in starts) == [box[2] for box in starts]
        assert page.locator(".stage.bare .join").all_text_contents() == ["concat"]
        assert page.evaluate(
            "striate.open('inception3a.concat:70:3:3')"
        )  # a unit of the concatenation is that of its branch
        page.wait_for_timeout(100)
        cell = page.locator(".diagram > svg").last.locator("rect").last.bounding_box()
        branch = page.locator(".stage", has_text="inception3a.branch3.conv").locator("canvas").bounding_box()
        assert branch["x"] - 3 < cell["x"] < branch["x"] + branch["width"] + 3


# ------------------------------------------------------------------------------------------------------ accessibility
@pytest.mark.parametrize(
    "state",
    ["theme=light", "theme=dark", "theme=light&open=all", "theme=light&open=none&view=3d", "theme=dark&view=3d"],
)
def test_axe_finds_nothing_serious_in_folds(browser, resnet, state):
    with opened(browser, f"{resnet}#{state}", reduced_motion="reduce") as page:
        page.wait_for_timeout(200)
        page.evaluate(AXE_FILE_PATH.read_text())
        found = page.evaluate("axe.run().then(found => found.violations)")
    serious = [
        f"{v['id']}: {node['target']} {node['failureSummary']}"
        for v in found if v["impact"] in ("serious", "critical") for node in v["nodes"]
    ]  # fmt: skip
    assert not serious, "\n".join(serious[:12])
