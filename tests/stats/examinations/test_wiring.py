"""Decoders fed from elsewhere, held against the networks' own modules taken apart by hand."""

import numpy as np
import pytest
import torch
from tests.stats.examinations.conftest import trained

import vaescope
from vaescope.runs.extract import flat
from vaescope.stats.evidence import ABROAD, UNTRAINED, WIRING
from vaescope.stats.examinations.abroad import Abroad
from vaescope.stats.examinations.untrained import Untrained
from vaescope.stats.examinations.wiring import Wiring
from vaescope.stats.halves import half
from vaescope.stats.subject import Subject
from vaescope.stats.wires import fixed_code, prior_code

CONTROLS = ["final_encoder", "fixed_code", "moving_encoder", "prior", "sampled"]


@torch.inference_mode()
def decoder_layers(network, codes):
    """What each layer of the own decoder makes of these codes."""
    first = network.decoder.first(torch.as_tensor(codes))
    return {"decoder.first": first.numpy(), "decoder.last": network.decoder.last(first.relu()).numpy()}


@torch.inference_mode()
def posterior(subject, network):
    found = network.encode(torch.from_numpy(subject.images))
    return found.mean, found.mean + (0.5 * found.log_var).exp() * torch.from_numpy(subject.noise)


@pytest.fixture(scope="module")
def wiring(subject):
    return Wiring().of(subject)


def test_there_is_a_row_for_each_control_decoder_layer_step_and_draw(wiring):
    assert tuple(wiring.columns) == WIRING[1:]
    assert set(wiring.measure) == {"cka"}
    assert set(wiring.part) == {"decoder"}
    counted = wiring.groupby(["control", "layer", "step", "draw"]).size()
    assert sorted(wiring.control.unique()) == CONTROLS
    assert set(wiring.layer) == {"decoder.first", "decoder.last"}
    assert (counted == 1).all()
    assert len(counted) == 5 * 2 * 3 * 9


@pytest.mark.parametrize("step", [0, 2, 6])
def test_each_control_is_the_decoder_fed_by_hand(folder, wiring, subject, step):
    now, end = subject.network(step), subject.network(6)
    (mean, sampled), (final, final_sampled) = posterior(subject, now), posterior(subject, end)
    fixed, prior = fixed_code(subject.images, 3), prior_code(40, 3, folder.study.probe.seed)
    fed = {
        "final_encoder": (now, final, end, final),
        "fixed_code": (now, fixed, end, fixed),
        "prior": (now, prior, end, prior),
        "sampled": (now, sampled, end, final_sampled),
        "moving_encoder": (end, mean, end, final),
    }
    for control, (a, codes_a, b, codes_b) in fed.items():
        left, right = decoder_layers(a, codes_a), decoder_layers(b, codes_b)
        for layer in left:
            found = wiring[(wiring.control == control) & (wiring.layer == layer) & (wiring.step == step)]
            for draw in (-1, 4):
                rows = np.arange(40) if draw < 0 else half(40, draw)
                expected = vaescope.similarity(left[layer][rows], right[layer][rows])
                assert found[found.draw == draw].score.item() == pytest.approx(expected, abs=2e-5), (control, layer)


def test_at_the_end_every_control_finds_the_decoder_itself_and_before_it_does_not(wiring):
    np.testing.assert_allclose(wiring[wiring.step == 6].score, 1, atol=1e-9)
    assert (wiring[(wiring.step == 0) & (wiring.layer == "decoder.last")].score < 1 - 1e-5).all()


def test_a_fixed_code_is_white_holds_the_leading_components_and_pads_with_nothing():
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(256, 3)))[0].T
    strengths = rng.normal(size=(50, 3)) * [9, 3, 1]
    images = (strengths @ directions + 5).reshape(50, 1, 16, 16).astype(np.float32)
    code = fixed_code(images, 5)
    np.testing.assert_allclose(code.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(code.T, ddof=0)[:3, :3], np.eye(3), atol=1e-5)
    assert (code[:, 3:] == 0).all()
    assert abs(np.corrcoef(code[:, 0], strengths[:, 0])[0, 1]) > 0.95
    assert (code[np.abs(code).argmax(axis=0)[:3], [0, 1, 2]] > 0).all()
    assert (fixed_code(np.ones((6, 1, 16, 16), np.float32), 2) == 0).all()


