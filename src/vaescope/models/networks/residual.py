"""A residual convolutional network."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal, final

from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.models.network import NETWORKS, Network
from vaescope.models.stages import Size, accept, down, halves, stage, up

Norm = Literal["group", "none"]
GROUP = 8  # channels normalised together
SMALLEST = 4  # the larger side of the last map, at most


@NETWORKS.register
@final
class Residual(Network):
    """Residual blocks of two convolutions, mirrored, for images of 32 to 256 pixels.

    A convolution of stride 2, then one block for each further halving until no side has more than 4 pixels: 2 blocks at
    32 pixels, 3 at 64, 4 at 128, 5 at 256. A block doubles the channels, up to eight times the width.

    | layer | operation | output (c, h, w) at 64 x 64 |
    |---|---|---|
    | encoder.stem | convolution, kernel 4, stride 2, ReLU | 32, 32, 32 |
    | encoder.block1 | residual block, halves the size | 64, 16, 16 |
    | encoder.block2 | the same | 128, 8, 8 |
    | encoder.block3 | the same | 256, 4, 4 |
    | encoder.flatten | | 4096 |
    | encoder.dense | dense, ReLU | 256 |
    | mean, log_var | dense | latents |
    | decoder.dense1 | dense, ReLU | 256 |
    | decoder.dense2 | dense, ReLU | 4096 |
    | decoder.reshape | | 256, 4, 4 |
    | decoder.block1 | residual block, doubles the size | 128, 8, 8 |
    | decoder.block2 | the same | 64, 16, 16 |
    | decoder.block3 | the same | 32, 32, 32 |
    | decoder.output | transposed convolution, kernel 4, stride 2 | channels, 64, 64 |

    3,941,717 parameters for one channel of 64 x 64 pixels, ten latents and the default width; 8,927,573 at 256 x 256.

    Args:
        image_shape: (1 to 4 channels, 32 to 256, 32 to 256).
        latents: width of the code, d.
        width: channels of the first convolution, a multiple of 8.
        norm: "group" normalises groups of 8 channels after each convolution of a block, "none" nothing. There is no
            batch normalisation: with it, the representation of an image would depend on other images.

    Raises:
        UsageError: for any other image shape, width or norm.

    References:
        He et al. (2016), Deep residual learning for image recognition. https://arxiv.org/abs/1512.03385
        Wu & He (2018), Group normalization. https://arxiv.org/abs/1803.08494
    """

    name: ClassVar[str] = "residual"

    def __init__(self, image_shape: Sequence[int], latents: int, width: int = 32, norm: Norm = "group") -> None:
        super().__init__(image_shape, latents)
        channels, size = accept(self.name, image_shape, 32, "For images of 16 to 31 pixels use the network conv.")
        if isinstance(width, bool) or not isinstance(width, int) or not GROUP <= width <= 1024 or width % GROUP:
            raise UsageError(f"network residual: width: expected a multiple of {GROUP} up to 1024, got {width!r}.")
        if norm not in ("group", "none"):
            raise UsageError(f"network residual: norm: expected 'group' or 'none', got {norm!r}.")
        sizes = halves(size, next(k for k in range(9) if max(size) <= SMALLEST * 2**k))
        blocks = len(sizes) - 2
        widths = [width * min(2**k, 8) for k in range(blocks + 1)]
        h, w = sizes[-1]
        flat = widths[-1] * h * w
        self.encoder = nn.Sequential(
            OrderedDict(
                [
                    ("stem", stage(down(channels, width, 4, sizes[0]))),
                    *((f"block{k}", Halving(a, b, norm)) for k, (a, b) in enumerate(pairwise(widths), 1)),
                    ("flatten", nn.Flatten()),
                    ("dense", stage(nn.Linear(flat, 256))),
                ]
            )
        )
        self.mean = nn.Linear(256, latents)
        self.log_var = nn.Linear(256, latents)
        back = zip(pairwise(widths[::-1]), sizes[-2:0:-1], strict=True)
        self.decoder = nn.Sequential(
            OrderedDict(
                [
                    ("dense1", stage(nn.Linear(latents, 256))),
                    ("dense2", stage(nn.Linear(256, flat))),
                    ("reshape", nn.Unflatten(1, (widths[-1], h, w))),
                    *((f"block{k}", Doubling(a, b, to, norm)) for k, ((a, b), to) in enumerate(back, 1)),
                    ("output", up(width, channels, sizes[0])),
                ]
            )
        )


def _convolution(channels: int, filters: int, stride: int, norm: Norm) -> nn.Sequential:
    """A convolution of kernel 3, and its normalisation, which brings a bias of its own."""
    convolution = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=norm == "none")
    return nn.Sequential(convolution, *([nn.GroupNorm(filters // GROUP, filters)] if norm == "group" else []))


class Halving(nn.Module):
    """A residual block from any size to half of it, rounded up: ReLU(convolutions + shortcut)."""

    def __init__(self, channels: int, filters: int, norm: Norm) -> None:
        super().__init__()
        self.first = stage(_convolution(channels, filters, 2, norm))
        self.second = _convolution(filters, filters, 1, norm)
        self.shortcut = nn.Conv2d(channels, filters, 1, stride=2)

    def forward(self, value: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, filters, h / 2, w / 2)."""
        return (self.second(self.first(value)) + self.shortcut(value)).relu_()


class Doubling(nn.Module):
    """A residual block to twice the size, each pixel repeated: ReLU(convolutions + shortcut)."""

    def __init__(self, channels: int, filters: int, size: Size, norm: Norm) -> None:
        super().__init__()
        self.larger = nn.Upsample(size=size, mode="nearest")
        self.first = stage(_convolution(channels, filters, 1, norm))
        self.second = _convolution(filters, filters, 1, norm)
        self.shortcut = nn.Conv2d(channels, filters, 1)

    def forward(self, value: Tensor) -> Tensor:
        """(n, channels, h / 2, w / 2) to (n, filters, h, w)."""
        return (self.second(self.first(self.larger(value))) + self.larger(self.shortcut(value))).relu_()
