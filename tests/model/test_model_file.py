"""A model file: it comes back to the last bit, and what is wrong with one is said in one message, at once."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from strategies import examples
from striate.errors import ModelError
from striate.model.contract import Contract
from striate.model.header import FORMAT, read_header
from striate.model.model import Model, load
from striate.net import build
from striate.spec import format, parse

NET = "input 1x8x8\nc1: conv 2 3\nnorm: batchnorm\nrelu\nflatten\nout: linear 3\n"
CONTRACT = Contract(("a", "b b", "ž 猫"), (1, 8, 8), "L", (0.25,), (0.5,), resize="fit")


@pytest.fixture(scope="module")
def model():
    return Model(build(parse(NET), seed=3), CONTRACT)


@pytest.fixture(scope="module")
def good(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    model.save(path)
    return path.read_bytes()


def split(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header, weights=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights


@pytest.fixture
def fault(tmp_path):
    """``fault(content)``: what loading a file of that content says, without the file's name."""

    def check(content, path=None):
        path = path or tmp_path / "broken model.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load(path)
        text = str(caught.value)
        assert text.startswith(f"{path}: ")
        assert len(text) < 1200
        return text.removeprefix(f"{path}: ")

    return check


# --------------------------------------------------------------------------------------------- the round trip
def test_everything_comes_back(tmp_path, model):
    path = tmp_path / "a model, ž.safetensors"
    model.save(path)
    loaded = load(path)
    assert loaded.contract == model.contract
    assert loaded.graph == model.graph == parse(NET)
    assert not loaded.module.training
    before, after = model.module.state_dict(), loaded.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    assert np.array_equal(loaded.log_probabilities(pixels), model.log_probabilities(pixels))


def test_saving_again_gives_the_same_bytes(tmp_path, good):
    (tmp_path / "a").write_bytes(good)
    load(tmp_path / "a").save(tmp_path / "b")
    assert split((tmp_path / "b").read_bytes()) == split(good)


def test_a_loaded_model_can_be_trained_on(tmp_path, good):
    from striate.learning import Recipe, training

    (tmp_path / "a").write_bytes(good)
    module = load(tmp_path / "a").module
    before = module.c1.weight.clone()
    for _ in training(module, [(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))], Recipe(epochs=1)):
        pass
    assert not torch.equal(module.c1.weight, before)


def test_the_header_alone_tells_what_it_is(tmp_path, good):
    (tmp_path / "a").write_bytes(good)
    header = read_header(tmp_path / "a")
    assert header.graph == parse(NET)
    assert header.contract == CONTRACT
    assert header.tensors["c1.weight"] == ("F32", (2, 1, 3, 3))
    assert header.tensors["norm.num_batches_tracked"] == ("I64", ())


def test_only_what_can_be_loaded_again_is_saved(tmp_path, model):
    path = tmp_path / "m.safetensors"

    def refusal(module, contract=CONTRACT):
        with pytest.raises(ModelError) as caught:
            Model(module, contract).save(path)
        assert not path.exists()
        return str(caught.value).removeprefix(f"{path}: ")

    assert refusal(nn.Linear(64, 3)).startswith("not saved: the module does not take inputs of [1, 8, 8]: RuntimeError")
    four = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    assert "an output of shape [4], the contract has 3 classes" in refusal(four)
    assert "is F16 of shape [2, 1, 3, 3], the net needs F32" in refusal(build(parse(NET)).half())
    changed = build(parse(NET))
    changed.out = nn.Linear(72, 5)
    assert refusal(changed).startswith("not saved: out.weight is F32 of shape [5, 72], the net needs F32 of [3, 72]")
    two = Contract(("a", "b"), (1, 8, 8), "L", (0.25,), (0.5,))
    assert "an output of shape [3], the contract has 2 classes" in refusal(build(parse(NET)), two)
    wide = Contract(("a", "b", "c"), (1, 8, 9), "L", (0.25,), (0.5,))
    assert "the net takes (1, 8, 8), the contract says (1, 8, 9)" in refusal(build(parse(NET)), wide)


# ------------------------------------------------------------------------------------------ files of other kinds
def test_a_missing_file(fault, tmp_path):
    assert fault(None, tmp_path / "no such.safetensors").startswith("file not found; a trained model is what striate")


