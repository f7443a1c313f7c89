"""torchvision's official weights by name: there already, or fetched once; believed by the checksum in their names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from striate.errors import DataError, ModelError, SpecError
from striate.fetching import Fetching, RemoteFile, checksum_fault, fetched
from striate.loading.foreign import from_own
from striate.loading.torchvision import from_torchvision, read_classes
from striate.loading.user_code import is_code
from striate.model.model import Model
from striate.net.weights_tables import OFFICIAL_FILES, TABLES
from striate.spec import Shape

ADDRESS = "https://download.pytorch.org/models/"
VARIABLE = "STRIATE_WEIGHTS"  # a file of weights, or a folder of them
NAMED = re.compile(r"(.+)-([0-9a-f]{8,64})\.pth")  # PyTorch's files say how their SHA-256 begins


def official_net(given: object) -> str | None:
    """Our name of the network whose official weights *given* means: a name, ours or torchvision's, or a path whose file
    is named as they are; None where it is neither.

    >>> official_net("alexnet"), official_net("resnext50"), official_net("there/resnet50-11ad3fa6.pth")
    ('alexnet_owt', 'resnext50', 'resnet50')
    >>> official_net("lenet5")
    """
    if not isinstance(given, str | Path):
        return None
    names = {table.theirs: ours for ours, table in TABLES.items()} | {ours: ours for ours in TABLES}
    stems = {_stem(file): ours for ours, file in OFFICIAL_FILES.items()}
    return names.get(str(given)) or stems.get(_stem(Path(given).name))


def _stem(name: str) -> str:
    match = NAMED.fullmatch(name)
    return match[1] if match else ""


def official_file(net: str, fetching: Fetching | None = None) -> Path:
    """The official file of the network that is *net* here: in ``STRIATE_WEIGHTS``, in the cache, or fetched into it.

    Args:
        net: Our name of it.
        fetching: Called with the file's name, its bytes so far and its bytes in all (0: not known).

    Raises:
        ModelError: It is nowhere and could not be fetched, or the checksum is not that of its name; the text says the
            address, the file's name and what to set.
    """
    name = OFFICIAL_FILES[net]
    if chosen := os.environ.get(VARIABLE, ""):
        path = Path(chosen).expanduser()
        if not path.exists():
            raise ModelError(f"{VARIABLE}={chosen}: not found; expected {name}, or the folder that it is in")
        if path.is_file() or (path := path / name).is_file():
            return checked_file(path)
    match = NAMED.fullmatch(name)
    assert match
    try:
        return fetched(net, [RemoteFile(name, 0, match[2])], [ADDRESS], fetching, folder="weights")[name]
    except DataError as error:
        raise ModelError(f"{error}\nor set {VARIABLE} to that file, or to a folder that it is in") from None


def checked_file(path: Path) -> Path:
    """*path*, if its checksum begins as its name says, where that says one.

    Raises:
        ModelError: It does not.
    """
    match = NAMED.fullmatch(path.name)
    fault = checksum_fault(path, RemoteFile(path.name, 0, match[2])) if match else ""
    if fault:
        raise ModelError(f"{path}: damaged, or not the file of that name: {fault}; fetch it again")
    return path


def official_model(
    given: str | Path, fetching: Fetching | None = None, say: Callable[[str], None] = lambda text: None
) -> tuple[str, Path, Model] | None:
    """Our name of the network, the file and the model of the official weights that *given* means; None where it means
    none, or something that is there is called so (a run's folder).

    Raises:
        ModelError: As :func:`official_file`.
    """
    path, net = Path(given), official_net(given)
    there = path.is_file() and bool(_stem(path.name))
    if net is None or (path.exists() and not there):
        return None
    file = checked_file(path) if there else official_file(net, fetching)
    classes = [str(i) for i in range(1000)]
    say(f"weights: {file}, of {net} for ImageNet")
    return net, file, from_torchvision(net, file, classes=classes, say=say)


def weights(
    net: str,
    file: str | Path | None = None,
    *,
    out: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    scale_to: int | None = None,
    sides: bool = False,
    input: Shape | str | int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    say: Callable[[str], None] = lambda text: None,
    fetching: Fetching | None = None,
) -> Model:
    """As :func:`from_torchvision` or :func:`from_own`, and a model file of it: what ``striate weights`` does.

    Args:
        net: A network of the zoo that torchvision has too, or the code of one's own, ``FILE.py:NAME``.
        file: Its weights: a state dict (``.pth``) or ``.safetensors``; the official file, which is fetched once, if not
            given. Of one's own a checkpoint too; none, where the code loads them.
        out: The model file to write (``.safetensors``); none, if not given.
        classes: The class names, or a text file with one per line; ``"0"`` to ``"999"``, if not given.
        scale_to: Pixels of the shorter side before the centre crop.
        sides: Keep the auxiliary heads of GoogLeNet.
        input: Of one's own: ``(C, H, W)``, ``"3x224x224"`` or the side of square images.
        mean: Of one's own: per channel, of values from 0 to 1; 0, if not given.
        std: Likewise; 1, if not given.
        say: Callback for messages: what was left out, filled or assumed.
        fetching: Progress callback (file, bytes, total) of a download.

    Raises:
        SpecError: torchvision has no weights of that network, or *out* is no name for a model file.
        ModelError: Naming the file and all that is wrong with it; or it could not be fetched.

    >>> weights("resnet50", "resnet50.pth", out="resnet50.pt")
    Traceback (most recent call last):
    striate.errors.SpecError: --out resnet50.pt: a model file's name ends in .safetensors
    """
    path = None if out is None else Path(out)
    if path and path.suffix != ".safetensors":
        raise SpecError(f"--out {path}: a model file's name ends in .safetensors")
    if path and not path.parent.is_dir():
        raise SpecError(f"--out {path}: no folder {path.parent}; create it first")
    if file is None and net in OFFICIAL_FILES:  # another name is refused below
        file = official_file(net, fetching)
    names = read_classes(classes) if isinstance(classes, str | Path) else classes
    if not is_code(net) and file is not None and is_code(str(file)):
        raise SpecError(f"{net}: the network comes first: striate weights {file} {net}")
    if is_code(net):
        if sides:
            raise SpecError(f"{net}: --aux-heads is for googlenet_torchvision; omit it")
        model = from_own(net, file, input, classes=names, mean=mean, std=std, scale_to=scale_to, say=say)
    elif mean is not None or std is not None or input is not None:
        raise SpecError(f"{net}: input, mean and std are those of torchvision; omit --input, --mean and --std")
    else:
        model = from_torchvision(net, file or "", classes=names, scale_to=scale_to, sides=sides, say=say)
    if path:
        model.save(path)
    return model
