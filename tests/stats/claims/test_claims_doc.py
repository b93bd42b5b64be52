"""docs/claims.md: the table says what the claims say, and the example is a claim."""

import re
from importlib.util import module_from_spec, spec_from_file_location

from tests.conftest import REPOSITORY
from tests.stats.claims.simulated import Truth, simulate

from vaescope.stats.claim import CLAIMS
from vaescope.stats.judge import judge

PAGE = (REPOSITORY / "docs" / "claims.md").read_text()


def test_the_page_has_the_words_of_every_claim():
    for claim in CLAIMS.values():
        row = f"| {claim.number} | `{claim.name}`: {claim.statement} | {claim.statistic} | {claim.threshold} |"
        assert row in PAGE


def test_the_example_is_a_claim_that_is_judged(tmp_path):
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "few_active.py"
    file.write_text(source)
    spec = spec_from_file_location("few_active", file)
    try:
        spec.loader.exec_module(module_from_spec(spec))
        few, many = (simulate(Truth(actives=(a, a)), 5, 0, ("latents",)) for a in (3.0, 8.0))
        assert [judge(e, ["few_active"])[0].word for e in (few, many)] == ["supported", "not supported"]
        assert judge(simulate(Truth(), 5, 0, ()), ["few_active"])[0].word == "undecided"
        assert judge(few)[-1].claim == "few_active"  # after those of the paper
    finally:
        CLAIMS._members.pop("few_active", None)
