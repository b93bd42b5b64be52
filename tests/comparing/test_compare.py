"""Comparing models, checkpoints and arrays, as people would."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from vaescope.comparing.compare import compare
from vaescope.errors import RepresentationError, ResourceError, UsageError
from vaescope.models.kinship import kinship
from vaescope.runs.capture import capture
from vaescope.stats.similarity import similarity

RNG = np.random.default_rng(0)
X = RNG.standard_normal((160, 8))
NOISE = RNG.standard_normal((160, 30))
IMAGES = torch.from_numpy(RNG.random((120, 1, 6, 6)).astype(np.float32))


def mlp(seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.Tanh(), nn.Linear(24, 4))


def conv(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.ModuleDict({"maps": nn.Conv2d(1, 5, 3), "codes": nn.Linear(80, 3)})


def through_conv(model: Any, batch: Tensor) -> Tensor:
    return model["codes"](model["maps"](batch).relu().flatten(1))


class Foreign:
    """An array of a library that numpy can only read by its protocol."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self._values, dtype)


class Exchanged:
    """One that only has DLPack."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._values.__dlpack_device__()


def test_every_cell_is_the_similarity_of_its_pair():
    a, b = {"early": X, "late": X**3}, {"only": NOISE, "wide": np.hstack([X, NOISE]), "late": X[:, :2]}
    for measure in ("cka", "procrustes"):
        found = compare(a, b, measure=measure)
        for i, x in a.items():
            for j, y in b.items():
                assert found[i, j] == pytest.approx(similarity(x, y, measure), abs=1e-6)


@pytest.mark.parametrize(
    "as_other",
    [
        torch.from_numpy,
        lambda x: torch.from_numpy(x).to(torch.bfloat16),
        Foreign,
        Exchanged,
        lambda x: Exchanged(torch.from_numpy(x).to(torch.bfloat16)),
        lambda x: x.tolist(),
        lambda x: lambda: x,
        lambda x: x.reshape(160, 2, 2, 2),
        np.asfortranarray,
    ],
)
def test_arrays_of_any_library_will_do(as_other):
    found = compare({"x": as_other(X)}, {"y": X})
    assert found["x", "y"] == pytest.approx(1, abs=1e-4)


def test_single_arrays_will_do():
    assert compare(X, X + NOISE[:, :8]).matrix.shape == (1, 1)


def test_models_of_different_architectures_are_compared_layer_by_layer():
    a, b = mlp(0), conv(1)
    found = compare(a, b, IMAGES, forward_b=through_conv)
    mine, other = capture(a, IMAGES), capture(b, IMAGES, forward=through_conv)
    assert found.rows == tuple(mine)
    assert found.columns == tuple(other)
    assert found.names == ("Sequential", "ModuleDict")
    assert found["1", "codes"] == pytest.approx(similarity(mine["1"], other["codes"]), abs=1e-6)
    assert found.n == 120


class Noisy(Dataset):
    """Each time another augmentation."""

    def __len__(self) -> int:
        return 120

    def __getitem__(self, k: int) -> Tensor:
        return IMAGES[k] + torch.rand(1, 1, 1)


@pytest.mark.parametrize(
    ("data", "n"),
    [
        (lambda: DataLoader(TensorDataset(IMAGES), 16, shuffle=True), None),
        (lambda: DataLoader(TensorDataset(IMAGES), 16, shuffle=True), 37),
        (lambda: (batch for batch in IMAGES.split(50)), 60),
        (lambda: iter(DataLoader(TensorDataset(IMAGES), 16, shuffle=True)), None),
        (Noisy, 37),
        (lambda: DataLoader(Noisy(), 16), None),
        (lambda: IMAGES.numpy(), 37),
        (lambda: list(IMAGES.split(50)), None),
        (lambda: (IMAGES, torch.zeros(120)), None),
        (lambda: {"input": IMAGES}, 37),
    ],
)
def test_both_models_see_the_same_examples_in_the_same_order(data, n):
    found = compare(mlp(0), copy.deepcopy(mlp(0)), data(), n=n)
    assert found.n == (n or 120)
    assert found.identical == ("1", "2", "3")


def test_reading_the_data_leaves_random_states_as_they_were():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    compare(mlp(0), mlp(1), DataLoader(Noisy(), 16, shuffle=True))
    assert torch.equal(before, torch.get_rng_state())


def test_arrays_captured_before_go_with_a_model_shown_the_same():
    a = mlp(0)
    for data in (IMAGES, TensorDataset(IMAGES)):
        for arrays in (capture(a, data, n=50), capture(a, IMAGES)):
            assert compare(arrays, a, data, n=50).identical == ("1", "2", "3")


def test_models_stay_as_they_were():
    a = mlp(0).train()
    before = {k: w.clone() for k, w in a.state_dict().items()}
    compare(a, mlp(1), IMAGES)
    assert a.training
    assert all(torch.equal(w, before[k]) for k, w in a.state_dict().items())


def test_data_that_does_not_fit_is_refused_with_advice():
    loader = DataLoader(TensorDataset(IMAGES), 16)
    with pytest.raises(ResourceError, match=r"both models must see the same.*Give n"):
        compare(mlp(0), mlp(1), loader, memory_budget=10_000)
    with pytest.raises(ResourceError, match="a: "):
        compare(mlp(0), mlp(1), IMAGES, memory_budget=10_000)


def test_checkpoints_are_compared_through_copies_of_one_model(tmp_path):
    for k in (1, 2):
        save_file(mlp(k).state_dict(), tmp_path / f"seed{k}.safetensors")
    model, before = mlp(0), mlp(0)
    found = compare((model, tmp_path / "seed1.safetensors"), (model, str(tmp_path / "seed2.safetensors")), IMAGES)
    assert found.names == ("seed1", "seed2")
    assert np.array_equal(found.matrix, compare(mlp(1), mlp(2), IMAGES).matrix)
    assert np.array_equal(found.matrix, compare((model, mlp(1).state_dict()), mlp(2), IMAGES).matrix)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_files_of_representations_are_compared(tmp_path):
    np.savez(tmp_path / "run.npz", early=X, late=X**3)
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "run.npz", early=X, late=NOISE)
    found = compare(tmp_path / "run.npz", tmp_path / "other" / "run.npz", interval=True, null=True)
    assert found.names[1] == "other/run"
    assert found.identical == ("early",)
    assert found.diagonal()["low"].notna().all()
    some = compare(tmp_path / "run.npz", {"early": X}, n=40)
    assert some.n == 40
    assert some["early", "early"] == pytest.approx(1)


def test_weights_given_as_representations_are_told(tmp_path):
    save_file(mlp(1).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"w\.safetensors: .*If these are weights, give the model"):
        compare(tmp_path / "w.safetensors", {"x": X})


def test_best_and_diagonal_and_table_agree_with_the_matrix():
    a = {"one": X, "two": X**3, "dead": np.ones((160, 3)), "three": NOISE}
    b = {"three": NOISE + 0.1, "two": X**3 + NOISE[:, :8], "one": X}
    for measure in ("cka", "procrustes"):
        found = compare(a, b, measure=measure, interval="jackknife")
        square = found.to_pandas()
        best = found.best().set_index("layer_a")
        for label in ("one", "two", "three"):
            assert best.loc[label, "layer_b"] == square.loc[label].idxmax()
            assert best.loc[label, "second_score"] == square.loc[label].nlargest(2).iloc[1]
            assert best.loc[label, "low"] <= best.loc[label, "score"] <= best.loc[label, "high"]
        assert best.loc["dead", "layer_b"] == ""
        assert np.isnan(best.loc["dead", "score"])
        diagonal = found.diagonal().set_index("layer_a")
        assert list(diagonal.index) == ["one", "two", "three"]
        assert diagonal["score"].to_dict() == {k: square.loc[k, k] for k in diagonal.index}
        assert diagonal["identical"].to_dict() == {"one": True, "two": False, "three": False}
        table = found.table()
        assert len(table) == 12
        assert table["same_name"].sum() == 3
        assert set(table.columns) == {
            "layer_a", "layer_b", "score", "low", "high", "reason", "same_name", "width_a", "width_b",
        }  # fmt: skip


def test_of_a_distance_the_smallest_is_the_best():
    found = compare({"x": X}, {"far": NOISE, "near": X + 0.01 * NOISE[:, :8]}, measure="procrustes_angle")
    assert found.measure.larger_is_more_similar is False
    assert found.best()["layer_b"].tolist() == ["near"]


def test_a_model_is_compared_with_itself():
    found = compare(mlp(0), data=IMAGES)
    assert found.rows == found.columns
    assert (found.best()["layer_a"] != found.best()["layer_b"]).all()
    assert "from one layer to the next" in found.summary().lower()
    with pytest.raises(UsageError, match="compared with itself"):
        found.diagonal()


def test_the_summary_says_what_a_person_asks_first():
    a = {"one": X, "two": X**3, "three": X + 0.5 * NOISE[:, :8]}
    text = compare(a, {"one": X, "two": X**3 + 0.5 * NOISE[:, :8], "three": NOISE}).summary()
    assert "1 layer gave the same numbers in both, bit for bit: one." in text
    assert "They differ most in three" in text
    assert "least in two" in text
    assert "three is more like one" in text
    assert "bit for bit" in compare(a, a).summary()
    other = compare(a, {"alpha": X, "beta": NOISE}).summary()
    assert "No layer of one has a name" in other
    assert "one and alpha (1.00)" in other
    assert "no pair" in compare({"x": np.ones((160, 2))}, {"x": X}).summary().lower()


def test_the_summary_says_whether_matches_follow_the_depth():
    values = [X, X**3, NOISE, NOISE[:, :12] ** 3]
    a = {f"a{k}": x for k, x in enumerate(values)}
    assert "follow the depth" in compare(a, {f"b{k}": x for k, x in enumerate(values)}).summary()
    assert "do not follow" in compare(a, {f"b{k}": x for k, x in enumerate(reversed(values))}).summary()
    assert "the depth" not in compare(a, a).summary()


def test_dead_layers_few_examples_and_bias_are_warned_of():
    dead = np.zeros((160, 50))
    dead[:, 0] = X[:, 0]
    text = "\n".join(compare({"x": X, "flat": np.ones((160, 2)), "mostly": dead}, {"x": X}, measure="cka").warnings)
    assert "flat of a: no score (zero_variance)" in text
    assert "mostly of a (98%)" in text
    few = "\n".join(compare({"x": NOISE[:40]}, {"x": X[:40]}, measure="cka_biased").warnings)
    assert "n = 40 examples are few: scores depend" in few
    assert "x of a" in few
    assert "biased" in few
    assert compare({"x": X}, {"x": X}).warnings == ()


def test_kin_models_are_told_from_strangers():
    start, stranger, trained = mlp(0), mlp(1), mlp(0)
    for _ in range(30):
        trained.zero_grad()
        trained(IMAGES).square().mean().backward()
        with torch.no_grad():
            for w in trained.parameters():
                w -= 0.1 * w.grad
    assert kinship(start.state_dict(), trained.state_dict()).kin
    assert not kinship(stranger.state_dict(), trained.state_dict()).kin
    assert any("correlated" in w for w in compare(start, trained, IMAGES).warnings)
    assert compare(stranger, trained, IMAGES).warnings == ()
    assert "same weights, bit for bit" in compare(start, mlp(0), IMAGES).warnings[0]
    assert "are the same model" in compare(start, start, IMAGES).warnings[0]
    frozen = mlp(1)
    frozen[1] = start[1]
    assert any("2 of 4 weights of the same name are equal" in w for w in compare(start, frozen, IMAGES).warnings)


def test_layers_of_the_same_name_and_another_kind_are_told():
    other = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.Linear(24, 4))
    assert any("2 (Tanh and Linear)" in w for w in compare(mlp(0), other, IMAGES).warnings)


def test_a_model_that_is_part_of_another_has_its_layers_behind_a_prefix():
    inner = mlp(0)
    outer = nn.Sequential()
    outer.add_module("backbone", copy.deepcopy(inner))
    outer.add_module("head", nn.Linear(4, 2))
    for a, b in ((inner, outer), (outer, inner)):
        found = compare(a, b, IMAGES, names=("a", "b"))
        assert len(found.diagonal()) == len(found.identical) == 3
        assert found.table()["same_name"].sum() == 3
        assert "All 3 layers of the same name gave the same numbers" in found.summary()


def test_layers_are_chosen_of_models_and_arrays():
    found = compare(
        mlp(0), {"enc.1": X[:120], "enc.2": X[:120], "dec": X[:120]}, IMAGES, layers=["1", "3"], layers_b="enc.*"
    )
    assert found.rows == ("1", "3")
    assert found.columns == ("enc.1", "enc.2")
    with pytest.raises(UsageError, match=r"a has nothing called 'lat'; there are: late\. Did you mean 'late'"):
        compare({"late": X}, layers="lat")
    with pytest.raises(UsageError, match=r"^b: layers"):
        compare(mlp(0), mlp(1), IMAGES, layers_b="none")


def test_it_is_drawn_with_names_and_best_matches(tmp_path):
    found = compare({"one": X, "two": NOISE}, {"uno": X, "due": NOISE}, names=("mine", "yours"))
    spec = json.dumps(found.plot().to_dict())
    assert "mine" in spec
    assert "yours" in spec
    assert "framed" in spec
    assert compare({"one": X, "two": NOISE}).plot().to_dict()
    assert "<img" not in found._repr_html_()
    assert "mine (2 layers)" in found._repr_html_()


def test_names_are_data_in_a_notebook():
    page = compare({"<script>": X}, {"<b>": X}, names=("<i>", "<u>"))._repr_html_()
    assert "<script>" not in page
    assert "<i>" not in page


@pytest.mark.parametrize(
    ("a", "b", "options", "told"),
    [
        (None, None, {}, "expected a model, arrays or a path, got None"),
        (3, {"x": X}, {}, "a: expected a model"),
        ({"x": X}, (1, 2), {}, "b: expected a model"),
        ({}, {"x": X}, {}, "a: expected at least one representation"),
        ({"x": X}, {"x": X}, {"data": IMAGES}, "no model to show it to"),
        ({"x": X}, {"x": X}, {"measure": "ckaa"}, "Did you mean 'cka'"),
        ({"x": X}, {"x": X}, {"n": 0}, "n: expected a whole number"),
        ({"x": X}, {"x": X}, {"memory_budget": -5}, "memory_budget: expected a whole number"),
        ({"x": X}, {"x": X}, {"names": ("a", "a")}, "two different names"),
        ("none.npz", {"x": X}, {}, r"none\.npz: expected a file"),
        (mlp(0), {"x": X}, {}, "a is a model, which needs examples"),
        ((mlp(0), "none.safetensors"), {"x": X}, {"data": IMAGES}, r"none\.safetensors: expected a file of weights"),
        ((mlp(0), 3), {"x": X}, {"data": IMAGES}, r"a: expected \(model, path or state dict\), got int"),
        (mlp(0), mlp(1), {"data": iter([])}, "no examples came"),
        (mlp(0), mlp(1), {"data": 3}, "data: expected a tensor"),
    ],
)
def test_what_cannot_be_compared_is_told(a, b, options, told):
    with pytest.raises(UsageError, match=told):
        compare(a, b, **options)


def test_different_examples_and_things_that_are_no_arrays_are_told_by_name():
    with pytest.raises(RepresentationError, match="160 rows of 'x of a' and 159 of 'y of b'"):
        compare({"x": X}, {"y": X[1:]})
    with pytest.raises(RepresentationError, match=r"x of b: .*real numbers.*complex"):
        compare({"x": X}, {"x": X + 1j})

    class Away:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise TypeError("on another device")

    with pytest.raises(RepresentationError, match=r"x of a: numpy cannot read a .*Away: on another device"):
        compare({"x": Away()})
