"""Parameters, multiply-accumulates and memory of one layer.

One MAC is one weight times one input; bias, normalisation, activation and pooling are not counted. FLOPs are
2 x MACs.
"""

from __future__ import annotations

from math import prod

from striate.spec import ops
from striate.spec.op import Shape

BYTES = 4  # of one float32


def parameters(op: ops.Op, input: Shape) -> int:
    """Trainable numbers of *op* on an input of shape ``(C, ...)``.

    >>> parameters(ops.Conv(6, 5), (1, 32, 32))
    156
    """
    match op:
        case ops.Conv():
            return op.out * (input[0] // op.groups) * _area(op, input) + op.out * op.bias
        case ops.ConvTranspose():
            return input[0] * (op.out // op.groups) * _area(op, input) + op.out * op.bias
        case ops.Linear():
            return op.out * (prod(input) + op.bias)
        case ops.Embedding():
            return op.words * op.out
        case ops.TableConv():
            return sum(map(len, op.table)) * _area(op, input) + op.out * op.bias
        case ops.BatchNorm() | ops.LayerNorm():
            return 2 * input[0]
        case ops.Scale():
            return input[0] * (1 + op.bias)
        case ops.Opaque():
            return op.parameters
        case _:
            return 0


def macs(op: ops.Op, input: Shape, output: Shape) -> int | None:
    """Multiply-accumulates for one input; None where they are not known.

    >>> macs(ops.Conv(6, 5), (1, 32, 32), (6, 28, 28))
    117600
    """
    match op:
        case ops.Conv():
            return prod(output) * (input[0] // op.groups) * _area(op, input)
        case ops.ConvTranspose():
            return prod(input) * (op.out // op.groups) * _area(op, input)
        case ops.TableConv():
            return prod(output[1:]) * sum(map(len, op.table)) * _area(op, input)
        case ops.Linear() | ops.RBF():
            return prod(input) * op.out
        case ops.Opaque():
            return op.macs
        case _:
            return 0


def memory(output: Shape) -> int:
    """Bytes of one output in float32."""
    return BYTES * prod(output)


def _area(op: ops.Conv | ops.ConvTranspose | ops.TableConv, input: Shape) -> int:
    return prod(op.kernel) if isinstance(op.kernel, tuple) else op.kernel ** (len(input) - 1)
