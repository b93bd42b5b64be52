"""Decoder layers at every snapshot with their input held still, and the reverse."""

from typing import TYPE_CHECKING, Any, ClassVar, final

from vaescope.stats.evidence import WIRING
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class Wiring(Examination):
    """Similarity of each decoder layer to itself at the end, both fed by the same encoder, or by none.

    A decoder is compared through its encoder's eyes: while the encoder moves, so does all that comes after it, whether
    the decoder itself changes or not. The controls, on the first 150 probe examples:

    | control | the decoder at step t, fed with | against the final decoder, fed with |
    |---|---|---|
    | final_encoder | mean codes of the final encoder | the same |
    | fixed_code | whitened principal components of the images | the same |
    | prior | draws from the prior | the same |
    | sampled | its own sampled codes | those of the final encoder, the same noise |
    | moving_encoder | (the final decoder) mean codes of the encoder at t | mean codes of the final encoder |

    By debiased CKA if the study has it, else by its first similarity.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
        Lenc & Vedaldi (2015), Understanding image representations by measuring their equivariance and equivalence (one
            network's layers fed by another's). https://arxiv.org/abs/1411.5908
    """

    name: ClassVar[str] = "wiring"
    asks_network: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = WIRING[1:]

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a control, decoder layer, snapshot and draw; none of a run without its final snapshot."""
        import pandas as pd

        from vaescope.stats.wires import codes_of, fed, fixed_code, main_measure, prior_code

        measure, last = main_measure(subject), subject.run.snapshots[-1]
        rows: list[tuple[Any, ...]] = []
        if measure is None or last not in subject.steps:
            return pd.DataFrame(rows, columns=list(self.columns))
        n = measure.examples
        end = subject.network(last)
        mean, sampled = codes_of(subject, end, n)
        held = {
            "final_encoder": mean,
            "fixed_code": fixed_code(subject.images[:n], subject.run.latents),
            "prior": prior_code(n, subject.run.latents, subject.folder.study.probe.seed),
        }
        final = {control: fed(subject, end, codes, measure) for control, codes in held.items()}
        final["sampled"] = fed(subject, end, sampled, measure)
        final["moving_encoder"] = final["final_encoder"]
        for step in subject.steps:
            if step == last:
                now = final
            else:
                network = subject.network(step)
                mean, sampled = codes_of(subject, network, n)
                now = {control: fed(subject, network, codes, measure) for control, codes in held.items()}
                now["sampled"] = fed(subject, network, sampled, measure)
                now["moving_encoder"] = fed(subject, end, mean, measure)
            for control, layers in now.items():
                for layer, made in layers.items():
                    subject.progress.check()
                    scores = measure.scores(made, final[control][layer]).tolist()
                    head = (measure.name, control, layer, "decoder", step)
                    rows += [(*head, draw, score) for draw, score in zip(measure.draws, scores, strict=True)]
        return pd.DataFrame(rows, columns=list(self.columns))
