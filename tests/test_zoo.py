"""All pairs of a zoo through the public function."""

import subprocess
import sys

import numpy as np
import pytest

import vaescope
from vaescope.errors import Interrupted, RepresentationError, UsageError
from vaescope.progress import Progress
from vaescope.stats.measure import MEASURES, Reason

NAMES = [name for name in sorted(MEASURES) if name != "gaussian_shape"]


def zoo(count: int = 7, n: int = 60) -> dict[str, np.ndarray]:
    """Related representations of different widths, wider and narrower than n."""
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((n, 4))
    widths = [4, 90, 17, 200, 9, 61, 33]
    return {
        f"layer {k}": (shared @ rng.standard_normal((4, p)) + rng.standard_normal((n, p))).astype(np.float32)
        for k, p in enumerate(widths[k % 7] for k in range(count))
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_the_similarity_of_its_pair(name):
    reps = zoo(5, 120)
    found = vaescope.similarity_matrix(reps, measure=name)
    for i, (a, x) in enumerate(reps.items()):
        for j, (b, y) in enumerate(reps.items()):
            try:
                expected, reason = vaescope.similarity(x, y, name), "ok"
            except RepresentationError as error:
                expected, reason = np.nan, error.reason
            assert Reason(int(found.reasons[i, j])).label == reason
            assert found[a, b] == pytest.approx(expected, abs=3e-7, nan_ok=True)


@pytest.mark.parametrize("name", ["cka", "cka_biased", "procrustes"])
def test_bits_do_not_depend_on_budget_workers_or_folder(name, tmp_path):
    reps = zoo(130, 40)
    whole = vaescope.similarity_matrix(reps, measure=name, workers=1)
    for options in ({"memory_budget": 1}, {"workers": 3}, {"folder": tmp_path}, {"folder": tmp_path, "workers": 1}):
        assert np.array_equal(vaescope.similarity_matrix(reps, measure=name, **options).matrix, whole.matrix), options


@pytest.mark.parametrize("name", ["cka", "cka_biased"])
def test_bits_do_not_depend_on_the_order(name):
    reps = zoo(40, 40)
    whole = vaescope.similarity_matrix(reps, measure=name).to_pandas()
    turned = vaescope.similarity_matrix(dict(reversed(reps.items())), measure=name).to_pandas()
    assert np.array_equal(turned.loc[whole.index, whole.columns].to_numpy(), whole.to_numpy())


class Stops(Progress):
    def __init__(self, after: int) -> None:
        self.left = after

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Interrupted


def test_stopped_anywhere_the_same_call_continues(tmp_path):
    reps = zoo(200, 30)
    reps["layer 7"], reps["layer 150"] = reps["layer 3"], reps["layer 3"].copy()
    loaded: list[str] = []

    def loader(label):
        return lambda: (loaded.append(label), reps[label])[1]

    lazy = {label: loader(label) for label in reps}
    whole = vaescope.similarity_matrix(reps).matrix
    stops = 0
    after = 30
    for _ in range(60):
        try:
            found = vaescope.similarity_matrix(lazy, folder=tmp_path, progress=Stops(after), memory_budget=1)
            break
        except Interrupted:
            stops += 1
            after += 60
    assert stops > 2
    assert np.array_equal(found.matrix, whole)
    loaded.clear()
    blocks = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("blocks/*")}
    again = vaescope.similarity_matrix(lazy, folder=tmp_path, memory_budget=1)
    assert np.array_equal(again.matrix, whole)
    assert len(loaded) <= 1  # the first, to see how many examples there are
    assert blocks == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("blocks/*")}


def test_damaged_files_of_the_folder_are_made_again(tmp_path):
    reps = zoo(5)
    whole = vaescope.similarity_matrix(reps, folder=tmp_path).matrix
    for file in [*tmp_path.rglob("prepared/*"), *tmp_path.rglob("blocks/*")]:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    assert np.array_equal(vaescope.similarity_matrix(reps, folder=tmp_path).matrix, whole)


