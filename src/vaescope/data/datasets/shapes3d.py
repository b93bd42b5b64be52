"""3D Shapes: a rendered object in a room, with six factors."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.published import Published
from vaescope.data.stored import Factors, Pixels
from vaescope.errors import UsageError


@DATASETS.register
@final
class Shapes3D(Published):
    """480,000 colour images of 64 x 64 pixels, one for each combination of six factors.

    index = ((((floor_hue * 10 + wall_hue) * 10 + object_hue) * 8 + scale) * 4 + shape) * 15 + orientation.

    Args:
        pixels: all images, uint8, (480000, 64, 64, 3), by index.
        fingerprint: changes whenever the pixels do.
        values: the values of each factor as the file's labels have them; the numbers of the classes where None.

    References:
        Burgess & Kim (2018), 3D Shapes dataset. https://github.com/google-deepmind/3d-shapes
    """

    name: ClassVar[str] = "shapes3d"
    SHAPE: ClassVar[tuple[int, int, int]] = (3, 64, 64)
    COUNT: ClassVar[int] = 480_000
    FACTORS: ClassVar[Factors] = Factors.counted(
        ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), (10, 10, 10, 8, 4, 15)
    )

    def __init__(self, pixels: Pixels, fingerprint: str, values: tuple[tuple[float, ...], ...] | None = None) -> None:
        factors = self.FACTORS if values is None else Factors(self.FACTORS.names, values)
        if factors.sizes != self.FACTORS.sizes:
            raise UsageError(f"{self.name}: expected {self.FACTORS.sizes} values of the factors, got {factors.sizes}.")
        super().__init__(pixels, fingerprint, factors)