def test_a_folder(fault, tmp_path):
    text = "this folder contains no model.safetensors; name the folder of a finished run, or a model file"
    assert fault(None, tmp_path) == text


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr(zipfile.ZipInfo("data.pkl"), "x" * 50)  # of a fixed date: the bytes are part of a test's name
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "only 0 bytes long; the file was truncated or never written"),
        (b"12345", "only 5 bytes long"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 99, "this is a PNG image, not a striate model file (.safetensors)"),
        (b"\xff\xd8\xff\xe0" + b"0" * 99, "this is a JPEG image"),
        (archive(), "this is a zip archive, such as a PyTorch .pth"),
        (pickle.dumps({"a": 1}, 2), "this is a Python pickle"),
        (b"\x1f\x8b" + b"0" * 99, "this is a gzip file"),
        (b"\x1c\0\0\0TFL3" + b"0" * 99, "this is a TFLite model, not a striate model file"),
        (b"just a text, longer than eight bytes", "not a safetensors file"),
        (struct.pack("<Q", 2**63) + b"{}", "not a safetensors file: its first 8 bytes are not a header's length"),
        (struct.pack("<Q", 100) + b"{}", "cut short: the header should end at byte 108, the file ends at 10"),
        (bytes(64), "not a safetensors file: its header is not JSON"),
        (join(b"{'a': 1}"), "not a safetensors file: its header is not JSON"),
        (join(b"[" * 100_000), "not a safetensors file: its header is not JSON"),
        (join(b"\xff\xfe"), "not a safetensors file: its header is not JSON"),
        (join([]), "not a safetensors file: its header is not an object"),
        (save({"w": torch.zeros(2)}), "a safetensors file, but not a model of striate"),
        (save({"w": torch.zeros(2)}, {"format": "pt"}), "a safetensors file, but not a model of striate"),
    ],
    ids=lambda value: repr(value[:16]),
)
def test_a_file_of_another_kind(fault, content, reason):
    assert fault(content).startswith(reason)


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.999])
def test_a_file_cut_short(fault, good, part):
    assert "cut short" in fault(good[: int(len(good) * part)])


def test_bytes_behind_the_weights(fault, good):
    assert fault(good + b"!") == "1 bytes too many behind the weights"


# --------------------------------------------------------------------------------------------------- the metadata
def edited(good, **metadata):
    header, weights = split(good)
    about = header["__metadata__"] | metadata
    header["__metadata__"] = {name: value for name, value in about.items() if value is not None}
    return join(header, weights)


def contract(**fields):
    values = json.loads(CONTRACT.to_json()) | fields
    return json.dumps({name: value for name, value in values.items() if value != "gone"})


METADATA = [
    ({"striate": "striate 2"}, "written as 'striate 2', this version reads 'striate 1'; update striate"),
    ({"net": None}, "the metadata contain no net"),
    ({"contract": None}, "the metadata contain no contract"),
    ({"author": "me"}, "the metadata contain the unknown key 'author'"),
    ({"net": ""}, "the net has no layers"),
    ({"net": "hello world"}, "layer 1: unknown layer 'hello'"),
    ({"net": NET.replace("conv", "cnov")}, "line 2: unknown layer 'cnov'; did you mean 'conv'?"),
    ({"net": NET.replace("conv 2 3", "conv 2 30")}, "the layers' shapes do not match (1 error):\n  c1: a 30x30 window"),
    ({"net": NET.replace("input 1x8x8\n", "")}, "the net takes None, the contract says (1, 8, 8)"),
    ({"net": NET.replace("1x8x8", "1x9x9")}, "the net takes (1, 9, 9), the contract says (1, 8, 8)"),
    ({"net": NET.replace("linear 3", "linear 4")}, "out.weight is F32 of shape [3, 72], the net needs F32 of [4, 72]"),
    (
        {"net": NET.replace("relu", "relu; dropout 0.5")},
        "line 4: dropout takes named values alone: 'dropout [p=]', got 'dropout 0.5'",
    ),
    ({"contract": "no"}, "contract: not JSON"),
    ({"contract": "3"}, "contract: expected an object, got int"),
    ({"contract": contract(author="me")}, "contract: unknown field 'author'"),
    ({"contract": contract(mean="gone")}, "contract: the field 'mean' is missing"),
    ({"contract": contract(mean=[0.5, 0.5, 0.5])}, "contract: mode L has 1 channel(s), but the input has 1, mean 3"),
    ({"contract": contract(std=[0])}, "contract: mean [0.25] and std [0] must be numbers, std above 0"),
    ({"contract": contract(classes=["a", "b", "a"])}, "contract: the classes must be different names"),
    ({"contract": contract(classes=["a", "b"])}, "the net gives an output of shape [3], the contract has 2 classes"),
    ({"contract": contract(input=[1, 8, 9])}, "the net takes (1, 8, 8), the contract says (1, 8, 9)"),
    ({"contract": contract(task="detection")}, "contract: task is 'detection'; it is one of classification"),
]


