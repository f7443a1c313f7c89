"""Pictures of networks: nothing overlaps, nothing is left out, and what is written is what a browser can read."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import strategies
from striate.analysis import analyse
from striate.analysis.report import Report
from striate.cli.main import app
from striate.drawing import Drawing, draw_svg, lay_out
from striate.drawing.cells import cells
from striate.drawing.flow import _cut
from striate.drawing.scene import COLOURS, PAPER, TONES, Bounds, Box, Line, Text, svg, text_width, wrap_text
from striate.drawing.tree import Tangle, cells_in, tree
from striate.zoo import ZOO

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
BROKEN = """input 3x32x32; conv 16 3; a: relu; c: conv 16 3 padding=1; d: conv 16 3 padding=1 <- a; add <- c, d, a
maxpool 3; conv 32 5; flatten; linear 10; linear 20 <- flatten1; conv 3 3; softmax""".replace("\n", ";")
TANGLED = """input 4x8x8; a: conv 4 3 padding=1; b: conv 4 3 padding=1; c: conv 4 3 padding=1; d: add <- a, c
e: conv 4 1 <- b; f: add <- d, e, a; relu; g: conv 2 1; add <- g, g""".replace("\n", ";")

# a branch with a side head below it moves the others away from the line that leads on; a side head longer than the rest
ASIDE = "input 2; conv 1 1; conv 1 1; relu <- conv1; add <- input, conv2; conv 1 1"
SENTENCE = """input 12; embedding 9 2; top: conv 2 3 padding=1; maxpool 2; mid: conv 2 3 padding=1; maxpool 2
up: convtranspose 2 2 stride=2; a: concat <- mid, up; b: convtranspose 2 2 stride=2; concat <- top, b"""
SHORT = "input 1x4x4; conv 1 1; relu <- conv1; conv 2 1 <- conv1; relu"


# -------------------------------------------------------------------------------------------- what must hold
def meet(a: Bounds, b: Bounds, slack: float = 0.5) -> bool:
    """Whether two areas have something in common, by more than *slack*."""
    return a[0] + slack < b[2] and b[0] + slack < a[2] and a[1] + slack < b[3] and b[1] + slack < a[3]


def within(a: Bounds, b: Bounds) -> bool:
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]


def crosses(start: tuple[float, float], end: tuple[float, float], area: Bounds) -> bool:
    """Whether the way from *start* to *end* goes through *area* (Liang and Barsky's clipping)."""
    near, far = 0.0, 1.0
    for axis in (0, 1):
        way = end[axis] - start[axis]
        if way == 0:
            if not area[axis] < start[axis] < area[axis + 2]:
                return False
            continue
        a, b = sorted(((area[axis] - start[axis]) / way, (area[axis + 2] - start[axis]) / way))
        near, far = max(near, a), min(far, b)
    return near < far


def shrunk(area: Bounds, by: float) -> Bounds:
    return area[0] + by, area[1] + by, area[2] - by, area[3] - by


def faults(shown: Drawing) -> list[str]:
    """Everything that would look wrong."""
    found = []
    boxes = [box for box in shown.only(Box) if box.look != "mark"]  # marks lie upon plates
    frames = [box for box in boxes if box.look == "frame"]  # they contain others
    boxes = [box for box in boxes if box.look != "frame"]
    texts = [(text, text.bounds) for text in shown.only(Text)]
    page = (0, 0, shown.width, shown.height)
    found += [f"{shape} leaves the page" for shape in shown.elements if not within(shape.bounds, page)]
    found += [f"{a.text!r} upon {b.text!r}" for (a, at), (b, place) in combinations(texts, 2) if meet(at, place)]
    found += [f"{a} upon {b}" for a, b in combinations(boxes, 2) if meet(a.bounds, b.bounds)]
    for box in boxes:
        for text, area in texts:
            if meet(area, box.bounds) and not within(area, box.bounds):
                found.append(f"{text.text!r} over the edge of {box}")
        for frame in frames:
            if meet(frame.bounds, box.bounds) and not within(box.bounds, frame.bounds):
                found.append(f"{box} over the edge of {frame}")
    for a, b in combinations(frames, 2):
        if meet(a.bounds, b.bounds) and not within(a.bounds, b.bounds) and not within(b.bounds, a.bounds):
            found.append(f"{a} over the edge of {b}")
    lines = [line for line in shown.only(Line) if not line.kind]  # the others go from a kernel's window to a unit
    ways = [(line, Line(way).bounds) for line in lines for way in pairwise(line.points)]
    for line in shown.only(Line):
        for start, end in pairwise(line.points):
            found += [f"{line} through {t.text!r}" for t, area in texts if crosses(start, end, shrunk(area, 1))]
            if not line.kind:
                found += [f"{line} through {box}" for box in boxes if crosses(start, end, shrunk(box.bounds, 1))]
    for line in lines:
        held = [shrunk(box.bounds, -3) for box in boxes + frames] + [way for other, way in ways if other is not line]
        for end in (line.points[0], line.points[-1]):
            if not any(within((*end, *end), shrunk(area, -1)) for area in held):
                found.append(f"{line} ends at {end}, where nothing is")
    found += [f"{text.text!r} is too small" for text, _ in texts if text.size < 10]
    return found


def told(shown: Drawing) -> set[str]:
    """The words of all tooltips: the names of layers are among them."""
    tips = " ".join(shape.tip for shape in shown.elements if isinstance(shape, Box))
    return set(re.findall(r"[\w.]+", tips))


def looks_right(report: Report) -> Drawing:
    shown = lay_out(report, "a <net> & more")
    assert faults(shown) == []
    assert {layer.name for layer in report.layers} <= told(shown)
    root = ElementTree.fromstring(svg(shown))
    assert root.find(f"{SVG}title").text == "a <net> & more"
    assert "layers" in root.find(f"{SVG}desc").text
    return shown


# ------------------------------------------------------------------------------------------------- it holds
@pytest.mark.parametrize("name", ZOO)
def test_every_net_of_the_zoo(name):
    report = analyse(ZOO[name].make(), ZOO[name].input)
    shown = looks_right(report)
    assert shown.width <= 1300
    assert draw_svg(report) == draw_svg(analyse(ZOO[name].make(), ZOO[name].input))


@pytest.mark.parametrize(
    "text",
    [BROKEN, TANGLED, ASIDE, SHORT, SENTENCE, "input 7; softmax", "input 3x5; dropout; conv 2 3; linear 4; relu"],
)
def test_other_nets(text):
    looks_right(analyse(text))


@strategies.examples(40, suppress_health_check=list(HealthCheck))
@given(strategies.nets())
def test_random_nets_that_fit(net):
    looks_right(analyse(*net))


@strategies.examples(60, suppress_health_check=list(HealthCheck))
@given(strategies.any_graphs().filter(lambda graph: graph.input is not None))
def test_random_nets_that_need_not_fit(graph):
    looks_right(analyse(graph))


def test_the_checks_can_fail():
    def with_shapes(*shapes):
        return faults(Drawing(100, 100, "", "", shapes))

    box = Box(10, 10, 50, 20, "conv")
    assert with_shapes(box, Text(35, 24, "in")) == []
    assert "leaves the page" in with_shapes(Text(90, 50, "out of it"))[0]
    assert "over the edge" in with_shapes(box, Text(60, 24, "half"))[0]
    assert "upon" in with_shapes(Text(50, 50, "one"), Text(52, 52, "two"))[0]
    assert "upon" in with_shapes(box, box.moved(5, 5))[0]
    assert "too small" in with_shapes(Text(50, 50, "tiny", 6))[0]
    assert with_shapes(box, Line(((60, 20), (90, 20))))[0].endswith("ends at (90, 20), where nothing is")


@pytest.mark.parametrize("name", ["lenet5", "googlenet", "resnet50", "unet"])
def test_the_pictures_in_the_docs_are_what_is_drawn_now(name):
    """Else: striate check NAME --svg docs/pictures/NAME.svg"""
    kept = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert kept == draw_svg(analyse(ZOO[name].make(), ZOO[name].input), name)


# ------------------------------------------------------------------------------------------ what is drawn how
def looks(name: str) -> set[str]:
    return {box.look for box in lay_out(analyse(ZOO[name].make(), ZOO[name].input)).only(Box)}


def test_small_nets_are_plates_large_ones_boxes():
    assert "plates" in looks("lenet5") & looks("alexnet") & looks("vgg19")
    assert "cubes" in looks("voxnet")
    assert "ghost" in looks("unet") & looks("unet_2015") & looks("fcn8")
    assert "plates" not in looks("resnet152") | looks("googlenet")


def texts(name: str) -> list[str]:
    return [text.text for text in lay_out(analyse(ZOO[name].make(), ZOO[name].input)).only(Text)]


def test_repeats_are_folded_and_counted():
    assert [t for t in texts("resnet152") if t.startswith("×")] == ["× 2", "× 7", "× 35", "× 2"]
    assert [t for t in texts("densenet201") if t.startswith("×")] == ["× 6", "× 12", "× 48", "× 32"]
    assert "block2 to block36" in texts("resnet152")
    assert "96 to 256@56x56" in texts("densenet121")


def test_words():
    assert {"c1", "6@28x28", "5x5 conv, tanh", "2x2 avg pool /2", "5x5 conv, tanh,", "flatten"} <= set(texts("lenet5"))
    assert {"side4a", "side head", "inception3a", "5x5 conv 32, relu"} <= set(texts("googlenet"))
    assert "conv over 3, relu" in texts("textcnn")


def test_faults_are_red_and_said():
    shown = lay_out(BROKEN)
    assert sorted(re.split(":|\n", box.tip)[0] for box in shown.only(Box) if box.fault) == ["conv5", "linear1"]
    said = " ".join(text.text for text in shown.only(Text) if text.tone == "fault")
    assert "conv needs a map, got 20 flat features of linear2" in said
    assert "2 problems" in " ".join(text.text for text in shown.only(Text))


def test_what_no_tree_can_say_is_a_tangle():
    items = tree(cells(analyse(TANGLED)))
    assert any(isinstance(item, Tangle) for item in items)
    assert len(list(cells_in(items))) == len(cells(analyse(TANGLED))) - 1


def test_lines_keep_all_letters():
    text = "a layer with_a_name_that_is_far_too_long for its box"
    assert "".join(wrap_text(text, 60)).replace(" ", "") == text.replace(" ", "")
    assert max(text_width(line, 11) for line in wrap_text(text, 60, 11)) <= 60


def test_colours_can_be_read():
    """Contrast of words on every ground: 4.5 to 1 at least (WCAG 2.2, 1.4.3)."""

    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground in (PAPER, *(fill for kind, (fill, _) in COLOURS.items() if kind != "up")):
        for tone in TONES.values():
            dark, bright = sorted((light(tone), light(ground)))
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (tone, ground)


# ---------------------------------------------------------------------------------------------- command line
def test_check_writes_the_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["check", "lenet5", "--svg", "lenet5.svg"])
    assert done.exit_code == 0
    assert "61,706" in done.stdout
    assert "lenet5.svg" in done.stderr
    assert "lenet5.svg" not in done.stdout
    assert ElementTree.parse(tmp_path / "lenet5.svg").getroot().find(f"{SVG}title").text == "lenet5"


def test_a_broken_net_is_drawn_too(tmp_path):
    done = CliRunner().invoke(app, ["check", "input 1x4x4; conv 2 9", "--svg", str(tmp_path / "a.svg"), "--json"])
    assert done.exit_code == 1
    assert "does not fit" in (tmp_path / "a.svg").read_text()


def test_a_place_that_cannot_be_written_to_is_one_message(tmp_path):
    run = [sys.executable, "-m", "striate", "check", "lenet5", "--svg", str(tmp_path / "none" / "a.svg")]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Invalid value for '--svg'" in done.stderr
    assert f"{Path('none') / 'a.svg'}: no folder" in done.stderr


@given(st.lists(st.floats(1, 300), min_size=1, max_size=12))
@settings(deadline=None)
def test_one_line_takes_all_whatever_their_sum_rounds_to(lengths: list[float]) -> None:
    assert _cut(lengths, 1) == [(0, len(lengths))]


def test_lenet_stands_in_one_row() -> None:
    drawn = lay_out(analyse(ZOO["lenet5"].make(), ZOO["lenet5"].input))
    assert drawn.width > 900
    assert drawn.height < 320