def test_other_values_under_the_same_label_are_other_representations(tmp_path):
    reps = zoo(3)
    vaescope.similarity_matrix(reps, folder=tmp_path)
    reps["layer 0"] = reps["layer 0"] + np.random.default_rng(0).standard_normal(reps["layer 0"].shape)
    assert np.array_equal(
        vaescope.similarity_matrix(reps, folder=tmp_path).matrix, vaescope.similarity_matrix(reps).matrix
    )


def test_two_zoos_are_compared_crosswise():
    reps = zoo(5)
    whole = vaescope.similarity_matrix(reps)
    some, rest = ({k: reps[k] for k in part} for part in (["layer 1", "layer 3"], ["layer 0", "layer 2", "layer 4"]))
    found = vaescope.similarity_matrix(some, rest)
    assert found.rows == ("layer 1", "layer 3")
    assert found.matrix.shape == (2, 3)
    assert found["layer 3", "layer 2"] == pytest.approx(whole["layer 3", "layer 2"], abs=1e-12)


def test_what_has_no_score_is_told_and_spoils_no_neighbour():
    reps = zoo(4)
    good = vaescope.similarity_matrix(reps).to_pandas()
    bad = dict(reps)
    bad["dead"] = np.ones((60, 5), np.float32)
    bad["broken"] = lambda: np.full((60, 3), np.nan, np.float32)
    found = vaescope.similarity_matrix(bad)
    assert found.to_pandas().loc[good.index, good.columns].equals(good)
    assert any("dead" in w and "zero_variance" in w for w in found.warnings)
    assert any("broken" in w and "non_finite" in w for w in found.warnings)
    tidy = found.to_pandas(tidy=True)
    assert set(tidy[tidy.x == "dead"].reason) == {"zero_variance", "non_finite"} or set(
        tidy[tidy.x == "dead"].reason
    ) == {"zero_variance"}
    assert len(tidy) == 36


def test_different_examples_are_refused_naming_both():
    with pytest.raises(RepresentationError, match=r"60 rows of 'a' and 59 of 'b'") as caught:
        vaescope.similarity_matrix({"a": np.ones((60, 2)), "b": np.ones((59, 2))})
    assert caught.value.reason == "shape_mismatch"


def test_nothing_to_compare_and_unknown_names_are_refused():
    with pytest.raises(UsageError, match="at least one"):
        vaescope.similarity_matrix({})
    with pytest.raises(UsageError, match="Did you mean 'cka'"):
        vaescope.similarity_matrix([np.eye(5)], measure="cak")
    with pytest.raises(UsageError, match=r"no representation is called 'layer 9'.*Did you mean"):
        vaescope.similarity_matrix(zoo(3))["layer 9", "layer 1"]


def test_it_plots(tmp_path):
    chart = vaescope.similarity_matrix(zoo(4)).plot()
    chart.save(str(tmp_path / "zoo.svg"))
    assert "layer 3" in (tmp_path / "zoo.svg").read_text()


def test_intervals_and_nulls_come_with_the_scores():
    reps = zoo(4)
    reps["noise"] = np.random.default_rng(9).standard_normal((60, 40)).astype(np.float32)
    found = vaescope.similarity_matrix(reps, interval="jackknife", null=True)
    plain = vaescope.similarity_matrix(reps)
    assert np.allclose(found.matrix, plain.matrix, atol=1e-7)
    assert set(found.extras) == {"low", "high", "null_mean", "null_sd", "calibrated", "p", "p_tail", "p_adjusted"}
    assert (found.extras["low"] <= found.matrix + 1e-9).all()
    assert (found.extras["high"] >= found.matrix - 1e-9).all()
    tidy = found.to_pandas(tidy=True).set_index(["x", "y"])
    assert tidy.loc[("layer 1", "layer 3"), "p_adjusted"] < 0.01
    assert tidy.loc[("layer 1", "noise"), "p"] > 0.01
    assert np.isnan(tidy.loc[("layer 1", "layer 1"), "p"])
    assert tidy.loc[("layer 1", "noise"), "null_sd"] == pytest.approx(np.sqrt(2 / (60 * 57)), rel=1e-6)


