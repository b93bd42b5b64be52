"""The pieces of HTML that a notebook shows."""

import math
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from tests.runs.small import small_study
from tests.views.fake_results import FakeResults, study

import vaescope
from vaescope.stats.claim import Reading, Verdict
from vaescope.views import notebook

EVIL = "<img src=x onerror=alert(1)>&\"'"


class Read(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href", "class", "id")]

    def handle_data(self, data):
        self.words.append(data)


def read(text: str) -> Read:
    found = Read()
    found.feed(text)
    assert "nan" not in text.lower().replace("&", " ")
    assert not {"script", "img", "style", "link", "iframe"} & set(found.tags)
    return found


@dataclass(frozen=True)
class Matrix:
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: np.ndarray
    measure: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(name="cka"))
    n: int = 1000
    warnings: tuple[str, ...] = ()


def test_a_matrix_shows_each_score_under_its_labels_and_names_are_no_markup():
    values = np.array([[1.0, -0.25], [math.nan, 0.5]])
    found = read(notebook.matrix_html(Matrix((EVIL, "b"), ("c", "d"), values, warnings=("few <examples>",))))
    assert [word for word in found.words if word in ("1.00", "−0.25", ".50")] == ["1.00", "−0.25", ".50"]
    assert EVIL in found.words
    assert "few <examples>" in found.words
    assert found.tags.count("span") == 4


def test_a_large_matrix_is_shown_in_part():
    names = tuple(map(str, range(100)))
    text = notebook.matrix_html(Matrix(names, names, np.eye(100)))
    assert read(text).tags.count("span") == notebook.MOST_CELLS**2
    assert "the first 40 are shown" in text


def test_results_show_what_was_trained_and_what_was_found():
    results = FakeResults(study(name=EVIL))
    words = " ".join(read(notebook.results_html(results)).words)
    assert EVIL in words
    assert "4 runs of up to 700 steps each" in words
    assert "4 done; 40 snapshots" in words
    assert "The encoder settles first" in words


@pytest.mark.parametrize("snapshots", [0, 1])
def test_an_unfinished_study_shows_itself_too(snapshots):
    words = " ".join(read(notebook.results_html(FakeResults(snapshots=snapshots))).words)
    assert "There is no finding yet." in words


def test_verdicts_show_both_words_and_the_interval():
    def reading(word, low):
        return Reading("a", EVIL, 1.5, low, 2.0, 1.0, word, 4, 2, math.nan)

    verdict = Verdict("of mine", "undecided", reading("supported", 1.2), (reading("undecided", math.nan),), EVIL)
    words = read(notebook.verdicts_html([verdict])).words
    assert words[0] == "Of 1 claim: 1 undecided; without the controls 1 of them would be answered otherwise."
    assert {"? undecided", "✓ supported", "1.50", "–", "4 runs of 2 seeds", EVIL} <= set(words)
    assert "1.20 to 2.00" not in words
    assert "No claims" in notebook.verdicts_html([])


def test_verdicts_and_results_show_themselves(tmp_path):
    found = vaescope.run(small_study(), tmp_path / "s")
    verdicts = found.claims
    assert verdicts._repr_html_().count("<tr") > len(verdicts)
    assert list(dict.fromkeys(verdicts.to_pandas()["claim"])) == [v.claim for v in verdicts]
    assert found.study.name in found._repr_html_()


def test_results_that_cannot_be_read_say_why_instead_of_raising(tmp_path):
    with vaescope.lent(datasets={"lent_one": np.full((40, 64, 64), 0.5, np.float32)}):
        found = vaescope.run(small_study("datasets=[lent_one]", "probe.n=20"), tmp_path / "s")
        assert "lent_one" in found._repr_html_()
    shown = vaescope.open(found.path)._repr_html_()
    assert "unknown dataset" in shown
    assert "vaescope.lent" in shown
