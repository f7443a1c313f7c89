"""Claim: a cold `striate predict MODEL IMAGE` takes at most 1.1 times what `python -c "import torch"` takes.

Evidence: every command is a new process with the files in the system's file cache, in turn (A B C A B C ...); the first
turn is thrown away. The model is LeNet-5 after one epoch of `digits`, the image a PNG of 28x28. `train` is one epoch
of `digits`, from the command to the saved model.

    python bench/start.py            # 11 turns: about 2 minutes
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path

from common import arguments, in_turn, load, machine, ran, show

TORCH = 'python -c "import torch"'


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=11, help="turns (11)")
    times = parser.parse_args().times
    import numpy as np
    from PIL import Image

    print(machine("torch", "numpy"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def python(*words: str) -> float:
            return ran(sys.executable, *words, cwd=place)[0]

        striate = partial(python, "-m", "striate")
        pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "image.png")
        fresh = map(str, count())
        train = ("train", "digits", "-e", "1", "--out")
        striate(*train, "run")
        taken = in_turn(
            {
                "python -c pass": lambda: python("-c", "pass"),
                TORCH: lambda: python("-c", "import torch"),
                "striate --help": lambda: striate("--help"),
                "striate predict MODEL IMAGE": lambda: striate("predict", "run/model.safetensors", "image.png"),
                "striate train digits -e 1": lambda: striate(*train, next(fresh)),
            },
            times,
            warm=1,
        )
    show(taken, beside=TORCH)
    print(load())


if __name__ == "__main__":
    main()
