"""A picture of coloured waves, made of integers alone, so that it is the same on every machine."""

import numpy as np
from jaxtyping import Int64, UInt8

from vaescope.data.keyed import words

HEIGHT, WIDTH = 274, 350
_PURPOSE = 4
_ONE = 256  # fixed point: 1 is 256
_COLOURS = np.array([[24, 30, 74], [92, 108, 96], [214, 120, 42], [226, 172, 74], [134, 38, 30]])


def waves() -> UInt8[np.ndarray, "274 350 3"]:
    """Bands of five colours, bent by slow noise and roughened by quick noise: patches of it differ much."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.int64)
    bend = _noise(0, 96) * 6 + _noise(1, 40) * 2
    phase = (y * 18 + x * 5 + bend) % (len(_COLOURS) * _ONE)
    colour, between = np.divmod(phase, _ONE)
    near, far = _COLOURS[colour], _COLOURS[(colour + 1) % len(_COLOURS)]
    mixed = (near * (_ONE - between[..., None]) + far * between[..., None]) // _ONE
    rough = (_noise(2, 3) - _ONE // 2) // 5
    return np.clip(mixed + rough[..., None], 0, 255).astype(np.uint8)


def _noise(octave: int, step: int) -> Int64[np.ndarray, "274 350"]:
    """Random values 0..255 on a grid of this step, in between linearly interpolated."""
    rows, columns = HEIGHT // step + 2, WIDTH // step + 2
    grid = (words(_PURPOSE + octave, np.arange(rows), columns) >> np.uint64(56)).astype(np.int64)
    (top, down), (left, right) = (np.divmod(np.arange(size), step) for size in (HEIGHT, WIDTH))
    down, right = down[:, None], right[None]
    above = grid[top][:, left] * (step - right) + grid[top][:, left + 1] * right
    below = grid[top + 1][:, left] * (step - right) + grid[top + 1][:, left + 1] * right
    return (above * (step - down) + below * down) // step**2
