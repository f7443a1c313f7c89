"""Claim: `striate predict` over a folder of 5,000 small JPEGs is at least as fast as a plain loop (Pillow, DataLoader
with two workers, the same module). (How soon it answers for one image: start.py.)

Evidence: every figure is a process of its own from start to end, A B A B in one go. The plain loop is a script of
its own that imports the network's PyTorch source, as `striate export` wrote it, and nothing of striate; it writes the
same lines. Its answers are compared with those of `striate predict` first.

    python bench/predict.py                      # images: those of CIFAR-10 as JPEG, ../shared/data
    python bench/predict.py FOLDER --times 7
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from common import DATA, arguments, in_turn, load, machine, ran, show

CIFAR = DATA / "cifar10-jpeg.zip"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PLAIN = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
import plain_net

class Files(Dataset):
    def __init__(self, folder):
        self.files = sorted(Path(folder).rglob("*.jpg"))
    def __len__(self):
        return len(self.files)
    def __getitem__(self, i):
        pixels = np.array(Image.open(self.files[i]).convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)

if __name__ == "__main__":
    classes, mean, std = json.loads(sys.argv[2])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))
    net = plain_net.load().eval()
    files = Files(sys.argv[1])
    names = iter(files.files)
    with torch.no_grad():
        for x in DataLoader(files, batch_size=64, num_workers=2):
            for row in net((x.float() / 255 - mean) / std).softmax(1):
                top, index = row.topk(3)
                said = ", ".join(f"{classes[k]} {p:.1%}" for p, k in zip(top.tolist(), index.tolist()))
                print(f"{next(names)}: {said}")
"""


def model_file(folder: Path) -> Path:
    """`vgg_small` for the classes of CIFAR-10, as it begins: how fast it answers is not a matter of what it learned."""
    from striate.loading import open_network
    from striate.loading.for_data import graph_for_data
    from striate.model.contract import Contract
    from striate.model.model import Model
    from striate.net import build
    from striate.tasks import CLASSIFICATION

    network = open_network("vgg_small")
    graph = graph_for_data(network, classes=10, input=(3, 32, 32), mode="RGB", task=CLASSIFICATION, words=0)
    contract = Contract(CLASSES, (3, 32, 32), "RGB", (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
    Model(build(graph, seed=0), contract).save(folder / "model.safetensors")
    return folder / "model.safetensors"


def photos(folder: Path, n: int) -> Path:
    """The first *n* images of each split's order in the archive, unpacked."""
    with zipfile.ZipFile(CIFAR) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        archive.extractall(folder / "photos", names[:: max(1, len(names) // n)][:n])
    return folder / "photos"


def compare(ours: str, theirs: str) -> None:
    """Ends the bench where the two do not say the same of the same images."""
    pairs = list(zip(ours.splitlines(), theirs.splitlines(), strict=True))
    firsts = [[line.rpartition(": ")[2].split()[0] for line in pair] for pair in pairs]
    other = sum(a != b for a, b in firsts)  # a probability may be a rounding apart, and so may two that are alike
    if other > len(pairs) // 1000:
        sys.exit(f"{other} of {len(pairs)} answers differ: {pairs[0]}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="of RGB JPEGs of 32x32")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("-n", type=int, default=5000)
    chosen = parser.parse_args()

    from striate import export

    print(machine("torch", "Pillow"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = (chosen.folder or photos(folder, chosen.n)).resolve()
        n = sum(1 for _ in images.rglob("*.jpg"))
        model = model_file(folder)
        export(model, out=folder / "plain_net.py")
        (folder / "plain.py").write_text(PLAIN, encoding="utf-8")
        settings = json.dumps([CLASSES, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)])
        commands = {
            "striate predict": ("-m", "striate", "predict", str(model), str(images)),
            "plain loop": ("plain.py", str(images), settings),
        }
        contestants = {name: partial(ran, sys.executable, *words, cwd=folder) for name, words in commands.items()}
        compare(*(run()[1] for run in contestants.values()))  # and what is read is in the system's memory from here on
        turns = in_turn(contestants, chosen.times)
    taken = {name: [seconds for seconds, _ in of] for name, of in turns.items()}
    show(taken, beside="striate predict")
    for name, values in taken.items():
        print(f"{name}: {n / statistics.median(values):,.0f} images/s")
    print(load())


if __name__ == "__main__":
    main()
