"""Networks and data brought together: the default network for some data, and a network of the zoo for other data."""

from __future__ import annotations

from striate.analysis import analyse
from striate.errors import SpecError
from striate.loading.network import Given, open_network
from striate.spec import Graph, Shape, lower
from striate.zoo import ZOO


def graph_for_data(
    net: Given,
    *,
    classes: int,
    input: Shape,
    mode: str,
    task: str = "classification",
    words: int = 0,
) -> Graph:
    """The graph that *net* means for some data, with an input that suits both.

    A network of the zoo takes the data's classes, channels and words; of images, the size that it was made for, or,
    where it takes any (as all for segmentation do), the nearest to the data's that fits and is no larger. A network
    that says no input takes the data's, in segmentation the nearest that fits.

    Args:
        net: What :func:`~striate.loading.open_network` takes.
        classes: How many classes, labels or values there are.
        input: An item as it comes.
        mode: How it is read, as in :class:`~striate.model.contract.Contract`.
        task: Likewise.
        words: Of texts: how many numbers of words there are.

    Raises:
        SpecError: A network of the zoo is for other data; or as :func:`~striate.loading.open_network`.
    """
    network = open_network(net)
    if network.origin != "zoo":
        graph = network.description()
        if graph.input is not None or task != "segmentation":
            return graph
        return lower(graph, _nearest_size(graph, input, LARGEST))
    entry = ZOO[network.name]
    _check_kind(network.name, input, mode, task)
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
        raise SpecError(f"{name} is a network for {entry.task}, not for {what}; use another, such as {FOR[task]}")
    takes = "texts" if len(entry.input) == 1 else KINDS[len(entry.input)]
    come = "texts" if mode == "text" else KINDS.get(len(input), "values")
    if takes != come:
        raise SpecError(f"{name} is a network for {takes}, and the data are {come}; omit --net for the default network")


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
    legal = analyse(graph, (input[0], *sides)).legal_inputs
    if legal.smallest is None or legal.step is None:
        return (input[0], *sides)
    steps = zip(sides, legal.smallest[1:], legal.step, strict=True)
    return (input[0], *(least + step * max(0, round((n - least) / step)) for n, least, step in steps))


def default_network(input: Shape, mode: str, task: str, classes: int = 2) -> tuple[str, str]:
    """The default network for data of that *input*, *mode* and *task*: its name in the zoo or its text; and why.

    Small grey images of classes get the net that was made for such, LeNet-5; other images the small nets of today for
    their task; what is no image, a net that takes it as it is.

    >>> default_network((1, 8, 8), "L", "classification")
    ('lenet5', 'the images are grey and small')
    >>> default_network((3, 480, 640), "RGB", "segmentation")
    ('unet_small', 'every pixel has a class')
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
