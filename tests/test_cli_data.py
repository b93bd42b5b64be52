"""`vaescope data` as a person meets it."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.data.loopback import serving
from vaescope.cli import guarded
from vaescope.cli_data import data_app
from vaescope.data.load import load_dataset
from vaescope.data.official import OFFICIAL, OfficialFile
from vaescope.views.grid import picture_grid


def call(*words):
    return CliRunner().invoke(data_app(guarded), [str(w) for w in words])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def content(monkeypatch):
    """What stands for the one file of mpi3d, variant real."""
    content = np.random.default_rng(0).bytes(100_000)
    file = OfficialFile(
        "mpi3d_real.npz", "http://127.0.0.1:9/x", f"sha256:{hashlib.sha256(content).hexdigest()}", 100_000
    )
    monkeypatch.setitem(OFFICIAL, "mpi3d_real", (file,))
    return content


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def line(text, start):
    return next(line for line in text.splitlines() if line.lstrip().startswith(start))


def test_list_tells_size_factors_and_what_there_is_to_download(cache):
    result = call("list")
    assert result.exit_code == 0, result.output
    told = line(result.output, "smallnorb")
    for part in ("48,600", "1 x 64 x 64", "5 x 10 x 9 x 18 x 6", "no", "263 MB"):
        assert part in told
    assert "268 MB" in line(result.output, "shapes3d")
    assert "1,036,800" in line(result.output, "mpi3d, variant=realistic")
    assert "made; official file: no" in line(result.output, "dsprites")
    assert "made" in line(result.output, "shapes ")
    for name in ("array", "image_folder", "huggingface"):
        assert "from your files" in line(result.output, name)
    assert str(cache) in result.output
    assert not cache.exists()


def test_fetch_downloads_once_and_list_knows_it(content, cache):
    with serving({"mpi3d_real.npz": content}) as server:
        words = ("fetch", "mpi3d", "--variant", "real", "--mirror", server.address)
        result = call(*words)
        assert result.exit_code == 0, result.output
        assert "Downloading mpi3d_real.npz" in result.output
        assert f"Verified: {cache / 'mpi3d_real' / 'mpi3d_real.npz'}" in result.output
        again = call(*words)
        assert again.exit_code == 0
        assert "Downloading" not in again.output
        assert len(server.asked) == 1
    text = call("list").output
    assert " yes " in line(text, "mpi3d, variant=real ")
    assert " no " in line(text, "mpi3d, variant=toy")


@pytest.mark.parametrize(
    ("way", "code", "part"),
    [
        ("html", 3, "got a web page"),
        (404, 4, "the answer 404"),
        ("wrong", 3, "expected SHA-256"),
        ("long", 3, "another file"),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_leaves_nothing(content, cache, way, code, part, monkeypatch):
    file = OFFICIAL["mpi3d_real"][0]
    monkeypatch.setitem(OFFICIAL, "mpi3d_real", (OfficialFile(file.name, file.url, file.checksum),))
    if way == "long":
        monkeypatch.setitem(OFFICIAL, "mpi3d_real", (file,))
    offered = {"wrong": b"x" + content[1:], "long": content + b"x"}.get(way, content)
    with serving({"mpi3d_real.npz": offered}, *([way] if way in ("html", 404) else [])) as server:
        result = call("fetch", "mpi3d", "--variant", "real", "--mirror", server.address)
    assert result.exit_code == code, result.output
    assert part in result.output
    assert "`mirror`" in result.output
    assert "Traceback" not in result.output
    assert not [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_a_cache_that_cannot_be_written_exits_4(content, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    (tmp_path / "mpi3d_real.npz").write_bytes(content)
    for place in ("/sys/vaescope", tmp_path / "file" / "cache"):
        monkeypatch.setenv("VAESCOPE_DATA", str(place))
        result = call("fetch", "mpi3d", "--variant", "real", "--mirror", tmp_path)
        assert result.exit_code == 4, result.output
        assert "Set VAESCOPE_DATA" in result.output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["fetch", "mpi3"], "Did you mean 'mpi3d'?"),
        (["fetch", "mpi3d", "--variant", "reel"], "Did you mean 'real'?"),
        (["fetch", "mnist", "--variant", "real"], "unknown option 'variant'"),
        (["fetch", "mnist", "--mirror", "ftp://host"], "expected an http, https or file address"),
        (["fetch", "shapes"], "has no official files"),
        (["show", "shape"], "Did you mean 'shapes'?"),
        (["show", "shapes", "--set", "sid=32"], "Did you mean 'side'?"),
        (["show", "shapes", "--set", "name=x"], "unknown option 'name'"),
        (["show", "shapes", "--set", "side"], "expected OPTION=VALUE"),
        (["show", "shapes", "--set", "side=[1, 2]"], "expected one number or text"),
        (["show", "shapes", "--set", "side=1000"], "expected `side`"),
        (["show", "shapes", "--out", "x.jpg"], "expected the name of a .png file"),
        (["show", "array"], "expected `path`"),
        (["show", "shapes", "--count", "0"], "--count"),
    ],
)
def test_user_errors_exit_2_are_short_and_write_nothing(tmp_path, words, part):
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert part in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_show_writes_the_images_it_names(tmp_path):
    result = call("show", "dsprites", "--count", 10)
    assert result.exit_code == 0, result.output
    assert "10 of 737,280 images, 1 x 64 x 64: vaescope-dsprites.png" in result.output
    rows = [words for words in map(str.split, result.output.splitlines()) if len(words) == 8 and words[0].isdigit()]
    dataset = load_dataset("dsprites")
    sheet = np.asarray(opened(tmp_path / "vaescope-dsprites.png"))
    assert sheet.shape == (3 * 66 + 2, 4 * 66 + 2)
    assert len(rows) == 10
    for row, column, image, *values in rows:
        index = int(image.replace(",", ""))
        top, left = (66 * (int(place) - 1) + 2 for place in (row, column))
        np.testing.assert_array_equal(sheet[top : top + 64, left : left + 64] / 255, dataset.images([index])[0, 0])
        for value, classes, chosen in zip(values, dataset.factor_values, dataset.factors([index])[0], strict=True):
            assert float(value) == pytest.approx(classes[chosen], rel=1e-3)


def test_show_draws_the_same_again_and_others_with_another_seed(tmp_path):
    for out, seed in (("a.png", 0), ("b.png", 0), ("c.png", 1)):
        assert call("show", "dsprites", "--out", out, "--seed", seed).exit_code == 0
    first, second, third = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first == second != third


def test_show_of_fewer_images_than_asked_for_shows_all_and_takes_options(tmp_path):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).integers(0, 256, (5, 16, 16, 4), np.uint8))
    result = call("show", "array", "--set", f"path={tmp_path / 'mine.npy'}", "--out", tmp_path / "new" / "all.png")
    assert result.exit_code == 0, result.output
    assert "5 of 5 images" in result.output
    assert opened(tmp_path / "new" / "all.png").mode == "RGBA"


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "RGB"), (3, "RGB"), (4, "RGBA")])
@pytest.mark.parametrize(("side", "times"), [(16, 4), (28, 3), (64, 1), (200, 1)])
def test_a_grid_shows_every_pixel_of_every_image(tmp_path, channels, mode, side, times):
    values = np.random.default_rng(0).integers(0, 256, (3, channels, side, side))
    (tmp_path / "grid.png").write_bytes(picture_grid((values / 255).astype(np.float32)))
    picture = opened(tmp_path / "grid.png")
    assert picture.mode == mode
    sheet = np.asarray(picture).reshape(picture.height, picture.width, -1)
    assert sheet.shape[:2] == (2 * (side * times + 2) + 2,) * 2
    for place, image in enumerate(values):
        top, left = (side * times + 2) * (place // 2) + 2, (side * times + 2) * (place % 2) + 2
        shown = sheet[top : top + side * times : times, left : left + side * times : times]
        np.testing.assert_array_equal(shown[..., :channels].transpose(2, 0, 1), image)


def test_listing_loads_no_heavy_package():
    code = (
        "import sys; from vaescope.cli import guarded; from vaescope.cli_data import data_app; "
        "from typer.testing import CliRunner; assert CliRunner().invoke(data_app(guarded), ['list']).exit_code == 0; "
        "assert not {'torch', 'pandas', 'zarr', 'h5py', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
