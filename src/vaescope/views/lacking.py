"""What recorded models do not have, so that no command can show it. Pure."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.results import Results

UNNAMED = (
    "This model has no encoder, decoder or posterior that could be found; if it is a VAE, name them: "
    "`Recorder(encoder=..., decoder=..., posterior=...)`."
)
NO_LATENTS = "the model has no latents whose mean and log-variance could be found"
NO_NETWORK = "recorded runs have no network here"
NO_PARTS = "the model has no encoder and decoder that could be found"
NOT_EXAMINED = "the runs were not examined: give `vaescope examine` on the study's folder"


def unnamed(layers: "pd.DataFrame") -> bool:
    """Whether no layer is of an encoder, of a decoder or of a posterior.

    Args:
        layers: `Results.layers`; without rows nothing is known.
    """
    return len(layers) > 0 and not set(layers["part"].astype(str)) & {"encoder", "decoder", "latent"}


def partless(layers: "pd.DataFrame") -> bool:
    """Whether there are layers, but not of both an encoder and a decoder."""
    return len(layers) > 0 and not {"encoder", "decoder"} <= set(layers["part"].astype(str))


def latentless(layers: "pd.DataFrame") -> bool:
    """Whether there are layers, but no mean and log-variance among them."""
    return len(layers) > 0 and not {"mean", "log_var"} <= set(layers["layer"].astype(str))


def is_recorded(results: "Results") -> bool:
    """Whether somebody else trained the runs."""
    return any(run.recorded is not None for run in results.folder.runs)


def no_latents(results: "Results") -> str:
    """Why a figure of latents has nothing to draw."""
    return NO_LATENTS if is_recorded(results) and latentless(results.layers) else NOT_EXAMINED


def no_network(results: "Results") -> str:
    """Why a figure of what networks were asked has nothing to draw."""
    return NO_NETWORK if is_recorded(results) else NOT_EXAMINED


def no_parts(results: "Results") -> str:
    """Why a figure of encoders and decoders has nothing to draw."""
    return NO_PARTS if is_recorded(results) and unnamed(results.layers) else NOT_EXAMINED
