"""Downloads, on a server of our own that fails in every way but those it is asked to get right."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.data.loopback import serving

import vaescope.data.fetch as fetching
from vaescope.data.download import Patience
from vaescope.data.fetch import cache, fetch, in_place, source_of
from vaescope.data.official import OFFICIAL, VARIANTS, OfficialFile, in_words, official_key
from vaescope.errors import CorruptArtifact, Interrupted, ResourceError, UsageError
from vaescope.progress import Progress

CONTENT = np.random.default_rng(0).bytes(3_000_001)
NAME = "images.bin"
QUICK = Patience(timeout=0.4, pause=0.01)


def official(content=CONTENT, name=NAME, kind="sha256", size: int | None = -1):
    digest = hashlib.new(kind, content, usedforsecurity=False).hexdigest()
    return OfficialFile(name, f"http://127.0.0.1:9/{name}", f"{kind}:{digest}", len(content) if size == -1 else size)


def kept(folder):
    """What is in a folder apart from locks and notes: what could be taken for data."""
    files = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")
    return sorted(str(f) for f in files if f.parts[0] != ".verified")


class Recorder(Progress):
    """Keeps what it is told; can ask for a stop at so many bytes."""

    def __init__(self, stop_at=None):
        self.stages, self.lines, self.stop_at = [], [], stop_at

    def stage(self, name, total):
        self.stages.append([name, total, 0])

    def advance(self, count=1, note=""):
        self.stages[-1][2] += count

    def say(self, line):
        self.lines.append(line)

    def check(self):
        if self.stop_at is not None and self.stages and self.stages[-1][2] >= self.stop_at:
            raise Interrupted


@pytest.mark.parametrize("kind", ["md5", "sha256"])
@pytest.mark.parametrize("size", [-1, None])
def test_a_file_is_downloaded_verified_and_kept(tmp_path, kind, size):
    progress = Recorder()
    with serving({NAME: CONTENT}) as server:
        file = official(kind=kind, size=size)
        (path,) = fetch([file], tmp_path / "new" / "cache", server.address, progress)
        assert path == tmp_path / "new" / "cache" / NAME
        assert path.read_bytes() == CONTENT
        assert fetch([file], tmp_path / "new" / "cache", server.address) == [path]
        assert server.asked == [(f"/{NAME}", None)]
    assert progress.stages == [[f"{word} {NAME}", len(CONTENT), len(CONTENT)] for word in ("Downloading", "Verifying")]
    assert kept(tmp_path / "new" / "cache") == [NAME]


def test_the_published_address_is_asked_where_there_is_no_mirror(tmp_path):
    with serving({NAME: CONTENT}) as server:
        digest = official().checksum
        fetch([OfficialFile(NAME, f"{server.address}/deep/{NAME}", digest)], tmp_path)
        assert server.asked == [(f"/deep/{NAME}", None)]


def test_several_files_keep_their_order(tmp_path):
    contents = {f"f{i}.gz": CONTENT[i : 1000 * (i + 1)] for i in range(4)}
    with serving(contents) as server:
        files = [official(content, name) for name, content in contents.items()]
        paths = fetch(files, tmp_path, f"{server.address}/mirror/")
    assert [p.read_bytes() for p in paths] == list(contents.values())


@pytest.mark.parametrize("way", [500, 503, 429, 408, "silent", "cut", "stall", "broken chunks"])
def test_what_may_pass_is_tried_again(tmp_path, way):
    progress = Recorder()
    with serving({NAME: CONTENT}, way) as server:
        (path,) = fetch([official()], tmp_path, server.address, progress, QUICK)
        assert path.read_bytes() == CONTENT
        assert len(server.asked) == 2
    assert len(progress.lines) == 1
    assert "trying again" in progress.lines[0]
    assert progress.stages[-2][1:] == [len(CONTENT), len(CONTENT)]


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (500, "the server answers 500"),
        ("silent", "no answer within 0.4 s"),
    ],
)
def test_after_three_tries_it_gives_up_and_says_what_to_do(tmp_path, way, told):
    with serving({NAME: CONTENT}, *[way] * 9) as server:
        with pytest.raises(ResourceError, match=rf"{told}.*3 tries.*same command.*`mirror`.*`path`"):
            fetch([official()], tmp_path, server.address, patience=QUICK)
        assert len(server.asked) == 3
    assert kept(tmp_path) == []


def test_no_server_at_all_is_told_after_three_tries(tmp_path):
    progress = Recorder()
    with pytest.raises(ResourceError, match=r"no connection.*refused.*3 tries"):
        fetch([official()], tmp_path, None, progress, QUICK)
    assert len(progress.lines) == 2


def test_a_server_that_answers_404_is_asked_once(tmp_path):
    with serving({}) as server:
        with pytest.raises(ResourceError, match=r"images\.bin: expected a file, got the answer 404"):
            fetch([official()], tmp_path, server.address, patience=QUICK)
        assert len(server.asked) == 1


def test_a_broken_download_goes_on_where_it_broke_off(tmp_path):
    with serving({NAME: CONTENT}, "cut", "cut") as server:
        (path,) = fetch([official()], tmp_path, server.address, patience=QUICK)
        half, quarter = len(CONTENT) // 2, len(CONTENT) - len(CONTENT) // 2
        assert [r for _, r in server.asked] == [None, f"bytes={half}-", f"bytes={half + quarter // 2}-"]
        assert server.sent == len(CONTENT)  # no byte twice
    assert path.read_bytes() == CONTENT


def test_headway_is_not_counted_as_failure(tmp_path):
    large = np.random.default_rng(1).bytes(64 * 1024 * 1024)
    with serving({NAME: large}, *["cut"] * 5) as server:  # the fifth still brings 2 MiB
        fetch([official(large)], tmp_path, server.address, patience=QUICK)
        assert len(server.asked) == 6
        assert server.sent == len(large)


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(tmp_path):
    with serving({NAME: CONTENT}, "cut", "ignores range") as server:
        (path,) = fetch([official()], tmp_path, server.address, patience=QUICK)
        assert server.asked[1][1] is not None
        assert server.sent == len(CONTENT) // 2 + len(CONTENT)
    assert path.read_bytes() == CONTENT


def test_another_range_than_asked_for_is_not_believed(tmp_path):
    with serving({NAME: CONTENT}, "cut", "another range") as server:
        (path,) = fetch([official()], tmp_path, server.address, patience=QUICK)
        assert [r is None for _, r in server.asked] == [True, False, True]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [-1, None])
def test_a_part_that_is_whole_already_is_only_verified(tmp_path, size):
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT)
    with serving({NAME: CONTENT}) as server:
        (path,) = fetch([official(size=size)], tmp_path, server.address, patience=QUICK)
        assert server.sent == 0
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [-1, None])
@pytest.mark.parametrize(
    "rest", [CONTENT + b"more", b"other" * 1000, b"\0" * len(CONTENT)], ids=["longer", "other", "zeros"]
)
def test_a_part_of_something_else_ends_in_the_right_file(tmp_path, size, rest):
    (tmp_path / f".{NAME}.part").write_bytes(rest)
    with serving({NAME: CONTENT}) as server:
        (path,) = fetch([official(size=size)], tmp_path, server.address, patience=QUICK)
    assert path.read_bytes() == CONTENT
    assert kept(tmp_path) == [NAME]


def test_a_reply_without_a_length_is_verified_like_any_other(tmp_path):
    with serving({NAME: CONTENT}, "without length") as server:
        (path,) = fetch([official(size=None)], tmp_path, server.address, patience=QUICK)
    assert path.read_bytes() == CONTENT


def test_redirections_are_followed_but_not_to_files(tmp_path):
    with serving({NAME: CONTENT}, "redirect") as server:
        fetch([official()], tmp_path / "a", server.address)
        assert [p for p, _ in server.asked] == [f"/{NAME}", f"/elsewhere/{NAME}"]
        server.script.append("to a file")
        with pytest.raises(ResourceError, match="302"):
            fetch([official()], tmp_path / "b", server.address)
    assert kept(tmp_path / "b") == []


@pytest.mark.parametrize("size", [-1, None])
def test_a_web_page_in_place_of_the_data_is_refused(tmp_path, size):
    with serving({NAME: CONTENT}, "html") as server:
        with pytest.raises(CorruptArtifact, match=r"got a web page|another file") as told:
            fetch([official(size=size)], tmp_path, server.address)
        assert "`mirror`" in str(told.value)
        assert kept(tmp_path) == []
        fetch([official(size=size)], tmp_path, server.address)


def test_a_web_page_does_not_cost_what_had_come_before(tmp_path):
    part = tmp_path / f".{NAME}.part"
    part.write_bytes(CONTENT[:2_000_000])
    with serving({NAME: CONTENT}, "html") as server:
        with pytest.raises(CorruptArtifact):
            fetch([official(size=None)], tmp_path, server.address)
        assert part.read_bytes() == CONTENT[:2_000_000]
        fetch([official(size=None)], tmp_path, server.address)
        assert server.asked[1][1] == "bytes=2000000-"


@pytest.mark.parametrize(
    ("offered", "size"),
    [
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), -1),
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), None),
        (CONTENT[:-1], -1),
        (CONTENT[:-1], None),
        (CONTENT + b"x", -1),
        (b"", None),
    ],
    ids=["last bit", "last bit, any size", "short", "short, any size", "long", "empty"],
)
@pytest.mark.parametrize("way", ["right", "without length"])
def test_another_file_is_refused_and_nothing_of_it_stays(tmp_path, offered, size, way):
    file = official(size=size)
    with serving({NAME: offered}, way, way, way) as server:
        with pytest.raises(CorruptArtifact, match=r"expected .*`mirror`"):
            fetch([file], tmp_path, server.address, patience=QUICK)
        assert len(server.asked) <= 4  # the last byte is asked for, and then everything once more
    assert kept(tmp_path) == []


def test_a_checksum_is_told_with_what_came_instead(tmp_path):
    with serving({NAME: b"other"}) as server, pytest.raises(CorruptArtifact) as told:
        fetch([official(size=None, kind="md5")], tmp_path, server.address)
    for digest in (hashlib.md5(c, usedforsecurity=False).hexdigest() for c in (CONTENT, b"other")):
        assert digest in str(told.value)


def test_a_stop_keeps_what_came_and_the_next_time_continues(tmp_path):
    with serving({NAME: CONTENT}) as server:
        with pytest.raises(Interrupted):
            fetch([official()], tmp_path, server.address, Recorder(stop_at=1_000_000))
        reached = (tmp_path / f".{NAME}.part").stat().st_size
        assert 1_000_000 <= reached < len(CONTENT)
        assert CONTENT.startswith((tmp_path / f".{NAME}.part").read_bytes())
        progress = Recorder()
        fetch([official()], tmp_path, server.address, progress)
        assert server.asked[1][1] == f"bytes={reached}-"
        assert progress.stages[0] == [f"Downloading {NAME}", len(CONTENT), len(CONTENT)]
    assert kept(tmp_path) == [NAME]


class TestTheCache:
    @pytest.fixture
    def cached(self, tmp_path):
        with serving({NAME: CONTENT}) as server:
            return fetch([official()], tmp_path, server.address)[0]

    @pytest.fixture
    def reads(self, monkeypatch):
        """The checksums that are computed from now on."""
        found = []
        new = hashlib.new
        monkeypatch.setattr(
            hashlib, "new", lambda kind, *a, **k: (found.append(kind) if not a else 0, new(kind, *a, **k))[1]
        )
        return found

    def test_a_verified_file_is_not_read_again(self, cached, reads):
        assert fetch([official()], cached.parent) == [cached]
        assert reads == []

    def test_a_touched_file_is_verified_once_more_and_then_no_more(self, cached, reads):
        os.utime(cached, (1, 1))
        for _ in range(3):
            fetch([official()], cached.parent)
        assert len(reads) == 1

    def test_another_checksum_wanted_is_verified(self, cached):
        with pytest.raises(CorruptArtifact, match="removed"):
            fetch([official(CONTENT[:-1], size=None)], cached.parent)

    @pytest.mark.parametrize("place", [0, 1_500_000, len(CONTENT) - 1])
    def test_a_changed_byte_is_noticed_and_the_file_removed(self, cached, place):
        content = bytearray(CONTENT)
        content[place] ^= 1
        cached.write_bytes(content)
        with pytest.raises(CorruptArtifact, match=r"It was removed\. Give the same command again"):
            fetch([official()], cached.parent)
        assert kept(cached.parent) == []
        with serving({NAME: CONTENT}) as server:
            assert fetch([official()], cached.parent, server.address)[0].read_bytes() == CONTENT

    def test_a_changed_byte_under_the_old_time_of_change_is_noticed(self, cached):
        before = cached.stat()
        cached.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
        os.utime(cached, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(CorruptArtifact):
            fetch([official()], cached.parent)

    def test_a_file_cut_short_is_noticed(self, cached):
        os.truncate(cached, 1_000)
        with pytest.raises(CorruptArtifact, match="1,000 bytes"):
            fetch([official()], cached.parent)

    @pytest.mark.parametrize("note", [b"", b"[]", b'{"stamp": 1}', b"\xff", b"null"])
    def test_a_damaged_note_costs_only_time(self, cached, reads, note):
        next((cached.parent / ".verified").iterdir()).write_bytes(note)
        assert fetch([official()], cached.parent) == [cached]
        assert len(reads) == 1

    def test_a_cache_that_is_only_to_be_read_still_serves(self, cached, monkeypatch):
        def refuse(*_, **__):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(fetching.FileLock, "acquire", refuse)
        os.utime(cached, (1, 1))
        assert fetch([official()], cached.parent) == [cached]
        cached.write_bytes(b"rotten")
        with pytest.raises(CorruptArtifact, match="Remove it"):
            fetch([official()], cached.parent)
        cached.unlink()
        with pytest.raises(ResourceError, match=r"Read-only file system\. Set VAESCOPE_DATA"):
            fetch([official()], cached.parent)


class TestAMirror:
    @pytest.mark.parametrize("form", [str, Path, lambda p: p.as_uri()])
    def test_a_folder_may_be_one(self, tmp_path, form):
        folder = tmp_path / "a mirror"
        folder.mkdir()
        (folder / NAME).write_bytes(CONTENT)
        (path,) = fetch([official()], tmp_path / "cache", form(folder))
        assert path.read_bytes() == CONTENT
        assert (folder / NAME).exists()

    def test_a_copy_that_was_stopped_is_continued(self, tmp_path):
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / NAME).write_bytes(CONTENT)
        with pytest.raises(Interrupted):
            fetch([official()], tmp_path / "c", tmp_path / "m", Recorder(stop_at=500_000))
        (path,) = fetch([official()], tmp_path / "c", tmp_path / "m")
        assert path.read_bytes() == CONTENT

    def test_a_folder_without_the_file_or_with_another_is_told(self, tmp_path):
        with pytest.raises(UsageError, match=r"images\.bin: expected this file in the folder given as `mirror`"):
            fetch([official()], tmp_path / "c", tmp_path)
        (tmp_path / NAME).write_bytes(CONTENT[:-1])
        with pytest.raises(CorruptArtifact, match="3,000,001"):
            fetch([official()], tmp_path / "c", tmp_path)
        assert kept(tmp_path / "c") == []
        assert (tmp_path / NAME).exists()

    @pytest.mark.parametrize("mirror", ["ftp://example.org/x", "s3://bucket", "http://", "https://a b/", "data:,x"])
    def test_other_schemes_are_refused(self, mirror):
        with pytest.raises(UsageError, match="expected an http, https or file address, or a folder"):
            source_of(official(), mirror)

    def test_the_name_is_put_after_the_address(self):
        file = official(name="a-b.mat.gz")
        assert source_of(file, "https://host/deep/") == "https://host/deep/a-b.mat.gz"
        assert source_of(file, "https://host") == "https://host/a-b.mat.gz"


class TestTheUsersOwnFiles:
    def test_they_are_verified_and_used_where_they_lie(self, tmp_path):
        mine, cached = tmp_path / "mine", tmp_path / "cache"
        mine.mkdir()
        (mine / NAME).write_bytes(CONTENT)
        assert in_place([official()], mine, cached) == [mine / NAME]
        assert in_place([official()], mine / NAME, cached) == [mine / NAME]
        assert kept(mine) == [NAME]
        assert kept(cached) == []

    def test_a_wrong_one_is_refused_and_left_alone(self, tmp_path):
        (tmp_path / "other.bin").write_bytes(b"<html>")
        with pytest.raises(CorruptArtifact, match=r"web page saved under this name.*Delete it and download it again"):
            in_place([official()], tmp_path / "other.bin", tmp_path / "cache")
        assert (tmp_path / "other.bin").exists()

    def test_a_change_after_verification_is_noticed(self, tmp_path):
        path = tmp_path / NAME
        path.write_bytes(CONTENT)
        in_place([official()], path, tmp_path / "cache")
        path.write_bytes(CONTENT[:-1] + b"?")
        with pytest.raises(CorruptArtifact):
            in_place([official()], path, tmp_path / "cache")

    def test_what_is_not_there_is_named(self, tmp_path):
        two = [official(), official(name="labels.bin")]
        (tmp_path / NAME).write_bytes(CONTENT)
        with pytest.raises(UsageError, match=r"got a folder without labels\.bin"):
            in_place(two, tmp_path, tmp_path)
        with pytest.raises(UsageError, match=r"expected a folder with images\.bin, labels\.bin, got a file"):
            in_place(two, tmp_path / NAME, tmp_path)
        with pytest.raises(UsageError, match="got no such file"):
            in_place(two, tmp_path / "absent", tmp_path)


@pytest.mark.parametrize("name", ["/sys/vaescope", "a file/inside"])
def test_a_cache_that_cannot_be_written_is_a_resource_error(tmp_path, name):
    (tmp_path / "a file").write_text("x")
    with pytest.raises(ResourceError, match=r"images\.bin cannot be kept here: .*Set VAESCOPE_DATA"):
        fetch([official()], tmp_path / name, tmp_path)


def test_too_little_room_is_told_before_anything_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 2_000_000))
    told = r"3,000,001 bytes are needed for .*2,000,000 are free.*VAESCOPE_DATA"
    with serving({NAME: CONTENT}) as server, pytest.raises(ResourceError, match=told):
        fetch([official()], tmp_path, server.address)
    assert kept(tmp_path) == []


def script(folder, address, before=""):
    """A process that fetches, and says what it is told."""
    file = official()
    code = f"""
