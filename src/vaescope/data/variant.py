"""What the variants of dSprites in colour share: its factors, and where the sprite is."""

from abc import abstractmethod

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vaescope.data.dataset import Dataset, Indices, checked_indices
from vaescope.data.datasets.dsprites import DSprites
from vaescope.data.raster import SIZE


class Variant(Dataset):
    """The images of dSprites drawn in another way, in three channels; what is drawn is a function of the index.

    Index and factors are those of dSprites. What the variant adds is no factor: it is drawn anew for every image.
    """

    def __init__(self, fingerprint: str) -> None:
        self._plain = DSprites()
        self.image_shape = (3, SIZE, SIZE)
        self.factor_names, self.factor_sizes = self._plain.factor_names, self._plain.factor_sizes
        self.factor_values, self.fingerprint = self._plain.factor_values, fingerprint

    def __len__(self) -> int:
        return len(self._plain)

    def images(self, indices: Indices) -> Float32[np.ndarray, "n 3 64 64"]:
        wanted = checked_indices(indices, len(self))
        bits = np.unpackbits(self._plain.packed(wanted), axis=1)
        return self._drawn(wanted, bits.view(bool).reshape(-1, 1, SIZE, SIZE))

    def factors(self, indices: Indices) -> Int64[np.ndarray, "n 5"]:
        return self._plain.factors(indices)

    @abstractmethod
    def _drawn(
        self, indices: Int64[np.ndarray, " n"], sprite: Bool[np.ndarray, "n 1 64 64"]
    ) -> Float32[np.ndarray, "n 3 64 64"]:
        """The images, given where the sprite of each is."""
