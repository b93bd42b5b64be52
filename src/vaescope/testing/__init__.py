"""Checks for measures, yours or ours: does one keep the contract, and what it says of itself?

`check_measure(measure)` runs them all; `pip install vaescope[testing]` brings Hypothesis, which finds and shrinks cases
that fail. In a test file:

    @pytest.mark.parametrize(("name", "check"), measure_checks(MyMeasure))
    def test_my_measure_conforms(name, check):
        check()
"""

# ruff: noqa: I001 - the order of the groups is that of the checks
from vaescope.testing import (
    declarations,
    inputs,
    types,
    storage,
    rows,
    properties,
    numerics,
    sizes,
    forms,
    reference,
)
from vaescope.testing.check import CheckFailed
from vaescope.testing.run import CheckResult, Conformance, check_measure, checks, measure_checks

GROUPS = (declarations, inputs, types, storage, rows, properties, numerics, sizes, forms, reference)

__all__ = ["CheckFailed", "CheckResult", "Conformance", "check_measure", "checks", "measure_checks"]
