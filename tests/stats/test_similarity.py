"""What `vaescope.similarity` takes, refuses and leaves alone."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.measure import MEASURES
from vaescope.stats.similarity import matrix, similarity

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 12))
Y = X[:, :5] + RNG.standard_normal((30, 5))

NAMES = sorted(set(MEASURES) - {"gaussian_shape"})  # whose rows are no free matrices; check_measure tests all of them


def refused(x, y, measure="cka") -> tuple[str, str]:
    with pytest.raises(RepresentationError) as caught:
        similarity(x, y, measure)
    return caught.value.reason, str(caught.value)


def test_numbers_of_examples_that_differ_name_both_shapes():
    reason, text = refused(X, Y[:20])
    assert reason == "shape_mismatch"
    assert "the same examples" in text
    assert "(30, 12)" in text
    assert "(20, 5)" in text


@pytest.mark.parametrize("n", [0, 1])
def test_no_examples_are_too_few(n):
    assert refused(X[:n], Y[:n])[0] == "too_few"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_values_that_are_not_finite_are_counted_and_the_first_is_found(value, dtype):
    bad = X.reshape(30, 3, 4).astype(dtype)
    bad[7, 2, 1] = bad[9, 0, 0] = value
    reason, text = refused(Y, bad)
    assert reason == "non_finite"
    assert "y: " in text
    assert "2 of 360" in text
    assert "[7, 2, 1]" in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1.0, -3e7, 0.1])
@pytest.mark.parametrize("p", [1, 12, 60])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_representations_are_refused(name, value, p, dtype):
    reason, text = refused(np.full((30, p), value, dtype), Y.astype(dtype), name)
    assert reason == "zero_variance"
    assert f"x of shape (30, {p})" in text


@pytest.mark.parametrize(
    "value",
    [
        X + 1j,
        X.astype(object),
        np.array([["a"]] * 30),
        np.zeros((30, 2), "datetime64[s]"),
        np.ma.masked_array(X, X > 1),
        torch.tensor(X) + 1j,
        torch.tensor(X).to_sparse(),
        torch.empty(30, 3, device="meta"),
        [{}] * 30,
        None,
    ],
    ids=["complex", "object", "text", "dates", "masked", "torch complex", "sparse", "meta", "dicts", "none"],
)
def test_what_has_no_real_numbers_is_refused(value):
    reason, text = refused(value, Y)
    assert reason == "unsupported_type"
    assert text.startswith("x: expected")


@pytest.mark.parametrize("value", [3.0, np.float64(3), torch.tensor(3.0), np.zeros((30, 0)), [[1, 2], [3]]])
def test_shapes_without_examples_or_features_are_refused(value):
    assert refused(value, Y)[0] == "shape_mismatch"


def test_unknown_measures_are_told_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'procrustes'"):
        similarity(X, Y, "procrutes")


def test_what_is_no_name_of_a_measure_is_told_what_is_expected():
    code = (  # on its own, since here jaxtyping would refuse it first
        "from vaescope.errors import UsageError; from vaescope.stats.similarity import similarity\n"
        "for measure in (None, 5, ['cka'], {'cka': 1}, b'cka'):\n"
        "    try: print(similarity([[1], [2]], [[1], [2]], measure))\n"
        "    except UsageError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = found.stdout.splitlines()
    assert [line.split(", got ")[1].split("; known: ")[0] for line in told] == [
        "None", "5", "['cka']", "{'cka': 1}", "b'cka'"
    ]  # fmt: skip
    assert all("expected the name of a measure" in line and "procrustes" in line for line in told)


@pytest.mark.parametrize("name", NAMES)
def test_one_number_an_example_is_one_feature(name):
    assert similarity(X[:, 0], Y, name) == similarity(X[:, :1], Y, name)


@pytest.mark.parametrize("name", NAMES)
def test_further_axes_are_flattened(name):
    assert similarity(X.reshape(30, 2, 3, 2), Y, name) == similarity(X, Y, name)


def test_nested_lists_are_arrays():
    assert similarity(X.tolist(), Y.tolist()) == similarity(X, Y)


WHOLE = np.clip(np.round(X * 20), -100, 100)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float16", "float32", "longdouble", ">f4", ">f8"])
def test_every_real_dtype_is_raised_to_a_safe_one(dtype):
    assert similarity(WHOLE.astype(dtype), Y) == pytest.approx(similarity(WHOLE, Y), abs=2e-6)


@pytest.mark.parametrize(("dtype", "raised"), [("f4", "f4"), ("f8", "f8"), ("i2", "f4"), ("f2", "f4"), ("i8", "f8")])
def test_the_order_of_the_bytes_does_not_matter(dtype, raised):
    there, swapped = WHOLE.astype(dtype), WHOLE.astype(np.dtype(dtype).newbyteorder("S"))
    assert there.dtype != swapped.dtype
    assert matrix(there).dtype == matrix(swapped).dtype == np.dtype(raised)
    assert matrix(swapped).dtype.isnative
    assert similarity(swapped, Y) == similarity(there, Y)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="longdouble is float64 here")
def test_longdouble_values_beyond_float64_are_not_finite():
    beyond = WHOLE.astype(np.longdouble)
    beyond[3, 1] = np.longdouble(10) ** 400
    reason, text = refused(beyond, Y)
    assert reason == "non_finite"
    assert "1 of 360" in text
    assert "[3, 1]" in text


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_integers_do_not_wrap(dtype):
    assert similarity((WHOLE + 100).astype(dtype), Y) == pytest.approx(similarity(WHOLE, Y), abs=2e-6)


def test_booleans_are_zeros_and_ones():
    assert similarity(X > 0, Y) == pytest.approx(similarity((X > 0).astype(float), Y), abs=2e-6)


def test_wide_integers_keep_their_digits():
    big = WHOLE.astype(np.int64) + 2**40
    assert similarity(big, Y) == pytest.approx(similarity(WHOLE, Y), abs=1e-6)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int64]
)
def test_every_real_torch_dtype_is_raised_to_a_safe_one(dtype):
    assert similarity(torch.tensor(WHOLE).to(dtype), Y) == pytest.approx(similarity(WHOLE, Y), abs=2e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.clone().requires_grad_(),
        lambda t: torch.nn.Parameter(t.clone()),
        lambda t: t.T.contiguous().T,
        lambda t: t.repeat_interleave(2, dim=0)[::2],
        lambda t: torch.view_as_complex(torch.stack([t, -t], -1)).conj().imag,
    ],
    ids=["requires grad", "parameter", "transposed", "strided", "negative bit"],
)
def test_every_kind_of_tensor_is_read_as_it_is(change):
    assert similarity(change(torch.tensor(X)), Y) == pytest.approx(similarity(X, Y), abs=1e-12)


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda a: a[::-1][::-1], lambda a: np.repeat(a, 2, 1)[:, ::2]],
    ids=["F", "-1", "step"],
)
@pytest.mark.parametrize("name", NAMES)
def test_memory_layout_does_not_matter(change, name):
    assert similarity(change(X), Y, name) == pytest.approx(similarity(X, Y, name), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("wide", [True, False])
def test_inputs_are_not_changed_and_may_be_read_only(name, dtype, wide):
    x = (np.repeat(X, 9, 1) if wide else X).astype(dtype)
    before = x.copy()
    x.flags.writeable = False
    similarity(x, Y, name)
    tensor = torch.tensor(before)
    similarity(tensor, Y, name)
    assert np.array_equal(x, before)
    assert np.array_equal(tensor.numpy(), before)


def test_gradients_are_not_kept():
    assert type(similarity(torch.tensor(X, requires_grad=True), Y)) is float


def test_numpy_users_do_not_wait_for_torch_or_pandas():
    code = (
        "import numpy as np, sys; from vaescope.stats.similarity import similarity\n"
        "similarity(np.arange(20).reshape(5, 4) % 7, np.arange(5) ** 2)\n"
        "print({'torch', 'pandas', 'zarr', 'pyarrow'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
