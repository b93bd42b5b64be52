"""The exceptions carry their exit code, can be caught as what they are, and survive a trip to another process."""

from copy import deepcopy

import pytest

from vaescope import errors
from vaescope.errors import CorruptArtifact, Interrupted, RepresentationError, ResourceError, UsageError, VaescopeError


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (RepresentationError, 2), (CorruptArtifact, 3), (ResourceError, 4), (Interrupted, 130)],
)
def test_each_error_knows_its_exit_code(error, code):
    assert error.exit_code == code


def test_every_error_of_the_module_is_one_of_ours_or_a_keyboard_interrupt():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and c.__module__ == errors.__name__]
    assert len(classes) >= 6
    assert all(issubclass(c, VaescopeError | KeyboardInterrupt) for c in classes)


def test_bad_values_are_value_errors_too():
    assert issubclass(UsageError, ValueError)
    assert issubclass(RepresentationError, ValueError)


def test_a_stop_is_not_swallowed_by_except_exception():
    assert not issubclass(Interrupted, Exception)


def test_a_representation_error_keeps_its_reason_when_it_is_sent_elsewhere():
    sent = deepcopy(
        RepresentationError("layer mean: constant", reason="zero_variance")
    )  # rebuilt as pickle rebuilds it
    assert str(sent) == "layer mean: constant"
    assert sent.reason == "zero_variance"
