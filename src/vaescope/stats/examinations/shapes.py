"""The shape of each layer at every snapshot: variance, dimensions, and how few examples it hangs on."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.evidence import SHAPES
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class Shapes(Examination):
    """Participation ratio, variance, whether a layer is dead, and the weight of the heaviest 1 % of examples.

    What counts as dead is said in `vaescope.stats.shape.dead`.

    References:
        Gao et al. (2017), A theory of multineuronal dimensionality, dynamics and measurement.
            https://doi.org/10.1101/214262
        Davari et al. (2022), Reliability of CKA as a similarity measure in deep learning.
            https://arxiv.org/abs/2210.16156
    """

    name: ClassVar[str] = "shapes"
    columns: ClassVar[tuple[str, ...]] = SHAPES[1:]

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a layer and snapshot, the input included."""
        import pandas as pd

        from vaescope.stats.shape import dead

        found = subject.course.shapes
        rows = []
        for name in dict.fromkeys(layer.name for layer, _, _ in found):
            own = [entry for entry in found if entry[0].name == name]
            flags = dead([shape for _, _, shape in own]).tolist()
            rows += [
                (
                    *(name, layer.part, step, s.examples, s.features),
                    *(s.participation, s.variance, flag, s.top_share),
                )
                for (layer, step, s), flag in zip(own, flags, strict=True)
            ]
        return pd.DataFrame(rows, columns=list(self.columns))
