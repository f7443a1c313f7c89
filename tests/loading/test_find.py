"""NET, wherever it is asked for: five ways to say it, and the nearest name for a misspelt one."""

import pytest
from torch import nn

from striate.analysis import infer
from striate.errors import ModelError, SpecError
from striate.loading.find import find_net, net_for, net_name, suited_to, with_input
from striate.spec import Conv, Flatten, Graph, Linear, Seq, format, lower, parse
from striate.zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_by_name(name):
    assert find_net(name).input == ZOO[name].input


@pytest.mark.parametrize("name", ["lenet5", "harley", "boat4"])
def test_the_zoo_for_other_classes_and_channels(name):
    other = find_net(name, classes=7, channels=2)
    assert other.input == (2, *ZOO[name].input[1:])
    assert [n.op.out for n in other.nodes if isinstance(n.op, Linear)][-1] == 7


def test_a_text():
    assert find_net("conv 6 5; relu") == parse("conv 6 5; relu")
    assert find_net("flatten") == parse("flatten")  # one word is a layer before it is a name


def test_a_net_already():
    graph = parse("conv 6 5; flatten; linear 3")
    assert find_net(graph) is graph
    assert find_net(Seq(Conv(6, 5), Flatten(), Linear(3))) == graph
    assert find_net(Conv(6, 5)) == lower(Conv(6, 5))


def test_a_file(tmp_path):
    path = tmp_path / "my net, ž.net"
    path.write_text("# mine\ninput 1x8x8\nflatten\nlinear 3\n", encoding="utf-8")
    assert find_net(str(path)) == find_net(path) == parse("input 1x8x8; flatten; linear 3")


def test_a_model_file(trained):
    graph = find_net(str(trained / "model.safetensors"))
    assert graph.input == (1, 8, 8)
    assert format(graph).startswith("input 1x8x8\nconv 4 3\n")


def fault(net, kind=SpecError):
    with pytest.raises(kind) as caught:
        find_net(net)
    return str(caught.value)


def test_a_misspelt_name_gets_the_nearest(tmp_path):
    assert fault("lenet").endswith("is no net of the zoo, no .net file and no text of a net; did you mean 'lenet5'?")
    (tmp_path / "mine.net").write_text("relu")
    assert fault(tmp_path / "mien.net") == f"{tmp_path / 'mien.net'}: there is no such file; did you mean 'mine.net'?"
    assert fault(tmp_path / "no such" / "a.net").endswith("a.net: there is no such file")


def test_a_path_of_windows_is_a_name_and_no_text():
    assert "is no net of the zoo" in fault("C\\nets\\mine")


def test_a_file_that_is_no_net(tmp_path):
    path = tmp_path / "bad.net"
    path.write_text("conv 6 5\nrelo\n")
    assert fault(path).startswith(f"{path}: line 2: unknown word 'relo'; did you mean 'relu'?")
    path.write_bytes(b"\xff\xfe\x00")
    assert fault(path).startswith(f"{path}: cannot be read as text")
    (tmp_path / "folder.net").mkdir()
    assert fault(tmp_path / "folder.net").startswith(f"{tmp_path / 'folder.net'}: cannot be read as text")


def test_a_model_file_that_is_none(tmp_path):
    assert "there is no such file" in fault(tmp_path / "a.safetensors", ModelError)


def test_python_files_are_refused_in_words():
    assert "a network in a Python file is read by striate check alone" in fault("nets.py:Mine")


@pytest.mark.parametrize("net", [nn.Linear(3, 4), 3, ["conv 6 5"], None])
def test_what_is_no_net_at_all(net):
    text = fault(net)
    assert text.startswith(f"got a {type(net).__name__} for a net; wanted a name, a text, a Seq or a Graph")
    assert "striate.training" in text


def test_the_name_of_a_runs_folder():
    assert net_name("lenet5") == "lenet5"
    assert net_name("nets/my net, ž.net") == "my-net-ž"
    assert net_name("runs/x/model.safetensors") == "model"
    assert net_name("conv 6 5; relu") == net_name(parse("relu")) == net_name(Seq(Flatten())) == "net"


def test_with_input():
    assert with_input(parse("relu"), (1, 8, 8)).input == (1, 8, 8)
    assert with_input(parse("input 3x9x9; relu"), (1, 8, 8)).input == (3, 9, 9)


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
        ((7, 32, 32), "channels", "classification", "vgg_small", "the images have several channels"),
        ((9,), "text", "classification", "textcnn", "the data are texts"),
        ((1, 32, 32, 32), "values", "classification", "voxnet", "the data are volumes"),
    ],
)
def test_what_suits_and_why(input, mode, task, net, why):
    assert suited_to(input, mode, task) == (net, why)
    assert isinstance(find_net(net), Graph)


@pytest.mark.parametrize(("name", "task"), [("unet", "segmentation"), ("vgg_regressor", "regression")])
def test_a_net_for_another_task_is_refused_for_classes(name, task):
    with pytest.raises(SpecError, match=f"{name} is a network for {task}, not for classes; take another"):
        find_net(name, classes=10, channels=1)
    assert find_net(name).output


def test_the_colours_of_the_data_go_into_images_alone():
    assert find_net("lenet5", channels=3).input == (3, 32, 32)
    assert find_net("textcnn", classes=2, channels=3).input == (59,)
    assert find_net("voxnet", channels=3).input == (1, 32, 32, 32)


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
    net, _ = suited_to(data["input"], data["mode"], task, 3)
    graph = with_input(net_for(net, classes=3, task=task, **data), data["input"])
    shapes, problems = infer(graph)
    assert not problems
    assert graph.input == wanted
    assert shapes[graph.output] == ((3, *wanted[1:]) if task == "segmentation" else (3,))


def test_voxnet_is_for_volumes_of_its_kind():
    assert suited_to((1, 32, 32, 32), "values", "classification")[0] == "voxnet"
    assert suited_to((1, 8, 8, 8), "values", "classification")[0] != "voxnet"  # it would not fit
    assert suited_to((1, 128, 128, 128), "values", "classification")[0] != "voxnet"  # 100 million weights


def test_values_keep_their_size_whatever_the_net_takes():
    data = {"input": (3, 9, 70), "mode": "values"}
    assert net_for("vgg_small", classes=3, **data).input == (3, 9, 70)


@pytest.mark.parametrize(
    ("net", "data", "task", "text"),
    [
        ("unet", IMAGES, "classification", "unet is a network for segmentation, not for classes; take another"),
        (
            "lenet5",
            IMAGES,
            "segmentation",
            "lenet5 is a network for classification, not for segmentation; take another",
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
        net_for(net, classes=3, task=task, **data)
    assert text in str(caught.value)


def test_a_net_that_says_its_input_keeps_it_and_one_that_does_not_gets_one_that_fits():
    own = net_for("input 3x8x8; conv 3 1", classes=3, task="segmentation", **IMAGES)
    assert own.input == (3, 8, 8)
    found = net_for("maxpool 8; convtranspose 3 8 stride=8", classes=3, task="segmentation", **IMAGES)
    assert found.input == (3, 40, 56)
