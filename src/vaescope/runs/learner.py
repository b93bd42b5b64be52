"""What learns in a run: the network, what is trained beside it, and their optimisers."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.models.making import drawing_from, first
from vaescope.models.network import NETWORKS, Network, Posterior, initialise, sample
from vaescope.models.objective import OBJECTIVES, Forward, Objective, Terms
from vaescope.models.reconstruction import RECONSTRUCTIONS, Noted
from vaescope.runs.device import sent
from vaescope.runs.draw import draw
from vaescope.runs.study import Run

BESIDE = "reconstruction."  # what names of tensors begin with that a snapshot holds beside the network's


class Pass(NamedTuple):
    """What a pass through a network gives, float32: means, log variances and sampled codes (n, d), logits of pixels."""

    mean: Tensor
    log_var: Tensor
    codes: Tensor
    logits: Tensor


def encoded(network: Network, images: Float[Tensor, "n c h w"], mixed: bool) -> Posterior:
    """The posterior of images; mixed: computed in bfloat16 where that is safe, given back in float32."""
    if not mixed:
        return network.encode(images)
    with torch.autocast(images.device.type, torch.bfloat16):
        posterior = network.encode(images)
    return Posterior(posterior.mean.float(), posterior.log_var.float())


def through(network: Network, images: Float[Tensor, "n c h w"], noise: Float[Tensor, "n d"], mixed: bool) -> Pass:
    """Encode, sample, decode. Sampling is in float32 always, as are the sums of the loss: they need the digits."""
    posterior = encoded(network, images, mixed)
    codes = sample(posterior, noise)
    if not mixed:
        return Pass(posterior.mean, posterior.log_var, codes, network.decode(codes))
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = network.decode(codes)
    return Pass(posterior.mean, posterior.log_var, codes, logits.float())


class Learner:
    """A run's network with its first weights, and all that one step of training changes.

    Args:
        run: the run.
        image_shape: (channels, height, width).
        examples: how many the run is trained on, N.
        device: where it computes; weights and noise are drawn on the CPU, so they are the same everywhere.
    """

    def __init__(self, run: Run, image_shape: tuple[int, ...], examples: int, device: str = "cpu") -> None:
        self.run, self.examples, self.device = run, examples, torch.device(device)
        self.mixed = run.precision == "mixed"
        self.network = build(run, image_shape).to(self.device)
        self._buffers, self._before = list(self.network.named_buffers()), {}
        self.objective: Objective = OBJECTIVES[run.objective](**run.options)
        self.reconstruction = RECONSTRUCTIONS[run.reconstruction](**run.reconstruction_options)
        self.learned = nn.ParameterDict(
            {k: nn.Parameter(torch.tensor(v)) for k, v in self.reconstruction.learns().items()}
        ).to(self.device)
        self.optimiser = optimiser_of(run, [*self.network.parameters(), *self.learned.parameters()])
        self.critic = self.objective.critic(run.latents)
        if self.critic is not None:
            initialise(self.critic, draw("initialise critic", run.seed))
            self.critic.to(self.device)
            self._critic_optimiser = self.critic.optimiser()

    def terms(self, images: Float[Tensor, "n c h w"], step: int) -> Terms:
        """Encode, sample with the noise of this step, decode: the terms of the loss."""
        self.remember()
        noise = sent(self.noise("noise", step, len(images)), self.device)
        with self._drawing("network", step):
            one = through(self.network, images, noise, self.mixed)
        return self.terms_of(one, images, step)

    def terms_of(self, one: Pass, images: Float[Tensor, "n c h w"], step: int) -> Terms:
        """The terms of the loss after a pass of these images through the network, whoever made it."""
        self._codes = one.codes
        prior = sent(self.noise("prior", step, len(images)), self.device) if self.objective.draws_prior else None
        posterior = Posterior(one.mean, one.log_var)
        forward = Forward(images, one.logits, posterior, one.codes, self.examples, self.critic, prior)
        return self.objective(forward, step, self.reconstruction, dict(self.learned.items()))

    def update(self, terms: Terms, step: int, others: Float[Tensor, "n c h w"] | None = None) -> None:
        """Take the step that `terms` are of; then that of the critic, which sees the codes of other images too."""
        self.optimiser.zero_grad(set_to_none=True)
        terms.loss.backward()
        self.optimiser.step()
        self.forget()
        if others is not None:
            self.update_critic(others, step)

    def update_critic(self, others: Float[Tensor, "n c h w"], step: int) -> None:
        """Take the critic's step, after that of the network."""
        self._critic_optimiser.zero_grad(set_to_none=True)
        self.critic_loss(others, step).value.backward()
        self._critic_optimiser.step()

    def critic_loss(self, others: Float[Tensor, "n c h w"], step: int) -> Noted:
        """The critic's loss on the codes of the last `terms` and on those of other images."""
        with torch.no_grad(), self._drawing("critic network", step):
            noise = sent(self.noise("critic noise", step, len(others)), self.device)
            codes = sample(encoded(self.network, others, self.mixed), noise)
        critic = cast(Any, self.critic)
        return critic.loss(self._codes.detach(), codes, draw("critic", self.run.seed, step))

    def _drawing(self, purpose: str, step: int) -> AbstractContextManager[None]:
        """For networks that draw in a pass, as dropout does: from a generator of that step."""
        if not self.network.draws:
            return nullcontext()
        return drawing_from(draw(purpose, self.run.seed, step), self.device)

    def noise(self, purpose: str, step: int, n: int) -> Float[Tensor, "n d"]:
        """Standard normal numbers of a step, on the CPU."""
        return torch.randn(n, self.run.latents, generator=draw(purpose, self.run.seed, step))

    def remember(self) -> None:
        """Keep the running averages of layers that have some as they are before the pass of a step moves them.

        What is saved between the pass and the step is then what the step is to be repeated from.
        """
        self._before = {name: buffer.clone() for name, buffer in self._buffers}

    def forget(self) -> None:
        """The step was taken."""
        self._before = {}

    def weights(self) -> dict[str, Tensor]:
        """What a snapshot holds: the network's weights, and what the reconstruction learned."""
        return self._network_state() | {f"{BESIDE}{k}": v for k, v in self.learned.state_dict().items()}

    def state(self) -> dict[str, Tensor]:
        """Everything the next step depends on, by name."""
        found: dict[str, Tensor] = {}
        for part, module, optimiser in self._parts():
            values = self._network_state() if module is self.network else module.state_dict()
            found |= {f"{part}.{k}": v for k, v in values.items()}
            for name, parameter in module.named_parameters():
                found |= {f"optimiser.{part}.{name}.{k}": v for k, v in optimiser.state[parameter].items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for part, module, optimiser in self._parts():
            module.load_state_dict(below(f"{part}.", tensors))
            for name, parameter in module.named_parameters():
                # Moments take the memory layout of their weights, which the file does not keep. Step counts are where
                # the optimiser looks for them: beside the weights where it is fused, else on the CPU.
                at = parameter.device if optimiser.defaults.get("fused") else torch.device("cpu")
                optimiser.state[parameter] = {
                    k: v.to(at) if k == "step" else torch.empty_like(parameter).copy_(v)
                    for k, v in below(f"optimiser.{part}.{name}.", tensors).items()
                }

    def _network_state(self) -> dict[str, Tensor]:
        now = self.network.state_dict()
        return now | {name: value for name, value in self._before.items() if name in now}

    def _parts(self) -> Iterable[tuple[str, nn.Module, torch.optim.Optimizer]]:
        yield "network", self.network, self.optimiser
        yield "learned", self.learned, self.optimiser
        if self.critic is not None:
            yield "critic", self.critic, self._critic_optimiser


def build(run: Run, image_shape: tuple[int, ...]) -> Network:
    """The network of a run with its first weights."""
    return first(NETWORKS[run.network], image_shape, run.latents, run.network_options, draw("initialise", run.seed))


def optimiser_of(run: Run, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimiser of a run; the fused form goes over the weights once instead of a dozen times."""
    options = dict(run.optimiser)
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[str(options.pop("name"))]
    betas = (float(options.pop("beta1")), float(options.pop("beta2")))
    return make(parameters, betas=betas, fused=True, **{k: float(v) for k, v in options.items()})


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
