"""Colours as eyes see them: contrast, and what is left of a difference without one kind of cone."""

import numpy as np

LINEAR_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = LINEAR_TO_XYZ.sum(axis=1)
# Machado, Oliveira & Fernandes (2009), table of severity 1.0, https://doi.org/10.1109/TVCG.2009.113
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
NORMAL = np.eye(3)


def linear(colour: str) -> np.ndarray:
    """Linear light of `#rrggbb`, (3,)."""
    c = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast_on_white(colour: str) -> float:
    """WCAG 2: 1.05 / (luminance + 0.05)."""
    return float(1.05 / (linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05))


def lab(colour: str, vision: np.ndarray = NORMAL) -> np.ndarray:
    """CIELAB of a colour as such eyes see it, (3,)."""
    xyz = LINEAR_TO_XYZ @ np.clip(vision @ linear(colour), 0, 1) / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(a: str, b: str, vision: np.ndarray = NORMAL) -> float:
    """CIE 1976: 2.3 is just noticeable."""
    return float(np.linalg.norm(lab(a, vision) - lab(b, vision)))
