"""Fashion-MNIST: articles of clothing in MNIST's form."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.published import TenClasses


@DATASETS.register
@final
class FashionMNIST(TenClasses):
    """70,000 grey images of clothing, 28 x 28: 60,000 for training first, then 10,000 for testing.

    The one factor is the kind: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
    Option `size` 32 adds two black pixels at each edge; 64, 128 and 256 repeat each pixel of that 2, 4 and 8 times.

    References:
        Xiao, Rasul & Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking machine learning
        algorithms. https://arxiv.org/abs/1708.07747
    """

    name: ClassVar[str] = "fashion_mnist"
