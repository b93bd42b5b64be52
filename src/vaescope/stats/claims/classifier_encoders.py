"""Claim 7, second half: VAE encoders resemble those of classifiers."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import missing, verdict

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

SHARE = 0.9


@CLAIMS.register
@final
class ClassifierEncoders(Claim):
    """A classifier's encoder resembles that of a VAE: named, since the paper says it, and always undecided here.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "classifier_encoders"
    number: ClassVar[str] = "7b"
    title: ClassVar[str] = "VAE encoders resemble classifiers"
    statement: ClassVar[str] = "The encoders of VAEs resemble those of classifiers with the same layers."
    statistic: ClassVar[str] = (
        "The least, over encoder layers, of where the similarity to a classifier stands between untrained layers (0) "
        "and another seed (1). It is not computed: vaescope trains no classifiers."
    )
    threshold: ClassVar[str] = "Above 0.9, as in claim 3."

    def judge(self, evidence: "Evidence") -> Verdict:
        """Undecided."""
        note = "The study trains no classifier, so there is nothing to compare encoders with."
        plain, main = (
            missing(name, title, SHARE, note)
            for name, title in (("raw", "Similarity to a classifier"), ("calibrated", "Share of what training adds"))
        )
        return verdict(type(self), plain, main)
