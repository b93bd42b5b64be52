"""The encoder, the decoder and the posterior of somebody's VAE: found where it has a usual shape, else named."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from torch import nn

from vaescope.errors import UsageError
from vaescope.registry import suggestion

MEAN = re.compile(
    r"(?:(?:fc|z|q|to|latent|enc|hidden|linear|lin|layer|post|posterior)_?)*(?:mean|mu|loc|embedding)s?\d?(?:_?layer)?"
)
LOG_VAR = re.compile(
    r"(?:(?:fc|z|q|to|latent|enc|hidden|linear|lin|layer|post|posterior)_?)*(?:log_?var|log_?variance|log_?covariance|log_?sigma2|lv|var)s?\d?(?:_?layer)?"
)
BESIDE = {"encoder": ("quant_conv",), "decoder": ("post_quant_conv",)}
"""What diffusers' autoencoders have outside of `encoder` and `decoder`."""

Shapes = Mapping[str, tuple[int, ...]]
Whole = Literal["", "halves"]


@dataclass(frozen=True)
class Parts:
    """Which modules make up the encoder and which the decoder: paths, each standing for all below it."""

    encoder: tuple[str, ...] = ()
    decoder: tuple[str, ...] = ()

    def of(self, layer: str) -> Literal["encoder", "decoder", "other"]:
        """The part a layer lies in."""
        for part in ("encoder", "decoder"):
            if any(layer == path or layer.startswith((f"{path}.", f"{path}[")) for path in getattr(self, part)):
                return part
        return "other"


@dataclass(frozen=True)
class Where:
    """Which captured outputs are the posterior.

    Attributes:
        mean: the name of the posterior means.
        log_var: the name of the log variances; that of the means where both are halves of one output along its
            second axis, as in diffusers' AutoencoderKL.
    """

    mean: str
    log_var: str

    @property
    def halves(self) -> bool:
        """Whether one output holds both."""
        return self.mean == self.log_var


def parts_of(
    model: nn.Module, encoder: str | Sequence[str] | None = None, decoder: str | Sequence[str] | None = None
) -> Parts:
    """The parts of a model.

    Args:
        model: any; wrappers such as a LightningModule may hold the VAE a few levels down.
        encoder: the modules of the encoder, if they are named; else a module of that name is looked for, with a
            `decoder` beside it.
        decoder: likewise.

    Returns:
        Empty parts where there are none of these names.

    Raises:
        UsageError: a named module is not there.
    """
    paths = [path for path, _ in model.named_modules() if path]
    found: dict[str, tuple[str, ...]] = {}
    for part, given in (("encoder", encoder), ("decoder", decoder)):
        if given is not None:
            named = (given,) if isinstance(given, str) else tuple(given)
            for path in named:
                if path not in paths:
                    raise UsageError(f"{part}: the model has no module {path!r}.{suggestion(str(path), paths)}")
            found[part] = named
    for path in sorted(paths, key=lambda p: p.count(".")):
        if len(found) == 2:
            break
        above, _, last = path.rpartition(".")
        if last in ("encoder", "enc") and any(f"{above}.{d}".lstrip(".") in paths for d in ("decoder", "dec")):
            pair = {
                "encoder": path,
                "decoder": next(p for d in ("decoder", "dec") if (p := f"{above}.{d}".lstrip(".")) in paths),
            }
            for part, own in pair.items():
                beside = [p for name in BESIDE[part] if (p := f"{above}.{name}".lstrip(".")) in paths]
                found.setdefault(part, (own, *beside))
            break
    return Parts(found.get("encoder", ()), found.get("decoder", ()))


def posterior_of(model: nn.Module, parts: Parts, shapes: Shapes) -> Where | None:
    """Which outputs of a pass are the means and log variances, by their names and places.

    In this order: halves of `quant_conv` (diffusers); two outputs of the encoder called so (pythae); two modules called
    so; two outputs of the model called so, or two of one shape side by side, as in (reconstruction, mean, log_var).

    Args:
        model: the model.
        parts: its parts.
        shapes: name -> shape of every output of every module in one pass, in the order of the pass; the model's own is
            "output".

    Returns:
        None where nothing looks like a posterior: then the model is no VAE, or its owner has to say.
    """
    for path in parts.encoder:
        if path.rpartition(".")[2] in BESIDE["encoder"] and path in shapes and shapes[path][1] % 2 == 0:
            return Where(path, path)
    within = [name for name in shapes if name.split("[")[0] in parts.encoder and "[" in name]
    outputs = [name for name in shapes if name.startswith("output")]
    modules = [name for name in shapes if "[" not in name and not name.startswith("output")]
    for names in (within, modules, outputs):
        if found := _called(names, shapes):
            return found
    for names, others in ((within, shapes), (outputs, shapes)):
        if found := _beside(names, others):
            return found
    return None


def _called(names: Sequence[str], shapes: Shapes) -> Where | None:
    """The first two of equal shape that are called so."""
    means = [name for name in names if MEAN.fullmatch(_last(name))]
    for log_var in (name for name in names if LOG_VAR.fullmatch(_last(name))):
        for mean in means:
            if shapes[mean] == shapes[log_var] and len(shapes[mean]) >= 2:
                return Where(mean, log_var)
    return None


def _beside(names: Sequence[str], shapes: Shapes) -> Where | None:
    """The last two of one shape (n, d) among the elements of a tuple: (mean, log_var), (x, mean, log_var, …)."""
    flat = [name for name in names if name.endswith("]") and name[:-1].rpartition("[")[2].isdigit()]
    for mean, log_var in pairwise(flat):
        alike = shapes[mean] == shapes[log_var] and len(shapes[mean]) == 2
        if alike and (len(flat) == 2 or flat.index(mean) > 0):
            return Where(mean, log_var)
    return None


def _last(name: str) -> str:
    return name.rpartition("[")[2][:-1].lower() if name.endswith("]") else name.rpartition(".")[2].lower()


def several(shapes: Shapes) -> tuple[str, ...]:
    """The modules that are called log variances, where there are several of them: a hierarchy of posteriors."""
    modules = (name for name in shapes if "[" not in name and not name.startswith("output"))
    found = tuple(name for name in modules if LOG_VAR.fullmatch(_last(name)))
    return found if len(found) > 1 else ()


def in_order(
    layers: Iterable[str], where: Where | None, parts: Parts, same: Callable[[str, str], bool], both: bool = False
) -> dict[str, Any]:
    """Layer -> part. Of a VAE, what lies in neither part is encoder up to the posterior, and decoder after it.

    Args:
        layers: in the order of the pass.
        where: the posterior.
        parts: of the model.
        same: whether a layer is the same output as another name.
        both: whether the owner named both parts: then what lies in neither stays so.
    """
    names = list(layers)
    found: dict[str, Any] = {name: parts.of(name) for name in names}
    if where is None or both:
        return found
    ends = [k for k, name in enumerate(names) if same(name, where.mean) or same(name, where.log_var)]
    if not ends:
        return found
    for k, name in enumerate(names):
        if found[name] == "other":
            early = k <= max(ends) or name.lower().startswith("enc")  # a second encoder, of a hierarchy
            found[name] = "encoder" if early else "decoder"
    return found
