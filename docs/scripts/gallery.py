"""Makes the pictures of docs/seeing.md and docs/lab.md, by running what stands there, and writes what it prints.

    python docs/scripts/gallery.py [PAGE.md]

So each of them is what its command draws, in the run whose numbers the page shows; the largest in 256 colours, which
halves it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parents[1]
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
    sys.path.insert(0, str(DOCS.parent / "tests"))
    from test_docs import write_outputs

    def take(file: Path, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.name in names or path.name.startswith("see-"):
                picture = DOCS / "pictures" / names.get(path.name, path.name)
                shutil.copy(path, picture)
                if path.name == "table.png":  # it has no scale bar, whose steps would be seen
                    smaller(picture)
                print(f"written {picture.relative_to(DOCS)}, {picture.stat().st_size / 1000:.0f} kB")

    write_outputs([DOCS / page], take)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        sys.exit()
    main(sys.argv[1:])
