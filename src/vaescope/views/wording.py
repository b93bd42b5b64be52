"""What layers, objectives, strengths and measures are called in figures: words for people, from names for programs."""

import re
from collections.abc import Iterable

import pandas as pd

OBJECTIVES = {
    "vae": "VAE",
    "beta_vae": "β-VAE",
    "beta_tc_vae": "β-TC-VAE",
    "annealed_vae": "Annealed VAE",
    "dip_vae_i": "DIP-VAE I",
    "dip_vae_ii": "DIP-VAE II",
    "factor_vae": "FactorVAE",
    "info_vae": "InfoVAE",
    "beta_anneal": "β-annealed VAE",
}
DATASETS = {
    "dsprites": "dSprites",
    "cars3d": "Cars3D",
    "smallnorb": "smallNORB",
    "mpi3d": "MPI3D",
    "shapes3d": "3D Shapes",
    "color_dsprites": "Color dSprites",
    "noisy_dsprites": "Noisy dSprites",
    "scream_dsprites": "Scream dSprites",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
}
SYMBOLS = {"beta": "β", "gamma": "γ", "lambda_od": "λ", "lambda_d": "λd", "c_max": "C", "alpha": "α", "lambda": "λ"}
MEASURES = {
    "cka": "debiased CKA",
    "cka_biased": "CKA",
    "cka_minibatch": "minibatch CKA",
    "procrustes": "Procrustes",
    "rsa_spearman": "RSA, Spearman",
}
LAYERS = {"mean": "mean", "log_var": "log variance", "sampled": "sampled", "input": "input"}


def layer(name: str) -> str:
    """`encoder layer 3`, `decoder layer 1`, `mean`, `log variance`; names of other networks with blanks for dots."""
    if name in LAYERS:
        return LAYERS[name]
    found = re.fullmatch(r"(encoder|decoder)\.(\d+)", name)
    return f"{found[1]} layer {found[2]}" if found else re.sub(r"[._]+", " ", name).strip()


def short(name: str) -> str:
    """`encoder 3`: the same where there is little room."""
    return layer(name).replace(" layer ", " ")


def objective(name: str) -> str:
    """`β-VAE`; of an objective that is not ours its name with blanks."""
    return OBJECTIVES.get(name, name.replace("_", " "))


def in_order(names: Iterable[str]) -> list[str]:
    """Different objectives in words, always in the same order, so that figures give one the same colour."""
    known = [*OBJECTIVES]
    place = {name: known.index(name) if name in OBJECTIVES else len(known) for name in names}
    return [objective(name) for name in sorted(place, key=lambda name: (place[name], name))]


def dataset(name: str) -> str:
    """`dSprites`, and what stands in brackets after it."""
    head, blank, rest = name.partition(" ")
    return DATASETS.get(head, head.replace("_", " ")) + blank + rest


def measure(name: str) -> str:
    """`debiased CKA`."""
    return MEASURES.get(name, name.replace("_", " "))


def strengths(runs: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(objective, strength) -> words: `β = 4`; what no run of an objective varies is left out, unless nothing is left.

    Args:
        runs: objective, strength, as `Evidence.runs`.
    """
    found: dict[tuple[str, str], str] = {}
    pairs = runs[["objective", "strength"]].astype(str).drop_duplicates()
    for name, group in pairs.groupby("objective", sort=False):
        tokens = {strength: _tokens(strength) for strength in group["strength"]}
        shared = set.intersection(*(set(t) for t in tokens.values())) if len(tokens) > 1 else set()
        for strength, words in tokens.items():
            told = [w for w in words if w not in shared] or words
            found[str(name), strength] = ", ".join(_symbol(w) for w in told) or "no strength"
    return found


def rank(runs: pd.DataFrame) -> dict[tuple[str, str], int]:
    """(objective, strength) -> its place among the strengths of the objective, weakest first, by its number."""
    pairs = runs[["objective", "strength", "strength_value"]].drop_duplicates(["objective", "strength"])
    pairs = pairs.sort_values("strength_value", kind="stable", na_position="last")
    places = pairs.groupby("objective", sort=False).cumcount()
    return {(str(o), str(s)): int(k) for o, s, k in zip(pairs["objective"], pairs["strength"], places, strict=True)}


def counted(number: int, noun: str) -> str:
    """`1 run`, `4 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(words: Iterable[str], at_most: int = 4) -> str:
    """`a, b and c`; of many the first, and how many more."""
    all_ = list(words)
    if len(all_) > at_most:
        return f"{', '.join(all_[:at_most])} and {len(all_) - at_most} more"
    return " and ".join([", ".join(all_[:-1]), all_[-1]] if len(all_) > 1 else all_)


def _tokens(strength: str) -> list[str]:
    return [] if strength in ("none", "") else strength.split()


def _symbol(token: str) -> str:
    key, equals, value = token.partition("=")
    return f"{SYMBOLS.get(key, key.replace('_', ' '))} = {value}" if equals else token
