"""The contract of a network: an encoder, the latent layers, a decoder, and a stable name for each layer."""

from abc import ABC
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.models.passes import passed
from vaescope.registry import Registry

Part = Literal["input", "encoder", "latent", "decoder", "other"]
UNCHANGED = (
    *(nn.Flatten, nn.Unflatten, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
)
"""Modules that, in evaluation mode, at most reshape what they are given."""


@dataclass(frozen=True)
class Posterior:
    """q(z|x): means and natural-log variances, each (n examples, d latents)."""

    mean: Float[Tensor, "n d"]
    log_var: Float[Tensor, "n d"]


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        name: its dotted path, e.g. "encoder.1", "mean", "decoder.3".
        part: where it belongs.
        features: width of the representation once flattened.
        same_as: the layer it merely reshapes, whose representation is therefore the same; "" for all others.
    """

    name: str
    part: Part
    features: int
    same_as: str = ""


class Network(nn.Module, ABC):
    """A VAE's encoder and decoder, with the layer names of the paper in dotted form.

    A subclass sets `encoder`, `mean`, `log_var` and `decoder` in `__init__`, whose arguments are `image_shape` and
    `latents` and then its own options. `encoder` and `decoder` are `nn.Sequential`; their children are the layers that
    are compared: child "3" of the encoder is the layer `encoder.3`. A child that only reshapes (`nn.Flatten`,
    `nn.Unflatten`) has the representation of the layer before it and is kept once.

    Attributes:
        name: the registered name, an identifier.
        initialisation: "glorot": `initialise` draws the first weights, and the network computes in channels_last;
            "own": its modules draw their weights as they are made, and keep their memory layout.
        draws: whether a pass in training mode draws from torch's global generator, as dropout does.
        encoder: images (n, c, h, w) to features (n, k).
        mean: features to the posterior means (n, d).
        log_var: features to the natural-log posterior variances (n, d).
        decoder: codes (n, d) to the logits of the pixels (n, c, h, w).

    Args:
        image_shape: (channels, height, width).
        latents: width of the code, d.

    Raises:
        UsageError: the number of latents is no whole number of at least 1.
    """

    name: ClassVar[str]
    initialisation: ClassVar[Literal["glorot", "own"]] = "glorot"
    draws: bool = False
    encoder: nn.Module
    mean: nn.Module
    log_var: nn.Module
    decoder: nn.Module

    def __init__(self, image_shape: Sequence[int], latents: int) -> None:
        super().__init__()
        if isinstance(latents, bool) or not isinstance(latents, int) or latents < 1:
            raise UsageError(f"network {self.name}: expected at least 1 latent, a whole number, got {latents!r}.")
        self.image_shape = tuple(image_shape)
        self.latents = latents

    def encode(self, images: Float[Tensor, "n c h w"]) -> Posterior:
        """The posterior of each image."""
        features = self.encoder(images)
        return Posterior(mean=self.mean(features), log_var=self.log_var(features))

    def decode(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """The logits of the pixels of each code."""
        return self.decoder(codes)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in the order of the data, reshaping ones included.

        Widths are found by passing one black image through, in evaluation mode; the weights may be anything, even on
        the device "meta".
        """
        found: list[Layer] = []
        device = next((p.device for p in self.parameters()), torch.device("cpu"))

        def walk(part: Literal["encoder", "decoder"], modules: nn.Module, value: Tensor, before: str) -> Tensor:
            for child, module in _children(modules):
                value = module(value)
                name = f"{part}.{child}"
                same = before if isinstance(module, UNCHANGED) else ""
                found.append(Layer(name, part, value[0].numel(), same))
                before = same or name
            return value

        training = self.training
        self.eval()
        with torch.inference_mode():
            images = torch.zeros(1, *self.image_shape, device=device)
            found.append(Layer("input", "input", images[0].numel()))
            features = walk("encoder", self.encoder, images, "input")
            codes = self.mean(features)
            found.extend(latent_layers(codes.shape[1]))
            walk("decoder", self.decoder, codes, "sampled")
        self.train(training)
        return tuple(found)

    def walk(
        self, images: Float[Tensor, "n c h w"], noise: Float[Tensor, "n d"], check: Callable[[], None] = lambda: None
    ) -> Generator[tuple[str, Tensor], None, None]:
        """What every distinct layer makes of all images, in the order of the data.

        The decoder is fed from the posterior means. Only the layer at hand and the one before it are in memory.

        Args:
            images: all examples.
            noise: ε of the layer `sampled`.
            check: called from time to time; it may raise to end the walk.

        Yields:
            The layer's name and its values, (n, ...).
        """
        value = images
        del images
        yield "input", value
        for name, module in _children(self.encoder):
            value = passed(module, value, check)
            if not isinstance(module, UNCHANGED):
                yield f"encoder.{name}", value
        posterior = Posterior(passed(self.mean, value, check), passed(self.log_var, value, check))
        yield "mean", posterior.mean
        yield "log_var", posterior.log_var
        yield "sampled", sample(posterior, noise)
        del value  # the last layer of the encoder
        yield from self.decoded(posterior.mean, check)

    def decoded(
        self, codes: Float[Tensor, "n d"], check: Callable[[], None] = lambda: None
    ) -> Generator[tuple[str, Tensor], None, None]:
        """What every distinct layer of the decoder makes of any codes, in the order of the data.

        Args:
            codes: where the decoder begins, whatever they come from.
            check: called from time to time; it may raise to end the walk.

        Yields:
            The layer's name and its values, (n, ...).
        """
        value: Tensor = codes
        del codes
        for name, module in _children(self.decoder):
            value = passed(module, value, check)
            if not isinstance(module, UNCHANGED):
                yield f"decoder.{name}", value


def _children(modules: nn.Module) -> list[tuple[str, nn.Module]]:
    """The children in order, with one that stands in two places twice, which `named_children` would give once."""
    return [(name, module) for name, module in modules._modules.items() if module is not None]


def latent_layers(latents: int) -> Iterator[Layer]:
    """The three layers between encoder and decoder."""
    return (Layer(name, "latent", latents) for name in ("mean", "log_var", "sampled"))


def sample(posterior: Posterior, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Z = μ + σ ε, for standard normal `noise` ε (n, d).

    References:
        Kingma & Welling (2014), section 2.4. https://arxiv.org/abs/1312.6114
    """
    return posterior.mean + (0.5 * posterior.log_var).exp() * noise


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Glorot-uniform weights and zero biases, in place: what the paper's TensorFlow layers start from.

    Vectors of other names, such as the scales of normalisation layers, keep what their layer gave them.

    References:
        Glorot & Bengio (2010), equation 16. https://proceedings.mlr.press/v9/glorot10a.html
    """
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter, generator=generator)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


def distinct(found: Sequence[Layer]) -> Iterator[Layer]:
    """The layers without those that only reshape another."""
    return (layer for layer in found if not layer.same_as)


def _adopted(name: str, found: Any) -> type[Network] | None:
    """The network of an entry point that names a function instead of a registered class."""
    from vaescope.models.pair import network_from

    return network_from(name, found) if callable(found) else None


NETWORKS: Registry[type[Network]] = Registry("network", "vaescope.models.networks", "vaescope.networks", _adopted)
"""The networks: one file each; being here is being found."""
