"""Networks that were never trained beside the one that was: what the architecture alone makes alike."""

from typing import TYPE_CHECKING, Any, ClassVar, final

from vaescope.stats.evidence import UNTRAINED
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject

NETWORKS_MADE = 3


@EXAMINATIONS.register
@final
class Untrained(Examination):
    """Similarity of each layer of three networks never trained to the run's final one.

    "untrained": the decoder sees the mean codes of its own untrained encoder. "untrained_fed": both decoders see those
    of the run's final encoder. On the first 150 probe examples, by debiased CKA if the study has it, else by its first
    similarity. The first weights are none that any run began with.

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited (which compares with untrained
            networks). https://arxiv.org/abs/1905.00414
    """

    name: ClassVar[str] = "untrained"
    asks_network: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = UNTRAINED[1:]

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a control, network and layer; none of a run without its final snapshot."""
        import pandas as pd

        from vaescope.models.making import first
        from vaescope.models.network import NETWORKS
        from vaescope.runs.draw import draw
        from vaescope.stats.wires import codes_of, fed, main_measure, walked

        run, measure = subject.run, main_measure(subject, halves=0)
        rows: list[tuple[Any, ...]] = []
        if measure is None or run.snapshots[-1] not in subject.steps:
            return pd.DataFrame(rows, columns=list(self.columns))
        parts = {layer.name: layer.part for layer in subject.layers}
        trained = subject.network(run.snapshots[-1])
        codes, _ = codes_of(subject, trained, measure.examples)
        end = walked(subject, trained, measure)
        kind, shape = NETWORKS[run.network], subject.images.shape[1:]
        for number in range(NETWORKS_MADE):
            generator = draw("untrained", run.seed, number)
            network = first(kind, shape, run.latents, run.network_options, generator).eval()
            found = {"untrained": walked(subject, network, measure)}
            found["untrained_fed"] = fed(subject, network, codes, measure)
            for control, layers in found.items():
                for layer, made in layers.items():
                    score = float(measure.scores(made, end[layer])[0])
                    rows.append((measure.name, control, number, layer, parts[layer], score))
        return pd.DataFrame(rows, columns=list(self.columns))
