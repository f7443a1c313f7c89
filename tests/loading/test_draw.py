"""A network as a drawing, in every form that the other functions take."""

import pytest
from torch import nn

import striate


@pytest.mark.parametrize(
    ("net", "options", "words"),
    [
        ("googlenet", {}, "googlenet"),
        ("lenet5", {"title": "mine"}, "mine"),
        ("input 1x28x28; conv 6 5; relu", {}, "network"),
        ("conv 6 5; relu", {"input": 28}, "network"),
        (striate.Seq(striate.Conv(6, 5), striate.ReLU()), {"input": (1, 28, 28)}, "network"),
        (nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU()), {"input": (1, 28, 28)}, "network"),
        (striate.check("lenet5"), {}, "network"),
    ],
    ids=("zoo", "a title", "text", "text with an input", "spec", "module", "report"),
)
def test_a_network_in_any_form(net, options, words):
    svg = striate.draw(net, **options)
    assert svg.startswith("<svg")
    assert f">{words}</text>" in svg


def test_files(trained, in_folder):
    (in_folder / "mine.net").write_text("input 1x8x8; conv 4 3; relu")
    assert ">mine</text>" in striate.draw("mine.net")
    assert striate.draw(trained) == striate.draw(striate.load(trained), title=trained.name)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("googlenett", "did you mean 'googlenet'"),
        ("conv 6 5; relu", "no input size"),
        (3, "got a int for a network"),
        ("missing.net", "missing.net: "),
        (nn.ReLU(), "input"),
    ],
    ids=str,
)
def test_a_mistake_is_one_clear_message(in_folder, net, message):
    with pytest.raises(striate.Error, match=message):
        striate.draw(net)
