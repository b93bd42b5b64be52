"""A family finds its members by itself, and says what went wrong in words one can act on."""

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, invalidate_caches
from itertools import count

import pytest

from vaescope.errors import UsageError
from vaescope.registry import Registry, suggestion

NUMBERS = count()


@pytest.fixture
def family(tmp_path, monkeypatch):
    """Write an importable package of the given modules; return the registry that searches it."""

    def make(**modules: str) -> Registry[type]:
        package = f"family_{next(NUMBERS)}"
        (tmp_path / package).mkdir()
        kept = f"from vaescope.registry import Registry\nFAMILY = Registry('tree', '{package}', '{package}.trees')\n"
        (tmp_path / package / "__init__.py").write_text(kept)
        for name, source in modules.items():
            (tmp_path / package / f"{name}.py").write_text(f"from {package} import FAMILY\n{source}")
        monkeypatch.syspath_prepend(tmp_path)
        invalidate_caches()
        return import_module(package).FAMILY

    before = set(sys.modules)
    yield make
    for module in set(sys.modules) - before:
        if module.startswith("family_"):
            del sys.modules[module]


def member(name: str) -> str:
    return f"@FAMILY.register\nclass {name.title()}:\n    name = {name!r}\n"


def plant(folder, group: str, line: str, code: str) -> None:
    """Another installed package, as far as Python can tell: a module and the metadata that declares its entry point."""
    (folder / "nursery.py").write_text(code)
    info = folder / "nursery-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nursery\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{line}\n")


def test_being_in_the_folder_is_being_found(family):
    trees = family(oak=member("oak"), elm=member("elm"))
    assert list(trees) == ["elm", "oak"]
    assert len(trees) == 2
    assert trees["oak"].__name__ == "Oak"
    assert "oak" in trees
    assert "ash" not in trees


def test_modules_are_imported_when_first_asked_and_not_before(family):
    trees = family(oak=member("oak"))
    assert f"{trees.package}.oak" not in sys.modules
    assert trees["oak"]
    assert f"{trees.package}.oak" in sys.modules


def test_another_package_adds_a_member_through_its_entry_point(family, tmp_path):
    trees = family(oak=member("oak"))
    code = f"from {trees.package} import FAMILY\n{member('larch')}"
    plant(tmp_path, f"{trees.package}.trees", "larch = nursery:Larch", code)
    try:
        assert list(trees) == ["larch", "oak"]
        assert trees["larch"].__module__ == "nursery"
    finally:
        sys.modules.pop("nursery", None)


def test_an_entry_point_of_another_group_is_left_alone(family, tmp_path):
    trees = family(oak=member("oak"))
    plant(tmp_path, "somebody.else", "larch = nursery:Larch", "raise AssertionError('imported')")
    assert list(trees) == ["oak"]


@pytest.mark.parametrize(
    ("source", "names", "told"),
    [
        ("import not_there_at_all", "", "cannot be imported: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("", ":Elm", "cannot be imported: AttributeError"),
        ("Elm = 5", ":Elm", "expected .*:Elm to be a module or class with `@register`, got 5"),
    ],
)
def test_an_entry_point_that_gives_no_member_is_told_with_its_package(family, tmp_path, source, names, told):
    registry = family(oak=member("oak"))
    other = f"family_{next(NUMBERS)}"
    (tmp_path / f"{other}.py").write_text(source)
    info = tmp_path / f"{other}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {other}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{registry.group}]\nelm = {other}{names}\n")
    invalidate_caches()
    for _ in range(2):  # the second time as the first
        with pytest.raises(UsageError, match=f"tree 'elm' of the package '{other}': .*{told}"):
            list(registry)


def test_a_name_can_be_taken_only_once(family):
    trees = family(oak=member("oak"), other=member("oak"))
    with pytest.raises(UsageError, match=r"tree 'oak' is registered twice: .*\.oak\.Oak.*\.other\.Oak"):
        list(trees)


@pytest.mark.parametrize("variables", [{}, {"name": 3}, {"name": "an oak"}])
def test_a_member_needs_a_name_that_is_an_identifier(variables):
    oak = type("Oak", (), variables)
    with pytest.raises(UsageError, match=r"expected a class variable `name` that is an identifier, got"):
        Registry("tree", "vaescope", "no.group").register(oak)


def test_an_unknown_name_is_told_with_the_known_and_the_nearest(family):
    trees = family(oak=member("oak"), hornbeam=member("hornbeam"))
    with pytest.raises(UsageError, match=r"unknown tree 'hornbean'; known: hornbeam, oak\. Did you mean 'hornbeam'\?$"):
        trees["hornbean"]
    with pytest.raises(UsageError, match=r"known: hornbeam, oak\.$"):
        trees["xyz"]


def test_a_mapping_without_an_entry_gives_the_default(family):
    assert family(oak=member("oak")).get("ash") is None


def test_a_module_that_cannot_be_imported_fails_every_time(family):
    trees = family(oak="import no_such_module_anywhere")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
            list(trees)


def test_suggestions_do_not_mind_case():
    assert suggestion("Beta_VAE", ["vae", "beta_vae"]) == " Did you mean 'beta_vae'?"
    assert suggestion("zzz", ["vae", "beta_vae"]) == ""


def test_threads_that_ask_at_once_all_see_every_member(family):
    trees = family(ash="import time\ntime.sleep(0.2)", oak=member("oak"))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: list(trees), range(4))) == [["oak"]] * 4


@pytest.mark.parametrize("name", [None, 5, ["conv"]])
def test_what_is_no_name_is_refused(name):
    from vaescope.models.network import NETWORKS

    with pytest.raises(UsageError, match="expected the name of a network"):
        NETWORKS[name]
