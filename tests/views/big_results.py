"""Made-up results of large studies: 1,000 runs unless told otherwise, a grid as the paper's but larger."""

from tests.views.fake_results import FakeResults, study

STRENGTHS = [1.0, 2.0, 4.0, 6.0, 8.0]
OBJECTIVES = ("beta_vae", "beta_tc_vae", "beta_anneal", "info_vae")


def big_results(runs: int = 1000, seeds: int = 5, snapshots: int = 12, **options) -> FakeResults:
    """The results of four objectives at five strengths, on as many datasets as make so many runs, examined."""
    steps = [0, *(2**k for k in range(snapshots - 1))]
    asked = study(
        name=f"{runs:,} runs",
        datasets=[f"dataset {k}" for k in range(max(1, runs // (len(STRENGTHS) * len(OBJECTIVES) * seeds)))],
        objectives={name: {"beta": STRENGTHS} for name in OBJECTIVES},
        seeds=seeds,
        steps=steps[-1],
        snapshots=steps,
    )
    return FakeResults(asked, **options)
