"""What is prepared: kept as arrays, compared in blocks, from threads; the score is that of the pair alone."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form
from vaescope.testing.check import CheckFailed, NotApplicable, check, require, require_close, shapes
from vaescope.testing.subject import Subject

SHAPES = ((40, 6, 5), (40, 60, 50), (24, 24, 23))
NUMBERS = {"float32", "float64", "int32", "int64", "uint8", "uint64"}


def _prepared(subject: Subject, purpose: str, many: int, n: int = 40, p: int = 6) -> list[Form]:
    """Forms of several representations of the same examples, float32."""
    rng = subject.rng(purpose)
    n = subject.enough(n)
    x, y = subject.pair(rng, n, p, p)
    other = [x, y, *(subject.pair(rng, n, p, p)[1] for _ in range(many - 2))]
    return [subject.measure.prepare(a.astype(np.float32)) for a in other[:many]]


@check
def a_block_is_its_pairs(subject: Subject) -> None:
    """The score of a pair in a block, of few or many pairs, is that of the pair alone."""
    forms = _prepared(subject, "block", 5)
    block = subject.measure.block(forms, forms[:3])
    require(block.shape == (5, 3) and block.dtype == np.float64, "a (5, 3) block of float64", shapes(block))
    for i, x in enumerate(forms):
        for j, y in enumerate(forms[:3]):
            alone = subject.measure.compare(x, y)
            require_close(block[i, j], alone, 1e-6, f"score of the pair {i}, {j} in a block", "5 x 3 block")
            turned = subject.measure.block(forms[j : j + 1], forms[i : i + 1])[0, 0]
            if subject.measure.symmetric:
                require_close(turned, alone, 1e-6, f"score of the pair {j}, {i}")


@check
def blocks_give_all_wanted_pairs(subject: Subject) -> None:
    """Of a block only some of whose pairs are wanted, those are the same; an empty side gives an empty block."""
    forms = _prepared(subject, "wanted", 4)
    whole = subject.measure.block(forms, forms)
    wanted = subject.rng("mask").uniform(size=(4, 4)) < 0.5
    part = subject.measure.block(forms, forms, wanted)
    error = np.abs(part - whole)[wanted].max(initial=0)
    require(error < 1e-6, "the scores of the wanted pairs of the whole block", f"others, by {error:.2g}")
    require(subject.measure.block(forms, [])[:, :0].shape == (4, 0), "a (4, 0) block of 4 and none", "another shape")


@check
def one_answer_every_time(subject: Subject) -> None:
    """The same bytes give the same bits: again, from copies, and whatever was compared in between."""
    for n, p, q in SHAPES:
        x, y = (a.astype(np.float32) for a in subject.pair(subject.rng("again"), subject.enough(n), p, q))
        first = subject.score_or_refusal(x, y)
        if isinstance(first, RepresentationError):
            continue
        subject.score_or_refusal(y, x)
        subject.score_or_refusal(x[::-1] * 2, x)
        again = subject.score(x.copy(), y.copy())
        require(again == first, f"{first!r} again", repr(again), shapes(x, y))
        one, other = (subject.measure.prepare(a).to_arrays() for a in (x, x.copy()))
        same = one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)
        require(same, "the same arrays of the same representation", "others", shapes(x))


@check
def a_form_comes_back_from_its_arrays(subject: Subject) -> None:
    """`to_arrays` and `from_arrays` keep every bit of the score, and the arrays are plain numbers."""
    for kind in (np.float64, np.float32):
        for n, p, q in SHAPES:
            x, y = (a.astype(kind) for a in subject.pair(subject.rng("arrays"), subject.enough(n), p, q))
            try:
                forms = subject.measure.prepare(x), subject.measure.prepare(y)
            except RepresentationError:
                continue
            arrays = [form.to_arrays() for form in forms]
            kinds = {str(a.dtype) for held in arrays for a in held.values()}
            require(kinds <= NUMBERS, f"arrays of {', '.join(sorted(NUMBERS))}", kinds, shapes(x, y))
            require(all(a.ndim > 0 for held in arrays for a in held.values()), "arrays of one axis or more", "scalars")
            back = [type(form).from_arrays(dict(held)) for form, held in zip(forms, arrays, strict=True)]
            expected = subject.measure.compare(*forms)
            got = subject.measure.compare(*back)
            same = got == expected or (np.isnan(got) and np.isnan(expected))
            require(same, f"{expected!r} of forms that came back", repr(got), shapes(x, y))


@check
def pairs_without_a_score_are_nan(subject: Subject) -> None:
    """Comparing what was prepared never raises: in a block, a pair that has no score is NaN, others are in bounds."""
    low, high = subject.measure.bounds
    n = subject.enough(24)
    forms = []
    for p in (6,) if subject.structured else (1, 3, n // 2, n - 2, n, 3 * n):
        x = subject.alone(subject.rng("nan", p), n, p).astype(np.float32)
        try:
            forms.append((x.shape, subject.measure.prepare(x)))
        except RepresentationError:
            continue
    for (shape, x), (other, y) in product(forms, forms):
        try:
            got = subject.measure.compare(x, y)
        except Exception as error:
            raise CheckFailed(f"expected a score or NaN of prepared {shape} and {other}; got {error!r}") from error
        require(np.isnan(got) or low <= got <= high, f"NaN or a score within {low}, {high}", got, f"{shape}, {other}")


@check
def a_form_says_how_large_it_is(subject: Subject) -> None:
    """`nbytes` is what the arrays of a form take, or more where that depends on the values, but not twice as much."""
    for n, p in ((60, 6), (60, 120), (120, 59), (200, 8)):
        n = subject.enough(n)
        x = subject.alone(subject.rng("bytes"), n, p).astype(np.float32)
        try:
            form = subject.measure.prepare(x)
        except RepresentationError:
            continue
        held, said = sum(a.nbytes for a in form.to_arrays().values()), type(form).nbytes(*x.shape)
        require(held <= said <= 2 * held + 64, f"nbytes{x.shape} of {held:,} to {2 * held + 64:,}", f"{said:,}")


@check
def every_form_gives_the_same_score(subject: Subject) -> None:
    """Whatever form `form_for` chooses for other company, the score of a pair is the same."""
    x, y = (a.astype(np.float32) for a in subject.pair(subject.rng("forms"), subject.enough(60)))
    scores: dict[str, float] = {}
    widths = [x.shape[1], y.shape[1]]
    for company in ([2], [64], [4096], [4096] * 50, [8] * 500):
        form = subject.measure.form_for(len(x), [*widths, *company])
        made = [subject.measure.prepare(Examples(a), form) for a in (x, y)]
        scores[form.__name__] = subject.measure.compare(made[0], made[1])
    first = next(iter(scores.values()))
    for name, score in scores.items():
        require_close(score, first, 1e-6, f"score by the form {name}, as by {next(iter(scores))}", shapes(x, y))


@check
def a_bad_neighbour_changes_nothing(subject: Subject) -> None:
    """Where one of ten representations is refused, the scores of the other nine are those they have without it."""
    rng = subject.rng("neighbour")
    n = subject.enough(30)
    given = [subject.pair(rng, n, 5, 5)[1].astype(np.float32) for _ in range(10)]
    nine = [a for i, a in enumerate(given) if i != 4]
    prepared = [subject.measure.prepare(a) for a in nine]
    expected = subject.measure.block(prepared, prepared[:2])
    given[4] = given[4].copy()
    given[4][3, -1] = np.nan
    forms, refusals = [], []
    for a in given:
        try:
            forms.append(subject.measure.prepare(a))
        except RepresentationError as error:
            refusals.append(error.reason)
    require(refusals == ["non_finite"], "one refusal of ten, non_finite", refusals)
    got = subject.measure.block(forms, forms[:2])
    require(np.array_equal(got, expected), "the same bits without the bad neighbour", np.abs(got - expected).max())


@check
def threads_do_not_matter(subject: Subject) -> None:
    """Scores from several threads at once are bit for bit those of one; BLAS threads move them by 1e-6 at most."""
    from threadpoolctl import threadpool_limits

    rng = subject.rng("threads")
    pairs = [[a.astype(np.float32) for a in subject.pair(rng, subject.enough(60), p, 5)] for p in (4, 5, 6, 7) * 3]
    with threadpool_limits(1):
        serial = [subject.score(*pair) for pair in pairs]
        with ThreadPoolExecutor(4) as pool:
            threaded = list(pool.map(lambda pair: subject.score(*pair), pairs))
    require(threaded == serial, "the scores of one thread", "others", f"{len(pairs)} pairs in 4 threads")
    with threadpool_limits(2):
        for pair, one in zip(pairs[:4], serial, strict=False):
            require_close(subject.score(*pair), one, 1e-6, "score with two BLAS threads", shapes(*pair))


@check
def the_engine_does_not_matter(subject: Subject) -> None:
    """A block computed in parts, by any engine and in any order, has the same bits."""

    def backwards(work, parts: Iterable):
        return iter([work(part) for part in reversed(list(parts))][::-1])

    forms = _prepared(subject, "engine", 5)
    one = subject.measure.block(forms, forms[:4])
    other = subject.measure.block(forms, forms[:4], None, backwards)
    require(np.array_equal(one, other, equal_nan=True), "the same bits from an engine that works backwards", "others")
    for cost in (subject.measure.pair_flops(50, 5, 6), type(forms[0]).flops(50, 5)):
        require(np.isfinite(cost) and cost > 0, "a positive number of floating-point operations", cost)


@check
def bias_of_wide_layers_is_told(subject: Subject) -> None:
    """Where independent wide layers (p >> n) look alike, the docstring says so, and `debiased` is not declared."""
    if subject.structured:
        raise NotApplicable("rows have a structure (it has an `example` of its own): their width is not free")
    n = subject.enough(30)
    found: list[float] = []
    for p in (3, 20 * n):
        scores = []
        for i in range(6):
            rng = subject.rng("bias", i)
            score = subject.score_or_refusal(*(rng.standard_normal((n if p > n else 100, p)) for _ in "xy"))
            scores += [score] if isinstance(score, float) else []
        if not scores:
            raise NotApplicable(f"{p} features of {n} examples are refused")
        found.append(abs(float(np.mean(scores)) - subject.best))
    lost = 1 - found[1] / found[0]
    if lost < 0.3:
        return
    text = (type(subject.measure).__doc__ or "").lower()
    if subject.measure.debiased:
        raise CheckFailed(
            f"expected independent representations to score alike whatever their widths, as `debiased` declares; with "
            f"p = {20 * n}, n = {n} they come {lost:.0%} nearer to {subject.best} than narrow ones do"
        )
    if not any(word in text for word in ("bias", "independent", "p >= n", "p > n", "n >> p", "not >> p", "wide")):
        raise CheckFailed(
            f"expected the docstring to say that independent representations look alike when features outnumber "
            f"examples (bias, independent, p > n, wide): with p = {20 * n}, n = {n} they come {lost:.0%} nearer to "
            f"{subject.best} than narrow ones do; got no word of it"
        )
