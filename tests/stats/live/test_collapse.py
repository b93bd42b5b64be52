"""The alarm of posterior collapse, on latents that go idle and come back at known steps."""

import numpy as np
import pytest
from tests.stats.live.made import N, normal, observation, posterior

from vaescope.stats.latents.posterior import information
from vaescope.stats.live.live import Live

STEPS = (0, 100, 200, 400, 800, 1_600, 3_200, 6_400)


def answers_of(told, steps=STEPS, **rules):
    """Answers to posteriors in which latents are in use as `told(step)` says."""
    live = Live(**rules)
    for step in steps:
        live.observe(observation(step, {"mean": normal(1)}, **posterior(told(step))))
    return [a for a in live.answers if a.kind in ("collapse", "recovered")], live


def test_latents_that_go_idle_at_step_800_are_named_at_the_second_observation_that_finds_them_so():
    answers, live = answers_of(lambda step: [True, step < 800, True, step < 800])
    assert [(a.kind, a.step, a.since, a.latents) for a in answers] == [("collapse", 1_600, 800, (1, 3))]
    assert "Latents 1 and 3 told something of the examples and no longer do, since step 800" in answers[0].text
    assert "2 of 4 latents are in use" in answers[0].text
    assert answers[0].value < 0.1
    assert live.flat()["latents/in_use"] == 2


def test_when_none_is_left_it_is_called_collapse():
    answers, _ = answers_of(lambda step: [step < 800] * 3)
    assert answers[0].text.startswith("Posterior collapse: none of 3 latents")


def test_latents_that_come_back_are_told():
    answers, _ = answers_of(lambda step: [True, not 400 <= step < 1_600])
    assert [(a.kind, a.step, a.latents) for a in answers] == [("collapse", 800, (1,)), ("recovered", 3_200, (1,))]
    assert answers[1].text == f"Latent 1 tells something again of the examples, {answers[1].value:.2f} nats."
    assert answers[1].value > 2


def test_silence_before_the_warm_up_ends_is_no_alarm_and_after_it_is():
    answers, _ = answers_of(lambda step: [False] * 4, warm_up=1_000)
    assert [(a.kind, a.step, a.latents) for a in answers] == [("collapse", 1_600, (0, 1, 2, 3))]
    assert "None of 4 latents has told anything of the examples up to step 1,600" in answers[0].text


def test_latents_that_begin_within_the_warm_up_give_no_alarm():
    assert answers_of(lambda step: [step >= 400] * 4, warm_up=1_000)[0] == []


def test_a_few_latents_that_are_never_used_are_normal_and_most_are_not():
    assert answers_of(lambda step: [step > 0, step > 0, False, False])[0] == []
    answers, _ = answers_of(lambda step: [step > 0, False, False, False])
    assert [a.latents for a in answers] == [(1, 2, 3)]
    assert "3 of 4 latents have not" in answers[0].text


def test_a_single_idle_observation_is_no_alarm():
    assert answers_of(lambda step: [True, step != 800])[0] == []


def test_what_a_latent_tells_is_its_information():
    _, live = answers_of(lambda step: [True, False])
    told = posterior([True, False])
    assert live.flat()["information/0"] == pytest.approx(information(told["mean"], told["log_var"])[0])
    assert live.flat()["information/1"] == pytest.approx(0)
    assert live.flat()["latents/active"] == 1
    assert live.flat()["latents/passive"] == 1


def test_a_latent_far_from_the_prior_that_is_the_same_for_all_tells_nothing():
    live = Live(warm_up=100)
    for step in STEPS:
        shifted = np.full((N, 1), 5.0, np.float32)
        live.observe(observation(step, {"mean": normal(1)}, mean=shifted, log_var=np.full((N, 1), -3.0, np.float32)))
    assert [a.latents for a in live.answers if a.kind == "collapse"] == [(0,)]
    assert live.flat()["kl/0"] > 10


def test_a_posterior_that_is_not_finite_is_said_once():
    live = Live()
    for step in (0, 1, 2):
        bad = np.full((N, 2), np.inf, np.float32)
        live.observe(observation(step, {"encoder.1": normal(1)}, mean=np.zeros((N, 2), np.float32), log_var=bad))
    assert [a.kind for a in live.answers if "posterior" in a.text] == ["warning"]


def hovering(told, steps=STEPS, **rules):
    """Answers to posteriors of which each latent has the information `told(step)`, nats."""
    live, z = Live(warm_up=10**6, **rules), normal(2, width=1)[:, 0]
    for step in steps:
        spread = np.exp(-np.array(told(step)))
        mean = z[:, None] * np.sqrt(1 - spread**2)
        log_var = np.broadcast_to(2 * np.log(spread), mean.shape)
        live.observe(
            observation(step, {"mean": normal(1)}, mean=mean.astype(np.float32), log_var=log_var.astype(np.float32))
        )
    return [(a.kind, a.step, a.latents) for a in live.answers if a.kind in ("collapse", "recovered")], live


def test_latents_on_the_border_are_not_called_collapsed_and_recovered_by_turns():
    steps = tuple(range(0, 6_000, 100))
    assert hovering(lambda step: [0.08 if step // 200 % 2 else 0.13], steps)[0] == []


def test_a_latent_that_was_in_use_is_lost_below_idle_and_has_recovered_at_twice_that():
    told = {0: 0.3, 100: 0.3, 200: 0.15, 400: 0.08, 800: 0.08, 1_600: 0.15, 3_200: 0.25, 6_400: 0.25}
    answers, live = hovering(lambda step: [told[step], 0.3])
    assert answers == [("collapse", 800, (0,)), ("recovered", 6_400, (0,))]
    assert [a.since for a in live.answers if a.latents] == [400, 3_200]
    assert hovering(lambda step: [0.15 if step >= 200 else 0.3])[0] == []
