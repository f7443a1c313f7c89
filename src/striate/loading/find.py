"""NET, wherever it is asked for: a name of the zoo, a ``.net`` file, the text itself, or a model file (and, in
``striate check``, somebody's own ``FILE.py:NAME``: see ``user_code``).
"""

from __future__ import annotations

import re
from pathlib import Path

from striate.analysis import check
from striate.errors import SpecError, nearest
from striate.loading.user_code import is_code
from striate.spec import OPS, Cat, Graph, Seq, Shape, Spec, Sum, lower, parse
from striate.spec.ops import Base
from striate.zoo import ZOO


def find_net(net: str | Path | Spec | Graph, *, classes: int | None = None, channels: int | None = None) -> Graph:
    """The graph that *net* means, with the input that it says or was made for.

    Args:
        net: A name of the zoo (``lenet5``), a ``.net`` file, a model file (``.safetensors``), the text of a net,
            or a net already.
        classes: For a net of the zoo, how many classes; its paper's, if not given.
        channels: For a net of the zoo, the input's channels; its paper's, if not given.

    Raises:
        SpecError: Nothing is called so, or the text is not a net.
        ModelError: The model file is not one.

    >>> find_net("lenet5").input, find_net("lenet5", channels=3).input
    ((1, 32, 32), (3, 32, 32))
    """
    if not isinstance(net, str | Path):
        if not isinstance(net, Base | Seq | Sum | Cat | Graph):
            raise SpecError(
                f"got a {type(net).__name__} for a net; wanted a name, a text, a Seq or a Graph "
                f"(a module of your own is trained with striate.training)"
            )
        return lower(net)
    text = str(net)
    if text in ZOO:
        entry = ZOO[text]
        if classes is not None and entry.task != "classification":
            raise SpecError(f"{text} is a network for {entry.task}, not for classes; take another, such as lenet5")
        spec = entry.make() if classes is None else entry.make(classes=classes)
        image = len(entry.input) == 3  # of a sentence or a volume the first number is no colour
        return lower(spec, (channels or entry.input[0], *entry.input[1:]) if image else entry.input)
    if text.endswith(".safetensors"):
        from striate.model.header import read_header

        return read_header(Path(text)).graph
    if text.endswith(".net"):
        return _from_file(Path(text))
    if is_code(text):
        raise SpecError(
            f"{text}: a network in a Python file is read by striate check alone, since a model file could not say what "
            f"it is; train it with striate.training in Python, or describe it in words"
        )
    if _is_name(text):
        raise SpecError(f"{text!r} is no net of the zoo, no .net file and no text of a net{nearest(text, ZOO)}")
    return parse(text)


def net_name(net: str | Path | Spec | Graph) -> str:
    """A short name for a run's folder.

    >>> net_name("lenet5"), net_name("nets/mine.net"), net_name("conv 6 5; relu")
    ('lenet5', 'mine', 'net')
    """
    text = str(net) if isinstance(net, str | Path) else ""
    if text in ZOO:
        return text
    return re.sub(r"\W+", "-", Path(text).stem) if text.endswith((".net", ".safetensors")) else "net"


def net_for(
    net: str | Path | Spec | Graph,
    *,
    classes: int,
    input: Shape,
    mode: str,
    task: str = "classification",
    words: int = 0,
) -> Graph:
    """The graph that *net* means for some data, with an input that suits both.

    A net of the zoo takes the data's classes, channels and words; of images, the size that it was made for, or, where
    it takes any (as all that answer for every pixel do), the nearest to the data's that fits and is no larger. A net
    that says no input takes the data's, in segmentation the nearest that fits.

    Args:
        net: As :func:`find_net` takes it.
        classes: How many classes, labels or values there are.
        input: An item as it comes.
        mode: How it is read, as in :class:`~striate.model.contract.Contract`.
        task: Likewise.
        words: Of texts: how many numbers of words there are.

    Raises:
        SpecError: As :func:`find_net`; or a net of the zoo is for other data.
    """
    if str(net) not in ZOO or not isinstance(net, str | Path):
        graph = find_net(net)
        if graph.input is not None or task != "segmentation":
            return graph
        return lower(graph, _nearest_size(graph, input, LARGEST))
    entry = ZOO[str(net)]
    _check_kind(str(net), input, mode, task)
    spec = entry.make(classes, words=words) if mode == "text" else entry.make(classes)
    if task == "segmentation" or (entry.any_size and mode != "values"):
        return lower(spec, _nearest_size(lower(spec), input, max(entry.input[1:])))
    return lower(spec, input if mode in ("text", "values") else (input[0], *entry.input[1:]))


