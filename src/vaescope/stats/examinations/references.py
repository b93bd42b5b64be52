"""How similar each layer is, at every snapshot, to a few references: the curves of learning."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.evidence import REFERENCES
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.study import Run
    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class References(Examination):
    """Similarity of each layer to itself at the end, one snapshot before, at the start, and at the end of another seed.

    On the first 300 probe examples and on eight halves of them, by every similarity of the study. Measures that cost
    more a pair than CKA does are held to 200 examples, four halves, and the final snapshots of this run and the other.

    References:
        Raghu et al. (2017), SVCCA: Singular vector canonical correlation analysis for deep learning dynamics and
            interpretability. https://arxiv.org/abs/1706.05806
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "references"
    columns: ClassVar[tuple[str, ...]] = REFERENCES[1:]

    def others(self, subject: "Subject") -> "Sequence[Run]":
        return () if subject.next_seed is None else (subject.next_seed,)

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a measure, layer, snapshot, reference and draw; none of the input, which is always the same."""
        import pandas as pd

        return pd.DataFrame(subject.course.references, columns=list(self.columns))
