"""The one entry point for a network: whatever a person gives for it becomes one value that says what it has.

Every verb of the command line and every Python function begins with :func:`open_network`; none of them tests for
file endings or types itself. No torch is imported before somebody needs numbers.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from striate.analysis import Report, analyse
from striate.errors import ModelError, SpecError, closest, did_you_mean, nearest, shape_text
from striate.files import near_path, read_regular_text
from striate.loading.user_code import is_code, load_code
from striate.spec import OPS, Cat, Embedding, Graph, Product, Seq, Shape, Spec, Sum, lower, parse, read_shape
from striate.spec.op import Base
from striate.spec.pasted import LIKE
from striate.tasks import task_named
from striate.zoo import ZOO

if TYPE_CHECKING:
    from torch import nn

    from striate.model.contract import Contract
    from striate.model.model import Model

Given: TypeAlias = "str | Path | Spec | Graph | nn.Module | Model | Network"  # what a network may be given as
Origin = Literal["zoo", "text", "net file", "model file", "Python file", "spec", "module", "model"]
NO_INPUT = "the network does not say its input size; give one, such as --input 3x224x224 or input=(3, 224, 224)"


@dataclass(frozen=True, eq=False)
class Network:
    """A network argument, resolved: what it is, and what is known of it.

    Args:
        given: How messages call it: the zoo's name, the file's path, the text, the type.
        name: A short name, for a run's folder or an exported class: ``lenet5``, ``mine``, ``net``.
        origin: What it was given as.
        graph: Its description; None for somebody's own module.
        input: The shape of one input, ``(C, H, W)``, where the network or its contract says it, or the caller did.
        contract: Preparation and classes; None unless it is a model.
        path: The model file, ``.net`` file or Python file that it came from.
        held: The ``nn.Module`` or ``Model`` itself, where one was given or made.
        weights: The state dict or checkpoint that the weights of somebody's own module are from.
    """

    given: str
    name: str
    origin: Origin
    graph: Graph | None = None
    input: Shape | None = None
    contract: Contract | None = None
    path: Path | None = None
    held: Any = field(default=None, repr=False)
    weights: Path | None = None

    @property
    def has_weights(self) -> bool:
        """Whether it came with weights; otherwise :attr:`module` has random ones."""
        return self.origin == "model file" or self.held is not None

    @property
    def is_own(self) -> bool:
        """Whether it is somebody's own PyTorch module, of which no description is known."""
        return self.graph is None and self.held is not None

    @property
    def zoo_name(self) -> str | None:
        """Its name in the zoo; of a trained model, that of the network with the same layers, if there is one."""
        if self.origin == "zoo":
            return self.name
        if self.contract is None or self.graph is None:
            return None
        classes = len(self.contract.classes)
        same = (name for name, entry in ZOO.items() if lower(entry.make(classes), self.graph.input) == self.graph)
        return next(same, None)

    def describe(self) -> str:
        """Where it comes from, in a few words.

        >>> open_network("lenet5").describe()
        "lenet5 of striate's zoo (LeCun et al., as taught today, 1998)"
        """
        if self.origin == "zoo":
            return f"{self.name} of striate's zoo ({ZOO[self.name].paper}, {ZOO[self.name].year})"
        if self.path is None:
            return "a trained model" if self.contract else "a net given as text"
        return f"{'a model trained with striate,' if self.contract else 'the net in'} {self.path.name}"

    def description(self) -> Graph:
        """The graph.

        Raises:
            SpecError: It is somebody's module, which has none.
        """
        if self.graph is not None:
            return self.graph
        raise SpecError(
            f"{self.given} is a PyTorch module, which is Python code already; give a network as text or a Seq, or make "
            "a model of it with its weights: striate weights FILE.py:NAME WEIGHTS"
        )

    @cached_property
    def module(self) -> nn.Module:
        """The module: given, loaded from its file, or built from the description with random weights (seed 0).

        Raises:
            ModelError: The file is damaged.
            SpecError: No input size is known to build for.
            ShapeError: The layers do not fit together.
        """
        if self.held is not None or self.contract is not None:
            return self.model.module if self.contract is not None else self.held
        from striate.net import build

        if self.input is None:
            raise SpecError(NO_INPUT)
        return build(lower(self.description(), self.input), seed=0)

    @cached_property
    def model(self) -> Model:
        """The trained model.

        Raises:
            ModelError: The file is damaged, or this is not a model.
        """
        if self.origin == "model file":
            from striate.model.model import load

            assert self.path is not None
            return load(self.path)
        if self.contract is not None:
            model: Model = self.held
            return model
        if self.held is not None:
            raise ModelError(
                f"{self.given} is a module, not a model: its classes and its preparation of inputs are not known; "
                "make a model of it: striate weights FILE.py:NAME WEIGHTS --input CxHxW -o OUT.safetensors, or in "
                "Python striate.Model(module, striate.Contract(...))"
            )
        raise ModelError(
            f"{self.given} is an untrained network; expected a model file (.safetensors) or a run's folder. "
            f"Train it first: striate train DATA --net NET"
        )

    def shape(self, input: Shape | str | int) -> Shape:
        """The shape that *input* means for it: a single number is the side of square images, or a text's length.

        Raises:
            SpecError: It is no shape, or has another number of axes than the network's own.
        """
        if self.input is not None:
            shape = input_shape(input, self.input[0], text=len(self.input) == 1)
            if len(shape) != len(self.input):
                own = shape_text(self.input)
                raise SpecError(
                    f"input {shape_text(shape)}: this network takes {len(self.input)} numbers, such as {own} (channels "
                    f"first)"
                )
            return shape
        first = self.graph.nodes[0].op if self.graph is not None else self._first_layer()
        return input_shape(input, 3, text=isinstance(first, Embedding) or type(first).__name__ == "Embedding")

    def _first_layer(self) -> Any:
        """Of a module: the first of its layers that has weights."""
        parts = self.held.modules() if hasattr(self.held, "modules") else ()
        return next((part for part in parts if getattr(part, "_parameters", None)), None)

    def check(self, input: Shape | str | int | list[Any] | None = None, output: str | int | None = None) -> Report:
        """The static analysis for one *input*; its own, if not given. Of a module, its forward is followed.

        Args:
            input: One shape, or of a module with several inputs a list of them.
            output: Of a module with several outputs: the key or place of one.

        Raises:
            SpecError: No input size is known, or the module cannot be followed at all.
        """
        several = isinstance(input, list | tuple) and any(not isinstance(part, int) for part in input)
        if self.graph is not None:
            if several or output is not None:
                what = "several inputs" if several else "--output"
                raise SpecError(
                    f"{what} is for PyTorch modules with several; {self.given} has one input and one output"
                )
            return analyse(self.graph, self.input if input is None else self.shape(cast(Shape, input)))
        from striate.net.read import check_module

        if several:
            return check_module(self.module, tuple(self.shape(part) for part in cast(list[Any], input)), output)
        return check_module(self.module, self.input if input is None else self.shape(cast(Shape, input)), output)


