"""Makes the pictures of docs/seeing.md, by running what stands on that page: ``python docs/scripts/gallery.py``.

So each of them is what its command draws, and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.M | re.S)


def main() -> None:
    text = (DOCS / "seeing.md").read_text(encoding="utf-8")
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
        for path in sorted(folder.glob("see-*")):
            shutil.copy(path, DOCS / "pictures" / path.name)
            print(f"written {DOCS / 'pictures' / path.name}, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
