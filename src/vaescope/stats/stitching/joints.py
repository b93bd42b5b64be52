"""What joins a layer of one model to a layer of another: an affine map of all features, or the same one everywhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from vaescope.errors import UsageError
from vaescope.stats.stitching.maps import Affine, Basis, basis_of, matched

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["linear", "conv"]
MOST_ROWS = 20_000  # places of maps that a 1x1 convolution is learned from
MOST_WEIGHTS = 2**29  # features of a layer times examples to learn from

# Torch is imported where it is used, as in all of this folder's neighbours.


@dataclass(frozen=True, eq=False)
class Joint:
    """A learned map between two layers.

    Attributes:
        kind: "linear", of all features; "conv", a 1x1 convolution, or an affine map of each token.
        affine: the map, of rows.
        shape: of one example where it leads to.
    """

    kind: Kind
    affine: Affine
    shape: tuple[int, ...]

    def __call__(self, value: "Tensor") -> "Tensor":
        """The values (n, ...) of the one layer, mapped to (n, *shape) of the other, float32."""
        import torch

        found = self.affine(rows_of(value, self.kind, self.shape))
        return shaped(torch.from_numpy(found.astype(np.float32)), len(value), self.kind, self.shape)


def kind_of(a: tuple[int, ...], b: tuple[int, ...], wanted: str) -> Kind:
    """How layers of these shapes of one example are joined.

    Args:
        a: of the layer that is mapped.
        b: of the layer it is mapped to.
        wanted: "linear", "conv", or "auto": "conv" for two layers of maps (c, h, w), of any sizes, and for two of
            equally many tokens (t, d); else "linear".

    Raises:
        UsageError: there is no such kind, or the shapes are not of that kind.
    """
    if wanted not in ("auto", "linear", "conv"):
        raise UsageError(f"kind: expected 'auto', 'linear' or 'conv', got {wanted!r}.")
    alike = (len(a) == len(b) == 3) or (len(a) == len(b) == 2 and a[0] == b[0])
    if wanted == "conv" and not alike:
        raise UsageError(
            f"kind: 'conv' maps (c, h, w) to (c, h, w), or as many tokens (t, d) to (t, d), got {a} and {b}. Take "
            "'linear' or 'auto'."
        )
    return "linear" if wanted == "linear" or not alike else "conv"


def rows_of(value: "Tensor", kind: Kind, shape: tuple[int, ...]) -> Float[np.ndarray, "m p"]:
    """What the affine map is of: the features of each example, or the channels of each place.

    Args:
        value: (n, ...).
        kind: of the joint.
        shape: of one example where it leads to: maps are brought to that size first, by linear interpolation.
    """
    import torch.nn.functional as F

    if kind == "linear":
        return value.flatten(1).cpu().numpy()
    if value.dim() == 4:
        if value.shape[2:] != shape[1:]:
            value = F.interpolate(value.float(), size=shape[1:], mode="bilinear", antialias=True)
        value = value.movedim(1, -1)
    return value.reshape(-1, value.shape[-1]).cpu().numpy()


def shaped(values: "Tensor", n: int, kind: Kind, shape: tuple[int, ...]) -> "Tensor":
    """Rows as one value of the layer they were mapped to, (n, *shape)."""
    if kind == "conv" and len(shape) == 3:
        return values.reshape(n, *shape[1:], shape[0]).movedim(-1, 1).contiguous()
    return values.reshape(n, *shape)


class Source:
    """The values of a layer on the examples that maps are learned from; its directions are found once for each kind.

    Args:
        value: (n, ...).
        seed: of which places a 1x1 convolution is learned from.
    """

    def __init__(self, value: "Tensor", seed: int = 0) -> None:
        self.value, self.seed = value, seed
        self.shape = tuple(value.shape[1:])
        self._bases: dict[tuple[int, ...], Basis] = {}

    def joint(self, to: "Tensor", wanted: str = "auto", ridge: float | None = None) -> Joint:
        """The map to the values of another layer on the same examples.

        Raises:
            UsageError: the layers cannot be joined so, or are too wide for it.
        """
        shape = tuple(to.shape[1:])
        kind = kind_of(self.shape, shape, wanted)
        if kind == "linear" and max(self.value[0].numel(), to[0].numel()) * len(to) > MOST_WEIGHTS:
            raise UsageError(
                f"a linear map of {self.value[0].numel():,} to {to[0].numel():,} features from {len(to):,} examples is "
                "too large to hold. Take fewer examples (n=...), narrower layers, or kind='conv' for maps."
            )
        key = shape[1:] if kind == "conv" and len(shape) == 3 else (-1,) if kind == "conv" else ()
        places = self._places(len(to) * (int(np.prod(shape)) // shape[0 if len(shape) == 3 else -1]), kind)
        if key not in self._bases:
            self._bases[key] = basis_of(rows_of(self.value, kind, shape)[places])
        return Joint(kind, matched(self._bases[key], rows_of(to, kind, shape)[places], ridge), shape)

    def _places(self, count: int, kind: Kind) -> "slice | np.ndarray":
        if kind == "linear" or count <= MOST_ROWS:
            return slice(None)
        rng = np.random.default_rng([self.seed, count])
        return np.sort(rng.choice(count, MOST_ROWS, replace=False))
