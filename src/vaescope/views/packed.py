"""Arrays for a page: numbers in one or two bytes each, all of them in one deflated text. Pure."""

import base64
import zlib
from typing import Any, Literal

import numpy as np

Kind = Literal["u1", "u2"]
MISSING: dict[Kind, int] = {"u1": 255, "u2": 65535}
ALIGNED = 4


class Arrays:
    """Collects arrays; each `put` answers with the handle by which the page's script finds it again.

    A handle holds: `at` (byte where it begins), `type`, `shape`, `low`, `high`, `scale`. A code k of an array of
    largest code m stands for low + k / m (high - low), or the hyperbolic sine of that where the scale is "asinh"; the
    code m + 1 says that there is no number.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.sections: dict[str, int] = {}

    def put(
        self, values: np.ndarray, kind: Kind = "u2", scale: Literal["linear", "asinh"] = "linear", section: str = ""
    ) -> dict[str, Any]:
        """Add numbers; what is not finite is missing.

        Args:
            values: of any shape.
            kind: bytes a number.
            scale: "asinh" for numbers of many magnitudes, such as losses: their relative error is what is small.
            section: what it is counted under in `sections`.
        """
        numbers = np.asarray(values, np.float64)
        if scale == "asinh":
            numbers = np.arcsinh(numbers)
        known = np.isfinite(numbers)
        low, high = (float(numbers[known].min()), float(numbers[known].max())) if known.any() else (0.0, 1.0)
        largest = MISSING[kind] - 1
        step = (high - low) / largest if high > low else 1.0
        codes = np.full(numbers.shape, MISSING[kind], "<" + kind)
        codes[known] = np.rint((numbers[known] - low) / step)
        return self._add(codes, section) | {"low": low, "high": high if high > low else low + largest, "scale": scale}

    def codes(self, values: np.ndarray, kind: Kind = "u1", section: str = "") -> dict[str, Any]:
        """Add small whole numbers as they are; the largest that the kind has says that there is none."""
        largest = float(MISSING[kind] - 1)
        found = np.asarray(values, "<" + kind)
        return self._add(found, section) | {"low": 0.0, "high": largest, "scale": "linear"}

    def deflated(self) -> bytes:
        """All of them, deflated (zlib)."""
        return zlib.compress(b"".join(self._parts), 6)

    def text(self) -> str:
        """The same in base64."""
        return base64.b64encode(self.deflated()).decode("ascii")

    def _add(self, codes: np.ndarray, section: str) -> dict[str, Any]:
        raw = codes.tobytes()
        at = self._size
        padded = raw + bytes(-len(raw) % ALIGNED)
        self._parts.append(padded)
        self._size += len(padded)
        self.sections[section] = self.sections.get(section, 0) + len(raw)
        return {"at": at, "type": codes.dtype.str[1:], "shape": list(codes.shape)}


def unpacked(text: str, handle: dict[str, Any]) -> np.ndarray:
    """The numbers of a handle as the page's script reads them; NaN where there is none.

    Args:
        text: what `Arrays.text` gave.
        handle: what `Arrays.put` answered.
    """
    raw = zlib.decompress(base64.b64decode(text))
    count = int(np.prod(handle["shape"]))
    kind: Kind = handle["type"]
    codes = np.frombuffer(raw, "<" + kind, count, handle["at"]).reshape(handle["shape"])
    values = handle["low"] + codes / (MISSING[kind] - 1) * (handle["high"] - handle["low"])
    values = np.sinh(values) if handle["scale"] == "asinh" else values
    return np.where(codes == MISSING[kind], np.nan, values)