@pytest.mark.parametrize("name", ["procrustes", "mutual_knn", "linear_regression", "rsa_pearson"])
def test_any_measure_has_a_null_by_permutations(name):
    reps = {label: zoo(5, 120)[label] for label in ("layer 0", "layer 2", "layer 4")}
    found = vaescope.similarity_matrix(reps, measure=name, null=39)
    off = ~np.eye(3, dtype=bool)
    assert (found.extras["p"][off] == 1 / 40).all()
    assert ((found.extras["calibrated"][off] > 0.05) & (found.extras["calibrated"][off] <= 1)).all()
    assert np.isnan(found.extras["p"][~off]).all() or not off.all()


def test_certainty_is_kept_in_the_folder_and_depends_on_nothing_else(tmp_path):
    reps = zoo(5)
    options = {"interval": "jackknife", "null": True}
    whole = vaescope.similarity_matrix(reps, **options)
    for again in range(2):
        kept = vaescope.similarity_matrix(reps, folder=tmp_path, **options)
        for name, values in whole.extras.items():
            assert np.array_equal(kept.extras[name], values, equal_nan=True), (name, again)


def test_few_examples_for_the_dimensions_are_warned_of_where_the_measure_is_biased():
    reps = {str(k): np.random.default_rng(k).standard_normal((50, 200)) for k in range(2)}
    for name, warned in (("cka", False), ("cka_biased", True), ("procrustes", True), ("mutual_knn", False)):
        found = vaescope.similarity_matrix(reps, measure=name)
        assert any("n = 50 examples are few" in w for w in found.warnings) == warned


def test_equal_representations_are_prepared_once_and_score_alike(monkeypatch, tmp_path):
    from vaescope.stats.forms.gram import LinearGram

    made: list[int] = []
    of = LinearGram.of.__func__
    monkeypatch.setattr(LinearGram, "of", classmethod(lambda cls, x: (made.append(x.p), of(cls, x))[1]))
    reps = zoo(4)
    twice = {**reps, **{f"again {k}": x.copy() for k, x in reps.items()}}
    almost = reps["layer 1"].copy()
    almost[-1, -1] += 1
    found = vaescope.similarity_matrix({**twice, "almost": almost})
    assert len(made) == 5
    square = found.to_pandas()
    whole = vaescope.similarity_matrix(reps).to_pandas()
    for a in whole:
        for b in whole:
            assert square.loc[a, f"again {b}"] == square.loc[f"again {a}", b] == whole.loc[a, b]
    assert square.loc["layer 1", "almost"] < 1
    for _ in range(2):
        kept = vaescope.similarity_matrix({**twice, "almost": almost}, folder=tmp_path)
        assert np.array_equal(kept.matrix, found.matrix)


def test_a_measure_with_options_is_prepared_with_them(tmp_path):
    from vaescope.stats.measures.procrustes import Procrustes

    reps = zoo(4)
    cut = Procrustes(energy=0.5)
    expected = vaescope.similarity(reps["layer 1"], reps["layer 3"], cut)
    assert expected != vaescope.similarity(reps["layer 1"], reps["layer 3"], "procrustes")
    assert vaescope.similarity_matrix(reps, measure="procrustes", folder=tmp_path)["layer 1", "layer 3"] != expected
    for folder in (None, tmp_path, tmp_path):
        found = vaescope.similarity_matrix(reps, measure=cut, folder=folder)
        assert found["layer 1", "layer 3"] == pytest.approx(expected, abs=1e-7)


