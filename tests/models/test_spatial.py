"""Reductions: against sums written out one by one, and the lemma they are named after."""

import numpy as np
import pytest
import torch

from vaescope.errors import UsageError
from vaescope.models import spatial
from vaescope.models.spatial import (
    AveragePool,
    ChannelMean,
    Flatten,
    PerLocation,
    Projection,
    Reduction,
    reduction,
    slabs,
)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow(value, kind, channels):
    """Rows of one example after another, from loops over its locations; `channels` is the axis without the examples."""
    rows = []
    for example in value.numpy():
        if example.ndim < 2:
            rows.append(example.reshape(-1))
            continue
        moved = np.moveaxis(example, channels, -1)
        locations = [moved[index] for index in np.ndindex(*moved.shape[:-1])]
        if kind == "per_location":
            rows += locations
        else:
            rows.append(
                {
                    "flatten": lambda at: np.concatenate(at),
                    "channel_mean": lambda at: np.array([place.mean() for place in at]),
                    "average_pool": lambda at: np.mean(at, axis=0),
                }[kind](locations)
            )
    return np.stack(rows)


@pytest.mark.parametrize("kind", [Flatten, ChannelMean, AveragePool, PerLocation])
@pytest.mark.parametrize(
    ("shape", "channels", "meant"),
    [
        ((5,), None, 0),
        ((5, 4), None, 0),
        ((5, 3, 4), None, 1),
        ((5, 3, 4), 1, 0),
        ((5, 2, 3, 4), None, 0),
        ((5, 2, 3, 4), -1, 2),
        ((5, 2, 2, 3, 4), None, 0),
    ],
)
def test_maps_tokens_and_vectors_are_reduced_as_if_written_out(kind, shape, channels, meant):
    value, reduced = rand(*shape), kind(channels=channels)
    rows = reduced.matrix(value).numpy()
    expected = slow(value, kind.name, meant)
    assert rows.shape == (expected.reshape(len(expected), -1)).shape
    assert np.allclose(rows, expected.reshape(len(expected), -1), atol=1e-6)
    assert reduced.width(shape[1:]) == rows.shape[1]
    assert reduced.rows(shape[1:]) * 5 == len(rows)


def test_projections_keep_distances_as_the_lemma_says():
    x = rand(40, 3000)
    error = torch.pdist(Projection(500).matrix(x)) ** 2 / torch.pdist(x) ** 2 - 1
    assert 0.7 < float(error.square().mean()) ** 0.5 / (2 / 500) ** 0.5 < 1.3


def test_a_projection_is_one_product_with_its_whole_matrix_and_made_in_slabs(monkeypatch):
    monkeypatch.setattr(spatial, "SLAB", 64 * 7)
    x = rand(6, 1001)
    signs = torch.cat([part for _, part in slabs(1001, 64, 3)])
    assert max(len(part) for _, part in slabs(1001, 64, 3)) == 7
    assert signs.shape == (1001, 64)
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(signs.mean())) < 0.02
    assert torch.allclose(Projection(64, seed=3).matrix(x), x @ signs / 8, atol=1e-4)


def test_layers_of_one_width_share_a_projection_and_seeds_differ():
    x, maps = rand(6, 64), rand(6, 4, 4, 4)
    both = torch.cat([x, maps.permute(0, 2, 3, 1).reshape(6, 64)])
    together = Projection(16).matrix(both)
    assert torch.allclose(torch.cat([Projection(16).matrix(x), Projection(16).matrix(maps)]), together, atol=1e-5)
    assert not torch.allclose(Projection(16, seed=1).matrix(x), together[:6])
    assert torch.equal(Projection(64).matrix(x), x)
    assert Projection(16).width((4, 4, 4)) == 16
    assert Projection(65).width((4, 4, 4)) == 64


def test_half_precision_is_summed_in_full():
    value = torch.full((2, 1, 300, 300), 1.0, dtype=torch.float16)
    assert AveragePool().matrix(value).tolist() == [[1.0], [1.0]]
    assert Projection(8).matrix(value).dtype == torch.float32


def test_unknown_reductions_and_axes_are_refused():
    assert isinstance(reduction("project"), Projection)
    own: Reduction = AveragePool(channels=2)
    assert reduction(own) is own
    with pytest.raises(UsageError, match=r"expected one of flatten.*Did you mean 'average_pool'"):
        reduction("averagepool")
    with pytest.raises(UsageError, match="expected the axis of the channels"):
        AveragePool(channels=3).matrix(rand(5, 3, 4))
    with pytest.raises(UsageError, match="expected k to be a whole number from 1"):
        Projection(0)
