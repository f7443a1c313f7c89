"""The command line: one small file for a group of verbs, each of them parse, call, print."""

from __future__ import annotations

import sys
from typing import Never


def main() -> Never:
    """The entry point; Ctrl-C while it is being loaded ends it as quietly as later."""
    try:
        from striate.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["main"]