def test_prior_codes_are_the_first_of_more_and_another_seed_has_others():
    assert prior_code(7, 3, 0).shape == (7, 3)
    assert (prior_code(7, 3, 0) == prior_code(7, 3, 0)).all()
    assert (prior_code(7, 3, 0) != prior_code(7, 3, 1)).any()


def test_a_run_without_its_end_has_no_controls(stopped):
    subject = Subject(stopped, stopped.runs[0])
    for examination in (Wiring(), Untrained(), Abroad()):
        found = examination.of(subject)
        assert found.empty
        assert tuple(found.columns) == examination.columns


def test_untrained_networks_are_compared_on_their_own_codes_and_on_those_of_the_run(subject):
    found = Untrained().of(subject)
    assert tuple(found.columns) == UNTRAINED[1:]
    names = [layer.name for layer in subject.layers if layer.part != "input"]
    plain, fed = (found[found.control == control] for control in ("untrained", "untrained_fed"))
    assert plain.groupby("network").layer.agg(list).to_dict() == {k: names for k in range(3)}
    assert set(fed.layer) == {"decoder.first", "decoder.last"}
    assert plain.groupby("layer").score.nunique().drop("encoder.0").gt(1).all()
    assert found.equals(Untrained().of(subject))
    assert (found.score < 1 - 1e-6).all()
    decoder = plain[plain.layer == "decoder.last"].score.to_numpy()
    assert (decoder != fed[fed.layer == "decoder.last"].score.to_numpy()).all()


def test_untrained_networks_are_those_of_their_keys(subject):
    from vaescope.models.making import first
    from vaescope.models.network import NETWORKS
    from vaescope.runs.draw import draw

    run, end = subject.run, subject.network(6)
    fresh = first(NETWORKS["own"], (1, 16, 16), 3, {}, draw("untrained", run.seed, 1)).eval()
    codes, _ = posterior(subject, end)
    expected = vaescope.similarity(*(decoder_layers(n, codes)["decoder.last"] for n in (fresh, end)))
    found = Untrained().of(subject)
    chosen = (found.control == "untrained_fed") & (found.network == 1) & (found.layer == "decoder.last")
    assert found[chosen].score.item() == pytest.approx(expected, abs=2e-5)


def test_another_dataset_is_looked_at_with_these_examples_where_it_has_their_shape(given, tmp_path):
    folder = trained(tmp_path / "s", "datasets=[grey, dark, coloured]", "networks=[plain]", "seeds=1")
    grey, dark, coloured = folder.runs
    subject = Subject(folder, grey)
    assert Abroad().others(subject) == (dark,)
    found = Abroad().of(subject)
    assert tuple(found.columns) == ABROAD[1:]
    assert set(found.dataset_b) == {"dark"}
    assert set(found.run_b) == {dark.id}
    walks = []
    for run in (grey, dark):
        network = subject.network(6, run)
        walk = network.walk(torch.from_numpy(subject.images), torch.from_numpy(subject.noise))
        walks.append({name: flat(value).copy() for name, value in walk})
    assert set(found.layer) == walks[0].keys() - {"input"}
    for row in found.itertuples():
        expected = vaescope.similarity(walks[0][row.layer], walks[1][row.layer])
        assert row.score == pytest.approx(expected, abs=2e-5)
    assert Abroad().of(Subject(folder, coloured)).empty


def test_a_network_of_the_package_can_be_fed(given, tmp_path):
    folder = trained(tmp_path / "s", "networks=[conv]", "seeds=1", "snapshots=[0, 6]")
    subject = Subject(folder, folder.runs[0])
    found = Wiring().of(subject)
    assert list(found.layer.unique()) == [layer.name for layer in subject.layers if layer.part == "decoder"]
    assert np.isfinite(found.score).all()
    np.testing.assert_allclose(found[found.step == 6].score, 1, atol=1e-9)


def test_a_study_without_a_similarity_has_no_controls(given, tmp_path):
    folder = trained(tmp_path / "s", "measures={procrustes_angle: {}}", "seeds=1", "networks=[plain]")
    subject = Subject(folder, folder.runs[0])
    assert all(examination.of(subject).empty for examination in (Wiring(), Untrained(), Abroad()))
    assert not subject.course.references
    assert len(subject.course.shapes) == 3 * len(subject.layers)