import sys
from pathlib import Path
from vaescope.data.fetch import fetch
from vaescope.data.official import OfficialFile
from vaescope.errors import VaescopeError
from vaescope.progress import Progress
class Loud(Progress):
    def say(self, line): print(line, flush=True)
{before}
file = OfficialFile({file.name!r}, "", {file.checksum!r}, {file.bytes})
try:
    fetch([file], Path({str(folder)!r}), {address!r}, Loud())
except VaescopeError as error:
    sys.exit(f"{{error.exit_code}} {{error}}")
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.mark.fault
def test_a_disk_that_fills_up_is_told_and_what_came_is_kept(tmp_path):
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    with serving({NAME: CONTENT}) as server:
        process = script(tmp_path, server.address, full)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f".{NAME}.part: cannot be written: File too large" in error
    assert "more bytes are needed" in error
    assert "Traceback" not in error
    assert error.startswith("4 ")
    assert CONTENT.startswith((tmp_path / f".{NAME}.part").read_bytes())


@pytest.mark.fault
def test_killed_in_the_middle_it_continues_and_no_byte_comes_twice(tmp_path):
    part, half = tmp_path / f".{NAME}.part", len(CONTENT) // 2
    with serving({NAME: CONTENT}, "hold") as server:
        process = script(tmp_path, server.address)
        until(lambda: part.exists() and part.stat().st_size > half - 300_000)
        process.kill()
        process.communicate(timeout=60)
        assert kept(tmp_path) == [f".{NAME}.part"]
        reached = part.stat().st_size
        (path,) = fetch([official()], tmp_path, server.address)
        assert server.asked == [(f"/{NAME}", None), (f"/{NAME}", f"bytes={reached}-")]
        assert server.sent == half + len(CONTENT) - reached
    assert path.read_bytes() == CONTENT
    assert kept(tmp_path) == [NAME]


