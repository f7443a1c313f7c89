"""Official weights by name: fetched once from their address, believed by their checksum, or there already."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from file_server import Server, serving
from net.torchvision_style import made
from striate import Model, load, train, weights
from striate.errors import ModelError
from striate.loading import official
from striate.loading.official import official_file, official_model, official_net
from striate.loading.transfer import Pretrained
from striate.net.weights_tables import OFFICIAL_FILES, TABLES

REAL = Path(__file__).parents[3] / "shared" / "data" / "weights" / "mobilenet_v2-b0353104.pth"
CONTENT = bytes(range(256)) * 400


def named(content, stem="mobilenet_v2"):
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.pth"


@pytest.fixture(autouse=True)
def cache_of_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STRIATE_WEIGHTS", raising=False)
    monkeypatch.setitem(OFFICIAL_FILES, "mobilenet_v2", named(CONTENT))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def server(monkeypatch):
    with serving({f"/{named(CONTENT)}": CONTENT}) as server:
        monkeypatch.setattr(official, "ADDRESS", server.address)
        yield server


def refusal(net="mobilenet_v2"):
    with pytest.raises(ModelError) as caught:
        official_file(net)
    return str(caught.value)


def by_hand(folder):
    name, begins = named(CONTENT), hashlib.sha256(CONTENT).hexdigest()[:8]
    return (
        f"\nTry again, or put this file into {folder}/\n  {name}  SHA-256 {begins}…"
        f"\nor set STRIATE_WEIGHTS to that file, or to a folder that it is in"
    )


def test_the_address_is_pytorchs():
    assert official.ADDRESS == "https://download.pytorch.org/models/"


def test_every_network_of_the_tables_has_an_official_file():
    assert OFFICIAL_FILES.keys() == TABLES.keys()
    for file in OFFICIAL_FILES.values():
        assert official.NAMED.fullmatch(file), file


@pytest.mark.realdata
def test_the_real_file_has_the_checksum_of_its_name():
    if not REAL.is_file():
        pytest.skip("the real weights are not there")
    assert hashlib.sha256(REAL.read_bytes()).hexdigest().startswith("b0353104")


@pytest.mark.parametrize(
    ("given", "net"),
    [
        ("mobilenet_v2", "mobilenet_v2"),
        ("resnext50_32x4d", "resnext50"),
        ("googlenet", "googlenet_torchvision"),
        (Path("there") / "vgg16_bn-6c64b313.pth", "vgg16_bn"),
        ("efficientnet_b0_rwightman-7f5810bc.pth", "efficientnet_b0"),
        ("resnet18.pth", None),
        ("runs/digits-lenet5", None),
        ("vgg_small", None),
        (3, None),
    ],
)
def test_what_a_name_means(given, net):
    assert official_net(given) == net


def test_fetched_once(server, cache_of_weights):
    steps = []
    path = official_file("mobilenet_v2", lambda *step: steps.append(step))
    assert path == cache_of_weights / named(CONTENT)
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (named(CONTENT), len(CONTENT), len(CONTENT))
    assert official_file("mobilenet_v2") == path
    assert len(server.asked) == 1


def test_a_cut_connection_is_gone_on_with(server):
    server.cut = [50_000]
    assert official_file("mobilenet_v2").read_bytes() == CONTENT
    assert [range_ for _, range_ in server.asked] == ["", "bytes=50000-"]


def test_a_wrong_checksum_is_not_believed(server, cache_of_weights):
    server.content[f"/{named(CONTENT)}"] = b"a login page"
    got, address = hashlib.sha256(b"a login page").hexdigest(), server.address + named(CONTENT)
    begins = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert refusal() == (
        f"mobilenet_v2: {address}: the downloaded file is not the right one: its SHA-256 is {got}, expected {begins}…"
        f"{by_hand(cache_of_weights)}"
    )
    assert list(cache_of_weights.iterdir()) == []


def test_not_there(server, cache_of_weights):
    server.content = {}
    address = server.address + named(CONTENT)
    assert refusal() == f"mobilenet_v2: {address}: the server says 404 Not Found{by_hand(cache_of_weights)}"


def test_offline(monkeypatch, cache_of_weights):
    with Server() as server:
        monkeypatch.setattr(official, "ADDRESS", server.address)
    address = server.address + named(CONTENT)  # nobody listens there now
    assert refusal() == (f"mobilenet_v2: {address}: cannot be reached (Connection refused){by_hand(cache_of_weights)}")


@pytest.mark.parametrize("as_folder", [True, False])
def test_the_variable_names_a_file_or_a_folder(server, tmp_path, monkeypatch, as_folder):
    there = tmp_path / named(CONTENT)
    there.write_bytes(CONTENT)
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path if as_folder else there))
    assert official_file("mobilenet_v2") == there
    assert server.asked == []


def test_a_folder_without_the_file_does_not_hide_the_address(server, tmp_path, monkeypatch, cache_of_weights):
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path))
    assert official_file("mobilenet_v2").parent == cache_of_weights


def test_the_variable_names_what_is_not_there(monkeypatch):
    monkeypatch.setenv("STRIATE_WEIGHTS", "/nowhere")
    assert refusal() == (f"STRIATE_WEIGHTS=/nowhere: not found; expected {named(CONTENT)}, or the folder that it is in")


def test_a_damaged_file_there(tmp_path, monkeypatch):
    there = tmp_path / named(CONTENT)
    there.write_bytes(CONTENT[:-1])
    monkeypatch.setenv("STRIATE_WEIGHTS", str(there))
    got, begins = hashlib.sha256(CONTENT[:-1]).hexdigest(), hashlib.sha256(CONTENT).hexdigest()[:8]
    assert refusal() == (
        f"{there}: damaged, or not the file of that name: its SHA-256 is {got}, expected {begins}…; fetch it again"
    )


def test_a_folder_of_that_name_is_meant_first(in_folder):
    (in_folder / "mobilenet_v2").mkdir()
    assert official_model("mobilenet_v2") is None
    with pytest.raises(ModelError, match="mobilenet_v2"):
        Pretrained.of("mobilenet_v2")


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A file as torchvision's, with random weights, and a folder of few photos."""
    root = tmp_path_factory.mktemp("official")
    path = root / "weights.pth"
    torch.manual_seed(0)
    torch.save(made("mobilenet_v2").state_dict(), path)
    path = path.rename(root / named(path.read_bytes()))
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / "photos" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "photos" / name / f"{i}.png")
    return path, root / "photos"


