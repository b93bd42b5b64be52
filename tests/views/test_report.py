"""The page as a text, without a browser."""

import hashlib
import html
import json
import re
from base64 import b64encode

import pytest
from tests.views.fake_results import FakeResults, fake_pictures, study

from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress
from vaescope.stats.measure import MEASURES
from vaescope.views import method
from vaescope.views.report import report


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def arrays_of(text: str) -> str:
    return re.search(r'<script type="text/plain" id="arrays">(.*?)</script>', text, re.DOTALL)[1]


def test_four_runs_of_ten_snapshots_stay_below_three_megabytes(written):
    assert 100_000 < written().stat().st_size < 3_000_000


def test_nothing_in_the_page_is_fetched_and_every_script_has_its_hash(written):
    text = written().read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    scripts = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    for script in scripts:
        assert f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert (len(scripts), text.count("<script")) == (1, 3)
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"<(?:link|script|img|iframe|source)[^>]+(?:href|src)=\"(?!data:)", markup)


def test_scores_are_there_only_for_measures_that_were_computed(written):
    data = data_of(written("one measure", FakeResults(without=("procrustes",))).read_text(encoding="utf-8"))
    assert {entry["measure"] for entry in data["maps"]["settings"]} == {"cka"}
    assert "not computed yet" in written("one measure").read_text(encoding="utf-8")


def test_a_snapshot_that_is_damaged_costs_its_pictures_only(tmp_path):
    results = FakeResults(study(seeds=1, objectives={"vae": {}}, steps=10, snapshots=[0, 5]))

    def damaged(folder, run, step):
        if step == 5:
            raise CorruptArtifact("step-5.safetensors is damaged.")
        return fake_pictures(folder, run, step)

    text = report(results, tmp_path / "report.html", pictures=damaged).read_text(encoding="utf-8")
    assert list(data_of(text)["pictures"]["0"]) == ["0", "10"]
    assert "1 snapshot has no pictures: step-5.safetensors is damaged." in text


def test_pictures_that_cannot_be_made_are_told_once_and_the_rest_of_the_page_is_there(tmp_path):
    said = []

    class Told(Progress):
        def say(self, line: str) -> None:
            said.append(line)

    def missing(folder, run, step):
        raise CorruptArtifact(f"{folder.path}/probe.json is missing.")

    out = report(FakeResults(), tmp_path / "report.html", Told(), pictures=missing)
    text = out.read_text(encoding="utf-8")
    told = "40 snapshots have no pictures; the first of them because probe.json is missing."
    assert text.count(told) == 1
    assert "No pictures could be made: the top of the page says why." in text
    assert "No pictures yet" not in text
    assert said == []
    assert "decoder layers take" in text


def refuse_to_draw(folder, run, step):
    raise AssertionError("a picture was made")


@pytest.mark.parametrize(
    ("where", "error", "told"),
    [
        (".", UsageError, "is a folder: expected a file to write. Give a file in it"),
        ("missing/report.html", ResourceError, "missing does not exist. Make that folder, or choose another file"),
        ("file/report.html", ResourceError, "file is not a folder. Make that folder, or choose another file"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_picture(tmp_path, where, error, told):
    (tmp_path / "file").write_text("x")
    with pytest.raises(error, match=told):
        report(FakeResults(), tmp_path / where, pictures=refuse_to_draw)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission_is_refused_before_any_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("vaescope.views.report.os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(ResourceError, match="no permission to write in"):
        report(FakeResults(), tmp_path / "report.html", pictures=refuse_to_draw)


@pytest.mark.parametrize(
    ("doc", "title"),
    [
        ("Debiased linear CKA: the cosine of.", "Debiased linear CKA"),
        ("Linear CKA as first defined, and as it was.", "Linear CKA as first defined"),
        ("Mean\n    distance. It is so.", "Mean distance"),
        ("Many words before the very first of all punctuation marks.", "mine"),
        (None, "mine"),
    ],
)
def test_a_measure_names_itself_on_the_page(monkeypatch, doc, title):
    monkeypatch.setattr("vaescope.views.method.MEASURES", {"mine": type("Mine", (), {"__doc__": doc})})
    assert method.titles(["mine"]) == {"mine": title}


def test_measures_that_describe_themselves_alike_are_told_apart_by_name(monkeypatch):
    alike = type("Alike", (), {"__doc__": "Linear CKA: so."})
    monkeypatch.setattr("vaescope.views.method.MEASURES", {"a": alike, "b": alike})
    assert method.titles(["a", "b"]) == {"a": "Linear CKA (a)", "b": "Linear CKA (b)"}


def test_every_measure_has_a_title_of_its_own():
    found = method.titles(list(MEASURES))
    assert len(set(found.values())) == len(MEASURES)
    assert all(title and title != name for name, title in found.items())


def test_the_method_says_what_runs_of_one_seed_share(written):
    assert (
        "Runs of one seed share initial weights, batches and noise, whatever their objective."
        in written().read_text(encoding="utf-8")
    )


def test_the_words_of_the_summary_carry_the_numbers_of_the_frames(written):
    text = html.unescape(written().read_text(encoding="utf-8"))
    lead = FakeResults().lead
    for column in ("raw", "corrected"):
        mean = 2 ** lead.loc[lead.measure == "cka", column].mean()
        assert f"decoder layers take {mean:.0f}× as many steps" in text
    assert "4 runs of up to 700 steps each: dsprites with conv, beta_vae (beta = 1, 8), 2 seeds." in text


@pytest.mark.parametrize("name", ["not started", "one snapshot", "nothing compared", "all diverged"])
def test_a_study_at_any_stage_has_a_page(written, name):
    results = {
        "not started": lambda: FakeResults(snapshots=0),
        "one snapshot": lambda: FakeResults(snapshots=1),
        "nothing compared": lambda: FakeResults(without=("cka", "procrustes")),
        "all diverged": lambda: FakeResults(study(seeds=1, objectives={"vae": {}}), diverged=0),
    }[name]()
    text = written(name, results).read_text(encoding="utf-8")
    assert "There is no finding yet." in text
    assert "No curves yet" in text
