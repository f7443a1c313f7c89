"""Whatever network is looked into: each way of looking works, or says in words why it does not apply."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import striate
from striate.datasets import Arrays, open_data
from striate.errors import DataError, ModelError, RecipeError, SeeError, SpecError
from striate.inspect import as_target, capture, layer_calls, measured_field, models, pixel_contributions
from striate.inspect.attribution import METHODS
from striate.inspect.filters import convolution_names
from striate.inspect.maps import measure_activity
from striate.inspect.models import explain, inspected
from striate.inspect.models.over_data import _mosaic, items_for
from striate.learning import evaluating
from striate.plotting import Picture
from striate.zoo import ZOO

SMALL = {  # the nets of the zoo that are quick at these inputs
    "lenet5": None, "lenet5_1998": None, "harley": None, "boat4": None, "resnet20": None, "allconv": None,
    "textcnn": None, "text_small": None, "voxnet": (1, 16, 16, 16), "unet_small": (3, 32, 32),
    "mobilenet_v2": (3, 32, 32),
}  # fmt: skip
LARGE = {name: (3, 64, 64) for name in ZOO if name not in SMALL} | {
    "alexnet": (3, 67, 67), "googlenet": (3, 79, 79), "unet": (1, 32, 32),
    "unet_2015": (1, 188, 188), "densenet_bc100": None, "nin": None,
    "resnet32": None, "resnet44": None, "resnet56": None, "resnet110": None, "zfnet": (3, 96, 96),
}  # fmt: skip


def source_for(contract):
    """An item that the contract takes."""
    rng = np.random.default_rng(0)
    if contract.mode == "text":
        return "a good film, but too long for an evening"
    if contract.mode == "values":
        return rng.normal(size=contract.input).astype(np.float32)
    return rng.integers(0, 256, (*contract.input[1:], contract.input[0]), dtype=np.uint8).squeeze()


def said(function, *args, **options):
    """What *function* gives; None where it says that it does not apply, in a line that ends a thought."""
    try:
        return function(*args, **options)
    except SeeError as error:
        line = str(error)
    assert len(line) > 30, line
    assert "\n" not in line
    return None


def looked_into(looked):
    """Every way of looking, once; what applied."""
    source, module = source_for(looked.contract), looked.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    arrays = Arrays(np.stack([looked.item(source)] * 2), np.zeros(2, np.int64), ("a", "b"))
    names = convolution_names(module)
    layer = names[0] if names else looked.layers()[0]
    at = unit_of(module, looked.tensor(source), layer)
    found = {
        "filters": said(models.filters, looked),
        "maps": models.maps(looked, source, layer),
        "activity": measure_activity(module, looked.batches(arrays.inputs)),
        "unit": said(models.unit, looked, source, at),
        "pixels": said(pixel_contributions, module, looked.tensor(source), at),
        "field": said(measured_field, module, looked.batches(arrays.inputs), as_target(at)),
        "imagine": said(models.imagine, looked, f"{layer}:0", steps=2),
        "peaks": said(models.peaks, looked, arrays, f"{layer}:0", top=2),
        "gradient": said(explain, looked, source, method="gradient"),
        "grad_cam": said(explain, looked, source),
        "deconvnet": said(explain, looked, source, method="deconvnet"),
    }
    for name, one in found.items():
        if one is not None:
            assert json.loads(json.dumps(one.as_dict())), name
            assert str(one).startswith(one.title), name
        if one is not None and name != "activity":
            assert isinstance(one.picture(), Picture), name
            assert set(one._repr_mimebundle_()[0]) == {"image/png", "text/plain"}, name  # it shows itself
    after = module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    return {name for name, value in found.items() if value is not None}


def unit_of(module, x, layer):
    """A unit in the middle of *layer*."""
    with evaluating(module):
        shape = next(call.output.shape[1:] for call in layer_calls(module, x) if call.name == layer)
    return ":".join([layer, "0", *(str(n // 2) for n in shape[1:])])


EVERY = set("filters maps activity unit pixels field imagine peaks gradient grad_cam deconvnet".split())


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("lenet5", "voxnet") else pytest.mark.slow) for n in SMALL]
)
def test_every_net_of_the_zoo_can_be_looked_into(name):
    looked = inspected(name, SMALL[name])
    assert "random weights" in looked.notes[0]
    images = {"field", "imagine", "peaks"}
    assert looked_into(looked) == (EVERY if len(looked.contract.input) == 3 else EVERY - images)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_nets_too(name):
    assert looked_into(inspected(name, LARGE[name])) == EVERY


class Functional(nn.Module):
    """ReLUs in place and as functions, a layer used twice, an answer as a dictionary."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = F.relu_(self.again(self.relu(self.again(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def chain(*layers):
    return lambda: nn.Sequential(*layers)


