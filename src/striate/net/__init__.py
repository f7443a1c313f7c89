"""Modules from graphs, and their initial weights; torch is imported from here on."""

from striate.net.build import Net, assemble, build
from striate.net.init import FROM_DATA, INITS, check_init, initialise, naive_bayes, whiten

__all__ = ["FROM_DATA", "INITS", "Net", "assemble", "build", "check_init", "initialise", "naive_bayes", "whiten"]
