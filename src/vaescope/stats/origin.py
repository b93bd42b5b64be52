"""What scores come from, as a digest that a block of them is recognised by: the same for storing and for reading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from vaescope.stats.grid import Grid
from vaescope.stats.measure import MEASURES

if TYPE_CHECKING:
    from vaescope.runs.store import StudyFolder

# The store is imported where it is used: finding the measures imports every file of this folder.


@dataclass(frozen=True)
class Origin:
    """What the blocks of a study come from.

    Attributes:
        folder: of the study.
        grid: its representations.
        snapshots: of each run, step -> SHA-256; none of a run that has not ended, since it will have others.
        probes: of each run, the SHA-256 of its probe set, "" where it has no snapshots.
        all_ended: whether every run of the study has.
    """

    folder: "StudyFolder"
    grid: Grid
    snapshots: tuple[Mapping[int, str], ...]
    probes: tuple[str, ...]
    all_ended: bool

    def digest(self, measure: str, i: int, j: int) -> int:
        """Of everything the block of runs i and j comes from; never 0, which means not done."""
        text = f"{self._head(measure)[:-1]}, [{self._sides[i]}, {self._sides[j]}]]"
        return int.from_bytes(sha256(text.encode()).digest()[:8], "little") or 1

    def _head(self, measure: str) -> str:
        """What the blocks of a measure have in common, made once: hundreds of runs have tens of thousands of blocks."""
        if measure not in self._heads:
            choice = self.folder.study.measures[measure]
            n = choice.n or self.folder.study.probe.n
            form = MEASURES[measure]().form_for(n, self.grid.widths)
            self._heads[measure] = json.dumps([measure, form.name, form.version, n, choice.pairs, choice.precision])
        return self._heads[measure]

    @cached_property
    def _heads(self) -> dict[str, str]:
        return {}

    @cached_property
    def _sides(self) -> tuple[str, ...]:
        """What the blocks of a run have in common."""
        parts = zip(self.grid.columns, self.probes, self.snapshots, strict=True)
        return tuple(json.dumps([column.run, probe, sorted(there.items())]) for column, probe, there in parts)


def origin_of(folder: "StudyFolder", grid: Grid) -> Origin:
    """What the blocks of a study come from, as its manifests say it now.

    Raises:
        CorruptArtifact: a manifest or `probe.json` is damaged.
    """
    from vaescope.runs.inputs import probe_of

    manifests = [folder.run(run.id).manifest() for run in folder.runs]
    ended = [m.ended for m in manifests]
    snapshots = tuple(
        {step: a.sha256 for step, a in m.snapshots.items()} if end else {}
        for m, end in zip(manifests, ended, strict=True)
    )
    known: dict[str, str] = {}
    for column, run, there in zip(grid.columns, folder.runs, snapshots, strict=True):
        if there and column.examples not in known:
            known[column.examples] = probe_of(folder, run).sha256
    probes = tuple(known[c.examples] if there else "" for c, there in zip(grid.columns, snapshots, strict=True))
    return Origin(folder, grid, snapshots, probes, all(ended))
