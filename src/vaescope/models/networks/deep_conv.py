"""The deep convolutional network of the paper's authors."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, final

from torch import nn

from vaescope.models.network import NETWORKS, Network
from vaescope.models.stages import Same, SameTranspose, accept, down, halves, stage, up

BLOCKS = ((2, 32), (2, 64), (4, 128), (4, 256))  # layers and filters of each
DENSE = (4096, 2048, 1024, 512, 256)


@NETWORKS.register
@final
class DeepConv(Network):
    """Twelve convolutions in four blocks and five dense layers, mirrored, for images of 16 to 256 pixels.

    A name has the number of its block and its own: encoder.34 is the fourth layer of the third block. Every layer has a
    ReLU but the last of the decoder.

    | layer | operation | output (c, h, w) at 64 x 64 |
    |---|---|---|
    | encoder.11, encoder.12 | convolution, kernel 4, stride 2, then 1 | 32, 32, 32 |
    | encoder.21, encoder.22 | the same | 64, 16, 16 |
    | encoder.31 to encoder.34 | the same: stride 2, then 1 | 128, 8, 8 |
    | encoder.41 to encoder.44 | the same | 256, 4, 4 |
    | encoder.flatten | | 4096 |
    | encoder.51 to encoder.55 | dense | 4096, 2048, 1024, 512, 256 |
    | mean, log_var | dense | latents |
    | decoder.11 to decoder.15 | dense | 256, 512, 1024, 2048, 4096 |
    | decoder.reshape | | 256, 4, 4 |
    | decoder.21 to decoder.24 | transposed convolution, kernel 4, stride 1; 2 for the last | 256, 4, 4; 256, 8, 8 |
    | decoder.31 to decoder.34 | the same | 128, 8, 8; 128, 16, 16 |
    | decoder.41, decoder.42 | the same | 64, 16, 16; 64, 32, 32 |
    | decoder.51, decoder.52 | the same | 32, 32, 32; 32, 64, 64 |
    | decoder.output | transposed convolution, kernel 4, stride 1, linear | channels, 64, 64 |

    The paper compares the last layer of each block only. Most parameters are in the dense layers next to the maps and
    grow with the number of pixels: 49,540,501 for one channel of 64 x 64 pixels and ten latents, 427,089,301 for one
    of 256 x 256 (7 GB with what Adam keeps); there, take the network residual.

    Args:
        image_shape: (1 to 4 channels, 16 to 256, 16 to 256).
        latents: width of the code, d.

    Raises:
        UsageError: for any other image shape.

    References:
        Bonheme & Grzes (2022). https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "deep_conv"

    def __init__(self, image_shape: Sequence[int], latents: int) -> None:
        super().__init__(image_shape, latents)
        channels, size = accept(self.name, image_shape, 16, "For smaller images use the network linear.")
        sizes = halves(size, len(BLOCKS))
        h, w = sizes[-1]
        flat = BLOCKS[-1][1] * h * w
        encoder: list[tuple[str, nn.Module]] = []
        width = channels
        for block, (layers, filters) in enumerate(BLOCKS, 1):
            encoder.append((f"{block}1", stage(down(width, filters, 4, sizes[block - 1]))))
            for layer in range(2, layers + 1):
                encoder.append((f"{block}{layer}", stage(Same(filters, filters))))
            width = filters
        encoder.append(("flatten", nn.Flatten()))
        for layer, (wide, narrow) in enumerate(pairwise([flat, *DENSE]), 1):
            encoder.append((f"5{layer}", stage(nn.Linear(wide, narrow))))

        decoder: list[tuple[str, nn.Module]] = []
        for layer, (narrow, wide) in enumerate(pairwise([latents, *DENSE[:0:-1], flat]), 1):
            decoder.append((f"1{layer}", stage(nn.Linear(narrow, wide))))
        decoder.append(("reshape", nn.Unflatten(1, (width, h, w))))
        for block, (layers, filters) in enumerate(reversed(BLOCKS), 2):
            for layer in range(1, layers):
                # Not in place: what is cropped is no whole tensor, and the next layer wants one.
                decoder.append((f"{block}{layer}", nn.Sequential(SameTranspose(width, filters), nn.ReLU())))
                width = filters
            decoder.append((f"{block}{layers}", stage(up(filters, filters, sizes[len(BLOCKS) + 1 - block]))))
        decoder.append(("output", SameTranspose(width, channels)))

        self.encoder = nn.Sequential(OrderedDict(encoder))
        self.mean = nn.Linear(DENSE[-1], latents)
        self.log_var = nn.Linear(DENSE[-1], latents)
        self.decoder = nn.Sequential(OrderedDict(decoder))
