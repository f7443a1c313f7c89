"""Makes the pictures of docs/seeing.md and docs/lab.md, by running what stands there.

    python docs/scripts/gallery.py [PAGE.md]

So each of them is what its command draws, and nothing else; the largest in 256 colours, which halves it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.M | re.S)
PICTURES = {  # by page: the files that become pictures, and their names there
    "seeing.md": {},  # see-*, by their own names
    "lab.md": {
        "edges.png": "lab-sobel.png",
        "steps.gif": "lab-steps.gif",
        "stages.png": "lab-stages.png",
        "table.png": "lab-table.png",
    },
}


def main(pages: list[str]) -> None:
    for page in pages or PICTURES:
        make(page, PICTURES[page])


def smaller(path: Path) -> None:
    """Writes a PNG again with 256 colours."""
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def make(page: str, names: dict[str, str]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "docs/pictures").mkdir(parents=True)
        for picture in ("scene.jpg", "seven.png"):
            shutil.copy(DOCS / "pictures" / picture, folder / "docs/pictures" / picture)
        for language, body in BLOCK.findall(text):
            commands = [body] if language == "python" else re.findall(r"^\$ (.*)$", body, re.M)
            for command in commands:
                words = [sys.executable, "-c", command] if language == "python" else ["bash", "-c", command]
                print(command if language == "console" else "python ...", flush=True)
                subprocess.run(words, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        for path in sorted(folder.iterdir()):
            if path.name in names or path.name.startswith("see-"):
                picture = DOCS / "pictures" / names.get(path.name, path.name)
                shutil.copy(path, picture)
                if path.name == "table.png":  # it has no scale bar, whose steps would be seen
                    smaller(picture)
                print(f"written {picture.relative_to(DOCS)}, {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
