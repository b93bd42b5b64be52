"""The same training on another dataset, looked at with this run's examples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, final

from vaescope.stats.evidence import ABROAD
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.study import Run
    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class Abroad(Examination):
    """Similarity of each final layer to that of the run that differs in the dataset alone, on this run's examples.

    Runs whose images have another shape cannot be fed with these and are left out. On the first 150 probe examples, by
    debiased CKA if the study has it, else by its first similarity.

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited (networks trained on different
            datasets, section 6.4). https://arxiv.org/abs/1905.00414
    """

    name: ClassVar[str] = "abroad"
    asks_network: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ABROAD[1:]

    def others(self, subject: "Subject") -> "Sequence[Run]":
        return _alike(subject)

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a run abroad and layer; none of a run without its final snapshot."""
        import pandas as pd

        from vaescope.stats.wires import main_measure, walked

        run, study, measure = subject.run, subject.folder.study, main_measure(subject, halves=0)
        rows: list[tuple[Any, ...]] = []
        others = _alike(subject)
        if measure is None or not others or run.snapshots[-1] not in subject.steps:
            return pd.DataFrame(rows, columns=list(self.columns))
        parts = {layer.name: layer.part for layer in subject.layers}
        here = walked(subject, subject.network(run.snapshots[-1]), measure)
        for other in others:
            there = walked(subject, subject.network(other.snapshots[-1], other), measure)
            for layer, made in there.items():
                score = float(measure.scores(here[layer], made)[0])
                rows.append((measure.name, study.called(other)[0], other.id, layer, parts[layer], score))
        return pd.DataFrame(rows, columns=list(self.columns))


def _alike(subject: "Subject") -> "tuple[Run, ...]":
    """The runs abroad whose networks take this run's images."""
    from vaescope.runs.inputs import image_shape_of

    if not subject.abroad:  # then nothing is asked of the dataset, which may not be at hand as tables are read
        return ()
    shape = image_shape_of(subject.run)
    return tuple(run for run in subject.abroad if image_shape_of(run) == shape)
