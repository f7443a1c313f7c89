"""``python -m striate``: the command line."""

from striate.cli import main

main()