def open_network(
    given: Given, *, classes: int | None = None, channels: int | None = None, input: Shape | str | int | None = None
) -> Network:
    """The network that *given* means, as one value that says what it has.

    Nothing heavy happens here: of a model file the header alone is read, nothing is built. Ask the value for what is
    needed: ``.description()`` or ``.graph`` for the layers, ``.check()`` for the table, ``.module`` for numbers
    (random weights where ``.has_weights`` is false), ``.model`` for predictions.

    Args:
        given: A name of the zoo (``"lenet5"``), a ``.net`` file, the text (``"conv 6 5; relu"``), a model file
            (``.safetensors``) or the run's folder with it, ``"FILE.py:NAME"`` (which is run), a spec (``Seq`` ...),
            a ``Graph``, any ``nn.Module``, a ``Model``; or a ``Network`` already.
        classes: For a network of the zoo: how many classes; its paper's, if not given.
        channels: For a network of the zoo: the input's channels; its paper's, if not given.
        input: ``(C, H, W)``, ``"3x224x224"`` or the side of square images, where the network does not say it, or
            instead of what it says.

    Raises:
        SpecError: There is no such name or file, the text is not a network, the value is of another type, or *input*
            differs from what a trained model takes.
        ModelError: The model file is damaged or not one of striate.

    >>> network = open_network("lenet5", channels=3)
    >>> network.name, network.input, network.has_weights, len(network.description().nodes)
    ('lenet5', (3, 32, 32), False, 12)
    """
    if isinstance(given, Network):
        network = given
    elif isinstance(given, str | Path):
        network = _of_words(given, classes, channels)
    else:
        network = _of_value(given)
    shape = None if input is None else network.shape(input)
    if shape is None or shape == network.input:
        return network
    if network.contract is not None:
        own = shape_text(network.contract.input)
        raise SpecError(f"--input {shape_text(shape)}: the model takes {own}; omit --input")
    return replace(network, input=shape, graph=None if network.graph is None else lower(network.graph, shape))


