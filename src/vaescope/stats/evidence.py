"""What claims are judged by: the tables of a study, by one measure. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

RUNS = ("run", "dataset", "network", "objective", "strength", "strength_value", "setting", "seed")
REFERENCES = ("run", "measure", "layer", "part", "step", "reference", "against", "draw", "score")
WIRING = ("run", "measure", "control", "layer", "part", "step", "draw", "score")
UNTRAINED = ("run", "measure", "control", "network", "layer", "part", "score")
READINGS = ("run", "measure", "layer", "part", "step", "n", "score", "null_mean", "null_sd", "p", "calibrated")
SHAPES = ("run", "layer", "part", "step", "n", "features", "participation", "variance", "dead", "top_share")
ABROAD = ("run", "measure", "dataset_b", "run_b", "layer", "part", "score")
ENDS = ("run_a", "run_b", "layer", "part", "score", "floor")
LATENTS = (
    *("run", "step", "latent", "kind", "variance", "variance_spread", "mean_variance", "kl", "active_unit"),
    "information",
)
POSTERIOR = (
    *("run", "step", "active", "mixed", "passive", "active_units", "kl", "mutual_information", "marginal_kl"),
    *("total_correlation", "mean_sampled", "gauge", "expected_mean_sampled"),
)
DISENTANGLEMENT = ("run", "step", "codes", "score", "value")


@dataclass(frozen=True)
class Evidence:
    """The tables of a study, by one similarity measure; any of them may have no rows.

    Attributes:
        study: its name.
        measure: the similarity, debiased CKA where the study has it.
        steps: of training.
        runs: one row a finished run. `strength` is for people ("beta=4"); `strength_value` the number, NaN where the
            objective has none or several; `setting` is everything but the seed: dataset, network, objective, strength.
        references: similarity of a layer at a step to itself at a reference: "final" and "start" (step 0) of the run,
            the "previous" snapshot, and the final snapshot of the "other" run named in `against`, of another seed.
            Draw -1 is the whole probe set; 0, 1, … halves of it, the same for all runs.
        wiring: similarity of a decoder layer at a step to itself at the end, both fed as the control says:
            "final_encoder", "moving_encoder" (the final decoder, fed by the encoder of the step), "fixed_code",
            "prior", "sampled".
        untrained: similarity of a layer of networks never trained to the run's final one: control "untrained", and
            "untrained_fed" where the decoder is fed by the final encoder.
        readings: for each measure, `n`, the score to the run's final snapshot, and what chance alone would give.
        shapes: of each representation: participation ratio, total variance, whether it is dead, and the share of its
            norm that the heaviest 1 % of examples carry.
        abroad: final snapshots of runs that differ in the dataset alone, on the examples of `run`.
        ends: final snapshots of pairs of runs on the same dataset with the same network, a layer with itself; `floor`:
            the mean similarity of the one's untrained layer (step 0) to the other's final one.
        latents: what each latent does at each snapshot.
        posterior: what they do together; `mean_sampled` is the CKA of mean and sampled codes, `gauge` its closed form.
        disentanglement: scores at each snapshot, on "mean" and "sampled" codes.
        last: run -> its last step, where that need not be `steps`: recorded runs have lengths of their own.
    """

    study: str
    measure: str
    steps: int
    runs: "pd.DataFrame"
    references: "pd.DataFrame"
    wiring: "pd.DataFrame"
    untrained: "pd.DataFrame"
    readings: "pd.DataFrame"
    shapes: "pd.DataFrame"
    abroad: "pd.DataFrame"
    ends: "pd.DataFrame"
    latents: "pd.DataFrame"
    posterior: "pd.DataFrame"
    disentanglement: "pd.DataFrame"
    last: Mapping[str, int] = field(default_factory=dict)
