"""How many latents are of each kind while a run trains. Pure."""

from typing import TYPE_CHECKING

from vaescope.stats.latents.kinds import KINDS

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("run", "step", "kind", "latents", "share")


def over_training(latents: "pd.DataFrame") -> "pd.DataFrame":
    """Counts of kinds, tidy: as a stacked area wants them.

    Args:
        latents: one row a run, step and latent: run, step, latent, kind.

    Returns:
        run, step, kind, latents (how many, 0 included), share (of all): three rows a run and step, in the order
        active, mixed, passive; steps ascending, runs in their order.
    """
    import pandas as pd

    if latents.empty:
        return pd.DataFrame(columns=list(COUNTS))
    kinds = pd.Categorical(latents["kind"], categories=list(KINDS))
    order = pd.Categorical(latents["run"], categories=list(dict.fromkeys(latents["run"])))
    found = (
        latents.assign(kind=kinds, run=order)
        .groupby(["run", "step", "kind"], observed=False)
        .size()
        .rename("latents")
        .reset_index()
    )
    whole = found.groupby(["run", "step"], observed=False)["latents"].transform("sum")
    found = found[whole > 0].assign(share=found["latents"] / whole)
    return found.astype({"run": str, "kind": str})[list(COUNTS)].reset_index(drop=True)
