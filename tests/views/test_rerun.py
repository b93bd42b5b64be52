"""What the page says of running a study again gives the same study again."""

import pytest
from ruamel.yaml import YAML
from tests.views.fake_results import study

from vaescope.runs.read import built_in_studies, read_study
from vaescope.views import rerun


@pytest.mark.parametrize("name", built_in_studies())
def test_the_file_on_the_page_is_the_study(tmp_path, name):
    wanted = read_study(name)
    (tmp_path / "study.yaml").write_text(rerun.yaml(wanted), encoding="utf-8")
    assert read_study(tmp_path / "study.yaml") == wanted


def test_names_of_all_kinds_come_back():
    wanted = study(name='a: "b" # {c} \u2028 – β \x7f', objectives={"vae": {}, "true": {"on": ["yes", 1.0, "null"]}})
    assert YAML(typ="safe", pure=True).load(rerun.yaml(wanted)) == wanted.dumped()


def test_commands_name_a_folder_that_is_one():
    assert rerun.commands(study(name="../my study/β"), "1.2") == [
        "pip install vaescope==1.2",
        "vaescope run study.yaml --out ..-my-study--",
        "vaescope claims ..-my-study-- --all",
        "vaescope report ..-my-study--",
    ]
