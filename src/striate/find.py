"""NET, wherever it is asked for: a name of the zoo, a ``.net`` file, the text itself, or a model file (and, in
``striate check``, somebody's own ``FILE.py:NAME``: see ``user_code``).
"""

from __future__ import annotations

import re
from pathlib import Path

from striate.errors import SpecError, nearest
from striate.spec import OPS, Cat, Graph, Seq, Shape, Spec, Sum, lower, parse
from striate.spec.ops import Base
from striate.user_code import is_code
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


def suited_to(input: Shape, mode: str, task: str) -> str:
    """The net of the zoo for data of that *input*, *mode* and *task* when nobody named one."""
    return "lenet5"


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
