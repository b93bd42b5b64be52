"""Runs that differ in the dataset alone, and what is asked of datasets to find them."""

from types import SimpleNamespace

from vaescope.stats.examination import EXAMINATIONS


def test_of_a_study_of_one_dataset_nothing_is_asked_of_the_dataset():
    subject = SimpleNamespace(abroad=(), run=None)  # a dataset lent in another process: its shape cannot be told
    assert EXAMINATIONS["abroad"]().others(subject) == ()