def open_model(given: Given) -> Model:
    """The trained model that *given* means: that of a model file or a run's folder, or a ``Model`` itself.

    Raises:
        ModelError: There is none.
    """
    try:
        return open_network(given).model
    except SpecError as error:
        if not isinstance(given, str | Path) or _is_there(str(given)):
            raise ModelError(f"{error}; expected a trained model") from None
        from striate.model.header import WRITES, near_model

        raise ModelError(f"{given}: file not found{did_you_mean(near_model(str(given))) or WRITES}") from None


def input_shape(input: Shape | str | int, channels: int, *, text: bool = False) -> Shape:
    """The shape that somebody writes for an input.

    Args:
        input: ``(C, H, W)`` and the like, ``"3x224x224"``, or a single number, as a value or a text: the side of square
            images, or the length of texts; ``"(4)"`` is four numbers, as modules take beside images.
        channels: Of square images.
        text: Whether the inputs are texts.

    Raises:
        SpecError: It is none of these.

    >>> input_shape("224", 3), input_shape("1x28x28", 3), input_shape(59, 1, text=True), input_shape("(4)", 3)
    ((3, 224, 224), (1, 28, 28), (59,), (4,))
    """
    if not isinstance(input, str | int | tuple | list):
        raise SpecError(f"got a {type(input).__name__} for an input size; expected (3, 224, 224), '3x224x224' or 224")
    if isinstance(input, str) and (numbers := re.fullmatch(r"\(([1-9]\d{0,8}),?\)", input.strip())):
        return (int(numbers[1]),)
    shape = read_shape(str(input)) if isinstance(input, str | int) else tuple(input)
    if len(shape) > 1 or text or not isinstance(input, str | int):
        return shape
    return (channels, *shape, *shape)


def check(net: Given, input: Shape | str | int | list[Any] | None = None, *, output: str | int | None = None) -> Report:
    """Works out every layer of *net* for one *input*, and lists every fault with its fix; raises nothing for faults.

    Args:
        net: What :func:`open_network` takes. Of an ``nn.Module`` the forward is followed on tensors without numbers,
            so that nothing is computed and the module stays as it is.
        input: ``(C, H, W)``, ``"3x224x224"`` or the side of square images; not needed where the network says its own,
            as those of the zoo and model files do. Of a module with several inputs, a list of such.
        output: Of a module with several outputs: the key or place of the one that is meant.

    Raises:
        SpecError: There is no such network, no input size is known, or the module cannot be followed at all.
        ModelError: The model file is damaged.

    >>> report = check("conv 6 5; relu; maxpool 2; flatten; linear 10", input=(1, 28, 28))
    >>> report.parameters, report.macs, report.layers[2].receptive_field
    (8806, 95040, (6, 6))
    >>> check("lenet5").parameters
    61706
    """
    return open_network(net).check(input, output)


