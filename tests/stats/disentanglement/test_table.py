"""The table of docs/disentanglement.md is what its command gives."""

import pytest
from tests.conftest import REPOSITORY
from tests.stats.disentanglement.cases import ALL_SCORES
from tests.stats.disentanglement.table import lines, table


def rows(found):
    """Case -> numbers, of a table in Markdown."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in found]
    return {first: [float(v) for v in values] for first, *values in cells[2:]}


def test_the_table_in_the_documents_is_the_one_its_command_prints():
    text = (REPOSITORY / "docs" / "disentanglement.md").read_text()
    section = text.split("tests.stats.disentanglement.table")[1]
    written = rows([line for line in section.splitlines() if line.startswith("|")][: 2 + 12])
    found = rows(list(lines(table())))
    assert set(written) == set(found)
    for case, values in written.items():
        assert len(values) == len(ALL_SCORES)
        assert found[case] == pytest.approx(values, abs=0.03)  # other versions of scikit-learn grow other trees
