from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs.small import small_study

from vaescope.errors import UsageError
from vaescope.runs.batches import Order

RUN = small_study().runs()[0]


def order(total, size, purpose="order", **batches):
    run = replace(RUN, batch_size=size, batches={"order": "shuffled", "held_out": 0.0} | batches)
    return Order(run, total, purpose)


SIZES = {"total": st.integers(20, 200), "size": st.integers(1, 20)}


@given(**SIZES, held=st.sampled_from([0.0, 0.1, 0.5]))
def test_each_pass_of_a_shuffled_order_has_every_kept_example_once(total, size, held):
    found = order(total, size, held_out=held)
    kept = total - int(total * held)
    assert found.trained_on == kept
    every = found.examples(0, -(-3 * kept // size))[: 3 * kept].reshape(3, kept)
    assert {tuple(sorted(one)) for one in every.tolist()} == {tuple(sorted(every[0].tolist()))}
    assert len(set(every[0].tolist())) == kept
    assert kept < 20 or not np.array_equal(every[0], every[1])


@given(**SIZES, held=st.sampled_from([0.0, 0.1]))
def test_contiguous_batches_are_slices_of_the_stored_order_without_its_end(total, size, held):
    found = order(total, size, order="contiguous", held_out=held)
    slices = total // size
    kept = slices - int(slices * held)
    batches = found.examples(0, 2 * kept).reshape(2, kept, size)
    assert (np.diff(batches, axis=2) == 1).all()
    assert (batches[:, :, 0] % size == 0).all()
    for one in batches:
        assert sorted(one[:, 0].tolist()) == [size * k for k in range(kept)]
    assert found.trained_on == kept * size


@given(**SIZES, first=st.integers(0, 60), count=st.integers(1, 9), kind=st.sampled_from(["shuffled", "contiguous"]))
def test_the_examples_of_a_step_do_not_depend_on_where_one_starts(total, size, first, count, kind):
    whole = order(total, size, order=kind).examples(0, first + count)
    assert np.array_equal(order(total, size, order=kind).examples(first, count), whole[first * size :])


def test_another_purpose_or_seed_has_another_order():
    one = order(100, 4).examples(0, 25)
    assert not np.array_equal(one, order(100, 4, "critic order").examples(0, 25))


def test_a_dataset_smaller_than_one_contiguous_batch_is_refused_with_what_to_change():
    with pytest.raises(UsageError, match=r"has 10 examples.*batch_size=16.*smaller"):
        order(10, 16, order="contiguous")


def test_dsprites_contiguous_batches_hold_out_hearts_at_the_two_largest_scales():
    from vaescope.data.load import load_dataset

    dsprites = load_dataset("dsprites")
    found = order(len(dsprites), 64, order="contiguous", held_out=0.1)
    held = dsprites.factors(np.arange(found.trained_on, len(dsprites), 97))
    assert set(held[:, 0].tolist()) == {2}
    assert set(held[:, 1].tolist()) == {4, 5}
    batch = dsprites.factors(found.examples(5, 1))
    assert len({tuple(row) for row in batch[:, :3].tolist()}) == 1
    assert len(set(batch[:, 3].tolist())) == 2
