"""The command line: one small file a verb, each of them parse, call, print."""

from striate.cli.main import main

__all__ = ["main"]
