"""Small models twice: as striate's own file, and as ONNX written by hand, node by node, which shares no code with
striate's exporter.
"""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.spec import parse

RGB = {"input": (3, 8, 8), "mode": "RGB", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}
NAMES = ("cat", "dog", "owl")
CASES = {  # contract, net
    "classification": (Contract(NAMES, **RGB, resize="crop"), "flatten; linear 3"),
    "sure": (
        Contract(NAMES, **RGB, temperature=2.5, threshold=0.5, sets=((0.9, 0.2),), energy=(1.0,)),
        "flatten; linear 3",
    ),
    "multilabel": (Contract(NAMES, **RGB, task="multilabel"), "flatten; linear 3"),
    "regression": (
        Contract(NAMES, **RGB, task="regression", target_mean=(5.0, 0.5, 0.5), target_std=(2.0, 0.2, 0.2),
                 positions=((1, 2),)),
        "flatten; linear 3",
    ),
    "segmentation": (
        Contract(NAMES, **RGB, task="segmentation", mask_values=(0, 1, 2), resize="fit"), "conv 3 1"
    ),
    "grey": (Contract(NAMES, (1, 6, 6), "L", (0.5,), (0.5,)), "flatten; linear 3"),
    "values": (Contract(NAMES, (2, 5), "values", (1.0, 2.0), (3.0, 4.0)), "flatten; linear 3"),
    "text": (
        Contract(NAMES, (4,), "text", (), (), vocabulary=("good", "bad")), "embedding 4 5; flatten; linear 3"
    ),
}  # fmt: skip
TYPES = {"values": TensorProto.FLOAT, "text": TensorProto.INT64}


def both(case, folder):
    """The case's model, and the path of its ONNX file in *folder*; its ``.safetensors`` lies beside it."""
    contract, text = CASES[case]
    torch.manual_seed(3)
    shape = "x".join(map(str, contract.input))
    model = Model(build(parse(f"input {shape}; {text}")), contract)
    with torch.no_grad():
        for p in model.module.parameters():
            p.copy_(torch.randn(p.shape))
    model.module.eval()
    model.save(folder / f"{case}.safetensors")
    model.path = folder / f"{case}.safetensors"
    path = folder / f"{case}.onnx"
    onnx.save(by_hand(model), path)
    return model, path


def by_hand(model, about=None):
    """The ONNX graph of a case's model."""
    contract = model.contract
    nodes, constants = [], []

    def constant(value, name):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(op, *inputs, out="", **attributes):
        name = out or f"{op}{len(nodes)}"
        nodes.append(helper.make_node(op, [*inputs], [name], **attributes))
        return name

    x = "input"
    if contract.mode != "text":
        axes = (1, -1, *[1] * (len(contract.input) - 1))
        mean, std = (np.array(v, np.float32).reshape(axes) for v in (contract.mean, contract.std))
        x = node("Cast", x, to=TensorProto.FLOAT)
        if contract.mode != "values":
            x = node("Div", x, constant(np.float32(255), "bytes"))
        x = node("Div", node("Sub", x, constant(mean, "mean")), constant(std, "std"))
    weights = {name: p.detach().numpy() for name, p in model.module.named_parameters()}
    for name, w in weights.items():
        constant(w, name)
    if contract.mode == "text":
        table = next(name for name in weights if name.startswith("embedding"))
        x = node("Transpose", node("Gather", table, x), perm=[0, 2, 1])
    last = next(name.removesuffix(".weight") for name in weights if name.startswith(("linear", "conv")))
    if contract.task.per_pixel:
        scores = node("Conv", x, f"{last}.weight", f"{last}.bias", out="scores")
    else:
        scores = node("Gemm", node("Flatten", x), f"{last}.weight", f"{last}.bias", transB=1, out="scores")
    first = "probabilities" if contract.task.activation else "values"
    if contract.task.activation:
        scaled = node("Div", scores, constant(np.float32(contract.temperature), "temperature"))
        ends = {"softmax": "Softmax", "sigmoid": "Sigmoid"}[contract.task.activation]
        node(ends, scaled, out=first, **({"axis": 1} if ends == "Softmax" else {}))
    else:
        scaled = node("Mul", scores, constant(np.array(contract.target_std, np.float32), "target_std"))
        node("Add", scaled, constant(np.array(contract.target_mean, np.float32), "target_mean"), out=first)
    given = helper.make_tensor_value_info(
        "input", TYPES.get(contract.mode, TensorProto.UINT8), ["batch", *contract.input]
    )
    shape = contract.task.outputs_of(len(contract.classes), contract.input)
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *shape]) for n in (first, "scores")]
    graph = helper.make_graph(nodes, "net", [given], outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    helper.set_model_props(made, {"striate": "striate 1", "contract": contract.to_json()} if about is None else about)
    return made