def test_fine_tuning_by_name(random_weights, monkeypatch, in_folder, cli):
    file, photos = random_weights
    monkeypatch.setitem(OFFICIAL_FILES, "mobilenet_v2", file.name)
    monkeypatch.setenv("STRIATE_WEIGHTS", str(file.parent))
    answer = cli("train", photos, "--weights", "mobilenet_v2", "--input", 32, "--epochs", 1, "--out", "run")
    assert answer.code == 0, answer.err
    assert f"weights: {file}, of mobilenet_v2 for ImageNet" in answer.err
    assert f"loaded the weights of 104 of 105 layers from {file.name}" in answer.err
    contract = load("run").contract
    assert contract.mean == (0.485, 0.456, 0.406)
    assert (contract.input, contract.resize, contract.scale_to) == ((3, 32, 32), "crop", 37)


@pytest.mark.slow
def test_the_official_file_itself(random_weights, in_folder):
    file, photos = random_weights
    model = train(None, photos, weights=file, input=32, epochs=1, freeze="last", out="run", quiet=True)
    assert model.contract.classes == ("cat", "dog")


def test_a_model_file_of_official_weights(random_weights, monkeypatch, in_folder, cli):
    file, _ = random_weights
    monkeypatch.setitem(OFFICIAL_FILES, "mobilenet_v2", file.name)
    monkeypatch.setenv("STRIATE_WEIGHTS", str(file))
    answer = cli("weights", "mobilenet_v2", "--out", "m.safetensors")
    assert answer.code == 0, answer.err
    model, same = load("m.safetensors"), weights("mobilenet_v2", file)
    assert isinstance(model, Model)
    x = torch.rand(1, 3, 224, 224)
    assert torch.equal(model.module(x), same.module(x))
