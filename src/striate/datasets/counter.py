"""Random numbers from counters: a number is a function of where it is used, and of no state.

So an item's numbers do not depend on which items came before it, on the size of a batch or on threads, and they are
the same on every platform and in every version.
"""

from __future__ import annotations

import numpy as np

# Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, section 3.3
_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85  # added to the key's two words after each round
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: np.ndarray, key: int) -> np.ndarray:
    """uint64 ``(..., 4)``: the four random 32-bit words of each *counter*, uint64 ``(..., 4)`` of 32-bit words.

    Args:
        counter: Different counters, different words.
        key: Taken modulo 2**64; another key, other words.

    >>> [f"{int(word):08x}" for word in philox(np.zeros(4, np.uint64), 0)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    x0, x1, x2, x3 = np.moveaxis(counter, -1, 0)
    low, high = key, key >> 32
    for _ in range(_ROUNDS):
        k0, k1 = np.uint64(low & 0xFFFFFFFF), np.uint64(high & 0xFFFFFFFF)
        left, right = _MULTIPLIERS[0] * x0, _MULTIPLIERS[1] * x2
        x0, x1, x2, x3 = (right >> _32) ^ x1 ^ k0, right & _LOW, (left >> _32) ^ x3 ^ k1, left & _LOW
        low, high = low + _WEYL[0], high + _WEYL[1]
    return np.stack([x0, x1, x2, x3], axis=-1)


def uniforms(seed: int, epoch: int, index: np.ndarray | list[int], draws: int, *, stream: int = 0) -> np.ndarray:
    """float64 ``(N, draws)`` in [0, 1), multiples of 2**-32: row i is decided by *seed*, *epoch* and ``index[i]``.

    More draws leave the first ones as they are.

    Args:
        seed: Taken modulo 2**64.
        epoch: From 0 on, below 2**32.
        index: ``(N,)`` whole numbers from 0 on: which items.
        draws: How many numbers for each.
        stream: Below 2**16: another stream, other numbers. One for each purpose keeps the purposes independent.

    >>> uniforms(0, 0, [7, 8], 2).round(3)
    array([[0.419, 0.091],
           [0.261, 0.52 ]])
    """
    assert 0 <= epoch < 2**32, epoch
    assert 0 <= stream < 2**16, stream
    assert 0 <= draws < 2**18, draws
    items = np.asarray(index).astype(np.uint64)
    blocks = -(-draws // 4)  # of four words
    counter = np.empty((len(items), blocks, 4), np.uint64)
    counter[..., 0] = np.arange(blocks, dtype=np.uint64) + np.uint64(stream << 16)
    counter[..., 1], counter[..., 2] = (items & _LOW)[:, None], (items >> _32)[:, None]
    counter[..., 3] = epoch
    words = philox(counter, seed).reshape(len(items), blocks * 4)
    return words[:, :draws] * 2.0**-32
