"""NET, wherever it is asked for: five ways to say it, and the nearest name for a misspelt one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strategies import examples
from striate.analysis import analyse, infer
from striate.errors import ModelError, SpecError
from striate.loading import open_network
from striate.loading.for_data import default_network, graph_for_data
from striate.loading.network import check, input_shape
from striate.model.contract import Contract
from striate.model.model import Model, load
from striate.net import build
from striate.net.weights import open_weights
from striate.spec import Conv, Flatten, Graph, Linear, Seq, format, lower, parse
from striate.tasks import SEGMENTATION, TASKS
from striate.zoo import ZOO


def graph_of(net, **options):
    return open_network(net, **options).description()


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_by_name(name):
    assert graph_of(name).input == ZOO[name].input


@pytest.mark.parametrize("name", ["lenet5", "harley", "boat4"])
def test_the_zoo_for_other_classes_and_channels(name):
    other = graph_of(name, classes=7, channels=2)
    assert other.input == (2, *ZOO[name].input[1:])
    assert [n.op.out for n in other.nodes if isinstance(n.op, Linear)][-1] == 7


def test_a_text():
    assert graph_of("conv 6 5; relu") == parse("conv 6 5; relu")
    assert graph_of("flatten") == parse("flatten")  # one word is a layer before it is a name


def test_a_net_already():
    graph = parse("conv 6 5; flatten; linear 3")
    assert graph_of(graph) is graph
    assert graph_of(Seq(Conv(6, 5), Flatten(), Linear(3))) == graph
    assert graph_of(Conv(6, 5)) == lower(Conv(6, 5))


def test_a_file(tmp_path):
    path = tmp_path / "my net, ž.net"
    path.write_text("# mine\ninput 1x8x8\nflatten\nlinear 3\n", encoding="utf-8")
    assert graph_of(str(path)) == graph_of(path) == parse("input 1x8x8; flatten; linear 3")


def test_a_model_file(trained):
    graph = graph_of(str(trained / "model.safetensors"))
    assert graph.input == (1, 8, 8)
    assert format(graph).startswith("input 1x8x8\nconv 4 3\n")


def fault(net, kind=SpecError):
    with pytest.raises(kind) as caught:
        graph_of(net)
    return str(caught.value)


def test_a_misspelt_name_gets_the_nearest(tmp_path):
    assert fault("lenet").endswith(
        "not a zoo name, a file, a run's folder or a layer's text; did you mean 'lenet5' or 'lenet5_1998'?"
    )
    (tmp_path / "mine.net").write_text("relu")
    near = tmp_path / "mine.net"
    assert fault(tmp_path / "mien.net") == f"{tmp_path / 'mien.net'}: file not found; did you mean '{near}'?"
    assert fault(tmp_path / "no such" / "a.net").endswith("a.net: file not found")


def test_a_name_unlike_all_says_where_names_are_listed():
    assert fault("zzzz").endswith("a layer's text; striate zoo lists the networks")
    assert fault("vgg").endswith("did you mean 'vgg11' or 'vgg13' or 'vgg16' or 'vgg19'?")
    assert fault("conv 6 5; zzzz 2").startswith("layer 2: unknown layer 'zzzz'; docs/notation.md lists the layers")


def test_a_path_of_windows_is_a_name_and_no_text():
    assert "not a zoo name" in fault("C\\nets\\mine")


def test_a_file_that_is_no_net(tmp_path):
    path = tmp_path / "bad.net"
    path.write_text("conv 6 5\nrelo\n")
    assert fault(path).startswith(f"{path}: line 2: unknown layer 'relo'; did you mean 'relu'?")
    path.write_bytes(b"\xff\xfe\x00")
    assert fault(path).startswith(f"{path}: cannot be read as text")
    (tmp_path / "folder.net").mkdir()
    assert fault(tmp_path / "folder.net").startswith(f"{tmp_path / 'folder.net'}: cannot be read as text")


def test_a_model_file_that_is_none(tmp_path):
    assert "file not found" in fault(tmp_path / "a.safetensors", ModelError)


@pytest.mark.parametrize("net", [3, ["conv 6 5"], None])
def test_what_is_no_network_at_all(net):
    text = fault(net)
    assert text.startswith(f"got a {type(net).__name__} for a network; expected a name, a text, a file, a Seq")
    assert fault(nn.Linear).endswith("make one of it first: Linear()")


def test_a_name_for_runs_and_classes(trained, tmp_path):
    (tmp_path / "my net, ž.net").write_text("relu", encoding="utf-8")
    assert open_network("lenet5").name == "lenet5"
    assert open_network(tmp_path / "my net, ž.net").name == "my-net-ž"
    assert open_network(trained / "model.safetensors").name == "model"
    assert open_network(trained).name == trained.name
    assert {open_network(net).name for net in ("conv 6 5; relu", parse("relu"), Seq(Flatten()))} == {"net"}


def test_a_runs_folder_is_its_model(trained, tmp_path):
    network = open_network(trained)
    assert network.origin == "model file"
    assert network.path == trained / "model.safetensors"
    assert network.contract.classes == tuple("0123456789")
    assert network.has_weights
    one, other = network.module.state_dict(), load(trained).module.state_dict()
    assert all(one[name].equal(other[name]) for name in other)
    assert network.module is network.model.module
    text = fault(tmp_path, ModelError)
    assert (
        text
        == f"{tmp_path}: this folder contains no model.safetensors; name the folder of a finished run, or a model file"
    )


def test_what_came_without_weights_gets_random_ones_always_the_same():
    network = open_network("conv 6 5; relu", input="1x8x8")
    assert not network.has_weights
    assert network.module is network.module
    again = open_network("conv 6 5; relu", input=(1, 8, 8)).module
    assert all(a.equal(b) for a, b in zip(network.module.parameters(), again.parameters(), strict=True))
    with pytest.raises(SpecError, match="does not say its input size; give one, such as --input 3x224x224"):
        open_network("conv 6 5").module  # noqa: B018
    with pytest.raises(ModelError, match=r"lenet5 is an untrained network; expected a model file .*Train it first"):
        open_network("lenet5").model  # noqa: B018


def test_a_module_and_a_model(trained):
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())
    network = open_network(module, input=(1, 8, 8))
    assert (network.origin, network.graph, network.input, network.module) == ("module", None, (1, 8, 8), module)
    assert network.check().parameters == 40
    with pytest.raises(SpecError, match="the Sequential is a PyTorch module, which is Python code already"):
        network.description()
    with pytest.raises(ModelError, match="the Sequential is a module, not a model"):
        network.model  # noqa: B018
    assert open_network(build(parse("conv 4 3"), (1, 8, 8))).input == (1, 8, 8)
    model = load(trained)
    network = open_network(model)
    assert (network.origin, network.model, network.module) == ("model", model, model.module)
    assert network.graph == model.graph
    assert open_network(network) is network


def test_an_input_for_what_says_none_or_another():
    assert open_network("conv 6 5", input="3x9x9").description().input == (3, 9, 9)
    assert open_network("lenet5", input=(3, 40, 40)).input == (3, 40, 40)
    assert open_network("lenet5").check("3x64x64").input == (3, 64, 64)


def test_a_trained_model_keeps_its_input(trained):
    assert open_network(trained, input="1x8x8").input == (1, 8, 8)
    with pytest.raises(SpecError, match="--input 1x9x9: the model takes 1x8x8; omit --input"):
        open_network(trained, input="1x9x9")


def test_weights_of_pytorch_are_told_how_to_become_a_model(tmp_path):
    (tmp_path / "a.pth").touch()
    said = fault(tmp_path / "a.pth", ModelError)
    assert "make a model of it first: striate weights NET" in said
    assert said.endswith(f"weights of your own network: name its code before them, my_net.py:Net@{tmp_path / 'a.pth'}")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_programs_of_pytorch_are_told_from_weights_and_can_be_analysed(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    script, program = tmp_path / "a.pt", tmp_path / "a.pt2"
    torch.jit.trace(module, torch.zeros(1, 3, 8, 8)).save(script)
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), program)
    said = "it is a TorchScript program of PyTorch; to analyse it, if it is from somebody you trust: "
    assert f"{said}striate.check(torch.jit.load('{script}')" in fault(script, ModelError)
    assert f"striate.check(torch.export.load('{program}').module(), input=" in fault(program, ModelError)
    for path in (script, program):
        with pytest.raises(ModelError, match=r"contains no weights alone: it is an? .* program of PyTorch"):
            open_weights(path)
    report = check(torch.export.load(program).module(), (3, 8, 8))
    assert (report.parameters, report.macs) == (3 * 4 * 9 + 4 + 8, 4 * 27 * 36)
    assert [layer.op for layer in report.layers] == ["conv 4 3", "batchnorm", "relu"]
    assert report.layers[-1].receptive_field == (3, 3)


def test_what_a_model_is_called_in_the_zoo(trained, in_folder):
    assert open_network("lenet5").zoo_name == "lenet5"
    assert open_network("conv 6 5").zoo_name is None
    assert open_network(trained).zoo_name is None
    graph = open_network("lenet5", classes=2).description()
    Model(build(graph), Contract(("a", "b"), (1, 32, 32), "L", (0.5,), (0.5,))).save("two.safetensors")
    assert open_network("two.safetensors").zoo_name == "lenet5"


def test_a_layers_word_and_a_long_text_are_no_folders(in_folder):
    (in_folder / "flatten").mkdir()
    assert graph_of("flatten") == parse("flatten")
    assert len(graph_of("; ".join(["relu"] * 5000)).nodes) == 5000


def test_a_single_number_is_the_side_of_square_images():
    assert input_shape(64, 3) == input_shape("64", 3) == input_shape("3x64x64", 1) == (3, 64, 64)
    assert input_shape((64,), 3) == (64,)
    assert open_network("resnet18", input=64).input == (3, 64, 64)
    assert open_network("lenet5", input="40").input == (1, 40, 40)
    assert open_network("textcnn", input=30).input == (30,)
    assert open_network("embedding 10 4; flatten", input=30).input == (30,)
    assert open_network("conv 6 5", input=30).input == (3, 30, 30)
    assert check("lenet5", "40").input == (1, 40, 40)


@pytest.mark.parametrize(
    ("input", "mode", "task", "net", "why"),
    [
        ((1, 8, 8), "L", "classification", "lenet5", "the images are grey and small"),
        ((1, 28, 28), "L", "classification", "lenet5", "the images are grey and small"),
        ((1, 28, 33), "L", "classification", "vgg_small", "the images are larger than 32 pixels"),
        ((1, 28, 28), "L", "multilabel", "vgg_small", "an image has several labels"),
        ((3, 32, 32), "RGB", "classification", "vgg_small", "the images are in colour"),
        ((3, 480, 640), "RGB", "regression", "vgg_small_regressor", "numbers are to be predicted"),
        ((1, 28, 28), "L", "segmentation", "unet_small", "every pixel has a class"),
        ((3, 180, 240), "RGB", "segmentation", "unet_medium", "every pixel has a class"),
        ((7, 32, 32), "channels", "classification", "vgg_small", "the images have several channels"),
        ((9,), "text", "classification", "text_small", "the data are texts"),
        ((1, 32, 32, 32), "values", "classification", "voxnet", "the data are volumes"),
    ],
)
def test_what_suits_and_why(input, mode, task, net, why):
    assert default_network(input, mode, TASKS[task]) == (net, why)
    assert isinstance(graph_of(net), Graph)


@pytest.mark.parametrize(("name", "task"), [("unet", "segmentation"), ("vgg_regressor", "regression")])
def test_a_net_for_another_task_is_refused_for_classes(name, task):
    with pytest.raises(SpecError, match=f"{name} is a network for {task}, not for classes; use another"):
        graph_of(name, classes=10, channels=1)
    assert graph_of(name).output


def test_the_colours_of_the_data_go_into_images_alone():
    assert graph_of("lenet5", channels=3).input == (3, 32, 32)
    assert graph_of("textcnn", classes=2, channels=3).input == (59,)
    assert graph_of("voxnet", channels=3).input == (1, 32, 32, 32)


# ----------------------------------------------------------------------------------------------------- nets for data
IMAGES = {"input": (3, 40, 60), "mode": "RGB"}


@pytest.mark.parametrize(
    ("data", "task", "wanted"),
    [
        (IMAGES, "classification", (3, 40, 56)),  # 8 must divide the sides
        (IMAGES, "multilabel", (3, 40, 56)),
        (IMAGES, "regression", (3, 40, 56)),
        (IMAGES, "segmentation", (3, 40, 56)),
        ({"input": (1, 8, 8), "mode": "L"}, "classification", (1, 32, 32)),  # what LeNet-5 was made for
        ({"input": (1, 5, 8), "mode": "L"}, "multilabel", (1, 8, 8)),
        ({"input": (3, 4000, 3000), "mode": "RGB"}, "classification", (3, 64, 48)),
        ({"input": (3, 4000, 3000), "mode": "RGB"}, "segmentation", (3, 256, 192)),
        ({"input": (7, 40, 60), "mode": "channels"}, "classification", (7, 40, 56)),
        ({"input": (20,), "mode": "text", "words": 50}, "classification", (20,)),
        ({"input": (4,), "mode": "values"}, "regression", (4,)),
        ({"input": (2, 3), "mode": "values"}, "classification", (2, 3)),
        ({"input": (1, 500), "mode": "values"}, "regression", (1, 500)),
        ({"input": (3, 9, 9), "mode": "values"}, "multilabel", (3, 9, 9)),
        ({"input": (1, 32, 32, 32), "mode": "values"}, "classification", (1, 32, 32, 32)),
        ({"input": (1, 5, 9, 200), "mode": "values"}, "classification", (1, 5, 9, 200)),
    ],
)
def test_what_suits_the_data_fits_them(data, task, wanted):
    net, _ = default_network(data["input"], data["mode"], TASKS[task], 3)
    graph = graph_for_data(net, classes=3, task=TASKS[task], **data)
    graph = graph if graph.input else lower(graph, data["input"])
    shapes, problems = infer(graph)
    assert not problems
    assert graph.input == wanted
    assert shapes[graph.output] == ((3, *wanted[1:]) if task == "segmentation" else (3,))


def test_voxnet_is_for_volumes_of_its_kind():
    assert default_network((1, 32, 32, 32), "values")[0] == "voxnet"
    assert default_network((1, 8, 8, 8), "values")[0] != "voxnet"  # it would not fit
    assert default_network((1, 128, 128, 128), "values")[0] != "voxnet"  # 100 million weights


def test_values_keep_their_size_whatever_the_net_takes():
    data = {"input": (3, 9, 70), "mode": "values"}
    assert graph_for_data("vgg_small", classes=3, **data).input == (3, 9, 70)


@pytest.mark.parametrize(
    ("net", "data", "task", "text"),
    [
        ("unet", IMAGES, "classification", "unet is a network for segmentation, not for classes; use another"),
        (
            "lenet5",
            IMAGES,
            "segmentation",
            "lenet5 is a network for classification, not for segmentation; use another",
        ),
        ("vgg_regressor", IMAGES, "classification", "vgg_regressor is a network for regression, not for classes"),
        ("textcnn", IMAGES, "classification", "textcnn is a network for texts, and the data are images"),
        ("voxnet", IMAGES, "classification", "voxnet is a network for volumes, and the data are images"),
        ("lenet5", {"input": (9,), "mode": "text", "words": 9}, "classification", "for images, and the data are texts"),
        ("textcnn", {"input": (9,), "mode": "values"}, "classification", "for texts, and the data are values"),
    ],
)
def test_a_net_of_the_zoo_for_other_data_is_named(net, data, task, text):
    with pytest.raises(SpecError) as caught:
        graph_for_data(net, classes=3, task=TASKS[task], **data)
    assert text in str(caught.value)


def test_a_net_that_says_its_input_keeps_it_and_one_that_does_not_gets_one_that_fits():
    own = graph_for_data("input 3x8x8; conv 3 1", classes=3, task=SEGMENTATION, **IMAGES)
    assert own.input == (3, 8, 8)
    found = graph_for_data("maxpool 8; convtranspose 3 8 stride=8", classes=3, task=SEGMENTATION, **IMAGES)
    assert found.input == (3, 40, 56)


@given(st.integers(16, 300), st.integers(16, 300), st.sampled_from(["unet_small", "unet_medium", "unet"]))
@examples(25)
def test_a_network_for_pixels_gets_a_size_that_fits_and_that_it_gives_back(height, width, net):
    graph = graph_for_data(net, classes=3, input=(3, height, width), mode="RGB", task=SEGMENTATION)
    report = analyse(graph)
    assert not report.problems
    assert report.layers[-1].output == (3, *graph.input[1:])
    scale = min(1, 256 / max(height, width))  # of all but unet the largest side
    assert all(
        n <= max(16, side * (1 if net == "unet" else scale) + 16)
        for n, side in zip(graph.input[1:], (height, width), strict=True)
    )


class ImageAndNumbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(12, 2)

    def forward(self, x, numbers):
        return self.head(torch.cat([self.conv(x).mean((2, 3)), numbers], 1))


@pytest.mark.parametrize("numbers", ["(4)", "(4,)", (4,)])
def test_an_input_of_a_few_numbers_beside_an_image(numbers):
    report = check(ImageAndNumbers(), ["3x8x8", numbers])
    assert (report.problems, report.parameters, report.layers[-1].output) == ((), 224 + 26, (2,))


def test_no_folder_of_runs_is_no_hint(tmp_path, monkeypatch):
    """``run`` is like the word ``runs`` that striate puts before a name, not like what was typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert "did you mean" not in fault("qqqqq")