@pytest.mark.parametrize(("metadata", "reason"), METADATA, ids=lambda value: str(value)[:40])
def test_metadata_that_cannot_be_kept(fault, good, metadata, reason):
    assert fault(edited(good, **metadata)).startswith(reason)


# ---------------------------------------------------------------------------------------------------- the tensors
def tensors_of(good):
    from safetensors.torch import load as from_bytes

    return from_bytes(good), split(good)[0]["__metadata__"]


def test_a_tensor_is_missing(fault, good):
    tensors, about = tensors_of(good)
    del tensors["c1.bias"]
    assert fault(save(tensors, about)) == "the net needs c1.bias, which the file does not contain"


def test_a_tensor_too_many(fault, good):
    tensors, about = tensors_of(good)
    more = {f"spare{i}": torch.zeros(2) for i in range(9)}
    assert fault(save(tensors | more, about)).endswith(
        "spare0, spare1, spare2, spare3, spare4, spare5 and 3 more, which the net does not have"
    )


def test_a_tensor_of_another_shape(fault, good):
    tensors, about = tensors_of(good)
    tensors["c1.weight"] = torch.zeros(2, 1, 3, 4)
    assert fault(save(tensors, about)) == "c1.weight is F32 of shape [2, 1, 3, 4], the net needs F32 of [2, 1, 3, 3]"


def test_a_tensor_of_another_type(fault, good):
    tensors, about = tensors_of(good)
    tensors["c1.weight"] = tensors["c1.weight"].half()
    assert fault(save(tensors, about)) == "c1.weight is F16 of shape [2, 1, 3, 3], the net needs F32 of [2, 1, 3, 3]"
    tensors["c1.weight"] = tensors["c1.weight"].long()
    assert fault(save(tensors, about)).startswith("c1.weight is I64 of shape [2, 1, 3, 3], the net needs F32")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(fault, good, value):
    tensors, about = tensors_of(good)
    tensors["out.weight"][1, 2] = value
    assert (
        fault(save(tensors, about)) == "the tensor 'out.weight' contains values that are not numbers (NaN or infinity)"
    )


def place(good, **fields):
    header, weights = split(good)
    header["c1.bias"] |= fields
    return join(header, weights)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shape": [3]}, "which does not agree with its shape or the tensors beside it"),
        ({"data_offsets": [0, 8]}, "which does not agree with its shape or the tensors beside it"),
        ({"data_offsets": [8, 0]}, "which does not agree with its shape or the tensors beside it"),
        ({"data_offsets": [10**9, 10**9 + 8]}, "which does not agree with its shape or the tensors beside it"),
        ({"data_offsets": [-8, 0]}, "has data_offsets [-8, 0]; expected a few whole numbers"),
        ({"data_offsets": [0]}, "has data_offsets [0]"),
        ({"shape": [2.0]}, "has shape [2.0]"),
        ({"shape": [True, 2]}, "has shape [True, 2]"),
        ({"shape": "2"}, "has shape 2"),
        ({"shape": [2**63]}, "has shape [9223372036854775808]"),
        ({"shape": [1] * 9}, "has shape [1, 1, 1, 1, 1, 1, 1, 1, 1]; expected a few whole numbers"),
        ({"dtype": "C64"}, "has dtype 'C64'; expected F32 or I64"),
        ({"dtype": None}, "has dtype None"),
        ({"extra": 1}, "is not described by dtype, shape and data_offsets"),
    ],
    ids=str,
)
def test_a_place_that_cannot_be(fault, good, fields, reason):
    assert reason in fault(place(good, **fields))


def test_a_tensor_that_is_no_object(fault, good):
    header, weights = split(good)
    header["c1.bias"] = [1, 2]
    assert "'c1.bias' is not described by dtype, shape and data_offsets" in fault(join(header, weights))


# ------------------------------------------------------------------------------------- files that ask for too much
def hostile(net, input=(1, 8, 8), tensors=None):
    about = {"striate": FORMAT, "net": net, "contract": contract(input=list(input))}
    return join({"__metadata__": about} | (tensors or {}))


def relus(n):
    return "relu\n" * n


