"""Live on layers whose truth is known: that stand still from a step on, drift, jump, are noise, or hardly move."""

import numpy as np
import pytest
from tests.stats.live.made import STEPS, WIDTH, N, normal, observation, on_the_way

from vaescope.errors import UsageError
from vaescope.stats.live.live import Live
from vaescope.stats.live.wording import score
from vaescope.stats.similarity import similarity


def until(last: int):
    """A way that is made evenly in the steps and ends at `last`."""
    return lambda step: min(step / last, 1.0)


def answers_of(layers, steps=STEPS, live=None, **rules):
    """Every answer to layers given as functions of the step."""
    live = live or Live(**rules)
    for step in steps:
        live.observe(observation(step, {name: of(step) for name, of in layers.items()}))
    return live.answers, live


def kinds(answers, where=None):
    return [(a.kind, a.where, a.step, a.since) for a in answers if where in (None, a.where)]


def test_a_layer_that_stands_still_from_step_100_has_settled_since_then_and_it_is_said_at_twice_the_steps():
    answers, live = answers_of({"encoder.1": lambda step: on_the_way(until(100)(step))})
    assert kinds(answers, "encoder.1") == [
        ("settled", "encoder.1", 200, 100),
        ("still", "encoder.1", 200, 100),
    ]
    said = answers[0]
    assert said.value == pytest.approx(1, abs=1e-5)
    assert "encoder.1 has settled since step 100: floor-corrected similarity" in said.text
    assert live.settled["encoder.1"].since == 100


def test_with_noise_the_first_step_within_the_level_counts_and_the_interval_is_around_the_number():
    answers, live = answers_of({"encoder.1": lambda step: on_the_way(until(100)(step), noise=0.05, step=step)})
    settled = next(a for a in answers if a.kind == "settled")
    assert settled.since in (100, 120)
    assert settled.low < settled.value < settled.high
    assert settled.low >= 0.98
    assert "encoder.1" in live.settled
    assert not [a for a in answers if a.kind == "moved"]


def test_a_layer_that_is_noise_never_settles_and_never_stands_still():
    answers, _ = answers_of({"encoder.1": lambda step: normal(7, step)})
    assert answers == []


@pytest.mark.parametrize("way", [lambda share: share, np.sqrt])
def test_a_layer_that_goes_on_evenly_in_the_steps_or_in_their_root_never_settles(way):
    assert answers_of({"encoder.1": lambda step: on_the_way(way(step / 800))})[0] == []


def test_one_that_goes_on_evenly_in_the_log_settles_once_a_doubling_is_less_than_a_seventh_of_the_way():
    """Its squared share is then below 2 %: at 2^7 steps or somewhat more, and never where 2^7 is not reached."""
    steps = sorted({0, *(round(2 ** (k / 2)) for k in range(25))})
    answers, _ = answers_of({"encoder.1": lambda step: on_the_way(np.log1p(step) / np.log1p(4_096))}, steps=steps)
    assert 2**6 < min(a.step for a in answers if a.kind == "settled") < 2**10


def test_what_was_said_is_taken_back_when_the_layer_moves_again():
    def jumps(step):
        return on_the_way(until(100)(step)) if step < 500 else on_the_way(1.0) + 3 * normal(8).astype(np.float32)

    answers, live = answers_of({"encoder.1": jumps}, steps=STEPS[:-2])
    assert kinds(answers, "encoder.1") == [
        ("settled", "encoder.1", 200, 100),
        ("still", "encoder.1", 200, 100),
        ("moved", "encoder.1", 500, 100),
        ("moved", "encoder.1", 500, 100),
    ]
    assert dict(live.settled) == dict(live.still) == {}
    moved = [a.text for a in answers if a.kind == "moved"]
    assert moved[0].startswith("encoder.1 had settled since step 100 and has moved again (floor-corrected ")
    assert moved[1].startswith("encoder.1 did not change since step 100 and now does again (")
    assert moved[2].startswith("encoder had settled and has moved again: encoder.1 (floor-corrected ")


