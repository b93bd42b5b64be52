"""MPI3D: objects on a robot's arm, as a simple rendering, a realistic one, and photographed."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.published import Published
from vaescope.data.stored import Factors


@DATASETS.register
@final
class MPI3D(Published):
    """1,036,800 colour images of 64 x 64 pixels, one for each combination of seven factors, in three variants.

    index = (((((object_color * 6 + object_shape) * 2 + object_size) * 3 + camera_height) * 3 + background_color) * 40 +
    horizontal_axis) * 40 + vertical_axis. Colours: white, green, red, blue, brown, olive. Shapes: cone, cube,
    cylinder, hexagonal, pyramid, sphere. Sizes: small, large. Camera: top, centre, bottom. Backgrounds: purple, sea
    green, salmon. `load_dataset("mpi3d", variant=...)` takes "toy" or "realistic", which are rendered, or "real", which
    is photographed.

    Args:
        pixels: all images, uint8, (1036800, 64, 64, 3), by index.
        fingerprint: changes whenever the pixels do.

    References:
        Gondal et al. (2019), On the transfer of inductive bias from simulation to the real world: a new
        disentanglement dataset. https://arxiv.org/abs/1906.03292
        https://github.com/rr-learning/disentanglement_dataset
    """

    name: ClassVar[str] = "mpi3d"
    SHAPE: ClassVar[tuple[int, int, int]] = (3, 64, 64)
    COUNT: ClassVar[int] = 1_036_800
    FACTORS: ClassVar[Factors] = Factors.counted(
        (
            "object_color",
            "object_shape",
            "object_size",
            "camera_height",
            "background_color",
            "horizontal_axis",
            "vertical_axis",
        ),
        (6, 6, 2, 3, 3, 40, 40),
    )
