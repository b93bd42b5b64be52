"""The study folder on disk: whole files or none, each with the SHA-256 it must have. `docs/format.md` describes it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import FileLock, Timeout
from pydantic import ValidationError

from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.runs.manifest import Artifact, Manifest
from vaescope.runs.recorded import reached, run_of, study_of
from vaescope.runs.study import Run, Study

if TYPE_CHECKING:
    from torch import Tensor

# torch is imported where tensors are read and written: `vaescope status` needs none.

FORMAT_VERSION = 1
LATER = ("measures", "examinations", "name")  # keys of a study that may change once it has runs
VIEW = "compared.json"


def put(path: Path, data: bytes) -> str:
    """Write a file whole or not at all, durably, and return its SHA-256.

    Raises:
        ResourceError: the disk is full, read-only or not ours; what was there before is untouched.
    """
    part = path.with_name(f".{path.name[:100]}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(
            f"{path}: {len(data):,} bytes could not be written: {error.strerror}. "
            "What was done so far is kept: make room or choose another --out, then give the same command again."
        ) from None
    return sha256(data).hexdigest()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def get(path: Path, expected: str | None = None) -> bytes:
    """The bytes of a file, whose SHA-256 must be the expected one.

    Raises:
        CorruptArtifact: the file is missing or has other bytes.
        ResourceError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CorruptArtifact(f"{path} is missing.") from None
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror}.") from None
    if expected is not None and (got := sha256(data).hexdigest()) != expected:
        raise CorruptArtifact(f"{path} is damaged: expected SHA-256 {expected[:16]}…, got {got[:16]}….")
    return data


