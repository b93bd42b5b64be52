"""Scores on disk: `similarity.zarr`, a chunk a pair of runs, and the same as a tidy table."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import uuid4

import numpy as np
from jaxtyping import Float32, UInt8

from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.stats.grid import Grid
from vaescope.stats.measure import Pairs, Reason

if TYPE_CHECKING:
    import pyarrow as pa
    import zarr

# zarr and pyarrow are imported where they are used: finding the measures imports every file of this folder.

FORMAT_VERSION = 1
AGAIN = "Give `vaescope compare` again: it computes what is damaged anew."


@dataclass(frozen=True)
class Block:
    """The scores of one run (rows) with another (columns), and why each is there or not."""

    score: Float32[np.ndarray, "a b"]
    reason: UInt8[np.ndarray, "a b"]


def unanswered(grid: Grid, pairs: Pairs, i: int, j: int, reason: Reason) -> Block:
    """The block of runs i and j without a score, for this reason, or because the study does not want it."""
    wanted = grid.wanted(pairs, i, j)
    why = np.where(wanted, reason, Reason.NOT_COMPUTED).astype(np.uint8)
    return Block(np.full(wanted.shape, np.nan, np.float32), why)


class Scores:
    """`similarity.zarr` of a study.

    Args:
        path: of the zarr group.
        grid: the representations of the study; what was stored for other ones is not used.
    """

    def __init__(self, path: Path, grid: Grid) -> None:
        self.path = path
        self.grid = grid
        self._open: dict[tuple[str, str, str], zarr.Array[Any]] = {}

    def create(self, measures: Mapping[str, int]) -> None:
        """Make what is not there for these measures and their n. Scores stored for another grid are removed."""
        import zarr

        self._open.clear()
        with self._writing():
            wanted = {"format_version": FORMAT_VERSION, **self.grid.described()}
            if self._attributes() != wanted:
                zarr.open_group(self.path, mode="w", attributes=cast(Any, wanted))
            for leftover in self.path.rglob("*.partial"):
                leftover.unlink(missing_ok=True)
            for measure, n in measures.items():
                if self._attributes(measure) != {"n": n} or not self._opens(measure):
                    self._make(measure, n)

    def _opens(self, measure: str) -> bool:
        try:
            return all(self._array(measure, name) is not None for name in ("score", "reason", "done"))
        except CorruptArtifact:
            return False

    def _make(self, measure: str, n: int) -> None:
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        codecs = [ZstdCodec(level=1), Crc32cCodec()]
        group = zarr.open_group(self.path, mode="r+").create_group(measure, overwrite=True)
        chunks = (self.grid.width, self.grid.width)
        runs = len(self.grid.columns)
        for name, shape, chunk, dtype, fill in (
            ("score", self.grid.shape, chunks, "float32", np.nan),
            ("reason", self.grid.shape, chunks, "uint8", int(Reason.NOT_COMPUTED)),
            ("done", (runs, runs), (1, 1), "uint64", 0),
        ):
            group.create_array(name, shape=shape, chunks=chunk, dtype=dtype, fill_value=fill, compressors=codecs)
        group.attrs["n"] = n

    def has(self, measure: str, n: int) -> bool:
        """Whether anything was stored for this measure, its n and this grid."""
        known = self._attributes()
        if known is not None and int(cast(int, known.get("format_version", 0))) > FORMAT_VERSION:
            raise UsageError(f"{self.path} was written by a newer vaescope; please upgrade: pip install -U vaescope.")
        wanted = {"format_version": FORMAT_VERSION, **self.grid.described()}
        return known == wanted and self._attributes(measure) == {"n": n}

    def _attributes(self, *group: str) -> dict[str, object] | None:
        file = self.path.joinpath(*group, "zarr.json")
        try:
            return dict(json.loads(file.read_bytes())["attributes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def digest(self, measure: str, i: int, j: int) -> int:
        """What `put` stored with the block, 0 where it is not done or cannot be read."""
        try:
            return _number_in(self._file(measure, "done", i, j).read_bytes())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, ImportError):
            pass  # left to zarr
        try:
            return int(self._read(measure, "done", i, j)[0, 0])
        except CorruptArtifact:
            return 0

    def done(self, measure: str, i: int, j: int, digest: int) -> bool:
        """Whether the block is there, whole, and computed from what `digest` stands for."""
        try:
            if self.digest(measure, i, j) != digest:
                return False
            self.get(measure, i, j)
        except CorruptArtifact:
            return False
        return True

    def get(self, measure: str, i: int, j: int) -> Block:
        """The block of runs i <= j.

        Raises:
            CorruptArtifact: its bytes are not those that were written, or it is done and they are gone.
        """
        for name in ("score", "reason"):  # zarr itself takes a missing chunk for one that holds the fill value
            file = self._file(measure, name, i, j)
            if not file.exists() and self.digest(measure, i, j):
                raise CorruptArtifact(f"{file} is damaged: it is gone. {AGAIN}")
        shape = len(self.grid.columns[i].slots), len(self.grid.columns[j].slots)
        score, reason = (self._read(measure, name, i, j)[: shape[0], : shape[1]] for name in ("score", "reason"))
        return Block(score, reason)

    def put(self, measure: str, i: int, j: int, block: Block, digest: int) -> None:
        """Store a block; its digest comes last, after the rest is on the disk.

        The digest of what was stored before goes first: should this be cut short, nothing vouches for a mixture.
        """
        with self._writing():
            if self._file(measure, "done", i, j).exists():
                self._put_digest(measure, i, j, 0)
            for name, fill, values in (("score", np.nan, block.score), ("reason", Reason.NOT_COMPUTED, block.reason)):
                whole = np.full((self.grid.width, self.grid.width), fill, values.dtype)
                whole[: values.shape[0], : values.shape[1]] = values
                self._array(measure, name, "r+").set_block_selection((i, j), whole)
                _sync(self._file(measure, name, i, j))
            self._put_digest(measure, i, j, digest)

    def _put_digest(self, measure: str, i: int, j: int, digest: int) -> None:
        self._array(measure, "done", "r+").set_block_selection((i, j), np.array([[digest]], np.uint64))
        _sync(self._file(measure, "done", i, j))

    def _read(self, measure: str, name: str, i: int, j: int) -> np.ndarray:
        array = self._array(measure, name)
        try:
            return np.asarray(array.get_block_selection((i, j)))
        except (ValueError, OSError, RuntimeError, IndexError) as error:
            raise CorruptArtifact(f"{self._file(measure, name, i, j)} is damaged: {error} {AGAIN}") from None

    def _array(self, measure: str, name: str, mode: Literal["r", "r+"] = "r") -> "zarr.Array[Any]":
        import zarr

        try:
            key = measure, name, mode
            if key not in self._open:
                # Chunks of nothing but the fill value are kept too, so that a missing one is known to be lost.
                with zarr.config.set({"array.write_empty_chunks": True}) if mode == "r+" else nullcontext():
                    array = zarr.open_array(self.path / measure / name, mode=mode)
                self._open[key] = cast("zarr.Array[Any]", array)
            return self._open[key]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptArtifact(f"{self.path / measure / name} is damaged: {error} {AGAIN}") from None

    def _file(self, measure: str, name: str, i: int, j: int) -> Path:
        return self.path / measure / name / "c" / str(i) / str(j)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResourceError(
                f"{self.path}: cannot be written: {error.strerror}. What was done so far is kept: make room, then give "
                "the same command again."
            ) from None

    def fingerprint(self, measures: Mapping[str, int]) -> str:
        """Changes whenever any block of these measures does."""
        digests = [[m, n, [self.digest(m, i, j) for i, j in self.grid.comparable()]] for m, n in measures.items()]
        return sha256(json.dumps([FORMAT_VERSION, digests]).encode()).hexdigest()

    def export(self, path: Path, measures: Mapping[str, int]) -> None:
        """Write the computed scores as a Parquet table, each unordered pair once, a row group a block.

        Nothing is done where the table is already that of these scores.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        fingerprint = self.fingerprint(measures).encode()
        try:
            if (pq.read_schema(path).metadata or {}).get(b"vaescope") == fingerprint:
                return
        except (OSError, pa.ArrowInvalid):
            pass
        part = path.with_name(f".{path.name}.{uuid4().hex}.part")
        names = self._names(list(measures))
        schema = _schema().with_metadata({b"vaescope": fingerprint})
        with self._writing():
            try:
                with pq.ParquetWriter(part, schema, compression="zstd") as writer:
                    for measure, n in measures.items():
                        for i, j in self.grid.comparable():
                            table = self._table(measure, n, i, j, names, schema)
                            if len(table):
                                writer.write_table(table)
                _sync(part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _names(self, measures: list[str]) -> dict[str, list[str]]:
        layers = dict.fromkeys(name for c in self.grid.columns for name, _ in c.layers)
        return {"measure": measures, "run": [c.run for c in self.grid.columns], "layer": [*layers]}

    def _table(
        self, measure: str, n: int, i: int, j: int, names: Mapping[str, list[str]], schema: "pa.Schema"
    ) -> "pa.Table":
        import pyarrow as pa

        block = self.get(measure, i, j)
        kept = block.reason == Reason.OK
        rows = np.nonzero(np.triu(kept) if i == j else kept)
        count = len(rows[0])
        columns = {
            "measure": _coded(np.full(count, names["measure"].index(measure)), names["measure"]),
            "score": pa.array(block.score[rows]),
            "reason": _coded(np.zeros(count, np.int64), [Reason.OK.label]),
            "n": pa.array(np.full(count, n, np.int32)),
        }
        code = {name: number for number, name in enumerate(names["layer"])}
        for side, number, places in (("a", i, rows[0]), ("b", j, rows[1])):
            slots = self.grid.columns[number].slots
            columns[f"run_{side}"] = _coded(np.full(count, number), names["run"])
            columns[f"step_{side}"] = pa.array(np.array([s for s, _ in slots], np.int64)[places])
            columns[f"layer_{side}"] = _coded(np.array([code[name] for _, name in slots])[places], names["layer"])
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    sides = [(f"{c}_{s}", pa.int64() if c == "step" else text) for s in "ab" for c in ("run", "step", "layer")]
    return pa.schema([("measure", text), *sides, ("score", pa.float32()), ("reason", text), ("n", pa.int32())])


def _coded(codes: np.ndarray, names: list[str]) -> "pa.DictionaryArray":
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


def _number_in(chunk: bytes) -> int:
    """The one number of a chunk of `done`, undone as `_make` has it stored: a hundred times as quick as zarr.

    Raises:
        ValueError: its bytes are not those that were written.
    """
    from google_crc32c import value as crc32c
    from numcodecs.zstd import decompress

    if len(chunk) < 4 or crc32c(chunk[:-4]).to_bytes(4, "little") != chunk[-4:]:
        raise ValueError("its checksum does not fit its content")
    try:
        return int.from_bytes(decompress(chunk[:-4]), "little")
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def _sync(path: Path) -> None:
    for there in (path, path.parent):
        handle = os.open(there, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
