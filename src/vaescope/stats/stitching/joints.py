"""What joins a layer of one model to a layer of another: an affine map of all features, or the same one everywhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Float64

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
        kind: "linear", of all features; "conv", a 1x1 convolution, or a map of each token, with an offset of its
            own at each place, so that no map is worse than the mean of the layer it leads to.
        affine: the map, of rows.
        shape: of one example where it leads to.
        before: for "conv", the mean of the one layer at each place, (places, p).
        after: for "conv", the mean of the other at each place, (places, q).
    """

    kind: Kind
    affine: Affine
    shape: tuple[int, ...]
    before: Float64[np.ndarray, "places p"] | None = None
    after: Float64[np.ndarray, "places q"] | None = None

    def __call__(self, value: "Tensor") -> "Tensor":
        """The values (n, ...) of the one layer, mapped to (n, *shape) of the other, float32."""
        import torch

        return self.placed(torch.from_numpy(self.affine(self.rows(value)).astype(np.float32)), len(value))

    def rows(self, value: "Tensor") -> Float[np.ndarray, "m p"]:
        """What the affine map is of: the features of each example, or the channels of each place less their mean."""
        return less(rows_of(value, self.kind, self.shape), self.before)

    def placed(self, found: "Tensor", n: int) -> "Tensor":
        """Mapped rows as values of the other layer, (n, *shape)."""
        import torch

        if self.after is not None:
            after = torch.from_numpy(self.after.astype(np.float32))
            found = found.reshape(n, *after.shape) + after
        if self.kind == "conv" and len(self.shape) == 3:
            return found.reshape(n, *self.shape[1:], self.shape[0]).movedim(-1, 1).contiguous()
        return found.reshape(n, *self.shape)


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


def less(rows: Float[np.ndarray, "m p"], means: Float64[np.ndarray, "places p"] | None) -> Float[np.ndarray, "m p"]:
    """Rows of all places of one example after another, less the mean of each place."""
    return rows if means is None else (rows.reshape(-1, *means.shape) - means).reshape(rows.shape)


class Source:
    """The values of a layer on the examples that maps are learned from; its directions are found once for each kind.

    Args:
        value: (n, ...).
        seed: of which places a 1x1 convolution is learned from.
    """

    def __init__(self, value: "Tensor", seed: int = 0) -> None:
        self.value, self.seed = value, seed
        self.shape = tuple(value.shape[1:])
        self._bases: dict[tuple[int, ...], tuple[np.ndarray | None, Basis]] = {}

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
        n, key = len(to), shape[1:] if kind == "conv" and len(shape) == 3 else (-1,) if kind == "conv" else ()
        goal = rows_of(to, kind, shape)
        places = self._places(len(goal), kind)
        if key not in self._bases:
            rows = rows_of(self.value, kind, shape)
            before = rows.reshape(n, -1, rows.shape[1]).mean(axis=0, dtype=np.float64) if kind == "conv" else None
            self._bases[key] = before, basis_of(less(rows, before)[places])
        before, basis = self._bases[key]
        after = goal.reshape(n, -1, goal.shape[1]).mean(axis=0, dtype=np.float64) if kind == "conv" else None
        return Joint(kind, matched(basis, less(goal, after)[places], ridge), shape, before, after)

    def _places(self, count: int, kind: Kind) -> "slice | np.ndarray":
        if kind == "linear" or count <= MOST_ROWS:
            return slice(None)
        rng = np.random.default_rng([self.seed, count])
        return np.sort(rng.choice(count, MOST_ROWS, replace=False))
