"""Networks and data brought together: the default network for some data, and a network of the zoo for other data."""

from __future__ import annotations

from striate.analysis import analyse
from striate.errors import SpecError
from striate.loading.network import Given, open_network
from striate.spec import Graph, Shape, lower
from striate.tasks import CLASSIFICATION, Task
from striate.zoo import ZOO


def graph_for_data(
    net: Given, *, classes: int, input: Shape, mode: str, task: Task = CLASSIFICATION, words: int = 0
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
        task: What it is to predict.
        words: Of texts: the size of the vocabulary, with padding and unknown words.

    Raises:
        SpecError: A network of the zoo is for other data; or as :func:`~striate.loading.open_network`.
    """
    network = open_network(net)
    if network.origin != "zoo":
        graph = network.description()
        if graph.input is not None or not task.per_pixel:
            return graph
        return lower(graph, _nearest_size(graph, input, LARGEST))
    entry = ZOO[network.name]
    _check_kind(network.name, input, mode, task)
    spec = entry.make(classes, words=words) if mode == "text" else entry.make(classes)
    if task.per_pixel or (entry.any_size and mode != "values"):
        return lower(spec, _nearest_size(lower(spec), input, max(entry.input[1:])))
    return lower(spec, input if mode in ("text", "values") else (input[0], *entry.input[1:]))


def _check_kind(name: str, input: Shape, mode: str, task: Task) -> None:
    """SpecError where the network of the zoo is for another task or for other data."""
    entry = ZOO[name]
    if not task.fits_net_for(entry.task):
        what = task.outputs if task.exclusive else task.name
        raise SpecError(
            f"{name} is a network for {entry.task}, not for {what}; use another, such as {task.default_net}"
        )
    takes = "texts" if len(entry.input) == 1 else KINDS[len(entry.input)]
    come = "texts" if mode == "text" else KINDS.get(len(input), "values")
    if takes != come:
        raise SpecError(f"{name} is a network for {takes}, and the data are {come}; omit --net for the default network")


KINDS = {2: "signals", 3: "images", 4: "volumes"}  # by how many numbers an input's shape has
LARGEST = 512  # pixels of the longer side, where every pixel gets a prediction and no size is given


def _nearest_size(graph: Graph, input: Shape, largest: int) -> Shape:
    """The size that *graph* takes and that is nearest to images of *input*, the longer side at most *largest*."""
    scale = min(1.0, largest / max(input[1:]))
    sides = tuple(max(1, round(n * scale)) for n in input[1:])
    legal = analyse(graph, (input[0], *sides)).legal_inputs
    if legal.smallest is None or legal.step is None:  # the sizes that fit are no arithmetic sequence
        rounded = ((input[0], *(max(m, m * round(n / m)) for n in sides)) for m in (1, 2, 4, 8, 16, 32, 64))
        return next((size for size in rounded if _keeps(graph, size)), (input[0], *sides))
    steps = zip(sides, legal.smallest[1:], legal.step, strict=True)
    return (input[0], *(least + step * max(0, round((n - least) / step)) for n, least, step in steps))


def _keeps(graph: Graph, size: Shape) -> bool:
    """Whether the layers fit at *size*, and what comes out has its sides."""
    report = analyse(graph, size)
    output = report.layers[-1].output
    return not report.problems and output is not None and (len(output) < len(size) or output[1:] == size[1:])


def default_network(input: Shape, mode: str, task: Task = CLASSIFICATION, classes: int = 2) -> tuple[str, str]:
    """The default network for data of that *input*, *mode* and *task*: its name in the zoo or its text; and why.

    Small grey images of one class each get LeNet-5, which was made for such; other images the small network of their
    task; other data, a network that takes them as they are.

    >>> from striate.tasks import SEGMENTATION
    >>> default_network((1, 8, 8), "L")
    ('lenet5', 'the images are grey and small')
    >>> default_network((3, 480, 640), "RGB", SEGMENTATION)
    ('unet_medium', 'every pixel has a class')
    """
    if mode == "text":
        return "text_small", "the data are texts"
    if mode == "values":
        if len(input) == 4 and VOXNET[0] <= min(input[1:]) and max(input[1:]) <= VOXNET[1]:
            return "voxnet", "the data are volumes"
        return _small(input, classes), f"the data are {KINDS.get(len(input), 'numbers')}"
    if task.default_net_reason:
        large = task.large_net if min(input[1:]) >= LARGE else ""
        return large or task.default_net, task.default_net_reason
    if input[0] > 1:
        return (
            task.default_net,
            "the images are in colour" if mode != "channels" else "the images have several channels",
        )
    if max(input[1:]) > LENET:
        return task.default_net, f"the images are larger than {LENET} pixels"
    return "lenet5", "the images are grey and small"


LARGE = 128  # pixels of the shorter side
LENET = 32  # the largest side of the images that it was made for
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