def draw(net: Given | Report, title: str | None = None, *, input: Shape | str | int | None = None) -> str:
    """*net* as a drawing: the text of one self-contained SVG.

    Args:
        net: What :func:`open_network` takes, or a report of :func:`check`.
        title: Above it; the network's name, if not given.
        input: As in :func:`check`.

    Raises:
        SpecError: There is no such network, no input size is known, or it is not known which layer reads which.

    >>> draw("lenet5")[:4], draw("conv 6 5; relu", "two layers", input=(1, 28, 28))[:4]
    ('<svg', '<svg')
    """
    from striate.drawing import draw_svg

    name, report = "network", net
    if not isinstance(report, Report):
        network = open_network(cast(Given, net), input=input)
        named = network.origin in ("zoo", "net file", "model file")
        name, report = network.name if named else name, network.check()
    if not all(layer.inputs for layer in report.layers):
        raise SpecError(f"{title or name} cannot be drawn: {report.notes[0]}")
    return draw_svg(report, title or name)


def list_networks() -> list[dict[str, Any]]:
    """The networks of the zoo, a row each, as ``striate zoo --json`` prints them.

    >>> row = list_networks()[0]
    >>> row["name"], row["year"], row["input"], row["parameters"], row["receptive_field"]
    ('lenet5', 1998, (1, 32, 32), 61706, (32, 32))
    """
    return [_row(name) for name in ZOO]


def _row(name: str) -> dict[str, Any]:
    entry, report = ZOO[name], check(name)
    return {
        "name": name,
        "paper": entry.paper,
        "year": entry.year,
        "input": entry.input,
        "parameters": report.parameters,
        "macs": report.macs,
        "receptive_field": report.receptive_field,
    }


def _of_words(given: str | Path, classes: int | None, channels: int | None) -> Network:
    """The network that a string or a path names."""
    text = str(given)
    path = Path(text)
    if text in ZOO:
        graph = _from_zoo(text, classes, channels)
        return Network(text, text, "zoo", graph, graph.input)
    if text.endswith(".net"):
        graph = _from_net_file(path)
        return Network(text, _plain(path.stem), "net file", graph, graph.input, path=path)
    if "@" in text and (own := _code_and_path(text)):
        return _own_with_weights(*own)
    if is_code(text):
        return _of_value(load_code(text), text)
    if text.endswith(".safetensors") or _is_there(text):
        return _from_model_file(path)
    is_path = "/" in text and not re.search("[;\n]", text)
    if is_path and (near := near_path(text)):
        raise SpecError(f"{text}: file not found{did_you_mean(near)}")
    if other := re.fullmatch(r"(timm|torchvision|keras)[:.][\w./-]+", text):
        raise SpecError(f"{text}: networks of {other[1]} are not in the zoo; pass a module: FILE.py:NAME")
    if (code := re.fullmatch(r"([\w./\\-]+)[:.](\w+)", text)) and not closest(code[2], OPS):
        file = code[1].replace(".", "/") + ".py"
        if Path(file).is_file() or (":" in text and code[2].lower() not in LIKE):
            meant = did_you_mean(f"{file}:{code[2]}") if Path(file).is_file() else f"; there is no {file}"
            raise SpecError(f"{text}: a network in a Python file is given as FILE.py:NAME{meant}")
    if _is_name(text):
        from striate.model.header import near_model

        near = nearest(text, ZOO, "striate zoo lists the networks", "" if is_path else near_model(text))
        raise SpecError(f"unknown network {text!r}: not a zoo name, a file, a run's folder or a layer's text{near}")
    graph = parse(text)
    return Network(text, "net", "text", graph, graph.input)


def _code_and_path(text: str) -> tuple[str, Path] | None:
    from striate.model.header import code_and_path

    code, path = code_and_path(text)
    return (code, Path(path)) if code else None


def _own_with_weights(code: str, given: Path) -> Network:
    """Somebody's own module with the weights that a model file has for it: ``my_net.py:Net@runs/mine``; or with those
    of a state dict or a checkpoint: ``my_net.py:Net@weights.pth``.
    """
    from striate.model.model import load
    from striate.net.weights import is_foreign, load_weights, open_weights

    if is_foreign(given):
        own = _of_value(load_code(code), code)
        load_weights(own.module, open_weights(given))
        return replace(own, given=f"{code}@{given}", weights=given)
    network = _from_model_file(given)
    if network.graph is not None:
        raise ModelError(f"{given}: says itself what its network is; omit {code}@")
    model = load(given, _of_value(load_code(code), code).module)
    model.code = code
    return replace(network, given=f"{code}@{given}", origin="model", held=model)


