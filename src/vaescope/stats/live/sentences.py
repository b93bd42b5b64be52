"""What is said of layers and parts."""

from collections.abc import Sequence
from dataclasses import replace

from vaescope.stats.live.answer import Answer
from vaescope.stats.live.layer import Look
from vaescope.stats.live.rules import Rules
from vaescope.stats.live.seen import NOTHING, Reading
from vaescope.stats.live.wording import listed, score, step_name, with_interval

WHY = {
    "zero_variance": "gives the same for all examples",
    "non_finite": "gives NaN or infinity: training may have diverged",
    "too_few": "has too few examples",
}


def of_layer(look: Look) -> Answer | None:
    """Whether a layer has settled: a "settled" answer, a "moved" one where it no longer has, or None."""
    if look.settled is not None:
        text = f"{look.layer} has settled since step {step_name(look.settled)}: floor-corrected similarity"
        return _answer("settled", look, f"{text} {with_interval(look.corrected)}.", look.settled, look.corrected)
    if look.lost is not None:
        text = f"{look.layer} had settled since step {step_name(look.lost)} and has moved again"
        return _answer(
            "moved", look, f"{text}{_now(look, look.corrected, 'floor-corrected ')}.", look.lost, look.corrected
        )
    return None


def of_still(look: Look) -> Answer | None:
    """Whether a layer changes: a "still" answer, a "moved" one where it does again, or None."""
    if look.still is not None:
        text = f"{look.layer} no longer changes: since step {step_name(look.still)} its similarity to then is"
        return _answer("still", look, f"{text} {with_interval(look.kept)}.", look.still, look.kept)
    if look.moving is not None:
        text = f"{look.layer} did not change since step {step_name(look.moving)} and now does again"
        return _answer("moved", look, f"{text}{_now(look, look.kept, '')}.", look.moving, look.kept)
    return None


def of_part(part: str, looks: Sequence[Look], rules: Rules) -> Answer | None:
    """Whether a part has settled: all its layers that can be told have, at least one, and so would the others."""
    told = [look for look in looks if look.tellable]
    asked = told if rules.leave_out else [look for look in looks if not look.unmoved]
    off = [look for look in asked if look.settled is None]
    if not asked:
        return None
    if off:
        text = f"{part} had settled and has moved again: {listed([look.layer for look in off])}"
        least = min(off, key=lambda look: look.corrected.value)
        text = f"{text}{_now(least, least.corrected, 'floor-corrected ')}."
        return _answer("moved", least, text, None, least.corrected, part)
    least = min(asked, key=lambda look: look.corrected.low)
    since = max(look.settled for look in asked if look.settled is not None)
    text = f"{part} has settled since step {step_name(since)}: floor-corrected similarity at least"
    text = f"{text} {with_interval(least.corrected)} ({least.layer})."
    others = [look.layer for look in looks if not look.tellable]
    if others:
        text += f" {listed(others)} alone could not be told, so near {_they(others)} still to the start."
    return _answer("settled", least, text, since, least.corrected, part)


def later(answer: Answer, before: int) -> Answer:
    """The same answer, where another step was said before."""
    return replace(answer, text=f"{answer.text} Not since step {step_name(before)}, as was said before.")


def untellable(part: str, looks: Sequence[Look], count: int, rules: Rules) -> Answer:
    """That some layers cannot be told to have settled."""
    floors = [f"{look.layer} {score(look.start.value)}" for look in looks]
    text = (
        f"{len(looks)} of {count} layers of the {part} cannot be told to have settled, as they still are "
        f"{score(rules.highest_floor)} or more similar to the start: {', '.join(floors)}."
    )
    lowest = min(looks, key=lambda look: look.start.value)
    return _answer("warning", lowest, text, None, lowest.start, part)


def without_number(look: Look) -> Answer:
    """That a layer has no similarity."""
    why = WHY.get(look.reason, f"cannot be compared ({look.reason})")
    return _answer("warning", look, f"{look.layer} {why}, at step {step_name(look.step)}.", None, NOTHING)


def _answer(kind: str, look: Look, text: str, since: int | None, found: Reading, where: str = "") -> Answer:
    return Answer(kind, look.step, text, where or look.layer, since, *found)  # type: ignore[arg-type]


def _now(look: Look, found: Reading, what: str) -> str:
    if look.reason:
        return f": it {WHY.get(look.reason, look.reason)}"
    return f" ({what}{with_interval(found)})" if found.value == found.value else ""


def _they(names: Sequence[str]) -> str:
    return "it is" if len(names) == 1 else "they are"
