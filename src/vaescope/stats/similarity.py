"""The similarity of two representations, for people at a prompt and for other libraries."""

import math
from typing import Any, cast, get_args

import numpy as np

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.forms.centring import refuse_non_finite
from vaescope.stats.forms.examples import Examples, Precision
from vaescope.stats.measure import MEASURES, Measure

_EXACT_IN_FLOAT32 = ("bool", "int8", "uint8", "int16", "uint16", "float16")


def similarity(x: object, y: object, measure: str | Measure[Any] = "cka", *, precision: Precision = "exact") -> float:
    """How similar two representations of the same examples are.

    Args:
        x: (n, ...), examples first, further axes flattened; a numpy array, a torch tensor on any device, or nested
            lists. float64 and wide integers are computed in float64, all else in float32 with float64 sums. It is
            not changed.
        y: (n, ...), the same examples in the same order; its width may differ.
        measure: a name that `vaescope list measures` shows: "cka" (debiased), "cka_biased", "procrustes", ...;
            or a `Measure`.
        precision: "fast" multiplies in bfloat16 where linear CKA is computed from Gram matrices.

    Returns:
        The score; the measure's class states its bounds and what it ignores.

    Raises:
        RepresentationError: the score is not defined, see its `reason`: "shape_mismatch" (different n), "too_few"
            examples, "non_finite" values, "zero_variance" (constant), "unsupported_type" (complex, objects, sparse).
        UsageError: `measure` is not the name of one.

    >>> x = np.random.default_rng(0).normal(size=(100, 5))
    >>> round(similarity(x, 3 * x[:, ::-1] + 1), 6)
    1.0
    """
    used = chosen(measure)
    matrices = {"x": matrix(x, "x"), "y": matrix(y, "y")}
    shapes = [tuple(m.shape) for m in matrices.values()]
    if shapes[0][0] != shapes[1][0]:
        raise RepresentationError(
            f"{used.name}: x and y must hold the same examples, one a row in the same order; got {shapes[0][0]:,} and "
            f"{shapes[1][0]:,} rows (flattened shapes {shapes[0]} and {shapes[1]}). Extract both with the same "
            "probe set.",
            "shape_mismatch",
        )
    form = used.form_for(shapes[0][0], [width for _, width in shapes])
    forms = []
    for name, values in matrices.items():
        try:
            forms.append(used.prepare(Examples(values, checked_precision(precision)), form))
        except RepresentationError as error:
            raise RepresentationError(f"{name} of shape {tuple(values.shape)}: {error}", error.reason) from None
    score = used.compare(*forms)
    if math.isnan(score):
        raise used.no_score(*forms)
    return score


def chosen(measure: "str | Measure[Any] | type[Measure[Any]]") -> Measure[Any]:
    """The measure of that name or class, or `measure` itself.

    Raises:
        UsageError: there is none of that name.
    """
    if isinstance(measure, type) and issubclass(measure, Measure):
        return measure()
    return measure if isinstance(measure, Measure) else MEASURES[measure]()


def checked_precision(precision: str) -> Precision:
    """`precision` itself.

    Raises:
        UsageError: it is neither "exact" nor "fast".
    """
    if precision not in get_args(Precision):
        raise UsageError(f"precision: expected 'exact' or 'fast', got {precision!r}.")
    return cast(Precision, precision)


def matrix(x: object, name: str = "x", finite: bool = True) -> np.ndarray:
    """`x` as an (n, p) array of float32 or float64, without copying where it is one already.

    Args:
        x: (n, ...).
        name: what messages call it.
        finite: whether to look for NaN here; forms do so too, but no longer know the shape.

    Raises:
        RepresentationError: "unsupported_type", "shape_mismatch" (no axis of examples, or no features), "non_finite".
    """
    values = _from_torch(x, name) if _is_torch(x) else _from_numpy(x, name)
    if values.ndim == 0 or (values.size == 0 and len(values)):
        raise RepresentationError(
            f"{name}: expected shape (n examples, ...) with at least one feature, got {tuple(values.shape)}.",
            "shape_mismatch",
        )
    if finite:
        try:
            refuse_non_finite(values)
        except RepresentationError as error:
            raise RepresentationError(f"{name}: {error}", error.reason) from None
    return values.reshape(len(values), -1) if len(values) else values.reshape(0, 0)


def _is_torch(x: object) -> bool:
    """Whether `x` is a tensor, without importing torch for those who do not use it."""
    return any(t.__module__.split(".")[0] == "torch" and t.__name__ == "Tensor" for t in type(x).__mro__)


def _from_torch(x: object, name: str) -> np.ndarray:
    import torch

    assert isinstance(x, torch.Tensor)  # noqa: S101
    if x.layout != torch.strided or x.is_quantized or x.is_complex() or x.device.type == "meta":
        kind = "complex" if x.is_complex() else "quantized" if x.is_quantized else f"{x.layout} on {x.device}"
        raise RepresentationError(
            f"{name}: expected a dense tensor of real numbers, got a {kind} tensor ({x.dtype}). Convert it first, e.g. "
            "with x.to_dense(), x.dequantize(), or x.real and x.imag side by side.",
            "unsupported_type",
        )
    x = x.detach().resolve_neg()
    if x.is_floating_point() and x.dtype not in (torch.float32, torch.float64):
        x = x.to(torch.float32)
    return _from_numpy(x.cpu().numpy(), name)


def _from_numpy(x: object, name: str) -> np.ndarray:
    try:
        values = np.asarray(x)
    except ValueError as error:
        raise RepresentationError(f"{name}: expected rows of equal length; {error}.", "shape_mismatch") from None
    if np.ma.isMaskedArray(x) or values.dtype.kind not in "biuf":
        kind = "a masked array" if np.ma.isMaskedArray(x) else f"dtype {values.dtype}"
        raise RepresentationError(
            f"{name}: expected real numbers (floats, integers or booleans), got {kind} of shape {tuple(values.shape)}. "
            "Convert it first: complex numbers to .real and .imag side by side, objects to float, "
            "masks to rows left out.",
            "unsupported_type",
        )
    native = values.dtype.newbyteorder("=")
    if native not in (np.float32, np.float64):
        native = np.dtype(np.float32 if native.name in _EXACT_IN_FLOAT32 else np.float64)
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes infinite, and is refused as that
        return values.astype(native, copy=False)
