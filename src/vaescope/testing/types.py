"""Which kinds of numbers and containers are taken, and that they score as the same numbers in float."""

import warnings
from collections.abc import Callable

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import NotApplicable, check, require, require_close
from vaescope.testing.inputs import refused
from vaescope.testing.subject import Subject


def _expect_same(subject: Subject, x: object, y: object, exact: tuple[np.ndarray, np.ndarray], what: str) -> None:
    """Numbers score as the same numbers in the float type that holds them, or both are refused alike."""
    expected, got = subject.score_or_refusal(*exact), subject.score_or_refusal(x, y)
    if isinstance(expected, RepresentationError) or isinstance(got, RepresentationError):
        reasons = [getattr(found, "reason", found) for found in (expected, got)]
        require(reasons[0] == reasons[1], f"{what} to be answered as the same numbers in float are", reasons)
    else:
        require_close(got, expected, 1e-9, f"score of {what}")


@check
def half_precision_is_taken_up(subject: Subject) -> None:
    """float16 and bfloat16 (torch) score as the same numbers in float32."""
    x, y = subject.pair(subject.rng("half"), subject.enough(40))
    x16, y16 = x.astype(np.float16), y.astype(np.float16)
    _expect_same(subject, x16, y16, (x16.astype(np.float32), y16.astype(np.float32)), "float16")
    import torch

    bx, by = (torch.from_numpy(a).to(torch.bfloat16) for a in (x, y))
    _expect_same(subject, bx, by, (bx.float().numpy(), by.float().numpy()), "bfloat16 (torch)")


@check
def whole_numbers_and_booleans_are_taken(subject: Subject) -> None:
    """Integers of any width and booleans score as the same numbers in float."""
    if subject.structured:
        raise NotApplicable("rows have a structure (it has an `example` of its own) that rounding to integers breaks")
    x, y = subject.pair(subject.rng("integers"), subject.enough(40))
    for kind in ("int8", "uint8", "int16", "uint16", "int32", "int64", "bool"):
        scale, shift = (20 / max(np.abs(x).max(), np.abs(y).max())) * 5, 100 if kind.startswith("u") else 0
        a, b = ((v > 0) if kind == "bool" else np.rint(v * scale + shift).astype(kind) for v in (x, y))
        wide = np.float64 if kind in ("int32", "int64") else np.float32
        _expect_same(subject, a, b, (a.astype(wide), b.astype(wide)), kind)


@check
def other_byte_orders_and_widths_are_taken(subject: Subject) -> None:
    """Big-endian numbers and long doubles score as the same numbers in the native type."""
    x, y = subject.pair(subject.rng("order"), subject.enough(40))
    for kind, native in ((">f4", np.float32), (">f8", np.float64), ("longdouble", np.float64)):
        exact = x.astype(native), y.astype(native)
        _expect_same(subject, exact[0].astype(kind), exact[1].astype(kind), exact, kind)


@check
def tensors_are_taken(subject: Subject) -> None:
    """Tensors, with or without gradient, transposed or of a subclass, score as arrays; no gradient is kept."""
    import torch

    class Tagged(torch.Tensor):
        """A tensor of a class of the user's."""

    x, y = subject.pair(subject.rng("tensors"), subject.enough(40))
    with_gradient = torch.from_numpy(x.copy()).requires_grad_()
    tensors = {
        "a tensor": torch.from_numpy(x.copy()),
        "a tensor that requires a gradient": with_gradient,
        "the result of a computation with a gradient": with_gradient * 1,
        "a parameter": torch.nn.Parameter(torch.from_numpy(x.copy())),
        "a transposed tensor": torch.from_numpy(np.ascontiguousarray(x.T)).T,
        "a tensor subclass": torch.from_numpy(x.copy()).as_subclass(Tagged),
    }
    for what, tensor in tensors.items():
        _expect_same(subject, tensor, torch.from_numpy(y.copy()), (x, y), what)
        require(np.array_equal(tensor.detach().numpy(), x), "a tensor that stays as it is", what)
        require(tensor.grad is None if tensor.is_leaf else True, "no gradient", what)


@check
def what_is_not_a_dense_real_matrix_is_refused(subject: Subject) -> None:
    """Complex, object, text, masked, sparse, quantised and meta input is refused as unsupported_type."""
    import torch

    x, y = subject.pair(subject.rng("types"), subject.enough(20))
    masked = np.ma.masked_array(x, mask=x > 1)
    tensor = torch.from_numpy(x)
    makers: dict[str, Callable[[], object]] = {
        "complex numbers": lambda: x + 1j,
        "objects": lambda: x.astype(object),
        "text": lambda: x.astype(str),
        "a masked array": lambda: masked,
        "dates": lambda: np.zeros(x.shape, "datetime64[s]"),
        "a sparse tensor": lambda: tensor.to_sparse(),
        "a complex tensor": lambda: torch.complex(tensor, tensor),
        "a quantised tensor": lambda: torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.qint8),
        "a meta tensor": lambda: tensor.to("meta"),
    }
    for what, make in makers.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of some of these types themselves
            made = make()
            refused(subject, made, y, {"unsupported_type"}, f"x of {what}")
            refused(subject, y, made, {"unsupported_type"}, f"y of {what}")
