"""Random bits that belong to an index: the same on every machine, in every order and version of numpy."""

import numpy as np
from jaxtyping import Int64, UInt64


def words(purpose: int, indices: Int64[np.ndarray, " n"], count: int) -> UInt64[np.ndarray, "n count"]:
    """`count` words of 64 random bits for each index; they depend on the purpose and the index alone.

    Philox, a generator that is a function of a key and a counter; what numpy promises never to change are its raw
    words, so these are used and not the numbers that numpy makes of them.

    References:
        Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
        https://doi.org/10.1145/2063384.2063405
        Numpy's promise. https://numpy.org/doc/stable/reference/random/compatibility.html
    """
    found = np.empty((len(indices), count), np.uint64)
    generator = np.random.Philox(key=0)
    state = generator.state  # rewound for each index: a new generator would take 30 times as long
    for row, index in zip(found, indices.tolist(), strict=True):
        state["state"]["key"][:] = index, purpose
        state["state"]["counter"][:] = 0
        state["buffer_pos"] = 4  # nothing is left over
        generator.state = state
        row[...] = generator.random_raw(count)
    return found
