"""What README.md shows besides Python, which its doctests run."""

import re

from tests.conftest import REPOSITORY
from vaescope.cli import app
from vaescope.pipeline import load_study

README = (REPOSITORY / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_study_shown_is_one(tmp_path):
    shown = blocks("yaml")
    assert shown
    for text in shown:
        path = tmp_path / "study.yaml"
        path.write_text(text)
        assert load_study(path).runs()


def test_every_command_shown_exists():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    shown = set(re.findall(r"vaescope ([a-z]+)", "".join(blocks("console")))) | set(
        re.findall(r"`vaescope ([a-z]+)[ `]", README)
    )
    assert {"run", "plan", "train", "status", "cite"} <= shown
    assert shown <= known
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


def test_every_file_linked_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 5
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
    assert all(language in ("python", "yaml", "console") for language in re.findall(r"```([a-z]+)", README))
