"""Scores of each layer to its final self beside what chance alone would give."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.evidence import READINGS
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class Readings(Examination):
    """Every similarity to the final snapshot with its mean and spread under permutation, and calibrated by them.

    CKA is read debiased and biased where the study has either: their moments are exact. For other measures the mean is
    that of four permutations, the spread is rough, and there is no p-value.

    References:
        Murphy, Zylberberg & Fyshe (2024), Correcting biased centered kernel alignment measures in biological and
            artificial neural networks. https://arxiv.org/abs/2405.01012
        Kazi-Aoual et al. (1995), Refined approximations to permutation tests for multivariate inference.
            https://zbmath.org/?q=an:0875.62183
    """

    name: ClassVar[str] = "readings"
    columns: ClassVar[tuple[str, ...]] = READINGS[1:]

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a measure, layer and snapshot; none of a run without its final snapshot."""
        import pandas as pd

        return pd.DataFrame(subject.course.readings, columns=list(self.columns))
