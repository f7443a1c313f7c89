"""``python -m striate``, and the command ``striate``."""

from __future__ import annotations

import gc
import sys
from typing import Never


def start() -> Never:
    """Runs the command line; Ctrl-C while it is being loaded ends it as quietly as later.

    Looking for garbage is a third of what ``import torch`` takes, and at the end once more: half a million objects,
    of which none is garbage before the process ends.
    """
    gc.set_threshold(100_000, 20, 100)
    try:
        from striate.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()


if __name__ == "__main__":
    start()
