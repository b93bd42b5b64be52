"""The fully connected network of the paper."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod
from typing import ClassVar, final

from torch import nn

from vaescope.models.network import NETWORKS, Network
from vaescope.models.stages import accept, stage


@NETWORKS.register
@final
class Linear(Network):
    """Dense layers only: two of 1200 with ReLU, mirrored by three with tanh; for images of up to 256 pixels.

    | layer | operation | output |
    |---|---|---|
    | encoder.1 | flatten | c h w |
    | encoder.2, encoder.3 | dense, ReLU | 1200 |
    | mean, log_var | dense | latents |
    | decoder.1, decoder.2, decoder.3 | dense, tanh | 1200 |
    | decoder.4 | dense | c h w |
    | decoder.output | reshape | c, h, w |

    14,196,516 parameters for one channel of 64 x 64 pixels and ten latents; a pixel more is 2,401 more.

    Args:
        image_shape: (1 to 4 channels, 1 to 256, 1 to 256).
        latents: width of the code, d.

    Raises:
        UsageError: for any other image shape.

    References:
        Higgins et al. (2017), beta-VAE. https://openreview.net/forum?id=Sy2fzU9gl
        Bonheme & Grzes (2022). https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "linear"

    def __init__(self, image_shape: Sequence[int], latents: int) -> None:
        super().__init__(image_shape, latents)
        accept(self.name, image_shape, 1)
        pixels = prod(image_shape)
        self.encoder = nn.Sequential(
            OrderedDict(
                [
                    ("1", nn.Flatten()),
                    ("2", stage(nn.Linear(pixels, 1200))),
                    ("3", stage(nn.Linear(1200, 1200))),
                ]
            )
        )
        self.mean = nn.Linear(1200, latents)
        self.log_var = nn.Linear(1200, latents)
        self.decoder = nn.Sequential(
            OrderedDict(
                [
                    ("1", nn.Sequential(nn.Linear(latents, 1200), nn.Tanh())),
                    ("2", nn.Sequential(nn.Linear(1200, 1200), nn.Tanh())),
                    ("3", nn.Sequential(nn.Linear(1200, 1200), nn.Tanh())),
                    ("4", nn.Linear(1200, pixels)),
                    ("output", nn.Unflatten(1, tuple(image_shape))),
                ]
            )
        )
