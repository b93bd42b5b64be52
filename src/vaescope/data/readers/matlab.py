"""One array of bytes out of a MATLAB 5 file. scipy's reader is not used here: on damaged files it ends the process.

References:
    MathWorks, MAT-file format, "Level 5 MAT-file format".
    https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

import struct
import zlib
from math import prod
from typing import Final

import numpy as np
from jaxtyping import UInt8

_INT8, _UINT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 2, 5, 6, 14, 15  # kinds of elements
_UINT8_CLASS: Final = 9
_COMPLEX_OR_LOGICAL: Final = 0x0A00
_HEAD: Final = 1024  # bytes in which a variable says what it is


def read_bytes_array(content: bytes, variable: str, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    """The variable of this name, an array of unsigned bytes of this shape.

    Of other variables only the names are looked at, and no more is unzipped than the array should have.

    Raises:
        ValueError: no little-endian MATLAB 5 file, a damaged one, or one without such an array.
    """
    if len(content) < 128 or content[124:128] != b"\x00\x01IM":
        raise ValueError("no MATLAB 5 file")
    place, found = 128, None
    while place < len(content):
        kind, data, place = _element(memoryview(content), place)
        matrix, whole = _opened(kind, data, prod(shape) + _HEAD, variable)
        if matrix is not None:
            if found is not None or not whole:
                raise ValueError(f"`{variable}` twice, or longer than {shape}")
            found = _array(matrix, variable, shape)
    if found is None:
        raise ValueError(f"no variable `{variable}`")
    return found


def _element(data: memoryview, place: int) -> tuple[int, memoryview, int]:
    """Kind and content of the element that begins here, and where the next one does."""
    if len(data) - place < 8:
        raise ValueError("an element cut short")
    kind, size = struct.unpack_from("<II", data, place)
    if kind >> 16:  # the short form: kind, size and content in eight bytes
        kind, size, start, after = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        if size > 4:
            raise ValueError(f"a short element of {size} bytes")
    else:
        start = place + 8
        after = start + size + (0 if kind == _COMPRESSED else -size % 8)
    if len(data) - start < size:
        raise ValueError(f"an element of {size:,} bytes of which {len(data) - start:,} are there")
    return kind, data[start : start + size], after


def _opened(kind: int, data: memoryview, most: int, variable: str) -> tuple[memoryview | None, bool]:
    """The matrix in this element if it has this name, and whether it is there to its end within `most` bytes."""
    if kind == _MATRIX:
        return (data if _name(data) == variable else None), True
    if kind != _COMPRESSED:
        raise ValueError(f"an element of kind {kind} where a variable should be")
    unzip = zlib.decompressobj()
    head = unzip.decompress(data, _HEAD)
    if len(head) < 8 or struct.unpack_from("<I", head)[0] != _MATRIX:
        raise ValueError("a zipped element that is no variable")
    if _name(memoryview(head)[8:]) != variable:
        return None, True
    rest = unzip.decompress(unzip.unconsumed_tail, most)
    _, matrix, _ = _element(memoryview(head + rest), 0)
    return matrix, unzip.eof


def _name(matrix: memoryview) -> str:
    return _says(matrix)[2]


def _says(matrix: memoryview) -> tuple[int, tuple[int, ...], str, int]:
    """Flags with class, shape and name of a matrix, and where its numbers begin."""
    kind, flags, place = _element(matrix, 0)
    if kind != _UINT32 or len(flags) != 8:
        raise ValueError("a variable without flags")
    kind, sizes, place = _element(matrix, place)
    if kind != _INT32 or len(sizes) % 4:
        raise ValueError("a variable without a shape")
    kind, name, place = _element(matrix, place)
    if kind != _INT8:
        raise ValueError("a variable without a name")
    shape = struct.unpack(f"<{len(sizes) // 4}i", sizes)
    return struct.unpack_from("<I", flags)[0], shape, bytes(name).decode("latin-1"), place


def _array(matrix: memoryview, variable: str, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    flags, found, _, place = _says(matrix)
    if flags & 0xFF != _UINT8_CLASS or flags & _COMPLEX_OR_LOGICAL or found != shape:
        raise ValueError(f"`{variable}` of class {flags & 0xFF} and shape {found} instead of bytes {shape}")
    kind, numbers, _ = _element(matrix, place)
    if kind != _UINT8 or len(numbers) != prod(shape):
        raise ValueError(f"`{variable}` with {len(numbers):,} bytes of kind {kind}")
    return np.frombuffer(numbers, np.uint8).reshape(shape, order="F")
