"""The convolutional network of the paper."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, final

from torch import nn

from vaescope.models.network import NETWORKS, Network
from vaescope.models.stages import accept, down, halves, stage, up


@NETWORKS.register
@final
class Conv(Network):
    """Four convolutions and a dense layer, mirrored, for images of 16 to 256 pixels; the paper's at 64 x 64.

    | layer | operation | output (c, h, w) at 64 x 64 |
    |---|---|---|
    | encoder.1 | convolution, kernel 4, stride 2, ReLU | 32, 32, 32 |
    | encoder.2 | convolution, kernel 4, stride 2, ReLU | 32, 16, 16 |
    | encoder.3 | convolution, kernel 2, stride 2, ReLU | 64, 8, 8 |
    | encoder.4 | convolution, kernel 2, stride 2, ReLU | 64, 4, 4 |
    | encoder.5 | flatten | 1024 |
    | encoder.6 | dense, ReLU | 256 |
    | mean, log_var | dense | latents |
    | decoder.1 | dense, ReLU | 256 |
    | decoder.2 | dense, ReLU | 1024 |
    | decoder.reshape | | 64, 4, 4 |
    | decoder.3 | transposed convolution, kernel 4, stride 2, ReLU | 64, 8, 8 |
    | decoder.4 | the same | 32, 16, 16 |
    | decoder.5 | the same | 32, 32, 32 |
    | decoder.6 | the same, linear | channels, 64, 64 |

    690,517 parameters with one channel and ten latents, 692,567 with three channels. Other sizes have the same layers;
    each convolution halves the size, rounded up.

    Args:
        image_shape: (1 to 4 channels, 16 to 256, 16 to 256).
        latents: width of the code, d.

    Raises:
        UsageError: for any other image shape.

    References:
        Locatello et al. (2019), table 1. https://arxiv.org/abs/1811.12359
        Bonheme & Grzes (2022), section 4. https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "conv"

    def __init__(self, image_shape: Sequence[int], latents: int) -> None:
        super().__init__(image_shape, latents)
        channels, size = accept(self.name, image_shape, 16, "For smaller images use the network linear.")
        sizes = halves(size, 4)
        h, w = sizes[4]
        self.encoder = nn.Sequential(
            OrderedDict(
                [
                    ("1", stage(down(channels, 32, 4, sizes[0]))),
                    ("2", stage(down(32, 32, 4, sizes[1]))),
                    ("3", stage(down(32, 64, 2, sizes[2]))),
                    ("4", stage(down(64, 64, 2, sizes[3]))),
                    ("5", nn.Flatten()),
                    ("6", stage(nn.Linear(64 * h * w, 256))),
                ]
            )
        )
        self.mean = nn.Linear(256, latents)
        self.log_var = nn.Linear(256, latents)
        self.decoder = nn.Sequential(
            OrderedDict(
                [
                    ("1", stage(nn.Linear(latents, 256))),
                    ("2", stage(nn.Linear(256, 64 * h * w))),
                    ("reshape", nn.Unflatten(1, (64, h, w))),
                    ("3", stage(up(64, 64, sizes[3]))),
                    ("4", stage(up(64, 32, sizes[2]))),
                    ("5", stage(up(32, 32, sizes[1]))),
                    ("6", up(32, channels, sizes[0])),
                ]
            )
        )
