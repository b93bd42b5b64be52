"""MNIST: handwritten digits."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.published import TenClasses


@DATASETS.register
@final
class MNIST(TenClasses):
    """70,000 grey images of handwritten digits, 28 x 28: 60,000 for training first, then 10,000 for testing.

    The one factor is the digit. Option `size` 32 adds two black pixels at each edge; 64, 128 and 256 repeat each pixel
    of that 2, 4 and 8 times.

    References:
        LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition.
        https://doi.org/10.1109/5.726791
        http://yann.lecun.com/exdb/mnist/
    """

    name: ClassVar[str] = "mnist"