@pytest.mark.fault
def test_of_two_processes_one_downloads_and_the_other_waits(tmp_path):
    with serving({NAME: CONTENT}, "hold") as server:
        first = script(tmp_path, server.address)
        assert server.half.wait(60)
        second = script(tmp_path, server.address)
        assert "another process is fetching it" in second.stdout.readline()
        server.gate.set()
        for process in (first, second):
            _, error = process.communicate(timeout=60)
            assert process.returncode == 0, error
        assert len(server.asked) == 1
        assert server.sent == len(CONTENT)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert kept(tmp_path) == [NAME]


@pytest.mark.fault
def test_the_one_that_waits_takes_over_where_the_other_is_killed(tmp_path):
    with serving({NAME: CONTENT}, "hold") as server:
        first = script(tmp_path, server.address)
        until(lambda: server.half.is_set() and kept(tmp_path) == [f".{NAME}.part"])
        second = script(tmp_path, server.address)
        assert "another process is fetching it" in second.stdout.readline()
        first.kill()
        first.communicate(timeout=60)
        _, error = second.communicate(timeout=60)
        assert second.returncode == 0, error
        assert len(server.asked) == 2
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_the_proxy_of_the_environment_is_asked(tmp_path, monkeypatch):
    with serving({NAME: CONTENT}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        fetch([official()], tmp_path, "http://data.invalid/x")
        assert proxy.asked == [(f"http://data.invalid/x/{NAME}", None)]


class TestTheFolderOfTheCache:
    def test_the_environment_names_it(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path / "here"))
        assert cache() == tmp_path / "here"

    @pytest.mark.skipif(sys.platform != "linux", reason="the folders of this system")
    def test_otherwise_it_is_the_users_cache(self, tmp_path, monkeypatch):
        monkeypatch.delenv("VAESCOPE_DATA", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
        assert cache() == tmp_path / ".cache" / "vaescope"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
        assert cache() == tmp_path / "x" / "vaescope"

    def test_a_user_without_a_home_is_told_to_name_one(self, monkeypatch):
        def homeless():
            raise RuntimeError

        for name in ("VAESCOPE_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(Path, "home", homeless)
        with pytest.raises(ResourceError, match="Set VAESCOPE_DATA"):
            cache()


class TestTheCatalogue:
    def test_it_has_every_official_file(self):
        counts = {"dsprites": 1, "cars3d": 1, "smallnorb": 6, "shapes3d": 1, "mnist": 4, "fashion_mnist": 4}
        counts |= {f"mpi3d_{variant}": 1 for variant in VARIANTS["mpi3d"]}
        assert {name: len(files) for name, files in OFFICIAL.items()} == counts
        assert official_key("mpi3d") == "mpi3d_toy"

    def test_no_two_files_of_a_dataset_are_one(self):
        every = [file for files in OFFICIAL.values() for file in files]
        assert len({file.checksum for file in every}) == len({file.url for file in every}) == len(every)
        assert all(file.url.endswith(f"/{file.name}") for file in every)

    def test_its_checksums_and_lengths_are_those_of_the_notes(self, shared_data):
        notes = (shared_data.parent / "docs" / "datasets.md").read_text()
        for file in (file for files in OFFICIAL.values() for file in files):
            assert file.checksum.partition(":")[2] in notes
            published = "mnist" not in file.url
            assert file.bytes is None or not published or f"{file.bytes:,}" in notes

    def test_a_wrong_variant_checksum_or_name_is_refused(self):
        with pytest.raises(UsageError, match=r"toy, realistic, real, got 'reel'\. Did you mean 'real'\?"):
            official_key("mpi3d", "reel")
        for checksum in ("md5:12", "sha1:" + "0" * 40, "0" * 32, "md5:" + "G" * 32):
            with pytest.raises(UsageError, match="expected a checksum"):
                OfficialFile("a", "", checksum)
        for name in ("../a", "/a", "", ".hidden", "a/b", "a\\b"):
            with pytest.raises(UsageError, match="without a folder"):
                OfficialFile(name, "", "md5:" + "0" * 32)

    def test_bytes_are_told_in_words(self):
        told = [in_words(n) for n in (0, 999, 1_000, 9_949, 9_950, 999_499, 999_500, 12_000_000_000)]
        assert told == ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "12.0 GB"]