def test_dense_snapshots_before_training_moves_anything_do_not_settle():
    def late(step):
        return on_the_way(0.0 if step < 300 else 1.0, noise=0.01, step=step)

    answers, _ = answers_of({"encoder.1": late}, steps=[s for s in STEPS if s <= 300])
    assert answers == []


def test_a_part_has_settled_when_the_last_of_its_layers_has():
    layers = {
        "encoder.1": lambda step: on_the_way(until(60)(step), key=1),
        "encoder.2": lambda step: on_the_way(until(100)(step), key=2),
        "decoder.1": lambda step: on_the_way(until(800)(step), key=3),
    }
    answers, live = answers_of(layers)
    assert kinds(answers, "encoder") == [("settled", "encoder", 200, 100)]
    assert [a.kind for a in answers if a.where.startswith("decoder")] == ["warning"]
    assert set(live.settled) == {"encoder.1", "encoder.2", "encoder"}


def high_floor(step, last=100):
    return on_the_way(until(last)(step), key=5, shared=8.0)


def test_a_layer_with_a_floor_of_97_is_never_said_to_have_settled_and_that_is_said_once():
    floor = similarity(high_floor(0), high_floor(800))
    assert 0.96 < floor < 0.98
    layers = {"encoder.1": high_floor, "encoder.2": lambda step: on_the_way(until(100)(step), key=2)}
    answers, live = answers_of(layers)
    assert [a.kind for a in answers if a.where == "encoder.1"] == ["still"]
    warnings = [a for a in answers if a.kind == "warning"]
    assert [a.where for a in warnings] == ["encoder"]
    assert "1 of 2 layers of the encoder cannot be told to have settled" in warnings[0].text
    assert warnings[0].text.endswith(f"similar to the start: encoder.1 {score(warnings[0].value)}.")
    assert warnings[0].value == pytest.approx(similarity(high_floor(0), high_floor(200)), abs=1e-5)
    assert kinds(answers, "encoder")[0] == ("settled", "encoder", 200, 100)
    assert "encoder.1 alone could not be told" in live.settled["encoder"].text


def test_a_layer_of_high_floor_that_moves_keeps_its_part_from_settling_unless_it_is_left_out():
    layers = {
        "encoder.1": lambda step: high_floor(step, last=800),
        "encoder.2": lambda step: on_the_way(until(100)(step), key=2),
    }
    assert "encoder" not in answers_of(layers)[1].settled
    assert answers_of(layers, leave_out=True)[1].settled["encoder"].since == 100


def test_a_part_of_which_no_layer_can_be_told_does_not_settle():
    _, live = answers_of({"encoder.1": high_floor, "decoder.1": lambda step: on_the_way(until(60)(step))})
    assert "encoder" not in live.settled
    assert "decoder" in live.settled


def test_the_same_observations_give_the_same_answers_and_nothing_is_said_twice():
    layers = {
        "encoder.1": lambda step: on_the_way(until(100)(step), noise=0.1, step=step),
        "decoder.1": lambda step: on_the_way(until(300)(step), key=2, noise=0.1, step=step),
    }
    one, live = answers_of(layers)
    other, _ = answers_of(layers)
    assert one == other == live.answers
    assert len({a.text for a in one}) == len(one)


