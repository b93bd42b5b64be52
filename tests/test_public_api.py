"""The public API is a list: the stub, `__all__` and what can be imported say the same."""

import ast
from importlib import metadata
from pathlib import Path

import pytest

import vaescope

STUB = Path(vaescope.__file__).with_suffix(".pyi")
PROMISED = {"similarity", "load_dataset", "load_study", "run", "open"}


def listed() -> set[str]:
    """The names that the stub imports, each written `from .module import name as name`."""
    names = set()
    for node in ast.walk(ast.parse(STUB.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.asname == alias.name, f"write `{alias.name} as {alias.name}`, or type checkers hide it"
                names.add(alias.name)
    return names


def test_the_stub_lists_exactly_what_the_package_offers():
    assert listed() == set(vaescope.__all__)


def test_the_promised_names_are_there():
    assert set(vaescope.__all__) >= PROMISED


@pytest.mark.parametrize("name", sorted(listed() | PROMISED))
def test_every_public_name_can_be_imported_and_is_documented(name):
    member = getattr(vaescope, name)
    assert member.__doc__
    assert member.__doc__.strip()


def test_nothing_else_is_offered():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = vaescope.no_such_name


def test_the_version_is_that_of_the_installed_package():
    assert vaescope.__version__ == metadata.version("vaescope")
