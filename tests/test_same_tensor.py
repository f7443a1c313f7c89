"""The law: one image file, one tensor. Training, evaluation and prediction show the network the same bits.

Each is entered by its public door, and what it shows is seen from inside the network. So whoever decodes, resizes or
normalises in a way of their own, in any of the three, breaks this law.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from image_files import KINDS, photo, saved, turned
from strategies import examples
from striate.datasets import Batches, open_data, read_part
from striate.model.contract import INTERPOLATION, MODES, Contract
from striate.model.model import Model
from striate.model.prepare import fit, normalise
from striate.run import measure, parts_for

SUFFIXES = {"jpeg": "jpg", "apng": "png", "tiff": "tif"}
LARGE = {  # so large that some contracts have them decoded at reduced size
    "jpeg large": lambda: saved(photo(601, 799), "JPEG"),
    "jpeg large on its side": lambda: turned("JPEG", 6, photo(403, 301)),
    "jpeg large upside down": lambda: turned("JPEG", 3, photo(301, 403, channels=1)),
    "jpeg large progressive": lambda: saved(photo(300, 200), "JPEG", progressive=True),
    "jpeg strip": lambda: saved(photo(20, 400), "JPEG"),
    "png large": lambda: saved(photo(300, 200), "PNG"),
}


class Watcher(nn.Module):
    """Answers nothing, and keeps what it was shown."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.clone())
        return torch.zeros(len(x), self.classes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders with a file of every kind, half of them in each."""
    root = tmp_path_factory.mktemp("kinds")
    for i, (kind, make) in enumerate((KINDS | LARGE).items()):
        path = root / "ab"[i % 2] / f"{i:03}.{SUFFIXES.get(kind.split()[0], kind.split()[0])}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_CACHE", "off")
        yield root


@st.composite
def contracts(draw):
    mode = draw(st.sampled_from(["L", "RGB", "RGBA"]))
    channels, (height, width) = MODES[mode], draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    resize = draw(st.sampled_from(["stretch", "fit", "crop", "scale_to"]))
    scale_to = draw(st.integers(max(height, width), 60)) if resize == "scale_to" else None
    numbers = st.tuples(*[st.floats(0.1, 0.9) for _ in range(channels)])
    return Contract(
        ("a", "b"),
        (channels, height, width),
        mode,
        draw(numbers),
        draw(numbers),
        resize="crop" if scale_to else resize,
        interpolation=draw(st.sampled_from(INTERPOLATION)),
        scale_to=scale_to,
    )


def in_training(folder, contract):
    shown = {}
    for part in open_data(folder).parts.values():
        arrays = read_part(part, contract)
        for (x, _), start in zip(Batches(arrays, contract, batch_size=16), range(0, len(arrays), 16), strict=True):
            shown |= zip(arrays.names[start : start + 16], x, strict=True)
    return shown


def in_evaluation(folder, contract):
    watcher = Watcher(len(contract.classes))
    held = parts_for(Model(watcher, contract), folder, "all")
    measure(Model(watcher, contract), *held, batch_size=50)
    return dict(zip((name for part in held for name in part.arrays.names), torch.cat(watcher.seen), strict=True))


def in_prediction(folder, contract):
    watcher = Watcher(len(contract.classes))
    answers = Model(watcher, contract).predict(folder, batch_size=7)
    return dict(zip((answer.file for answer in answers), torch.cat(watcher.seen), strict=True))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@given(contracts())
@examples(8)
def test_training_evaluation_and_prediction_show_the_same_tensor(folder, contract):
    trained = in_training(folder, contract)
    assert len(trained) == len(KINDS) + len(LARGE)
    assert all(x.shape == contract.input for x in trained.values())
    assert same(trained, in_evaluation(folder, contract))
    assert same(trained, in_prediction(folder, contract))


def test_one_at_a_time_as_in_a_batch(folder):
    contract = Contract(("a", "b"), (3, 20, 30), "RGB", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), resize="fit")
    trained = in_training(folder, contract)
    for name in list(trained)[::7]:
        watcher = Watcher(2)
        Model(watcher, contract).predict(name)
        assert torch.equal(watcher.seen[0][0], trained[name])


def test_from_the_cache_too(folder, tmp_path, monkeypatch):
    contract = Contract(("a", "b"), (3, 20, 30), "RGB", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), resize="crop")
    without = in_training(folder, contract)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    for _ in range(2):
        assert same(in_training(folder, contract), without)
        assert same(in_evaluation(folder, contract), without)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_an_array_is_shown_as_the_file_that_holds_it(folder, mode, tmp_path):
    """Of small images, which are decoded in full, the way by an array or a Pillow image gives the same too."""
    contract = Contract(("a", "b"), (MODES[mode], 8, 9), mode, (0.5,) * MODES[mode], (0.25,) * MODES[mode])
    image = photo(channels=4).convert("RGBA")
    image.save(tmp_path / "a.png")
    watcher = Watcher(2)
    Model(watcher, contract).predict([tmp_path / "a.png", image, np.asarray(image)])
    by_hand = normalise(fit(image, contract)[None], contract)[0]
    assert all(torch.equal(x, by_hand) for x in torch.cat(watcher.seen))


def test_the_law_can_fail(folder, monkeypatch):
    """One way that is another by a single level of a single pixel is found."""
    contract = Contract(("a", "b"), (1, 8, 8), "L", (0.5,), (0.25,))
    trained = in_training(folder, contract)
    import striate.model.sources as sources

    def otherwise(path, contract, right=sources.prepared):
        pixels = right(path, contract).copy()
        pixels[0, 0, 0] ^= str(path).endswith("007.png")
        return pixels

    monkeypatch.setattr(sources, "prepared", otherwise)
    assert not same(trained, in_prediction(folder, contract))