IMAGES = {"field", "imagine", "peaks"}
OWN = {
    "functional, in place, not square": (Functional, (1, 12, 20), EVERY),
    "a volume": (
        chain(nn.Conv3d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2)),
        (2, 6, 7, 8),
        EVERY - IMAGES,
    ),
    "five channels": (chain(nn.Conv2d(5, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2)), (5, 8, 8), EVERY),
    "a series": (chain(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2)), (2, 8), EVERY - IMAGES),
    "no convolution": (
        chain(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 2)),
        (1, 4, 4),
        {"maps", "activity", "pixels", "peaks", "gradient", "deconvnet", "imagine"},
    ),
    "one number": (chain(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 1)), (3, 8, 8), EVERY),
    "an answer a pixel": (chain(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)), (3, 8, 8), EVERY),
}


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.slow] * (k == "one number")) for k in OWN])
def test_somebodys_own_module(kind):
    make, input, wanted = OWN[kind]
    torch.manual_seed(0)
    found = looked_into(inspected(make(), input))
    assert found >= wanted, wanted - found


def test_every_method_on_words():
    torch.manual_seed(0)
    looked = inspected(nn.Sequential(nn.Embedding(4, 6), nn.Flatten(), nn.Linear(48, 2)), (8,))
    compared = explain(looked, "a good film", method="all")
    assert all(found.words == ("a", "good", "film") for found in compared.explanations)
    refused = {note.split(":")[0].removeprefix("skipped ") for note in compared.notes}
    assert refused == {name for name, method in METHODS.items() if method.of_layer}
    assert compared.picture().image.width > 100


def items(net, part):
    return items_for(inspected(net).contract, "digits", part)


