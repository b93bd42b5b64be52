"""How to make a study again: the commands, and its file with every key. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from vaescope.runs.study import Study


def commands(study: Study, version: str, recorded: str | None = None) -> list[str]:
    """What to type, line by line, with the file beside it saved as study.yaml.

    Args:
        study: the study.
        version: of vaescope.
        recorded: the folder, where somebody else trained the runs and only what follows can be made again.
    """
    if recorded is not None:
        again = [f"vaescope {word} {recorded}" for word in ("compare", "examine", "claims", "report")]
        return [f"pip install vaescope=={version}", *again]
    folder = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in study.name)[:80] or "study"
    return [
        f"pip install vaescope=={version}",
        f"vaescope run study.yaml --out {folder}",
        f"vaescope claims {folder} --all",
        f"vaescope report {folder}",
    ]


def yaml(study: Study) -> str:
    """The study with every default filled in, as YAML that gives the same study when it is read.

    >>> from vaescope.runs.read import read_study
    >>> print(yaml(read_study("quickstart")).splitlines()[0])
    name: "quickstart"
    """
    return "\n".join(_lines(study.dumped(), 0)) + "\n"


def _lines(found: Mapping[str, Any], depth: int) -> list[str]:
    """Keys below keys while they hold more; what is plain, or a list, as JSON, which is YAML too."""
    lines = []
    for key, value in found.items():
        name = key if key.isidentifier() and key not in ("true", "false", "null") else _plain(key)
        head = f"{'  ' * depth}{name}:"
        if isinstance(value, Mapping) and value:
            lines += [head, *_lines(value, depth + 1)]
        else:
            lines.append(f"{head} {_plain(value)}")
    return lines


def _plain(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