def put_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with a digest of itself, so that a changed byte is noticed."""
    content = json.loads(json.dumps(content))  # keys become texts now, or they would sort otherwise when read back
    put(path, (json.dumps({**content, "digest": _digest(content)}, indent=1, ensure_ascii=False) + "\n").encode())


def get_json(path: Path) -> dict[str, Any]:
    """What `put_json` wrote. Raises `CorruptArtifact` where it is missing or has other bytes."""
    try:
        content = json.loads(get(path))
        digest = content.pop("digest")
    except (ValueError, KeyError, AttributeError, RecursionError):
        raise CorruptArtifact(f"{path} is damaged: not the JSON that vaescope writes.") from None
    if digest != _digest(content):
        raise CorruptArtifact(f"{path} is damaged: its digest does not fit its content.")
    if content.get("format_version", FORMAT_VERSION) > FORMAT_VERSION:
        raise UsageError(f"{path} was written by a newer vaescope; please upgrade: pip install -U vaescope.")
    return content


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class RunFolder:
    """One run on disk.

    Args:
        path: of its folder.
        run: the run.
        known: its manifest, where it is to stay as it was at one moment; else it is read each time.
    """

    def __init__(self, path: Path, run: Run, known: Manifest | None = None) -> None:
        self.path = path
        self.run = run
        self._known = known

    def manifest(self) -> Manifest:
        """What is known of the run; `Manifest()` where nothing was written yet."""
        if self._known is not None:
            return self._known
        path = self.path / "manifest.json"
        if not path.exists():
            return Manifest()
        content = get_json(path)
        if content["run"]["id"] != self.run.id:
            raise CorruptArtifact(f"{path} belongs to another run, {content['run']['id']}: were folders renamed?")
        return Manifest.of(content)

    def save(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        content = {"format_version": FORMAT_VERSION, "run": {"id": self.run.id, **asdict(self.run)}, **asdict(manifest)}
        put_json(self.path / "manifest.json", content)

    def save_tensors(self, file: str, tensors: "dict[str, Tensor]", step: int) -> Artifact:
        """Write the tensors of a step to a safetensors file."""
        import safetensors.torch

        # One metadata entry only: safetensors writes several in no fixed order, and equal runs must give equal bytes.
        data = safetensors.torch.save(
            {k: v.cpu().contiguous() for k, v in tensors.items()}, metadata={"step": str(step)}
        )
        return Artifact(file, len(data), put(self.path / file, data))

    def tensors(self, artifact: Artifact) -> "dict[str, Tensor]":
        """The tensors of a file, verified. Raises `CorruptArtifact`."""
        import safetensors.torch

        path = self.path / artifact.file
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise CorruptArtifact(f"{self.path / 'manifest.json'} is damaged: it names a file elsewhere.")
        try:
            return safetensors.torch.load(get(path, artifact.sha256))
        except safetensors.SafetensorError as error:
            raise CorruptArtifact(f"{path} is damaged: {error}.") from None

    def snapshot(self, step: int) -> "dict[str, Tensor]":
        """The weights of the snapshot at a step.

        Raises:
            CorruptArtifact: the file is missing or damaged.
            UsageError: there is no such snapshot.
        """
        known = self.manifest().snapshots
        if step not in known:
            raise UsageError(f"run {self.run.id}: no snapshot at step {step}; there are {sorted(known)}.")
        try:
            return self.tensors(known[step])
        except CorruptArtifact as error:
            again = (
                "Give `vaescope train` again on this folder: it makes the run anew."
                if self.run.recorded is None
                else f"What was recorded cannot be made again: to read the other runs, move {self.path} away."
            )
            raise CorruptArtifact(f"{error} {again}") from None

    def damaged(self) -> list[str]:
        """The files of the manifest that are missing or have other bytes."""
        manifest = self.manifest()
        wrong = []
        for artifact in [*manifest.snapshots.values(), *([manifest.resume.artifact] if manifest.resume else [])]:
            try:
                get(self.path / artifact.file, artifact.sha256)
            except CorruptArtifact:
                wrong.append(artifact.file)
        length = manifest.resume.events_bytes if manifest.resume else manifest.events_bytes
        if length and (not self.events_path.exists() or self.events_path.stat().st_size < length):
            wrong.append(self.events_path.name)
        return wrong

    @property
    def events_path(self) -> Path:
        """The events log."""
        return self.path / "events.jsonl"

    def events(self) -> Iterator[dict[str, Any]]:
        """The events in order; a last line that was cut off is left out."""
        if not self.events_path.exists():
            return
        for number, line in enumerate(get(self.events_path).splitlines(keepends=True)):
            if line.endswith(b"\n"):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise CorruptArtifact(
                        f"{self.events_path} is damaged in line {number + 1}. Remove the folder of this run and give "
                        "`vaescope train` again: it makes the run anew."
                    ) from None


class StudyFolder:
    """A study on disk.

    Args:
        path: a folder that `create` made, or a `Recorder`.
        as_compared: of recorded runs that go on, show what was there when they were last compared.

    Attributes:
        recorded: whether its runs were recorded in somebody's own training. They are those that were there when this
            was made.

    Raises:
        UsageError: there is no study there.
        CorruptArtifact: `study.json` is damaged.
    """

    def __init__(self, path: str | Path, as_compared: bool = False) -> None:
        self.path = Path(path)
        if not (self.path / "study.json").exists():
            raise UsageError(
                f"{self.path}: no study here (no study.json). Make one with `vaescope run STUDY --out {self.path}`."
            )
        try:
            content = get_json(self.path / "study.json")
            self.study = Study.model_validate(content["study"])
        except (ValidationError, KeyError, TypeError):
            raise CorruptArtifact(f"{self.path / 'study.json'} is damaged: not a study.") from None
        self.recorded = bool(content.get("recorded"))
        self._known: dict[str, Manifest] = {}
        self.runs = self._recorded_runs(as_compared) if self.recorded else self.study.runs()
        if self.recorded:
            self.study = study_of(self.study, self.runs)
        self._by_id = {run.id: run for run in self.runs}

    def _recorded_runs(self, as_compared: bool) -> tuple[Run, ...]:
        """The runs that recorders keep here, as far as they have come, or had when they were last compared."""
        view = self.path / VIEW
        seen: dict[str, Any] = {}
        if as_compared and view.exists():
            with suppress(CorruptArtifact, KeyError):  # it only says what was compared, and `compare` writes it anew
                seen = get_json(view)["snapshots"]
        runs = []
        for file in sorted(self.path.glob("runs/*/manifest.json")):
            content = get_json(file)
            try:
                found, run = Manifest.of(content), run_of(content["run"], (0,))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                raise CorruptArtifact(f"{file} is damaged: not the manifest of a recorded run.") from None
            if run.id != file.parent.name:
                raise CorruptArtifact(f"{file} belongs to another run, {run.id}: were folders renamed?")
            compared = {int(step): sha for step, sha in seen.get(file.parent.name, {}).items()}
            if compared and all(s in found.snapshots and found.snapshots[s].sha256 == compared[s] for s in compared):
                found = replace(found, snapshots={step: found.snapshots[step] for step in sorted(compared)})
            elif seen or not found.snapshots:
                continue
            run = reached(run, tuple(found.snapshots))
            self._known[run.id] = found
            runs.append(run)
        return tuple(runs) if runs or not seen else self._recorded_runs(False)

    def keep_view(self) -> None:
        """Note which snapshots of recorded runs are compared now: others may come meanwhile."""
        seen = {run: {step: a.sha256 for step, a in m.snapshots.items()} for run, m in self._known.items()}
        put_json(self.path / VIEW, {"format_version": FORMAT_VERSION, "snapshots": seen})

    @classmethod
    def create(cls, path: str | Path, study: Study) -> "StudyFolder":
        """Make the folder of a study, or open it where it is already there.

        A study may get other measures and examinations later; anything else that differs is refused once there are
        runs, so that nothing is mixed up.

        Raises:
            UsageError: the folder holds another study, or other files.
            ResourceError: another process works on the study that is there, which would change.
        """
        path = Path(path)
        file = path / "study.json"
        content = {"format_version": FORMAT_VERSION, "study": study.dumped()}
        if file.exists():
            there = cls(path)
            if there.recorded:
                raise UsageError(f"{path} holds runs that a Recorder keeps. Choose another --out.")
            begun = (path / "runs").exists()
            if begun and (there.runs != study.runs() or there.study.probe != study.probe):
                old, new = there.study.dumped(), study.dumped()
                changed = [f"{k}: {old[k]} -> {new[k]}" for k in new if old[k] != new[k] and k not in LATER]
                raise UsageError(f"{path} holds another study ({'; '.join(changed)[:300]}). Choose another --out.")
            if there.study == study:
                return there
            with there.writing():  # not under another process that is at work here, and reads this file again
                put_json(file, content)
            return cls(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is there already and holds no study. Choose another --out, or an empty folder.")
        put_json(file, content)
        return cls(path)

    def run(self, run_id: str) -> RunFolder:
        """The folder of one run."""
        return RunFolder(self.path / "runs" / run_id, self._by_id[run_id], self._known.get(run_id))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing here meanwhile; the lock ends with the process, however it ends."""
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise ResourceError(
                f"{self.path}: another vaescope is working on this study. Wait for it, or stop it first."
            ) from None
        except OSError as error:
            raise ResourceError(f"{self.path}: cannot be written: {error.strerror}.") from None
        try:
            for left in self.path.rglob(".*.part"):
                if not (self.recorded and left.is_relative_to(self.path / "runs")):  # a recorder may be writing it
                    left.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