MISTAKES = {
    "no input": (lambda: inspected(nn.Linear(2, 2)), SeeError, "give one with --input"),
    "a wrong input": (lambda: inspected(nn.Conv2d(3, 2, 3), (1, 8, 8)), SeeError, "the network does not take 1x8x8: "),
    "two inputs": (lambda: inspected(nn.Bilinear(4, 4, 2), (4,)), SeeError, "wrap it in a module that makes the"),
    "no scores": (lambda: inspected(nn.Conv1d(2, 2, 3), (2, 8)), SeeError, "expected scores (N, classes)"),
    "no such net": (lambda: inspected("lenet6"), SpecError, "did you mean 'lenet5'"),
    "no such file": (lambda: inspected("lenet5").item("no.png"), DataError, "no.png"),
    "a wrong array": (lambda: inspected("voxnet").item(np.zeros((2, 2))), DataError, "expected numbers of shape"),
    "no such part": (lambda: items("lenet5", "tst"), RecipeError, "did you mean 'test'"),
    "an absent part": (lambda: items("lenet5", "val"), DataError, "no val split"),
    "texts": (lambda: items("textcnn", "test"), DataError, "the model takes texts"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_one_clear_line(kind):
    make, error, words = MISTAKES[kind]
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    made = "nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))"
    path.write_text(f"from torch import nn\n\n\ndef tiny():\n    return {made}\n")
    looked = inspected(f"{path}:tiny", (1, 8, 8))
    assert (looked.contract.classes, looked.notes) == (("0", "1", "2", "3"), ())
    assert looked.box("0", (1, 2)) == (1, 2, 3, 3)


TINY = "input 1x8x8; conv 4 3; relu; flatten; linear 10"
FORMS = {
    "a name": lambda folder: "lenet5",
    "a text": lambda folder: TINY,
    "a graph": lambda folder: striate.parse(TINY),
    "a module": lambda folder: striate.build(striate.parse(TINY)),
    "a run folder": lambda folder: folder,
    "a model file": lambda folder: str(folder / "model.safetensors"),
    "a model": lambda folder: striate.load(folder / "model.safetensors"),
    "what was opened": lambda folder: striate.open_network(TINY),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_function_takes_a_network_in_any_form(form, trained, digit):
    net = FORMS[form](trained)
    layer = striate.filters(net).layer
    assert striate.maps(net, digit).layer == layer
    assert striate.unit(net, digit, f"{layer}:0:2:2").exact
    assert striate.activity(net, "digits", max_items=4).n == 4
    assert striate.field(net, "digits", f"{layer}:0:2:2", max_items=2).n == 2
    assert list(striate.peaks(net, "digits", f"{layer}:1", top=2, max_items=4).channels) == [1]
    assert striate.explain(net, digit, method="gradient").found.layer is None
    assert len(striate.imagine(net, f"{layer}:0", steps=2).scores) == 2


def test_a_layer_that_is_called_twice_has_two_fields():
    looked = inspected(Functional(), (1, 12, 20))
    assert [looked.box(f"again#{n}", (0, 0)) for n in (1, 2)] == [(-2, -2, 5, 5), (-3, -3, 7, 7)]


def test_boxes_and_grids_agree():
    looked = inspected("lenet5")
    y, x, down, right = looked.grid("s4")
    top, left, height, width = looked.box("s4", (1, 3))
    assert (y + down, x + 3 * right) == (top + (height - 1) / 2, left + (width - 1) / 2)
    assert looked.box("f6", ()) == (0, 0, 32, 32)


class Block(nn.Module):
    def __init__(self, out, stride):
        super().__init__()
        self.wide, self.narrow = nn.LazyConv2d(out, 3, stride, 1), nn.LazyConv2d(out, 1, stride)
        self.out = out

    def forward(self, x):
        return torch.relu(self.wide(x) + self.narrow(x))


class TwoEnds(Block):
    def forward(self, x):
        return self.wide(x), self.narrow(x)


class Ends(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.head = TwoEnds(2, 1), nn.LazyConv2d(3, 1)

    def forward(self, x):
        wide, narrow = self.block(x)
        return self.head(torch.cat([wide, narrow], 1))


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_module_of_several_layers_lies_where_the_last_of_them_does():
    looked = inspected(
        nn.Sequential(nn.Sequential(Block(4, 2), Block(8, 2)), nn.Flatten(), nn.LazyLinear(3)), (1, 16, 16)
    )
    assert looked.grid("0.0") == (0, 0, 2, 2)
    assert looked.grid("0.1") == looked.grid("0") == (0, 0, 4, 4)
    assert looked.box("0.1", (1, 2)) == (1, 5, 7, 7)  # 3 + 2 x 2 pixels about (4, 8)
    assert inspected(Ends(), (1, 8, 8)).grid("block") is None  # it has two outputs


def seen_by(module, x, layer, place):
    """The smallest box of the pixels that the units at *place* have a gradient at."""
    x = x.clone().requires_grad_(True)
    with capture(module, layer) as seen:
        module(x)
    (slope,) = torch.autograd.grad(seen.tensor(layer)[(0, slice(None), *place)].sum(), x)
    rows, columns = np.nonzero(slope[0].abs().sum(0).numpy())
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


@pytest.mark.parametrize("size", [2, 3])
def test_the_box_of_a_unit_behind_an_upsampling_is_what_it_sees(size):
    """Its neighbours see the same, or more, or less: a start, a size and a stride do not say it."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.AvgPool2d(4), nn.ConvTranspose2d(2, 2, size, stride=2), nn.Conv2d(2, 1, 1)
    ).double()
    for parameter in net.parameters():
        parameter.data.abs_()
    x = torch.rand(1, 1, 24, 24, dtype=torch.float64)
    looked = inspected(net.float(), (1, 24, 24))
    net.double()
    for place in [(0, 0), (1, 2), (5, 6), (10, 11), (11, 11)]:
        top, left, height, width = looked.box("3", place)
        cut = (max(0, top), max(0, left), min(24, top + height), min(24, left + width))
        assert cut == seen_by(net, x, "3", place), place


def test_the_grid_behind_an_upsampling_lies_in_the_middle():
    looked = inspected("input 1x8x8; maxpool 4; upsample 2; conv 1 1")
    assert looked.grid("conv1") == (0.5, 0.5, 2.0, 2.0)  # of 1.5, 1.5, 5.5, 5.5 the even steps that fit best


def test_pieces_of_unequal_size_have_a_place_each():
    whole = _mosaic([np.full((2, 2, 3), 1, np.uint8), np.full((1, 2, 3), 2, np.uint8)])
    assert whole[..., 0].tolist() == [[1, 1, 255, 2, 2], [1, 1, 255, 255, 255]]


def test_a_forward_that_breaks_is_said():
    class Broken(nn.Module):
        def forward(self, x):
            return {"a": x}["b"]

    with pytest.raises(SeeError, match="does not take 1x4x4: 'b'"):
        inspected(Broken(), (1, 4, 4))


def test_items_are_spread_over_the_part():
    contract = inspected("lenet5").contract
    arrays = items_for(contract, "digits", "all", max_items=50)
    assert len(arrays) == len(set(arrays.names)) == 50
    assert len({name.split()[1] for name in arrays.names}) == 2  # of both parts
    whole = open_data("digits")
    assert len(items_for(contract, "digits", "all")) == len(whole.train) + len(whole.test)
    assert items_for(contract, "shapes", max_items=4).inputs.shape == (4, 1, 32, 32)  # colour is read as grey


def test_an_animation_of_a_run(tmp_path):
    from PIL import Image

    from striate.run import prepare

    run = prepare("digits", "conv 4 3; relu; flatten; linear 10", settings={"epochs": 2, "fraction": 0.1},
                  out=tmp_path / "run", keep_epochs=True)  # fmt: skip
    list(run.events())
    kept = sorted(p.name for p in (tmp_path / "run/epochs").iterdir())
    assert kept == ["000.safetensors", "001.safetensors", "002.safetensors"]
    models.filters(tmp_path / "run/model.safetensors", animation=tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 3
    models.filters(tmp_path / "run", "conv1", animation=tmp_path / "b.gif")  # the run's folder is its model
    assert (tmp_path / "b.gif").read_bytes() == (tmp_path / "a.gif").read_bytes()
    more = prepare("digits", None, settings={"epochs": 3}, out=tmp_path / "run", resume=True)
    list(more.events())
    assert len(list((tmp_path / "run/epochs").iterdir())) == 4  # a run that keeps them goes on keeping


def test_no_animation_of_a_run_that_kept_nothing(trained):
    with pytest.raises(ModelError, match="train with --keep-epochs"):
        models.filters(trained / "model.safetensors", animation="a.gif")
    with pytest.raises(ModelError, match="the network: no per-epoch checkpoints"):
        models.filters("lenet5", animation="a.gif")


SETTINGS = {
    "a misspelt one": ({"stepz": 2}, "imagine has no setting 'stepz'; did you mean 'steps'"),
    "lrr": ({"lrr": 2}, "imagine has no setting 'lrr'; did you mean 'lr'"),
    "a basi": ({"basi": "pixels"}, "did you mean 'basis'"),
    "of a dream": (
        {"octaves": 2},
        r"imagine has octaves only with a dream \(dream=True, --dream\); here it has steps, lr",
    ),
    "of no dream": ({"lr": 2, "dream": True}, "imagine has lr only without a dream; here it has octaves, ratio, steps"),
    "blur in a dream": ({"blur": 2, "dream": True}, "imagine has blur only without a dream"),
    "misspelt in a dream": ({"octave": 2, "dream": True}, "no setting 'octave'; did you mean 'octaves'"),
    "blur of frequencies": ({"blur": 2.0}, r"blur is for the pixels themselves; add --basis pixels \(basis is 'frequ"),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_imagine_has_not(kind):
    settings, message = SETTINGS[kind]
    with pytest.raises(striate.SeeError, match=message):
        striate.imagine("lenet5", "3", **settings)


def test_a_dream_that_is_too_small_for_the_network_says_what_works():
    start = np.full((32, 32), 99, np.uint8)
    with pytest.raises(striate.SeeError, match=r"an image of 12x12, which octave 1 of 4 has; use fewer: --octaves 1"):
        striate.imagine("lenet5", "c3", start=start, dream=True)
    assert striate.imagine("lenet5", "c3", start=start, dream=True, octaves=1, steps=1).image.shape == (1, 32, 32)
