"""Modules from graphs, and their initial weights; torch is imported from here on."""

from striate.net.build import Net, assemble, build
from striate.net.init import INITS, check_init, initialise

__all__ = ["INITS", "Net", "assemble", "build", "check_init", "initialise"]