def _of_value(value: Any, code: str = "") -> Network:
    """The network that a Python value is; *code* is the ``FILE.py:NAME`` that it came from."""
    kind = type(value).__name__
    path = Path(code.rpartition(".py")[0] + ".py") if code else None
    given = code or f"the {kind}"
    if isinstance(value, Base | Seq | Sum | Cat | Product | Graph):
        graph = lower(cast(Spec | Graph, value))
        return Network(given, "net", "Python file" if code else "spec", graph, graph.input, path=path)
    if _is_a(value, "striate.model.model", "Model"):
        return Network(given, "model", "model", value.graph, value.contract.input, value.contract, path, value)
    if _is_a(value, "torch.nn", "Module"):
        built = getattr(value, "graph", None)  # of striate.build; layers may have been exchanged since, the input not
        input = built.input if isinstance(built, Graph) else None
        name = _plain(code.rpartition(":")[2] or kind)
        return Network(given, name, "Python file" if code else "module", input=input, path=path, held=value)
    if code:
        raise SpecError(f"{code} is of the type {kind}; expected an nn.Module, or a class or function that makes one")
    hint = f"; make one of it first: {value.__name__}()" if isinstance(value, type) else ""
    raise SpecError(
        f"got a {kind} for a network; expected a name, a text, a file, a Seq, a Graph, an nn.Module or a Model{hint}"
    )


def _is_a(value: object, module: str, name: str) -> bool:
    """Whether *value* is of the class in *module*, which need not be imported to say no."""
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(value, found)


def _from_zoo(name: str, classes: int | None, channels: int | None) -> Graph:
    entry = ZOO[name]
    if classes is not None and not task_named(entry.task).exclusive:
        raise SpecError(f"{name} is a network for {entry.task}, not for classes; use another, such as lenet5")
    spec = entry.make() if classes is None else entry.make(classes=classes)
    image = len(entry.input) == 3  # of a sentence or a volume the first number is no colour
    return lower(spec, (channels or entry.input[0], *entry.input[1:]) if image else entry.input)


def _from_model_file(given: Path) -> Network:
    from striate.model.header import model_file, read_header

    path = model_file(given)
    try:
        header = read_header(path)
    except ModelError as error:
        from striate.net.weights import WEIGHTS, program_in

        if path.suffix.lower() not in (*WEIGHTS, ".pt2"):
            raise

        if program := program_in(path):
            raise ModelError(f"{path}: {program}") from None
        way = (
            f"make a model of it first: striate weights NET {path} -o {path.with_suffix('.safetensors')}, with NET of "
            f"the zoo; weights of your own network: name its code before them, my_net.py:Net@{path}"
        )
        raise ModelError(f"{error}; {way}") from None
    name = _plain((given if given.is_dir() else path.with_suffix("")).name) or "model"
    return Network(str(given), name, "model file", header.graph, header.contract.input, header.contract, path)


def _from_net_file(path: Path) -> Graph:
    try:
        return parse(read_regular_text(path))
    except FileNotFoundError:
        raise SpecError(f"{path}: file not found{did_you_mean(near_path(path))}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as text ({error})") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None


def _is_there(text: str) -> bool:
    """Whether *text* names a folder or file; a word of the notation is a layer before it is a name."""
    words = text.split()
    with suppress(OSError):  # a text is longer than a name may be
        return bool(words) and words[0].lower() not in OPS and Path(text).exists()
    return False


def _is_name(text: str) -> bool:
    """Whether *text* looks like a name rather than like a description."""
    return re.fullmatch(r"[\w./\\-]+", text) is not None and text.lower() not in OPS


def _plain(text: str) -> str:
    return re.sub(r"\W+", "-", text)
