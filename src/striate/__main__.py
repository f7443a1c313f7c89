"""``python -m striate``, and the command ``striate``."""

from __future__ import annotations

import sys
from typing import Never


def start() -> Never:
    """Runs the command line; Ctrl-C while it is being loaded ends it as quietly as later."""
    try:
        from striate.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    start()
