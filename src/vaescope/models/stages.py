"""What the networks are built of: convolutions that halve or double any size, and the sizes they lead to."""

from collections.abc import Sequence

from torch import Tensor, nn

from vaescope.errors import UsageError

Size = tuple[int, int]
LARGEST = 256


def accept(name: str, image_shape: Sequence[int], smallest: int, instead: str = "") -> tuple[int, Size]:
    """The channels and the size (h, w) of images that a network takes.

    Args:
        name: of the network.
        image_shape: (channels, height, width).
        smallest: the fewest pixels a side may have.
        instead: what to use for smaller images.

    Raises:
        UsageError: other than 1 to 4 channels, or a side of fewer than `smallest` or more than 256 pixels.
    """
    expected = f"network {name}: expected images of (1 to 4 channels, {smallest} to {LARGEST} pixels, the same)"
    got = f"got {tuple(image_shape)}."
    if len(image_shape) != 3:
        raise UsageError(f"{expected}, {got} Give (channels, height, width).")
    channels, *size = image_shape
    if not 1 <= channels <= 4:
        hint = "The channels come first." if 1 <= size[1] <= 4 else "Keep 1 to 4 of the channels, or bring a network."
        raise UsageError(f"{expected}, {got} {hint}")
    if min(size) < smallest:
        raise UsageError(f"{expected}, {got} {instead or 'Enlarge the images.'}")
    if max(size) > LARGEST:
        raise UsageError(f"{expected}, {got} Shrink the images, or bring a network of your own.")
    return channels, (size[0], size[1])


def halves(size: Size, times: int) -> list[Size]:
    """A size and what halving it again and again gives, rounded up.

    >>> halves((28, 105), 4)
    [(28, 105), (14, 53), (7, 27), (4, 14), (2, 7)]
    """
    sizes = [size]
    for _ in range(times):
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes


def stage(module: nn.Module) -> nn.Sequential:
    """A layer and its ReLU; the ReLU works in place, which saves a fifth of a training step's memory traffic."""
    return nn.Sequential(module, nn.ReLU(inplace=True))


def down(channels: int, filters: int, kernel: int, size: Size) -> nn.Conv2d:
    """A convolution of stride 2 from `size` to half of it, rounded up; every pixel counts, however odd the size.

    Args:
        channels: of what comes in.
        filters: channels of what comes out.
        kernel: side of the kernel, an even number.
        size: (h, w) of what comes in; an odd side is padded by one more.
    """
    h, w = ((kernel - 2) // 2 + side % 2 for side in size)
    return nn.Conv2d(channels, filters, kernel, stride=2, padding=(h, w))


def up(channels: int, filters: int, size: Size) -> nn.ConvTranspose2d:
    """The mirror of `down` with kernel 4: a transposed convolution from half of `size`, rounded up, to `size`."""
    h, w = (side % 2 for side in size)
    return nn.ConvTranspose2d(channels, filters, 4, stride=2, padding=(1 + h, 1 + w), output_padding=(h, w))


class Same(nn.Conv2d):
    """A convolution of kernel 4 and stride 1 that keeps the size, TensorFlow's "same".

    An even kernel has no middle: one row of zeros goes before the first and two after the last.
    """

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__(channels, filters, 4)

    def forward(self, input: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, filters, h, w)."""
        return super().forward(nn.functional.pad(input, (1, 2, 1, 2)))


class SameTranspose(nn.ConvTranspose2d):
    """The mirror of `Same`: of what comes out, one row is dropped in front and two at the end; torch drops alike."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__(channels, filters, 4, padding=1)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(n, channels, h, w) to (n, filters, h, w)."""
        return super().forward(input, output_size)[..., :-1, :-1]
