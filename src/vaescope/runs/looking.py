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
from vaescope.models.parts import Where, in_order, parts_of, posterior_of
from vaescope.models.randomness import borrowed
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
        own = callable(posterior) and not isinstance(posterior, bool)
        self._where = None if own or posterior is False else _where(model, batches, posterior, self._parts, options)
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
        with self._listening() as given:
            found = {name: _matrix(x) for name, x in self._probing.captured().items()}
        sampled = _codes(given, mean)
        seen = {**self._given, **self._in_order(found, mean, log_var, sampled)}
        if not self._layers:
            self._layers = tuple(Layer(name, self._part[name], x.shape[1]) for name, x in seen.items())
            self.latents = 0 if mean is None else mean.shape[1]
        if [layer.name for layer in self._layers] != [*seen]:
            names = [layer.name for layer in self._layers]
            raise UsageError(f"step {step}: expected the layers of the first look, {names}, got {[*seen]}.")
        kept = {
            name: coordinates(x) if self._turned and name not in LATENT else x.astype(np.float32, copy=False)
            for name, x in seen.items()
        }
        return Observation(step, self._layers, kept, mean, log_var, losses)

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

    @contextmanager
    def _listening(self) -> Iterator[list[Tensor]]:
        """What the decoder is given meanwhile, where there is one module that is the decoder or begins it."""
        heard: list[Tensor] = []
        names = self._parts.decoder[-1:] or [name for name, part in self._part.items() if part == "decoder"][:1]
        modules = dict(self._model.named_modules())
        if not names or names[0] not in modules:
            yield heard
            return

        def hear(module: nn.Module, args: tuple[Any, ...]) -> None:
            if args and isinstance(args[0], Tensor):
                heard.append(args[0].detach().to("cpu", torch.float32, copy=True))

        handle = modules[names[0]].register_forward_pre_hook(hear)
        try:
            yield heard
        finally:
            handle.remove()

    def _in_order(
        self,
        found: Mapping[str, np.ndarray],
        mean: np.ndarray | None,
        log_var: np.ndarray | None,
        sampled: np.ndarray | None,
    ) -> dict[str, np.ndarray]:
        """The layers with the posterior where it belongs: before the decoder, and once."""
        if mean is None or log_var is None:
            self._part |= {name: _plain(part) for name, part in in_order(found, None, self._parts, _never).items()}
            return dict(found)
        codes = {"mean": mean, "log_var": log_var}

        def same(name: str, other: str) -> bool:
            where = self._where
            code = "mean" if where is not None and other == where.mean else "log_var"
            halves = where is not None and where.halves
            return name == other or (not halves and np.array_equal(found[name], codes[code]))

        twins = {n for n, x in found.items() if any(np.array_equal(x, code) for code in codes.values())}
        parts = in_order(found, self._where or Where("mean", "log_var"), self._parts, same)
        self._part |= {_apart(name): _plain(part) for name, part in parts.items() if name not in twins}
        rest = {_apart(name): x for name, x in found.items() if name not in twins}
        if sampled is None:
            noise = probe_noise(len(mean), mean.shape[1], 0).numpy()
            sampled = mean + np.exp(0.5 * log_var) * noise
        codes["sampled"] = sampled.astype(np.float32)
        names = [*rest]
        place = next((k for k, name in enumerate(names) if self._part[name] == "decoder"), len(names))
        before, after = names[:place], names[place:]
        return {n: rest[n] for n in before} | codes | {n: rest[n] for n in after}


def _codes(given: Sequence[Tensor], mean: np.ndarray | None) -> np.ndarray | None:
    """The codes that the decoder was given, where they are codes: one row an example, as wide as the means."""
    if mean is None or not given or sum(map(len, given)) != len(mean):
        return None
    whole = torch.cat(list(given))
    whole = whole.permute(0, 2, 3, 1) if whole.dim() == 4 else whole
    codes = whole.flatten(1).numpy()
    return codes if codes.shape == mean.shape else None


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
) -> Where | None:
    if isinstance(posterior, Sequence) and not isinstance(posterior, str) and len(posterior) == 2:
        return Where(*posterior)
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
    return found


def _matrix(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float32, copy=False)


def _plain(part: str) -> Part:
    return part if part in ("encoder", "decoder") else "other"


def _never(name: str, other: str) -> bool:
    return False


def _apart(name: str) -> str:
    """A layer's name, told from those of the posterior."""
    return f"{name}.module" if name in (*LATENT, "input") else name