def _check_kind(name: str, input: Shape, mode: str, task: str) -> None:
    """SpecError where the net of the zoo is for another task or for other data."""
    entry = ZOO[name]
    if (entry.task == "segmentation") != (task == "segmentation") or (entry.task, task) == (
        "regression",
        "classification",
    ):
        what = "classes" if task == "classification" else task
        raise SpecError(f"{name} is a network for {entry.task}, not for {what}; take another, such as {FOR[task]}")
    takes = "texts" if len(entry.input) == 1 else KINDS[len(entry.input)]
    come = "texts" if mode == "text" else KINDS.get(len(input), "values")
    if takes != come:
        raise SpecError(f"{name} is a network for {takes}, and the data are {come}; leave --net out for one that suits")


KINDS = {2: "signals", 3: "images", 4: "volumes"}  # by how many numbers an input's shape has
FOR = {
    "classification": "vgg_small",
    "multilabel": "vgg_small",
    "regression": "vgg_small_regressor",
    "segmentation": "unet_small",
}
LARGEST = 512  # pixels of the longer side, where an answer for every pixel is wanted and nobody said the size


def _nearest_size(graph: Graph, input: Shape, largest: int) -> Shape:
    """The size that *graph* takes and that is nearest to images of *input*, the longer side at most *largest*."""
    scale = min(1.0, largest / max(input[1:]))
    sides = tuple(max(1, round(n * scale)) for n in input[1:])
    legal = check(graph, (input[0], *sides)).legal_inputs
    if legal.smallest is None or legal.step is None:
        return (input[0], *sides)
    steps = zip(sides, legal.smallest[1:], legal.step, strict=True)
    return (input[0], *(least + step * max(0, round((n - least) / step)) for n, least, step in steps))


def suited_to(input: Shape, mode: str, task: str, classes: int = 2) -> tuple[str, str]:
    """The net, as :func:`find_net` takes it, for data of that *input*, *mode* and *task* when nobody named one; and
    why that one.

    Small grey images of classes get the net that was made for such, LeNet-5; other images the small nets of today for
    their task; what is no image, a net that takes it as it is.

    >>> suited_to((1, 8, 8), "L", "classification"), suited_to((59,), "text", "classification")
    (('lenet5', 'the images are grey and small'), ('textcnn', 'the data are texts'))
    >>> suited_to((3, 480, 640), "RGB", "classification"), suited_to((1, 8, 8), "L", "segmentation")
    (('vgg_small', 'the images are in colour'), ('unet_small', 'every pixel has a class'))
    """
    if mode == "text":
        return "textcnn", "the data are texts"
    if mode == "values":
        if len(input) == 4 and VOXNET[0] <= min(input[1:]) and max(input[1:]) <= VOXNET[1]:
            return "voxnet", "the data are volumes"
        return _small(input, classes), f"the data are {KINDS.get(len(input), 'numbers')}"
    if task != "classification":
        return FOR[task], WHY[task]
    if input[0] > 1:
        return FOR[task], "the images are in colour" if mode != "channels" else "the images have several channels"
    if max(input[1:]) > LENET:
        return FOR[task], f"the images are larger than {LENET} pixels"
    return "lenet5", "the images are grey and small"


LENET = 32  # the largest side of the images that it was made for
WHY = {
    "multilabel": "an image has several labels",
    "regression": "numbers are to be predicted",
    "segmentation": "every pixel has a class",
}
VOXNET = (11, 64)  # the smallest side that it takes, and the largest for which its weights are not far too many


def _small(input: Shape, classes: int) -> str:
    """Three convolutions at most, over signals, images or volumes of values, each after the first on half the size."""
    if len(input) == 1:
        return f"linear 32; relu; linear {classes}"
    layers = []
    for level, width in enumerate((16, 32, 64)):
        if level and min(input[1:]) < 4 * 2**level:
            break
        layers += ["maxpool 2"] * (level > 0) + [f"conv {width} 5 padding=2", "batchnorm", "relu"]
    return "; ".join([*layers, "adaptivemaxpool 1", "flatten", f"linear {classes}"])


def with_input(graph: Graph, fallback: Shape) -> Graph:
    """*graph*, with the input *fallback* where it says none itself."""
    return graph if graph.input is not None else lower(graph, fallback)


def _is_name(text: str) -> bool:
    """Whether *text* looks like a name rather than like a description."""
    return re.fullmatch(r"[\w./\\-]+", text) is not None and text.lower() not in OPS


def _from_file(path: Path) -> Graph:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        beside = [p.name for p in path.parent.glob("*.net")] if path.parent.is_dir() else []
        raise SpecError(f"{path}: there is no such file" + (nearest(path.name, beside) if beside else "")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as text ({error})") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
