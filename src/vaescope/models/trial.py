"""A pair of modules tried with black images: what its layers are, or what is wrong with it."""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.models.calls import Call, Seen, Tracing, listening
from vaescope.models.network import Layer, Network, Posterior, latent_layers
from vaescope.models.outputs import logits_of, posterior_of

EXAMPLES = 3  # batch normalisation wants more than one


@dataclass(frozen=True)
class Found:
    """What a trial found.

    Attributes:
        layers: all layers in the order of the data.
        calls: name of a layer of the encoder or decoder -> the call that gives it.
        draws: whether a pass in training mode draws random numbers.
    """

    layers: tuple[Layer, ...]
    calls: dict[str, Call]
    draws: bool


@torch.no_grad()
def tried(network: Network) -> Found:
    """Pass black images through an encoder and a decoder. The network is left as it was.

    Raises:
        UsageError: a module fails, what comes out is no posterior or no logits, the decoder ends in a sigmoid, or
            there is randomness in evaluation mode.
    """
    name = network.name
    modes = {module: module.training for module in network.modules()}
    images = torch.zeros(EXAMPLES, *network.image_shape)
    network.eval()
    try:
        if any(isinstance(parameter, nn.UninitializedParameter) for parameter in network.parameters()):
            _pass(network, images)  # lazy modules draw their weights in their first pass
        before = torch.default_generator.get_state()
        encoder, posterior, decoder, logits = _pass(network, images)
        if not torch.equal(before, torch.default_generator.get_state()):
            raise UsageError(
                f"network {name}: it draws random numbers in evaluation mode, so a layer would not depend on the image "
                "alone. Return mean and log_var and leave the sampling to vaescope."
            )
    finally:
        for module, training in modes.items():
            module.training = training
    last = decoder.which(logits)
    if any(
        isinstance(seen.module, nn.Sigmoid)
        for seen in decoder.seen
        if last and seen.name == (last.same_as or last.name)
    ):
        raise UsageError(
            f"network {name}: decoder: expected logits, got what its last module, a Sigmoid, gives. Leave that out: "
            "the loss and the pictures bring it."
        )
    if last is None or last is decoder.source:
        decoder.seen.append(Seen("logits", Call(), None, logits))
    latent = {
        seen.name: kind
        for kind, value in (("log_var", posterior.log_var), ("mean", posterior.mean))
        for seen in encoder.seen
        if seen.is_still(value)
    }
    inner = [seen for seen in encoder.seen if seen.name not in latent]
    layers = (
        Layer("input", "input", prod(network.image_shape)),
        *(Layer(s.name, "encoder", s.value[0].numel(), latent.get(s.same_as, s.same_as)) for s in inner),
        *latent_layers(network.latents),
        *(Layer(s.name, "decoder", s.value[0].numel(), s.same_as) for s in decoder.seen),
    )
    calls = {seen.name: seen.call for seen in (*inner, *decoder.seen)}
    return Found(layers, calls, _draws(network, images))


def _pass(network: Network, images: Tensor) -> tuple[Tracing, Posterior, Tracing, Tensor]:
    """What is heard of the encoder, the posterior, what is heard of the decoder, the logits."""
    encoder = Tracing("encoder", "input", images)
    posterior = posterior_of(_through(network, encoder, images), len(images), network.latents, network.name)
    decoder = Tracing("decoder", "sampled", posterior.mean)
    output = _through(network, decoder, posterior.mean)
    return encoder, posterior, decoder, logits_of(output, len(images), network.image_shape, network.name)


def _through(network: Network, tracing: Tracing, value: Tensor) -> Any:
    """What a part returns; an error inside is told with the module in which it was raised."""
    part: nn.Module = getattr(network, tracing.part)
    with listening(part, tracing) as under_way:
        try:
            return part(value)
        except Exception as error:
            where = under_way[-1] if under_way else None
            path = f"{tracing.part}.{where.call.path}".removesuffix(".") if where else tracing.part
            kind = type(where.module if where else part).__name__
            given = "" if where is None or where.given is None else f" given {tuple(where.given.shape)}"
            raise UsageError(
                f"network {network.name}: {path} ({kind}){given} failed on {len(value)} black images of "
                f"{network.image_shape}, {network.latents} latents: {type(error).__name__}: {error}"
            ) from error


def _draws(network: Network, images: Tensor) -> bool:
    """Whether a pass with the modules as they are set draws random numbers; running statistics are put back."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    before = torch.default_generator.get_state()
    try:
        network.decode(network.encode(images).mean)
        return not torch.equal(before, torch.default_generator.get_state())
    except RuntimeError as error:
        raise UsageError(
            f"network {network.name}: it takes {len(images)} black images in evaluation mode and not in training mode: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        torch.default_generator.set_state(before)
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
