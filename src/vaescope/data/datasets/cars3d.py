"""Cars3D: 183 car models seen from 4 elevations and 24 azimuths."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.published import Published
from vaescope.data.stored import Factors


@DATASETS.register
@final
class Cars3D(Published):
    """17,568 colour images, one for each elevation, azimuth and car; 128 x 128 pixels made 64 x 64 (Lanczos).

    index = (elevation * 24 + azimuth) * 183 + object; cars are counted in the order of their files' names.
    Azimuths are 15 degrees apart; which angles the elevations are was not published.

    Args:
        pixels: all images, uint8, (17568, 64, 64, 3), by index.
        fingerprint: changes whenever the pixels do.

    References:
        Reed, Zhang, Zhang & Lee (2015), Deep visual analogy-making.
        https://papers.nips.cc/paper/5845-deep-visual-analogy-making
        The factors as the study's code takes them: Locatello et al. (2019), Challenging common assumptions in the
        unsupervised learning of disentangled representations. https://arxiv.org/abs/1811.12359
    """

    name: ClassVar[str] = "cars3d"
    SHAPE: ClassVar[tuple[int, int, int]] = (3, 64, 64)
    COUNT: ClassVar[int] = 17_568
    FACTORS: ClassVar[Factors] = Factors(
        ("elevation", "azimuth", "object"),
        (
            tuple(float(k) for k in range(4)),
            tuple(15.0 * k for k in range(24)),
            tuple(float(k) for k in range(183)),
        ),
    )