I = "input 1x8x8\n"  # noqa: E741
HOSTILE = {
    "linear": I + f"flatten; linear {10**12}; linear 3",
    "linear twice": I + f"flatten; linear {2**30}; linear {2**30}; linear {2**30}; linear 3",
    "linear, 4000 digits": I + f"flatten; linear 1{'0' * 4000}; linear 3",
    "linear, 5000 digits": I + f"flatten; linear 1{'0' * 5000}; linear 3",
    "conv": I + f"conv {10**30} 1; flatten; linear 3",
    "padding": I + f"conv 1 3 padding={10**30}; flatten; linear 3",
    "groups": I + "conv 1000000007 3 groups=1000000007; flatten; linear 3",
    "pool": I + f"maxpool {10**9}; flatten; linear 3",
    "adaptive": I + f"adaptiveavgpool {10**8}; flatten; linear 3",
    "upsample": I + "upsample 1000000\n" * 30 + "adaptiveavgpool 1; flatten; linear 3",
    "upsample, 4000 digits": I + f"upsample 1{'0' * 4000}\n" * 500 + "adaptiveavgpool 1; flatten; linear 3",
    "many layers": I + relus(1_900) + "flatten; linear 3",
    "too many layers": I + relus(300_000) + "flatten; linear 3",
    "many faults": I + "maxpool 7\n" * 300 + "flatten; linear 3",
    "doubling": I + "concat <- input, input\n" + "".join(f"concat <- concat{i}, concat{i}\n" for i in range(1, 900)),
    "deep name": I + "a." * 100_000 + "a: relu; flatten; linear 3",
    "deep name, allowed": I + "a." * 2_000 + "a: relu; flatten; linear 3",
    "long word": I + "x" * 300_000,
    "no such layer": I + relus(1_900) + "relu <- rella",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_net_that_asks_for_too_much(fault, name):
    fault(hostile(HOSTILE[name]))


def test_an_input_that_asks_for_too_much(fault):
    net = "input 1x10000000x10000000\nflatten; linear 3"
    assert fault(hostile(net, (1, 10**7, 10**7))).startswith("an input of (1, 10000000, 10000000) is larger than any")


def test_tensors_that_ask_for_too_much(fault):
    net = I + "flatten; linear 3"
    nothing = {"dtype": "F32", "data_offsets": [0, 0]}
    assert "10,001 tensors are more" in fault(
        hostile(net, tensors={f"t{i}": nothing | {"shape": [0]} for i in range(10_001)})
    )
    assert "expected a few whole numbers" in fault(hostile(net, tensors={"t": nothing | {"shape": [2**47] * 300_000}}))


# ------------------------------------------------------------------------------------------------------- by chance
FUZZ = examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def opens_or_says_why(path, content):
    path.write_bytes(content)
    try:
        model = load(path)
    except ModelError as error:
        text = str(error)
    else:
        text = f"{path}: good"
        pixels = np.zeros((1, *model.contract.input), np.uint8)
        assert model.log_probabilities(pixels).shape == (1, len(model.contract.classes))
    assert text.startswith(f"{path}: ")


@given(data=st.data())
@FUZZ
def test_flipped_bits(tmp_path, good, data):
    damaged = bytearray(good)
    end = 8 + struct.unpack("<Q", good[:8])[0]
    places = st.integers(0, end - 1) | st.integers(0, len(good) - 1)  # most of them in the header
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    opens_or_says_why(tmp_path / "m", bytes(damaged))


@given(data=st.data())
@FUZZ
def test_pieces_cut_out_and_put_in(tmp_path, good, data):
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, len(good)))
    opens_or_says_why(tmp_path / "m", good[:begin] + data.draw(st.binary(max_size=20)) + good[end:])


@given(text=st.text(max_size=60) | st.lists(st.sampled_from(NET.split()), max_size=12).map(" ".join))
@FUZZ
def test_any_text_for_a_net(tmp_path, good, text):
    opens_or_says_why(tmp_path / "m", edited(good, net=I + text))


@given(value=st.sampled_from(["2", "3", "1", "8", "c1", "norm"]), other=st.text("0123456789x.=-", max_size=8))
@FUZZ
def test_any_number_in_a_net(tmp_path, good, value, other):
    opens_or_says_why(tmp_path / "m", edited(good, net=NET.replace(value, other)))


def test_what_the_header_says_is_what_format_writes(good):
    assert split(good)[0]["__metadata__"]["net"] == format(parse(NET)) == NET


@pytest.mark.parametrize("length", [0x10280, 0x20280, 0x8B1F])
def test_a_header_whose_length_looks_like_another_format_is_read(good, tmp_path, length):
    header, weights = split(good)
    path = tmp_path / "model.safetensors"
    path.write_bytes(join(json.dumps(header).encode().ljust(length), weights))
    assert path.read_bytes()[:2] in (b"\x80\x02", b"\x1f\x8b")
    assert load(path).contract == CONTRACT
