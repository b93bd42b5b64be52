"""What the code blocks of README.md may use."""

import pytest


@pytest.fixture(autouse=True)
def _names_of_the_readme(doctest_namespace, tmp_path):
    doctest_namespace["out"] = tmp_path / "study"
