"""Figures of a study as files: whole, of the right size, told where they are missing, and without any network."""

import re
import socket

import altair as alt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import vaescope
from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.views import press, theme
from vaescope.views.figure import FIGURES


class Told(Progress):
    """Keeps what it is told."""

    def __init__(self):
        self.lines, self.notes, self.total = [], [], 0

    def stage(self, name, total):
        self.total = total

    def advance(self, count=1, note=""):
        self.notes.append(note)

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    """Three figures: one of scores, one of pictures, one for which the study has nothing."""
    out, told = tmp_path_factory.mktemp("figures") / "new" / "figures", Told()
    files = press.write(small, out, ["heatmap", "reconstructions", "controls"], progress=told)
    return out, files, told


def test_each_figure_is_a_picture_in_every_format_its_data_and_a_caption(written):
    out, files, _ = written
    kinds = ("svg", "png", "pdf", "csv")
    names = [f"{name}.{kind}" for name in ("heatmap", "reconstructions") for kind in kinds]
    assert [file.name for file in files] == [*names, "captions.md"]
    assert {file.name for file in out.iterdir()} == {*names, "captions.md"}  # nothing half written


def test_a_figure_without_data_is_told_and_not_drawn(written):
    out, _, told = written
    assert told.lines == [
        "controls: not drawn: the runs were not examined: give `vaescope examine` on the study's folder."
    ]
    assert "## Not drawn\n\n- controls: the runs were not examined" in (out / "captions.md").read_text()
    assert told.total == 3
    assert told.notes == ["heatmap", "reconstructions", "controls"]


def test_pictures_have_the_width_of_a_paper_at_300_dots_an_inch(written):
    out, _, _ = written
    page = theme.WIDTHS["page"]
    for name in ("heatmap", "reconstructions"):
        with Image.open(out / f"{name}.png") as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert image.width / 300 * 72 <= page + 1
        found = re.search(r'<svg[^>]* width="([\d.]+)pt" height="[\d.]+pt"', (out / f"{name}.svg").read_text())
        assert 0.9 * theme.WIDTHS["column"] < float(found[1]) <= page
        box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", (out / f"{name}.pdf").read_bytes())
        assert float(box[1]) == pytest.approx(float(found[1]), abs=1)


def test_pdfs_embed_their_letters_and_svgs_keep_theirs_as_text(written):
    out, _, _ = written
    assert b"LiberationSans" in (out / "heatmap.pdf").read_bytes()
    assert ">encoder 3</text>" in (out / "heatmap.svg").read_text()


def test_the_data_beside_a_picture_are_its_table(written, small):
    out, _, _ = written
    table, kept = FIGURES["heatmap"]().table(small), pd.read_csv(out / "heatmap.csv")
    assert list(kept.columns) == list(table.columns)
    assert np.allclose(kept["score"], table["score"])


def test_the_files_fetch_nothing(written):
    out, _, _ = written
    for file in (out / "heatmap.svg", out / "reconstructions.svg"):
        assert set(re.findall(r"https?://[^\"'\s)]+", file.read_text())) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
    spec = alt.Chart("http://127.0.0.1:9/x.csv").mark_point().encode(x="x:Q").to_dict()
    asked = socket.socket()
    asked.bind(("127.0.0.1", 0))
    asked.listen()
    spec["data"]["url"] = f"http://127.0.0.1:{asked.getsockname()[1]}/x.csv"
    with pytest.raises(ValueError, match=r"(?i)allowed"):
        press.picture(spec, "svg")
    asked.close()


def test_drawing_one_figure_again_keeps_the_captions_of_the_others(written, small):
    out, _, _ = written
    before = (out / "captions.md").read_text()
    files = press.write(small, out, ["layer_pair"], formats=["svg"], width="column")
    after = (out / "captions.md").read_text()
    assert [file.name for file in files] == ["layer_pair.svg", "layer_pair.csv", "captions.md"]
    assert "## heatmap: " in before
    for name in ("heatmap", "layer_pair", "reconstructions"):
        assert after.count(f"## {name}: ") == 1
    width = float(re.search(r'width="([\d.]+)pt"', (out / "layer_pair.svg").read_text())[1])
    assert width == pytest.approx(theme.WIDTHS["column"], abs=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["heatmaps"]}, "Did you mean 'heatmap'"),
        ({"formats": ["sgv"]}, "Did you mean 'svg'"),
    ],
)
def test_unknown_figures_and_formats_are_told_before_anything_is_written(small, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        press.write(small, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_told(small, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        press.write(small, tmp_path / "out", ["metric_limits"])
    assert (tmp_path / "out").read_text() == "mine"


def test_a_damaged_snapshot_costs_its_figure_only(small, tmp_path):
    import shutil

    copy = tmp_path / "study"
    shutil.copytree(small.path, copy)
    first = vaescope.open(copy).folder.runs[0].id
    damaged = sorted((copy / "runs" / first / "snapshots").iterdir())[-1]
    damaged.write_bytes(b"")
    told = Told()
    files = press.write(vaescope.open(copy), tmp_path / "out", ["reconstructions", "traversals"], ["svg"], told)
    assert [file.name for file in files] == ["captions.md"]
    assert len(told.lines) == 2
    assert "damaged" in told.lines[0]


def test_what_several_figures_need_is_read_once(small, tmp_path, monkeypatch):
    from vaescope.stats import gathering

    read, calls = gathering.evidence_of, []
    monkeypatch.setattr(gathering, "evidence_of", lambda results: calls.append(1) or read(results))
    files = press.write(small, tmp_path, ["curves", "settling", "leads"], ["svg"])
    assert len([file for file in files if file.suffix == ".svg"]) == 3
    assert len(calls) == 1


def test_before_a_run_has_finished_and_before_any_comparison_the_reason_says_what_to_do(small, tmp_path):
    import shutil

    copy, told = tmp_path / "study", Told()
    shutil.copytree(small.path, copy)
    for made in copy.glob("similarity*"):
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    press.write(vaescope.open(copy), tmp_path / "out", ["curves"], ["svg"], told)
    assert told.lines == ["curves: not drawn: no layers were compared: give `vaescope compare` on the study's folder."]
    for made in (copy / "runs").iterdir():
        shutil.rmtree(made)
    told = Told()
    press.write(vaescope.open(copy), tmp_path / "out", ["curves", "latents"], ["svg"], told)
    assert told.lines == ["curves: not drawn: no run has finished.", "latents: not drawn: no run has finished."]
