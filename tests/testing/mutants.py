"""Wrong measures: what is wrong -> the measure, and the checks that must catch it.

Each is a definition of `definitions.py` with one step replaced. Those for which a check of `agrees_with_...` is named
are wrong only in their values: they keep all they declare, and the reference, the right definition, tells.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import sleep
from typing import Any

import definitions as d
import numpy as np
from definitions import Centred, form, raw, third_party

from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import whole
from vaescope.stats.measure import PairMeasure

REFERENCE = "agrees_with_its_reference"
HARD_REFERENCE = "agrees_with_its_reference_or_refuses_on_hard_data"


@dataclass(frozen=True)
class Mutant:
    """What is wrong, of which right measure it is made, what is replaced, and the checks that must catch it."""

    wrong: str
    of: str
    caught_by: tuple[str, ...]
    score: d.Score | None = None
    declared: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.of}: {self.wrong}"

    @property
    def reference(self) -> d.Score | None:
        return d.reference(self.of) if any("reference" in name for name in self.caught_by) else None

    def measure(self) -> type[PairMeasure]:
        score, declared = d.RIGHT[self.of]
        return third_party(self.score or score, **declared | self.declared)


def mutant(of: str, wrong: str, *caught_by: str, score: d.Score | None = None, **declared: Any) -> Mutant:
    return Mutant(wrong, of, caught_by, score, declared)


def changed(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """The centred representation, changed."""
    return {"form": form(lambda x: change(x.centred))}


# --- steps that are wrong ---------------------------------------------------------------------------------------------


def rows_centred(x: Examples) -> np.ndarray:
    values = raw(x)
    values = values - values.mean(axis=1, keepdims=True)
    return values / np.linalg.norm(values)


def one_sided(x: np.ndarray, y: np.ndarray) -> float:
    k, l = d.gram(x - x.mean(axis=0)), d.gram(y)  # noqa: E741
    return float(np.clip((k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum()), 0, 1))


def norms(power: float, x: np.ndarray, y: np.ndarray) -> float:
    k, l = d.gram(x), d.gram(y)  # noqa: E741
    return float((k * l).sum() / ((k * k).sum() * (l * l).sum()) ** power)


def traces(x: np.ndarray, y: np.ndarray) -> float:
    return float((d.gram(x) * d.gram(y)).sum())


def of_features(x: np.ndarray, y: np.ndarray) -> float:
    return d.cka_biased(x.T, y.T)


def in_float32(x: Examples) -> np.ndarray:
    """Centred by subtracting n m m^T from the second moments, as written: digits are lost."""
    values = raw(x).astype(np.float32)
    gram = values @ values.T
    ones = np.full((len(values), len(values)), np.float32(1 / len(values)))
    gram = gram - ones @ gram - gram @ ones + ones @ gram @ ones
    return (gram / np.linalg.norm(gram)).astype(np.float64)


def centred_late(x: Examples) -> np.ndarray:
    return in_float32(x) if x.x.dtype == np.float32 else d.gram(x.centred)


def to_half(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16).astype(x.dtype) if x.dtype == np.float32 else x


def of_two_features(x: np.ndarray, y: np.ndarray) -> float:
    if min(x.shape[1], y.shape[1]) < 2:
        raise IndexError("no second feature")
    return d.cka_biased(x, y)


def z_scored(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    x = x[:, spread > 0] / spread[spread > 0]
    return x / np.linalg.norm(x)


def rotation_only(x: np.ndarray, y: np.ndarray) -> float:
    """Without reflections."""
    if x.shape[1] != y.shape[1]:
        return d.procrustes(x, y)
    u, s, v = np.linalg.svd(x.T @ y)
    if np.linalg.det(u @ v) < 0:
        s[-1] = -s[-1]
    return float(np.clip(s.sum(), 0, 1))


def not_turned(x: np.ndarray, y: np.ndarray) -> float:
    shared = min(x.shape[1], y.shape[1])
    return float(np.clip((x[:, :shared] * y[:, :shared]).sum(), 0, 1))


def frobenius(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt((d.singular_values(x, y) ** 2).sum()))


def normalised_frobenius(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(d.cka_biased(x, y)))


def with_itself(x: np.ndarray, y: np.ndarray, k: int = 5) -> float:
    a, b = d.neighbours(x, k, itself=True), d.neighbours(y, k, itself=True)
    return float(((a & b).sum(axis=1) / (a | b).sum(axis=1)).mean())


def six_neighbours(x: np.ndarray, y: np.ndarray) -> float:
    a, b = d.neighbours(x, 6), d.neighbours(y, 6)
    return float(((a & b).sum(axis=1) / (a | b).sum(axis=1)).mean())


def first_of_ties(x: np.ndarray, y: np.ndarray) -> float:
    near = []
    for a in (x, y):
        distances = np.round(d.squareform(d.distances(a)), 13)
        np.fill_diagonal(distances, np.inf)
        near.append(np.argsort(distances, axis=1, kind="stable")[:, :5])
    return float(np.mean([len({*a} & {*b}) / len({*a} | {*b}) for a, b in zip(*near, strict=True)]))


def over_the_union_of_all(x: np.ndarray, y: np.ndarray) -> float:
    return float((d.neighbours(x) & d.neighbours(y)).sum() / (5 * len(x)) / 2)


def ranks_in_order(x: np.ndarray, y: np.ndarray) -> float:
    """Ties get the ranks of the order in which they come."""
    ranks = [np.round(d.distances(a), 13).argsort(kind="stable").argsort(kind="stable") for a in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1])


def own_bandwidth(x: np.ndarray, y: np.ndarray) -> float:
    sigma = float(np.median(d.distances(x)))
    return max(d.cosine(d.centred_matrix(d.rbf(x, sigma)), d.centred_matrix(d.rbf(y, sigma))), 0.0)


def not_centred(x: np.ndarray, y: np.ndarray) -> float:
    return d.cosine(d.rbf(x), d.rbf(y))


def not_whitened(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.clip(d.singular_values(x, y).sum() / np.linalg.norm(x) / np.linalg.norm(y), 0, 1))


def over_x_alone(x: np.ndarray, y: np.ndarray) -> float:
    return float(d.correlations(x, y).sum() / x.shape[1])


def dead_counted(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.clip(d.correlations(x, y).sum() / min(x.shape[1], y.shape[1]), 0, 1))


def squared_correlations(x: np.ndarray, y: np.ndarray) -> float:
    return float((d.correlations(x, y) ** 2).mean())


def greedy(products: np.ndarray, maximize: bool) -> tuple[np.ndarray, np.ndarray]:
    left, pairs = products.copy(), []
    for _ in range(min(products.shape)):
        i, j = np.unravel_index(int(np.argmax(left)), left.shape)
        pairs.append((i, j))
        left[i], left[:, j] = -np.inf, -np.inf
    rows, columns = np.array(pairs).T
    return rows, columns


def signless(x: np.ndarray, y: np.ndarray) -> float:
    products = np.abs(x.T @ y)
    return float(np.clip(products[d.linear_sum_assignment(products, maximize=True)].sum(), 0, 1))


def worst_match(products: np.ndarray, maximize: bool) -> tuple[np.ndarray, np.ndarray]:
    return d.linear_sum_assignment(products, maximize=False)


def in_place(x: Examples) -> np.ndarray:
    kept = x.centred.copy()
    x.x[...] = x.x - x.x.mean(axis=0)
    return kept


def held(x: Examples) -> np.ndarray:
    x.centred  # noqa: B018 - refuses what it should
    return x.x


def cosine_of_held(x: np.ndarray, y: np.ndarray) -> float:
    x, y = (a.astype(np.float64) - a.astype(np.float64).mean(axis=0) for a in (x, y))
    return d.cka_biased(x / np.abs(x).max(), y / np.abs(y).max())


def nan_taken(x: Examples) -> np.ndarray:
    return Examples(np.nan_to_num(x.x, posinf=0, neginf=0)).centred


def constant_as(value: float, x: Examples) -> np.ndarray:
    refuse = not (x.x != x.x[0]).any() and np.isfinite(x.x).all()
    return np.full((x.n, 1), value) if refuse else x.centred


def zero_if_flat(x: np.ndarray, y: np.ndarray) -> float:
    return 0.0 if not x.any() or not y.any() else d.cka_biased(x, y)


def one_if_flat(x: np.ndarray, y: np.ndarray) -> float:
    return 1.0 if not x.any() or not y.any() else d.cka_biased(x, y)


def refused_as(reason: str, x: Examples) -> np.ndarray:
    try:
        return x.centred
    except RepresentationError as error:
        raise RepresentationError(str(error), reason) from None


def plain_error(x: Examples) -> np.ndarray:
    try:
        return x.centred
    except RepresentationError as error:
        raise ValueError(str(error)) from None


def rounded_noise(x: Examples) -> np.ndarray:
    """Near-constant layers taken as they come: what is left of them is rounding."""
    values = raw(x)
    values = values - values.mean(axis=0)
    return values / np.linalg.norm(values)


def overflowing(x: Examples) -> np.ndarray:
    values = x.x - x.x.mean(axis=0, dtype=np.float64).astype(x.x.dtype)
    x.centred  # noqa: B018 - refuses what it should
    return (values / np.sqrt((values * values).sum())).astype(np.float64)


def memory_order(x: Examples) -> np.ndarray:
    x.centred  # noqa: B018 - refuses what it should
    return Examples(x.x.ravel("K").reshape(x.x.shape)).centred


def square_of_width(x: np.ndarray, y: np.ndarray) -> float:
    covariances = (x.T @ x, y.T @ y)
    cross = (x.T @ y) ** 2
    return float(np.clip(cross.sum() / np.prod([np.linalg.norm(c) for c in covariances]), 0, 1))


def first_batch(x: np.ndarray, y: np.ndarray) -> float:
    return d.cka_biased(*(a[:256] - a[:256].mean(axis=0) for a in (x, y)))


def without_last(x: np.ndarray, y: np.ndarray) -> float:
    return d.cka_biased(*(a[:-1] - a[:-1].mean(axis=0) for a in (x, y)))


def first_features(x: np.ndarray, y: np.ndarray) -> float:
    return d.cka_biased(x[:, :64], y[:, :64])


def remembered() -> d.Score:
    seen: dict[tuple[int, ...], float] = {}

    def score(x: np.ndarray, y: np.ndarray) -> float:
        return seen.setdefault((*x.shape, *y.shape), d.cka_biased(x, y))

    return score


def drawn() -> d.Score:
    rng = np.random.default_rng(0)

    def score(x: np.ndarray, y: np.ndarray) -> float:
        rows = rng.permutation(len(x))[: max(3, len(x) - 1)]
        return d.cka_biased(x[rows] - x[rows].mean(axis=0), y[rows] - y[rows].mean(axis=0))

    return score


def shared_buffer() -> d.Score:
    buffer: dict[str, np.ndarray] = {}

    def score(x: np.ndarray, y: np.ndarray) -> float:
        buffer["x"] = x
        if len(x) == 60:
            sleep(0.002)  # another thread comes between
        return d.cka_biased(buffer["x"], y)

    return score


def relative_block(self: Any, xs: Any, ys: Any, *rest: Any) -> np.ndarray:
    found = PairMeasure.block(self, xs, ys, *rest)
    return found / found.mean() if found.size > 1 else found


def wanted_turned(self: Any, xs: Any, ys: Any, wanted: Any = None, *rest: Any) -> np.ndarray:
    """The pairs (j, i) for the wanted pairs (i, j)."""
    turned = wanted.T if wanted is not None and len(xs) == len(ys) else wanted
    return PairMeasure.block(self, xs, ys, turned, *rest)


def as_they_come(
    self: Any, xs: Any, ys: Any, wanted: Any = None, engine: Any = map, progress: Any = None
) -> np.ndarray:
    """Scores in the order in which the engine works on them."""
    found: list[float] = []
    pairs = [(x, y) for x in xs for y in ys]
    list(engine(lambda pair: found.append(self.pair(*pair)), pairs))
    return np.array(found, np.float64).reshape(len(xs), len(ys))


def uncentred_if_wide(self: Any, n: int, widths: Any) -> type:
    return form(raw, name="test_raw") if max(widths) > 1000 else self.form


def raising_pair(self: Any, x: Any, y: Any) -> float:
    x, y = whole(x.values), whole(y.values)
    if max(x.shape[1], y.shape[1]) > len(x):
        raise RepresentationError("too wide for these examples", "too_few")
    return d.cka_biased(x, y)


def counted(self: Any, x: Any, y: Any) -> float:
    self.asked = getattr(self, "asked", 0) + 1
    return d.cka_biased(whole(x.values), whole(y.values))


def halved(self: Centred) -> dict[str, np.ndarray]:
    return {"values": whole(self.values).astype(np.float16).astype(np.float32)}


def object_arrays(self: Centred) -> dict[str, np.ndarray]:
    return {"values": whole(self.values).astype(object)}


# --- the table --------------------------------------------------------------------------------------------------------

ROTATIONS = "rotations_are_as_declared"
SCALINGS = "scalings_are_as_declared"
TRANSLATIONS = "translations_are_as_declared"
FEATURES = "feature_permutations_are_as_declared"
MAPS = "linear_maps_are_as_declared"
ITSELF = "is_extreme_on_itself"
SYMMETRY = "symmetry_is_as_declared"
BOUNDS = "is_within_its_bounds"
DIRECTION = "the_better_score_means_more_similar"
FINITE = "refuses_values_that_are_not_finite"
VARYING = "refuses_what_does_not_vary"
LEAST = "answers_from_minimum_n_on"

MUTANTS = (
    # centring, normalising, dimensions
    mutant("cka_biased", "forgotten centring", TRANSLATIONS, form=form(raw)),
    mutant("cka_biased", "rows centred instead of columns", TRANSLATIONS, form=form(rows_centred)),
    mutant("cka_biased", "only x centred", TRANSLATIONS, SYMMETRY, score=one_sided, form=form(raw)),
    mutant("cka_biased", "missing square root in the normaliser", ITSELF, BOUNDS, score=partial(norms, 1.0)),
    mutant("cka_biased", "missing square root, clipped", DIRECTION, score=lambda x, y: min(norms(1.0, x, y), 1.0)),
    mutant("cka_biased", "square root too many in the normaliser", ITSELF, score=partial(norms, 0.25)),
    mutant("cka_biased", "normalised by traces", ITSELF, score=traces),
    mutant("cka_biased", "features and examples exchanged", BOUNDS, score=of_features),
    mutant("cka_biased", "each feature scaled to variance 1", ROTATIONS, **changed(z_scored)),
    mutant("cka_biased", "the cosine squared", REFERENCE, score=lambda x, y: d.cka_biased(x, y) ** 2),
    mutant("cka_biased", "rounded to three digits", REFERENCE, score=lambda x, y: round(d.cka_biased(x, y), 3)),
    mutant("cka_biased", "float16 products", REFERENCE, **changed(lambda x: x.astype(np.float16).astype(np.float64))),
    mutant(
        "cka_biased",
        "Gram matrices centred in float32 after the products",
        TRANSLATIONS,
        score=lambda x, y: max(d.cosine(x, y), 0.0),
        form=form(in_float32, nbytes=staticmethod(lambda n, p: 8 * n * n)),
    ),
    mutant(
        "cka_biased",
        "float32 taken down to float16",
        "float32_is_right_on_good_data",
        form=form(lambda x: Examples(to_half(x.x)).centred),
    ),
    mutant(
        "cka_biased",
        "float32 centred after the products",
        "float32_is_right_or_refused_on_hard_data",
        "many_examples_cost_no_digits",
        score=lambda x, y: max(d.cosine(x, y), 0.0),
        form=form(centred_late),
    ),
    mutant("cka_biased", "one feature is too few for it", "every_shape_is_answered_or_refused", score=of_two_features),
    # debiasing
    mutant(
        "cka",
        "U-centred with n - 1 for n - 2",
        REFERENCE,
        score=lambda x, y: d.cosine(*(d.u_centred(d.gram(a), 1.5) for a in (x, y))),
    ),
    mutant(
        "cka",
        "diagonal kept, so still biased",
        REFERENCE,
        "bias_of_wide_layers_is_told",
        score=lambda x, y: d.cosine(*(d.centred_matrix(d.gram(a)) for a in (x, y))),
    ),
    mutant("cka", "negative values clipped", HARD_REFERENCE, score=lambda x, y: max(d.cka(x, y), 0.0)),
    mutant("cka", "sign lost", HARD_REFERENCE, score=lambda x, y: abs(d.cka(x, y))),
    # the Procrustes family
    mutant("procrustes", "Frobenius norm for nuclear norm", ITSELF, score=frobenius),
    mutant("procrustes", "Frobenius norm, normalised", REFERENCE, score=normalised_frobenius),
    mutant("procrustes", "trace for nuclear norm: nothing is turned", ROTATIONS, FEATURES, score=not_turned),
    mutant("procrustes", "rotations without reflections", ROTATIONS, score=rotation_only),
    mutant("procrustes", "largest singular value alone", ITSELF, score=lambda x, y: d.singular_values(x, y).max()),
    mutant("procrustes_angle", "too narrow bounds", BOUNDS, bounds=(0.0, 1.0)),
    mutant(
        "procrustes_angle",
        "squared distance, declared a metric",
        "triangles_close_if_it_is_a_metric",
        score=lambda x, y: 2 - 2 * d.procrustes(x, y),
        bounds=(0.0, 2.0),
    ),
    mutant("procrustes_angle", "missing arc cosine", ITSELF, DIRECTION, score=d.procrustes),
    # kernels, distances, ranks
    mutant(
        "cka_rbf",
        "fixed bandwidth",
        REFERENCE,
        score=lambda x, y: max(d.cosine(*(d.centred_matrix(d.rbf(a, 0.2)) for a in (x, y))), 0.0),
    ),
    mutant(
        "cka_rbf",
        "bandwidth in units of the input",
        SCALINGS,
        form=form(raw),
        score=lambda x, y: max(d.cosine(*(d.centred_matrix(d.rbf(a, 2.0)) for a in (x, y))), 0.0),
    ),
    mutant("cka_rbf", "bandwidth of x for both", SYMMETRY, score=own_bandwidth),
    mutant(
        "cka_rbf",
        "forgotten centring of the kernel",
        REFERENCE,
        "bias_of_wide_layers_is_told",
        score=not_centred,
        __doc__=d.DOC,
    ),
    mutant(
        "rsa_pearson",
        "squared distances",
        REFERENCE,
        score=lambda x, y: float(np.corrcoef(d.distances(x) ** 2, d.distances(y) ** 2)[0, 1]),
    ),
    mutant("rsa_pearson", "forgotten centring (a cosine)", REFERENCE, score=d.rsa_cosine),
    mutant("rsa_cosine", "distances centred (a correlation)", REFERENCE, score=d.rsa),
    mutant("rsa_spearman", "ties ranked as they come", "repeated_examples_are_no_trouble", score=ranks_in_order),
    mutant("rsa_spearman", "no ranks", REFERENCE, score=d.rsa),
    mutant(
        "distance_correlation", "missing square root", REFERENCE, score=lambda x, y: d.distance_correlation(x, y) ** 2
    ),
    mutant(
        "distance_correlation", "forgotten double centring", REFERENCE, score=lambda x, y: np.sqrt(d.rsa_cosine(x, y))
    ),
    mutant("knn_jaccard", "everyone is their own neighbour", REFERENCE, score=with_itself),
    mutant("knn_jaccard", "one neighbour too many", REFERENCE, score=six_neighbours),
    mutant("knn_jaccard", "the first of tied neighbours", "repeated_examples_are_no_trouble", score=first_of_ties),
    mutant("knn_jaccard", "wrong denominator", ITSELF, score=over_the_union_of_all),
    mutant("knn_jaccard", "minimum_n one too small", LEAST, minimum_n=5),
    # the CCA family, regression, matching
    mutant("cca", "forgotten whitening", MAPS, score=not_whitened),
    mutant("cca", "divided by the width of x", SYMMETRY, score=over_x_alone),
    mutant(
        "cca",
        "dead directions counted",
        "dead_features_do_not_count",
        "one_live_feature_is_that_feature",
        score=dead_counted,
    ),
    mutant("cca", "squared correlations", REFERENCE, score=squared_correlations),
    mutant("svcca", "cut by values instead of their squares", REFERENCE, score=partial(d.svcca, share=np.abs)),
    mutant("svcca", "declared invariant to linear maps", MAPS, invariant_to=d.LINEAR),
    mutant("pwcca", "weights not normalised", ITSELF, score=partial(d.pwcca, total=len)),
    mutant("pwcca", "declared symmetric", SYMMETRY, symmetric=True),
    mutant("pwcca", "declared invariant to rotations", ROTATIONS, invariant_to=d.RIGID),
    mutant("linear_regression", "declared symmetric", SYMMETRY, symmetric=True),
    mutant("linear_regression", "x from y", REFERENCE, score=lambda x, y: d.regression(y, x)),
    mutant(
        "linear_regression",
        "residual instead of explained variance",
        ITSELF,
        DIRECTION,
        score=lambda x, y: 1 - d.regression(x, y),
    ),
    mutant("permutation", "greedy matching", REFERENCE, score=partial(d.matched, assign=greedy)),
    mutant("permutation", "worst matching", ITSELF, score=partial(d.matched, assign=worst_match)),
    mutant("permutation", "signs ignored", REFERENCE, score=signless),
    mutant("permutation", "no matching", FEATURES, score=not_turned),
    mutant(
        "gaussian_shape",
        "missing square root",
        "triangles_close_if_it_is_a_metric",
        score=partial(d.gaussian_distance, root=False),
    ),
    mutant("gaussian_shape", "covariances forgotten", REFERENCE, score=partial(d.gaussian_distance, covariances=False)),
    # declarations
    mutant("cka_biased", "wrong direction", DIRECTION, ITSELF, larger_is_more_similar=False),
    mutant("cka_biased", "too wide bounds", ITSELF, bounds=(0.0, 2.0)),
    mutant("cka", "bounds of the biased form", BOUNDS, bounds=(0.0, 1.0)),
    mutant("cka_biased", "bounds exchanged", "bounds_are_an_interval", bounds=(1.0, 0.0)),
    mutant("cka_biased", "declared invariant to linear maps", MAPS, invariant_to=d.LINEAR),
    mutant("cka_biased", "scaling not declared", SCALINGS, invariant_to=d.RIGID - {"scaling"}),
    mutant("cka_biased", "rotations not declared", ROTATIONS, invariant_to=d.RIGID - {"orthogonal"}),
    mutant("cka_biased", "translation not declared", TRANSLATIONS, invariant_to=d.RIGID - {"translation"}),
    mutant(
        "cka_biased", "rotations without permutations", "declarations_agree", invariant_to=d.RIGID - {"permutation"}
    ),
    mutant("permutation", "permutations not declared", FEATURES, invariant_to=frozenset({"scaling", "translation"})),
    mutant("cca", "linear maps not declared", MAPS, invariant_to=d.RIGID),
    mutant("cka_biased", "symmetry not declared", SYMMETRY, symmetric=False),
    mutant("cka_biased", "a similarity declared a metric", "declarations_agree", metric=True),
    mutant("cka_biased", "an unknown invariance", "declares_what_it_is", invariant_to=frozenset({"rotation"})),
    mutant("cka_biased", "no minimum_n", "declares_what_it_is", minimum_n=None),
    mutant("cka_biased", "nothing cited", "cites_its_source", __doc__="Linear CKA."),
    mutant("cka_biased", "bias not told", "bias_of_wide_layers_is_told", __doc__=d.DOC),
    mutant("cka_biased", "minimum_n one too small: always 1", LEAST, minimum_n=2),
    mutant("cka_biased", "minimum_n itself refused", LEAST, enough=lambda self, n: PairMeasure.enough(self, n - 1)),
    mutant("cka_biased", "too few not refused", "refuses_too_few_examples", enough=lambda self, n: None),
    # input
    mutant("cka_biased", "input centred in place", "leaves_its_input_alone", form=form(in_place)),
    mutant("cka_biased", "input held, not copied", "keeps_no_hold_of_its_input", form=form(held), score=cosine_of_held),
    mutant("cka_biased", "NaN taken as 0", FINITE, "a_bad_neighbour_changes_nothing", form=form(nan_taken)),
    mutant("cka_biased", "0 for a constant layer", VARYING, form=form(partial(constant_as, 0.0)), score=zero_if_flat),
    mutant("cka_biased", "1 for a constant layer", VARYING, form=form(partial(constant_as, 0.0)), score=one_if_flat),
    mutant("cka_biased", "NaN for a constant layer", VARYING, form=form(partial(constant_as, 0.0))),
    mutant("cka_biased", "a reason nobody knows", FINITE, VARYING, form=form(partial(refused_as, "bad_values"))),
    mutant("cka_biased", "a plain ValueError", FINITE, VARYING, form=form(plain_error)),
    mutant(
        "cka_biased", "rounding noise scored", "nearly_constant_layers_are_right_or_refused", form=form(rounded_noise)
    ),
    mutant(
        "cka_biased",
        "squares that overflow",
        "any_scale_will_do",
        form=form(overflowing),
    ),
    mutant(
        "cka_biased",
        "overflow taken as 0",
        "extreme_values_do_not_overflow",
        form=form(overflowing),
        score=lambda x, y: float(np.nan_to_num(d.cka_biased(x, y))),
    ),
    mutant("cka_biased", "read in the order of memory", "memory_layout_does_not_matter", form=form(memory_order)),
    mutant("cka_biased", "first batch only", "every_example_counts", score=first_batch),
    mutant("cka_biased", "last example left out", "every_example_counts", score=without_last),
    mutant("cka_biased", "first 64 features only", "every_feature_counts", score=first_features),
    mutant(
        "cka_biased",
        "examples sorted before they are compared",
        "pairing_of_the_examples_matters",
        **changed(lambda x: x[np.lexsort(x.T)]),
    ),
    mutant(
        "cka_biased",
        "weighted by position",
        "order_of_the_examples_does_not_matter",
        **changed(lambda x: x * np.linspace(1, 2, len(x))[:, None]),
    ),
    # memory, forms, blocks, state
    mutant("cka_biased", "p x p matrices", "wide_layers_take_linear_memory_or_are_refused", score=square_of_width),
    mutant(
        "cka_biased",
        "n x n matrices without end",
        "long_layers_take_linear_memory_or_are_refused",
        score=lambda x, y: max(d.cosine(x @ x.T, y @ y.T), 0.0),
    ),
    mutant(
        "cka_biased",
        "answers kept by shape",
        "every_example_counts",
        "pairing_of_the_examples_matters",
        score=remembered(),
    ),
    mutant("cka_biased", "random examples", "one_answer_every_time", score=drawn()),
    mutant("cka_biased", "a buffer that threads share", "threads_do_not_matter", score=shared_buffer()),
    mutant("cka_biased", "state in the instance", "has_no_state", pair=counted),
    mutant(
        "cka_biased",
        "scores relative to the block",
        "a_block_is_its_pairs",
        block=relative_block,
    ),
    mutant("cka_biased", "wanted pairs exchanged", "blocks_give_all_wanted_pairs", block=wanted_turned),
    mutant("cka_biased", "scores in the order they come", "the_engine_does_not_matter", block=as_they_come),
    mutant("cka_biased", "no centring in wide company", "every_form_gives_the_same_score", form_for=uncentred_if_wide),
    mutant("cka_biased", "a pair that raises", "pairs_without_a_score_are_nan", pair=raising_pair),
    mutant(
        "cka_biased",
        "arrays of fewer digits",
        "a_form_comes_back_from_its_arrays",
        form=form(Centred.values_of, to_arrays=halved),
    ),
    mutant(
        "cka_biased",
        "arrays of objects",
        "a_form_comes_back_from_its_arrays",
        form=form(Centred.values_of, to_arrays=object_arrays),
    ),
    mutant(
        "cka_biased",
        "nbytes of float32",
        "a_form_says_how_large_it_is",
        form=form(Centred.values_of, nbytes=staticmethod(lambda n, p: 4 * n * p)),
    ),
)
