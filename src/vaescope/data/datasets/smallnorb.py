"""smallNORB: 50 toys of 5 categories, photographed from 9 elevations and 18 azimuths under 6 lightings."""

from typing import ClassVar, final

import numpy as np
from jaxtyping import Integer

from vaescope.data.dataset import DATASETS
from vaescope.data.published import Published, with_classes
from vaescope.data.stored import Factors, Pixels


@DATASETS.register
@final
class SmallNORB(Published):
    """48,600 grey images of the left camera, 96 x 96 pixels made 64 x 64 (Lanczos): all there are, in file order.

    The training files' 24,300 images come first, then those of the test files. This order goes through the factors
    in no regular way, so the classes come from the files: an image's place does not tell them. `instance` says which
    of the ten toys of its category it is; the azimuths of different toys are not aligned.

    Args:
        pixels: all images, uint8, (48600, 64, 64), in file order.
        classes: category, instance, elevation, azimuth and lighting of each, (48600, 5).
        fingerprint: changes whenever the pixels or classes do.

    References:
        LeCun, Huang & Bottou (2004), Learning methods for generic object recognition with invariance to pose and
        lighting. https://doi.org/10.1109/CVPR.2004.1315150
        https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/
    """

    name: ClassVar[str] = "smallnorb"
    SHAPE: ClassVar[tuple[int, int, int]] = (1, 64, 64)
    COUNT: ClassVar[int] = 48_600
    FACTORS: ClassVar[Factors] = Factors(
        ("category", "instance", "elevation", "azimuth", "lighting"),
        (
            tuple(float(k) for k in range(5)),  # four-legged animal, human figure, airplane, truck, car
            tuple(float(k) for k in range(10)),
            tuple(30.0 + 5 * k for k in range(9)),  # degrees from the horizontal
            tuple(20.0 * k for k in range(18)),  # degrees
            tuple(float(k) for k in range(6)),
        ),
    )

    def __init__(self, pixels: Pixels, classes: Integer[np.ndarray, "n 5"], fingerprint: str) -> None:
        super().__init__(pixels, fingerprint, with_classes(self.FACTORS, classes, self.name))
