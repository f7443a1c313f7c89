"""Where torch begins: modules from graphs, and their first weights."""

from striate.net.build import Net, assemble, build
from striate.net.init import INITS, check_init, initialise

__all__ = ["INITS", "Net", "assemble", "build", "check_init", "initialise"]
