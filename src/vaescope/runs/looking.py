"""Looks at somebody's model: what its layers and its posterior are on the probe set, whatever its shape."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.data.batch import arrays
from vaescope.data.feed import feed
from vaescope.errors import UsageError
from vaescope.models.network import Layer, Part
from vaescope.models.parts import Where, in_order, parts_of, posterior_of, several
from vaescope.models.randomness import borrowed
from vaescope.models.wrapped import clean_aliases
from vaescope.runs.capture import Probing
from vaescope.runs.coordinates import coordinates
from vaescope.runs.observation import Observation
from vaescope.runs.probe import probe_noise

LATENT = ("mean", "log_var", "sampled")
LOG_VARIANCES = (-30.0, 20.0)  # to which diffusers clips them
FEW = 2  # examples with which the shape of a model is found out


class Looking:
    """One model and one probe set, looked at again and again.

    Args:
        model: any module, without wrappers.
        probe: as `vaescope.capture` takes data; None where nothing is looked at but weights.
        n: how many examples of it.
        layers: as `vaescope.capture` takes them.
        reduce: likewise.
        forward: likewise.
        encoder: modules of the encoder, or None.
        decoder: modules of the decoder, or None.
        posterior: as `vaescope.Recorder` takes it.
        turned: whether wide layers are kept on their principal axes.

    Attributes:
        n: how many examples there are.
        examples: how many the probe set was taken from, as far as that is known.
        digest: SHA-256 of the examples.
        latents: width of the code, 0 where there is none.

    Raises:
        UsageError: the probe set is too small, a layer or part is not there.
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Any,
        *,
        n: int,
        layers: Any = None,
        reduce: Any = "flatten",
        forward: Callable[[nn.Module, Any], Any] | None = None,
        encoder: str | Sequence[str] | None = None,
        decoder: str | Sequence[str] | None = None,
        posterior: Any = None,
        turned: bool = True,
    ) -> None:
        self._turned = turned
        self._model = model
        self._probing: Probing | None = None
        self._codes: Probing | None = None
        self._layers: tuple[Layer, ...] = ()
        self._given: dict[str, np.ndarray] = {}
        self._part: dict[str, Part] = {"input": "input", **dict.fromkeys(LATENT, "latent")}
        self._names: list[str] = []
        self._source: dict[str, str] = {}
        self._decoder: nn.Module | None = None
        self._several: tuple[str, ...] = ()
        self._caution = ""
        self.n = self.examples = self.latents = 0
        self.digest = ""
        if probe is None:
            return
        batches, self.examples = _held(probe, n)
        self.n = sum(len(next(arrays(batch))) for batch in batches)
        if self.n < 4:
            raise UsageError(f"probe: expected at least 4 examples to compare layers on, got {self.n}.")
        self.examples = max(self.examples, self.n)
        self.digest = _digest(batches)
        self._given = _input(batches)
        options: dict[str, Any] = {"forward": forward}
        self._parts = parts_of(model, encoder, decoder)
        self._both = encoder is not None and decoder is not None
        own = callable(posterior) and not isinstance(posterior, bool)
        self._where = None
        if not own and posterior is not False:
            self._where, self._several = _where(model, batches, posterior, self._parts, options)
        if own:
            self._codes = Probing(model, batches, "output*", forward=cast(Any, posterior))
        wanted = layers
        if self._where is not None:
            latent = list(dict.fromkeys((self._where.mean, self._where.log_var)))
            located = {"reduce": "per_location"} if self._where.halves else {}
            self._codes = Probing(model, batches, latent, **located, **options)
        self._probing = Probing(model, batches, wanted, reduce=reduce, **options)

    def observation(self, step: int, losses: Mapping[str, float]) -> Observation:
        """Look once; the first look also settles which layers there are."""
        if self._probing is None:
            return Observation(step, (), {}, losses=losses)
        mean, log_var = self._posterior()
        if not self._layers:
            self._settle(mean, log_var)
        with self._fed(mean):
            found = {name: _matrix(x) for name, x in self._probing.captured().items()}
        codes = self._codes_of(mean, log_var)
        seen = {name: codes[name] if name in codes else found[self._source[name]] for name in self._names}
        seen = {**self._given, **seen}
        self._layers = self._layers or tuple(Layer(name, self._part[name], x.shape[1]) for name, x in seen.items())
        kept = {
            name: coordinates(x) if self._turned and name not in LATENT else x.astype(np.float32, copy=False)
            for name, x in seen.items()
        }
        return Observation(step, self._layers, kept, mean, log_var, losses)

    @property
    def opening(self) -> list[str]:
        """What was found at the first look, and what must be known of it, in sentences."""
        if self._probing is None:
            return []
        by_part = {
            part: [la.name for la in self._layers if la.part == part] for part in ("encoder", "decoder", "other")
        }
        counted = [
            f"{part} {len(names)} layers ({names[0]} to {names[-1]})" if len(names) > 1 else f"{part} {names[0]}"
            for part, names in by_part.items()
            if names and part != "other"
        ]
        if not self.latents:
            count = len(self._layers) - ("input" in self._part and bool(self._given))
            return [
                f"Looking at {count} layers on {self.n:,} examples; no posterior was found, so no latents. If this is "
                "a VAE, name its parts: encoder=, decoder=, posterior=."
            ]
        where = "" if self._where is None else f" ({self._where.mean}, {self._where.log_var})"
        rest = f"; in neither: {', '.join(by_part['other'][:5])}" if by_part["other"] else ""
        told = [f"Looking on {self.n:,} examples at {', '.join(counted)}, {self.latents} latents{where}{rest}."]
        if self._several:
            told.append(
                f"Several outputs are called log variances ({', '.join(self._several[:4])}): the first posterior is "
                "taken. Name encoder=, decoder= and posterior= if another is meant."
            )
        return [*told, self._caution] if self._caution else told

    def again(self, step: int, representations: Mapping[str, np.ndarray]) -> Observation:
        """What was seen at an earlier step, from what was kept of it."""
        mean, log_var = (representations.get(name) if self.latents else None for name in ("mean", "log_var"))
        return Observation(step, self._layers, dict(representations), mean, log_var)

    def _posterior(self) -> tuple[Float[np.ndarray, "n d"] | None, Float[np.ndarray, "n d"] | None]:
        if self._codes is None:
            return None, None
        found = list(self._codes.captured().values())
        if self._where is not None and self._where.halves:
            (both,) = found
            mean, log_var = (half.reshape(self.n, -1) for half in np.split(both, 2, axis=1))
            return np.ascontiguousarray(mean), np.clip(log_var, *LOG_VARIANCES)
        if len(found) != 2:
            raise UsageError(f"posterior: expected (mean, log_var), got {len(found)} output(s).")
        mean, log_var = map(_matrix, found)
        if mean.shape != log_var.shape:
            raise UsageError(
                f"posterior: expected mean and log_var of one shape, got {mean.shape} and {log_var.shape}."
            )
        return mean, log_var

    def _settle(self, mean: np.ndarray | None, log_var: np.ndarray | None) -> None:
        """Find out, at the first look, which layers there are, in which order, and what the decoder is given."""
        assert self._probing is not None  # noqa: S101
        found = {name: _matrix(x) for name, x in self._probing.captured().items()}
        codes = {} if mean is None or log_var is None else {"mean": mean, "log_var": log_var}
        self.latents = 0 if mean is None else mean.shape[1]
        named = set() if self._where is None else {self._where.mean, self._where.log_var} & set(found)
        halves = self._where is not None and self._where.halves
        alike = {n for n, x in found.items() if any(np.array_equal(x, code) for code in codes.values())}
        twins = set() if halves else named or alike  # by name where that can be: equal at first need not stay equal

        def same(name: str, other: str) -> bool:
            return name == other or name in twins

        where = self._where or (Where("mean", "log_var") if codes else None)
        parts = in_order(found, where, self._parts, same, self._both)
        names = [name for name in found if name not in twins]
        self._source = {_apart(name): name for name in names}
        self._part |= {_apart(name): _plain(parts[name]) for name in names}
        self._names = [*self._source]
        if codes:
            place = next((k for k, name in enumerate(self._names) if self._part[name] == "decoder"), len(names))
            self._names[place:place] = LATENT
            self._decoder, self._caution = self._begins(mean, log_var)

    def _begins(self, mean: Any, log_var: Any) -> tuple[nn.Module | None, str]:
        """The module that is given codes, if means can be put in their place; else what must be known of that."""
        first = [self._source[name] for name, part in self._part.items() if part == "decoder" and name in self._source]
        names = [*self._parts.decoder[::-1], *first[:1]]
        modules = clean_aliases(self._model)
        for module in (modules[name] for name in names if name in modules):
            with _heard(module) as given:
                assert self._probing is not None  # noqa: S101
                self._probing.captured()
            if _are_codes(given, mean, log_var):
                return module, ""
        return None, (
            "What the decoder is given could not be told to be codes of this posterior, so its layers are recorded as "
            "the model feeds them: where it feeds samples, similarities of decoders are also those of their noise."
        )

    @contextmanager
    def _fed(self, mean: np.ndarray | None) -> Iterator[None]:
        """Let the decoder be fed from the posterior means, as in studies of vaescope's own."""
        if self._decoder is None or mean is None:
            yield
            return
        place = 0

        def feed_means(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            nonlocal place
            given = args[0]
            rows = torch.from_numpy(mean[place : place + len(given)])
            place += len(given)
            shape = given.shape if given.dim() != 4 else (len(given), *given.shape[2:], given.shape[1])
            rows = rows.reshape(shape)
            rows = rows.permute(0, 3, 1, 2) if given.dim() == 4 else rows
            return (rows.to(given.device, given.dtype), *args[1:])

        handle = self._decoder.register_forward_pre_hook(feed_means)
        try:
            yield
        finally:
            handle.remove()

    def _codes_of(self, mean: np.ndarray | None, log_var: np.ndarray | None) -> dict[str, np.ndarray]:
        if mean is None or log_var is None:
            return {}
        noise = probe_noise(len(mean), mean.shape[1], 0).numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            sampled = mean + np.exp(0.5 * log_var) * noise
        return {"mean": mean, "log_var": log_var, "sampled": sampled.astype(np.float32)}


@contextmanager
def _heard(module: nn.Module) -> Iterator[list[Tensor]]:
    """The first arguments that a module is given meanwhile."""
    given: list[Tensor] = []

    def hear(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            given.append(args[0].detach().to("cpu", torch.float32, copy=True))

    handle = module.register_forward_pre_hook(hear)
    try:
        yield given
    finally:
        handle.remove()


def _are_codes(given: Sequence[Tensor], mean: np.ndarray, log_var: np.ndarray) -> bool:
    """Whether these are samples of the posterior of all examples in their order, or its means."""
    if not given or sum(map(len, given)) != len(mean) or any(x.dim() < 2 for x in given):
        return False
    whole = torch.cat(list(given))
    whole = whole.permute(0, 2, 3, 1) if whole.dim() == 4 else whole
    codes = whole.flatten(1).numpy()
    if codes.shape != mean.shape:
        return False
    off = (codes - mean).astype(np.float64) * np.exp(-0.5 * log_var.astype(np.float64))
    spread = float(np.mean(off**2))
    return bool(np.allclose(codes, mean, atol=1e-6)) or 0.5 < spread < 2.0


def _held(probe: Any, n: int) -> tuple[list[Any], int]:
    """The probe set as batches, and how many examples it was taken from; random states stay as they are."""
    fed = feed(probe, n=n)
    with borrowed([torch.device("cpu")], fed.generators) as seed:
        seed(0)
        batches = list(fed.batches())
    rows = len(probe) if hasattr(probe, "__len__") and fed.rows is not None and len(probe) >= fed.rows else fed.rows
    return batches, int(rows or 0)


def _digest(batches: Sequence[Any]) -> str:
    hashed = sha256()
    for batch in batches:
        for array in arrays(batch):
            values = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
            hashed.update(f"{values.dtype} {values.shape[1:]} ".encode() + np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()


def _input(batches: Sequence[Any]) -> dict[str, np.ndarray]:
    """What goes in as a layer of its own, where it is one tensor of floating numbers."""
    firsts = [next(arrays(batch)) for batch in batches]
    rows = [x.detach().cpu() if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x)) for x in firsts]
    if not rows[0].is_floating_point() or rows[0].dim() < 2:
        return {}
    whole = torch.cat(rows).float()
    whole = whole.permute(0, 2, 3, 1) if whole.dim() == 4 else whole
    return {"input": whole.flatten(1).numpy()}


def _where(
    model: nn.Module, batches: Sequence[Any], posterior: Any, parts: Any, options: Mapping[str, Any]
) -> tuple[Where | None, tuple[str, ...]]:
    """Where the posterior is, and the names of several, where the model has a hierarchy of them."""
    if isinstance(posterior, Sequence) and not isinstance(posterior, str) and len(posterior) == 2:
        return Where(*posterior), ()
    if posterior not in (None, True):
        raise UsageError(
            "posterior: expected the names of the outputs that are the means and the log variances, a function "
            f"(model, batch) -> (mean, log_var), or False, got {posterior!r}."
        )
    few = Probing(model, batches[:1], lambda name, module: True, n=FEW, **options)
    whole = Probing(model, batches[:1], "output*", n=FEW, **options)
    shapes = {name: x.shape for probing in (few, whole) for name, x in probing.captured().items()}
    found = posterior_of(model, parts, shapes)
    if found is None and posterior is True:
        raise UsageError(f"posterior: nothing looks like means and log variances among {', '.join(shapes)}; name them.")
    return found, several(shapes) if found is not None else ()


def _matrix(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float32, copy=False)


def _plain(part: str) -> Part:
    return part if part in ("encoder", "decoder") else "other"


def _apart(name: str) -> str:
    """A layer's name, told from those of the posterior."""
    return f"{name}.module" if name in (*LATENT, "input") else name