def test_only_equal_representations_are_taken_for_equal():
    rng = np.random.default_rng(0)
    labels = np.zeros(1000)
    labels[:10] = 1
    a, b = (np.stack([order, 1 - order], 1) for order in (rng.permutation(labels), rng.permutation(labels)))
    found = vaescope.similarity_matrix({"a": a, "b": b})
    assert found["a", "b"] == pytest.approx(vaescope.similarity(a, b), abs=1e-12)
    assert found["a", "b"] < 0.1


def test_a_folder_serves_other_selections_of_the_same_representations(tmp_path):
    reps = zoo(3)
    same = reps["layer 0"]
    vaescope.similarity_matrix({"o": lambda: same, "t": same.copy, "c": lambda: reps["layer 1"]}, folder=tmp_path)
    again = {"t": same.copy, "c": lambda: reps["layer 1"]}
    found = vaescope.similarity_matrix(again, folder=tmp_path)
    assert np.array_equal(found.matrix, vaescope.similarity_matrix(again).matrix)
    three = {k: lambda: same for k in "xyz"}
    assert (vaescope.similarity_matrix(three, folder=tmp_path).matrix > 0.999999).all()


def test_equal_representations_are_tested_against_chance_like_others(tmp_path):
    reps = zoo(3)
    reps["copy"] = reps["layer 1"].copy()
    for folder in (None, tmp_path, tmp_path):
        found = vaescope.similarity_matrix(reps, null=True, folder=folder)
        cell = found.to_pandas(tidy=True).set_index(["x", "y"]).loc[("layer 1", "copy")]
        assert cell["p"] < 1e-6
        assert cell["calibrated"] == pytest.approx(1, abs=1e-6)
    crosswise = vaescope.similarity_matrix(reps, reps, null=True, folder=tmp_path)
    assert np.isfinite(crosswise.extras["p"]).all()


def test_many_examples_of_few_features_load_lazily_too():
    x = np.random.default_rng(0).standard_normal((40_500, 3))
    found = vaescope.similarity_matrix({"a": lambda: x, "b": lambda: x[:, :2]})
    assert found["a", "b"] == pytest.approx(vaescope.similarity(x, x[:, :2]), abs=1e-9)


@pytest.mark.parametrize("name", ["procrustes", "bures", "cca", "svcca", "mutual_knn", "permutation"])
def test_bits_do_not_depend_on_the_order_of_pairs_either(name):
    reps = zoo(9, 120)
    whole = vaescope.similarity_matrix(reps, measure=name).to_pandas()
    turned = vaescope.similarity_matrix(dict(reversed(reps.items())), measure=name).to_pandas()
    assert np.array_equal(turned.loc[whole.index, whole.columns].to_numpy(), whole.to_numpy(), equal_nan=True)


@pytest.mark.parametrize("options", [{"memory_budget": -1}, {"workers": 0}, {"level": 95}, {"seed": -1}, {"null": -3}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        vaescope.similarity_matrix(zoo(2), **options)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("similarity_matrix(np.eye(5))", "Wrap it"),
        ("similarity_matrix({1: np.eye(5), '1': np.eye(5)})", "labels must differ"),
        ("similarity_matrix([np.eye(5)], precision='half')", "expected 'exact' or 'fast', got 'half'"),
        ("similarity_matrix([np.eye(5)], workers=1.5)", "workers: expected a number"),
        ("similarity_matrix([np.eye(5)], null='yes')", "null: expected True"),
        ("similarity(np.eye(5), np.eye(5), precision='half')", "got 'half'"),
    ],
)
def test_what_type_checkers_would_find_is_told_in_words(call, told):
    asked = f"try:\n    vaescope.{call}\nexcept vaescope.errors.UsageError as e:\n    print(e)"
    code = f"import numpy as np, vaescope\n{asked}"
    command = [sys.executable, "-c", "import vaescope.errors\n" + code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert told in result.stdout
