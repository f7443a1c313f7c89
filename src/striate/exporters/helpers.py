"""The few layers that torch does not have, as a generated file defines them: as striate itself does."""

from __future__ import annotations

import inspect

from torch import nn

from striate.net import layers

CHAIN = '''
def chain(**layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, under their names."""
    return nn.Sequential(OrderedDict(layers))
'''
HELPERS = {"chain": CHAIN.strip()} | {
    name: inspect.getsource(cls).strip()
    for name, cls in vars(layers).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module) and cls.__module__ == layers.__name__
}
