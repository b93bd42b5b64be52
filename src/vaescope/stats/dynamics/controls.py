"""What tells a layer that was learned early from one that was alike from the start. Pure functions of tidy tables.

A layer can be similar to its final self at once because it sees the data through random weights: then networks that
were never trained are as similar. And a decoder layer can seem late because the codes that reach it still move: then it
is early when it is fed with codes that do not.
"""

from typing import TYPE_CHECKING

import numpy as np

from vaescope.stats.convergence import SETTLED
from vaescope.stats.dynamics.hierarchy import WHOLE
from vaescope.stats.dynamics.leads import leads
from vaescope.stats.dynamics.settling import keys_of, settling_steps

if TYPE_CHECKING:
    import pandas as pd

LEAST_SHARED = 0.05  # of similarity to another seed's end, that training must have added
FED = ("final_encoder", "fixed_code", "prior", "sampled")
READINGS = ("raw", "corrected", *FED, "other")


def control_leads(references: "pd.DataFrame", wiring: "pd.DataFrame", level: float = SETTLED) -> "pd.DataFrame":
    """The lead of every run, read with and without controls.

    Args:
        references: of the evidence, by one measure or several.
        wiring: of the evidence, by one of these.
        level: at which layers are settled.

    Returns:
        reading, run, measure (where present), draw, lead, censored, as `leads` gives them; `lead_table` takes it, a
        reading at a time. The readings:

        raw: similarity to the end of the run.
        corrected: without what was there at step 0.
        final_encoder, fixed_code, prior, sampled: corrected, and the decoder is fed so; the encoder is as in corrected.
        other: similarity to the end of another seed, corrected and relative to where it ends; layers in which training
            added less than 0.05 are left out.
    """
    import pandas as pd

    final = references[references["reference"] == "final"].drop(columns="reference")
    other = references[references["reference"] == "other"].drop(columns="reference")
    corrected = settling_steps(final, level, "corrected")
    read = {"raw": settling_steps(final, level), "corrected": corrected}
    shared = keys_of(final)
    encoder = corrected[corrected["part"] == "encoder"]
    for control in FED:
        fed = wiring[(wiring["control"] == control) & (wiring["part"] == "decoder")].drop(columns="control")
        own = encoder.merge(fed[shared].drop_duplicates(), on=shared)
        read[control] = pd.concat([own, settling_steps(fed, level, "corrected")], ignore_index=True)
    read["other"] = settling_steps(other, level, "corrected", relative=True, least=LEAST_SHARED)
    tables = [leads(settled).assign(reading=reading) for reading, settled in read.items() if len(settled)]
    names = ["reading", *shared, "draw", "lead", "censored"]
    return pd.concat(tables, ignore_index=True)[names] if tables else pd.DataFrame(columns=names)


def early_or_alike(references: "pd.DataFrame", untrained: "pd.DataFrame", level: float = SETTLED) -> "pd.DataFrame":
    """Of each layer of each run: how alike its final self it was before training, and when it settled.

    Args:
        references: of the evidence, by one measure.
        untrained: of the evidence, by the same measure; may have no rows.
        level: at which layers are settled.

    Returns:
        run, layer, part
        start: similarity to the end at step 0; NaN without such a snapshot.
        untrained: mean similarity of networks that were never trained, with other weights; NaN where not examined.
        raw, corrected: settling steps; corrected is NaN where nothing was left to be learned.
        word: "alike from the start" where the level is reached at step 0, so that the raw step says nothing; "learned"
            where it is reached after; "not settled"; "unknown" without any score.
    """
    final = references[(references["reference"] == "final") & (references["draw"] == WHOLE)]
    keys = ["run", "layer", "part"]
    found = settling_steps(final, level)
    found["raw"], found["corrected"] = found["step"], settling_steps(final, level, "corrected")["step"]
    start = final.loc[final["step"] == 0, ["run", "layer", "score"]].rename(columns={"score": "start"})
    never = untrained[untrained["control"] == "untrained"].groupby(["run", "layer"], observed=True, sort=False)["score"]
    found = found.merge(start, on=["run", "layer"], how="left")
    found = found.merge(never.mean().rename("untrained").reset_index(), on=["run", "layer"], how="left")
    conditions = [found["from_start"].astype(bool), found["step"].notna(), found["censored"].astype(bool)]
    found["word"] = np.select(conditions, ["alike from the start", "learned", "not settled"], "unknown")
    return found[[*keys, "start", "untrained", "raw", "corrected", "word"]]
