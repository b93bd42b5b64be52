"""A network from any two modules: the user's own encoder and decoder."""

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.models.calls import capture, groups
from vaescope.models.network import Layer, Network, Posterior, sample
from vaescope.models.outputs import described, logits_of, posterior_of
from vaescope.models.trial import tried

Factory = Callable[..., Any]
"""`(image_shape, latents, **options) -> (encoder, decoder)`, two `nn.Module`; or a `Network` class."""

MOST_HELD = 2**30
LITTLE = 2**28


class Pair(Network):
    """An encoder and a decoder of which nothing is known but what goes in and comes out.

    Its layers are found by passing black images through and noting which modules are called. Its subclasses, which
    `network_from` makes, have the function that makes the two modules.

    Args:
        image_shape: (channels, height, width).
        latents: width of the code, d.
        **options: for the function that makes the modules.

    Raises:
        UsageError: the modules cannot be made, take no such images, or give something else than a posterior and logits.
    """

    name: ClassVar[str] = "pair"
    initialisation: ClassVar[Literal["glorot", "own"]] = "own"
    factory: ClassVar[Factory]

    def __init__(self, image_shape: Sequence[int], latents: int, **options: Any) -> None:
        super().__init__(image_shape, latents)
        with torch.inference_mode(False):  # wherever it is made, it must be fit for training
            self.encoder, self.decoder = self._made(options)
            found = tried(self)
        self._layers, self._calls, self.draws = found.layers, found.calls, found.draws

    def encode(self, images: Float[Tensor, "n c h w"]) -> Posterior:
        return posterior_of(self.encoder(images), len(images), self.latents, self.name)

    def decode(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        return logits_of(self.decoder(codes), len(codes), self.image_shape, self.name)

    def layers(self) -> tuple[Layer, ...]:
        return self._layers

    def walk(
        self, images: Float[Tensor, "n c h w"], noise: Float[Tensor, "n d"], check: Callable[[], None] = lambda: None
    ) -> Generator[tuple[str, Tensor], None, None]:
        """What every distinct layer makes of all images, in the order of the data.

        There are as many passes as it takes to hold no more than two of the widest layers at a time, or 1 GiB if that
        is less. 256 MiB may be held in any case, and one layer however wide.
        """
        n = len(images)
        most = self._most_held(n)
        mean, log_var = torch.empty(n, self.latents), torch.empty(n, self.latents)

        def encoded(rows: slice, output: Any) -> None:
            posterior = posterior_of(output, rows.stop - rows.start, self.latents, self.name)
            mean[rows], log_var[rows] = posterior.mean, posterior.log_var

        yield "input", images
        yield from self._captured("encoder", images, most, check, encoded)
        del images
        yield "mean", mean
        yield "log_var", log_var
        yield "sampled", sample(Posterior(mean, log_var), noise)
        yield from self.decoded(mean, check)

    def decoded(
        self, codes: Float[Tensor, "n d"], check: Callable[[], None] = lambda: None
    ) -> Generator[tuple[str, Tensor], None, None]:
        """As that of any network; as many layers at a time as `walk` holds."""
        most = self._most_held(len(codes))
        yield from self._captured("decoder", codes, most, check, lambda rows, output: None)

    def _most_held(self, n: int) -> int:
        return min(MOST_HELD, max(LITTLE, 8 * n * max(layer.features for layer in self._layers)))

    def _captured(
        self,
        part: Literal["encoder", "decoder"],
        value: Tensor,
        most: int,
        check: Callable[[], None],
        returned: Callable[[slice, Any], None],
    ) -> Generator[tuple[str, Tensor], None, None]:
        module: nn.Module = getattr(self, part)
        widths = {layer.name: layer.features for layer in self._layers if layer.part == part and not layer.same_as}
        for group in list(groups(widths, len(value), most)) or [[]]:  # the encoder is passed in any case
            wanted = {name: (self._calls[name], widths[name]) for name in group}
            whole = capture(module, wanted, value, check, returned)
            for name in group:
                yield name, whole.pop(name)

    def _made(self, options: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
        try:
            made = type(self).factory(self.image_shape, self.latents, **options)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(
                f"network {self.name}: the function that makes it, called with {self.image_shape}, {self.latents}"
                f"{''.join(f', {k}={v!r}' for k, v in options.items())}, raised {type(error).__name__}: {error}"
            ) from error
        if isinstance(made, tuple | list) and len(made) == 2 and all(isinstance(m, nn.Module) for m in made):
            return made[0], made[1]
        raise UsageError(
            f"network {self.name}: expected two nn.Module, (encoder, decoder), from the function that makes it, "
            f"got {described(made)}."
        )


def network_from(name: str, factory: Factory | object) -> type[Network]:
    """A network class of that name, ready to be registered.

    Args:
        name: under which studies name it, an identifier.
        factory: `(image_shape, latents, **options) -> (encoder, decoder)`, with `image_shape` (c, h, w); its options
            are those of the network, its docstring the network's. Or a subclass of `Network`, which gets the name.

    Raises:
        UsageError: it cannot be called like that.
    """
    if inspect.isclass(factory) and issubclass(factory, Network):
        return factory if vars(factory).get("name") == name else type(name, (factory,), {"name": name})
    takes = inspect.Parameter
    try:
        parameters = list(inspect.signature(factory).parameters.values()) if callable(factory) else []
    except ValueError:  # a callable without a signature, of C
        parameters = []
    first = [p for p in parameters[:2] if p.kind in (takes.POSITIONAL_ONLY, takes.POSITIONAL_OR_KEYWORD)]
    if len(first) < 2:
        takes_instead = f" of ({', '.join(p.name for p in parameters)})" if callable(factory) else ""
        raise UsageError(
            f"network {name!r}: expected a function (image_shape, latents, **options) that makes (encoder, decoder), "
            f"got {described(factory)}{takes_instead}. Each run needs modules of its own with first weights of its own."
        )
    own = [
        p.replace(name=n, kind=takes.POSITIONAL_OR_KEYWORD)
        for p, n in zip(first, ("image_shape", "latents"), strict=True)
    ]
    members = {
        "name": name,
        "factory": staticmethod(cast("Factory", factory)),
        "__doc__": inspect.getdoc(factory) or f"The user's encoder and decoder from {_place(factory)}.",
        "__module__": getattr(factory, "__module__", __name__),
        "__signature__": inspect.Signature([*own, *parameters[2:]]),
    }
    return cast("type[Network]", type(name, (Pair,), members))


def _place(factory: object) -> str:
    return f"{getattr(factory, '__module__', '')}.{getattr(factory, '__qualname__', repr(factory))}".lstrip(".")