def test_memory_stays_within_what_is_kept_however_many_observations_there_are():
    steps = range(0, 3_000, 20)
    _, live = answers_of({"encoder.1": lambda step: on_the_way(until(100)(step))}, steps=steps, kept=8)
    assert live.nbytes <= 8 * (N * (N - 1) // 2 * 4 + N * 8)
    assert live.settled["encoder.1"].since == 100


def test_thinning_keeps_an_answer_that_was_given_and_finds_one_that_comes_late():
    steps = range(0, 4_000, 25)
    answers, live = answers_of({"encoder.1": lambda step: on_the_way(until(1_500)(step))}, steps=steps, kept=8)
    first = next(a for a in answers if a.kind == "settled")
    assert first.since is not None
    assert 1_300 <= first.since <= 1_700
    assert first.step <= 2 * first.since + 25
    assert "encoder.1" in live.settled


def test_numbers_for_trackers_are_similarities_to_the_start_and_to_the_previous_observation():
    def of(step):
        return on_the_way(until(400)(step))

    _, live = answers_of({"encoder.1": of, "input": lambda step: normal(9)}, steps=STEPS[:10])
    flat = live.flat()
    assert flat["similarity_to_start/encoder.1"] == pytest.approx(similarity(of(100), of(0)), abs=1e-5)
    assert flat["similarity_to_previous/encoder.1"] == pytest.approx(similarity(of(100), of(80)), abs=1e-5)
    f = similarity(of(100), of(0))
    assert flat["floor_corrected/encoder.1"] == pytest.approx((similarity(of(100), of(40)) - f) / (1 - f), abs=1e-4)
    assert not [name for name in flat if name.endswith("/input")]
    assert all(np.isfinite(list(flat.values())))


def test_the_table_has_a_row_for_every_observation_and_layer():
    _, live = answers_of({"encoder.1": lambda step: on_the_way(until(100)(step)), "mean": lambda step: normal(7, step)})
    table = live.table()
    assert len(table) == 2 * len(STEPS)
    told = table[(table["layer"] == "encoder.1") & (table["step"] >= 200)]
    assert told["settled_since"].tolist() == [100] * len(told)
    assert (told["start_low"] < told["start"]).all()
    assert table.loc[table["layer"] == "mean", "settled_since"].isna().all()


def test_a_layer_that_dies_says_so_once_and_is_no_longer_settled():
    def dies(step):
        return on_the_way(until(100)(step)) if step < 400 else np.ones((N, WIDTH), np.float32)

    answers, live = answers_of({"encoder.1": dies})
    assert [a.kind for a in answers if a.where == "encoder.1"] == ["settled", "still", "moved", "moved", "warning"]
    assert "gives the same for all examples" in answers[-2].text + answers[-1].text
    assert "encoder.1" not in live.settled


def test_values_that_are_not_finite_are_said_once():
    answers, _ = answers_of({"encoder.1": lambda step: normal(1) * (np.nan if step > 50 else 1)})
    assert [(a.kind, a.step) for a in answers] == [("warning", 60)]
    assert "diverged" in answers[0].text


def test_only_the_first_examples_are_looked_at():
    def of(step):
        return np.vstack([on_the_way(until(100)(step)), normal(6, step)]).astype(np.float32)

    _, live = answers_of({"encoder.1": of}, examples=N)
    assert live.settled["encoder.1"].since == 100


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5, ".500"),
        (0.984, ".984"),
        (0.99962, ".99962"),
        (0.999999999, "1"),
        (1.0, "1"),
        (-0.02, "-.020"),
        (0.0, ".000"),
    ],
)
def test_similarities_have_the_digits_that_tell_them_from_one(value, said):
    assert score(value) == said


def test_observations_must_be_in_order_and_of_the_same_examples():
    live = Live()
    live.observe(observation(5, {"encoder.1": normal(1)}))
    with pytest.raises(UsageError, match="a step after 5, got 5"):
        live.observe(observation(5, {"encoder.1": normal(1)}))
    with pytest.raises(UsageError, match="the same 64 examples"):
        live.observe(observation(6, {"encoder.1": normal(1, n=32)}))


def test_too_few_examples_are_said_once_and_stop_nothing():
    answers, live = answers_of({"encoder.1": lambda step: normal(1, step, n=9)})
    assert [a.text for a in answers] == [
        "9 examples are too few for live answers about layers: take 10, better 256, or more."
    ]
    assert live.table().empty


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"level": 1.0}, "level between 0 and 1"),
        ({"patience": 0}, "patience of at least 1"),
        ({"stretch": 1.0}, "stretch above 1"),
        ({"kept": 2}, "kept of at least"),
        ({"idle": 0.0}, "idle above 0"),
    ],
)
def test_rules_out_of_range_say_what_was_expected(rules, said):
    with pytest.raises(UsageError, match=said):
        Live(**rules)


def test_a_training_recorded_from_a_later_step_on_is_held_against_where_it_began():
    steps = [1_000 + step for step in STEPS]
    answers, _ = answers_of({"encoder.1": lambda step: on_the_way(until(100)(step - 1_000))}, steps=steps)
    assert kinds(answers, "encoder.1")[0] == ("settled", "encoder.1", 1_200, 1_100)
