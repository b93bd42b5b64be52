"""Readings of the lead in networks whose truth is known, and layers that were alike from the start."""

import numpy as np
import pandas as pd
import pytest

from vaescope.stats.dynamics.controls import READINGS, control_leads, early_or_alike
from vaescope.stats.evidence import REFERENCES, UNTRAINED, WIRING

STEPS = (2 ** np.arange(12) - 1).tolist()
TIME = np.log2(np.array(STEPS) + 1)
DRAWS = (-1, 0)


def rise(at: float, floor: float = 0.0, end: float = 1.0) -> list[float]:
    """From a floor to an end, nine tenths of the way there after `at` doublings."""
    return (floor + (end - floor) * np.clip(TIME / at * 0.9, 0, 1)).tolist()


def references(own: dict[str, list[float]], reference: str = "final") -> pd.DataFrame:
    rows = [
        ("r", "cka", layer, layer.split(".")[0], step, reference, "", draw, score)
        for layer, scores in own.items()
        for draw in DRAWS
        for step, score in zip(STEPS, scores, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(REFERENCES))


def wiring(**controls: list[float]) -> pd.DataFrame:
    rows = [
        ("r", "cka", control, "decoder.1", "decoder", step, draw, score)
        for control, scores in controls.items()
        for draw in DRAWS
        for step, score in zip(STEPS, scores, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(WIRING))


def test_each_reading_has_its_own_lead():
    """The encoder starts at 0.8: raw it settles early. The decoder is late because the codes it sees still move."""
    final = references({"encoder.1": rise(6.0, floor=0.8), "decoder.1": rise(7.0)})
    other = references({"encoder.1": rise(5.0, 0.3, 0.6), "decoder.1": rise(4.0, 0.1, 0.5)}, "other")
    times = {"final_encoder": 6.0, "fixed_code": 5.0, "prior": 4.0, "sampled": 8.0, "moving_encoder": 1.0}
    fed = wiring(**{control: rise(at) for control, at in times.items()})
    found = control_leads(pd.concat([final, other]), fed)
    lead = found[found["draw"] == -1].set_index("reading")["lead"]
    raw_encoder = 6 * (0.5 / 0.9)  # 0.9 is half of the way from 0.8 to 1
    expected = dict(zip(READINGS, (7 - raw_encoder, 1, 0, -1, -2, 2, -1), strict=True))
    assert set(lead.index) == set(READINGS)
    for reading, value in expected.items():
        assert lead[reading] == pytest.approx(value, abs=0.02), reading
    assert len(found) == 2 * len(READINGS)
    assert list(found.columns) == ["reading", "run", "measure", "draw", "lead", "censored"]


def test_layers_that_share_nothing_with_another_seed_have_no_lead_there():
    other = references({"encoder.1": rise(5.0, 0.97, 0.98), "decoder.1": rise(4.0, 0.1, 0.5)}, "other")
    assert control_leads(other, wiring())["lead"].isna().all()


def test_what_was_not_examined_is_not_read():
    final = references({"encoder.1": rise(6.0), "decoder.1": rise(7.0)})
    found = control_leads(final, wiring())
    assert set(found["reading"]) == {"raw", "corrected"}
    assert len(control_leads(final.iloc[:0], wiring())) == 0


def test_layers_learned_early_are_told_from_layers_alike_from_the_start():
    final = references(
        {
            "encoder.1": rise(6.0, floor=0.91),
            "encoder.2": rise(2.0),
            "decoder.1": [0.1] * 12,
            "decoder.2": [np.nan] * 12,
            "decoder.3": [1.0] * 12,
        }
    )
    rows = [("r", "cka", "untrained", f"n{k}", "encoder.1", "encoder", 0.9 + 0.02 * k) for k in range(3)]
    rows += [("r", "cka", "untrained_fed", "n0", "encoder.2", "encoder", 0.5)]
    found = early_or_alike(final, pd.DataFrame(rows, columns=list(UNTRAINED))).set_index("layer")
    assert found["word"].tolist() == [
        *("alike from the start", "learned", "not settled", "unknown", "alike from the start")
    ]
    assert found.loc["encoder.1", ["start", "untrained", "raw"]].tolist() == pytest.approx([0.91, 0.92, 0])
    assert found.loc["encoder.1", "corrected"] == pytest.approx(2**6 - 1)
    assert np.isnan(found.loc["encoder.2", "untrained"])
    assert np.isnan(found.loc["decoder.3", "corrected"])
    none = pd.DataFrame(columns=list(UNTRAINED))
    assert early_or_alike(final, none)["untrained"].isna().all()
    assert len(early_or_alike(final.iloc[:0], none)) == 0
