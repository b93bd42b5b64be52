"""The contract of a network: an encoder, the latent layers, a decoder, and a stable name for each layer."""

from abc import ABC
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.registry import Registry

Part = Literal["input", "encoder", "latent", "decoder"]
RESHAPES = (nn.Flatten, nn.Unflatten, nn.Identity)


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
    `latents` and then its own options. The children of `encoder` and `decoder` are the layers that are compared:
    child "3" of the encoder is the layer `encoder.3`. A child that only reshapes (`nn.Flatten`, `nn.Unflatten`) has the
    representation of the layer before it and is kept once.

    Attributes:
        name: the registered name, an identifier.
        encoder: images (n, c, h, w) to features (n, k).
        mean: features to the posterior means (n, d).
        log_var: features to the natural-log posterior variances (n, d).
        decoder: codes (n, d) to the logits of the pixels (n, c, h, w).
    """

    name: ClassVar[str]
    encoder: nn.Sequential
    mean: nn.Module
    log_var: nn.Module
    decoder: nn.Sequential

    def __init__(self, image_shape: Sequence[int], latents: int) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.latents = latents

    def encode(self, images: Float[Tensor, "n c h w"]) -> Posterior:
        """The posterior of each image."""
        features = self.encoder(images)
        return Posterior(mean=self.mean(features), log_var=self.log_var(features))

    def decode(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """The logits of the pixels of each code."""
        return self.decoder(codes)


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


def layers(network: Network) -> tuple[Layer, ...]:
    """Every layer of a network in the order of the data, reshaping ones included.

    Widths are found by passing one black image through; the weights may be anything.
    """
    found: list[Layer] = []

    def walk(part: Part, modules: nn.Sequential, value: Tensor, before: str) -> Tensor:
        for child, module in modules.named_children():
            value = module(value)
            name = f"{part}.{child}"
            same = before if isinstance(module, RESHAPES) else ""
            found.append(Layer(name, part, value[0].numel(), same))
            before = same or name
        return value

    with torch.inference_mode():
        images = torch.zeros(1, *network.image_shape)
        found.append(Layer("input", "input", images[0].numel()))
        features = walk("encoder", network.encoder, images, "input")
        codes = network.mean(features)
        found.extend(Layer(name, "latent", codes.shape[1]) for name in ("mean", "log_var", "sampled"))
        walk("decoder", network.decoder, codes, "sampled")
    return tuple(found)


def distinct(found: Sequence[Layer]) -> Iterator[Layer]:
    """The layers without those that only reshape another."""
    return (layer for layer in found if not layer.same_as)


NETWORKS: Registry[type[Network]] = Registry("network", "vaescope.models", "vaescope.networks")
