"""Which runs of a study have ended, what they left, and which differ in one thing alone; each manifest read once."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaescope.runs.manifest import Manifest
    from vaescope.runs.store import StudyFolder
    from vaescope.runs.study import Run


class Census:
    """The runs of a study as they are when first asked for; nobody trains while they are examined.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: "StudyFolder") -> None:
        self.folder = folder
        self._manifests: dict[str, Manifest] = {}
        self._groups: dict[tuple[str, ...], dict[str, list[Run]]] = {}
        self._described: dict[str, dict[str, object]] = {}

    def manifest(self, run: "Run") -> "Manifest":
        """What is known of a run."""
        if run.id not in self._manifests:
            self._manifests[run.id] = self.folder.run(run.id).manifest()
        return self._manifests[run.id]

    def steps(self, run: "Run") -> tuple[int, ...]:
        """The snapshots of a run that are there, ascending; none of a run that has not ended."""
        found = self.manifest(run)
        return tuple(sorted(found.snapshots)) if found.ended else ()

    def snapshots(self, run: "Run") -> dict[int, str]:
        """Step -> SHA-256 of the snapshots of a run that has ended."""
        found = self.manifest(run)
        return {step: kept.sha256 for step, kept in sorted(found.snapshots.items())} if found.ended else {}

    def finished(self, run: "Run") -> bool:
        """Whether a run has its last snapshot."""
        return run.snapshots[-1] in self.steps(run)

    def twins(self) -> "list[tuple[Run, ...]]":
        """Runs that ended with the same weights bit for bit, such as a VAE and a β-VAE of β = 1: one training each."""
        found: dict[str, list[Run]] = defaultdict(list)
        for run in self.folder.runs:
            if end := self.snapshots(run).get(run.snapshots[-1]):
                found[end].append(run)
        return [tuple(group) for group in found.values() if len(group) > 1]

    def equal_but(self, run: "Run", keys: Sequence[str]) -> "Sequence[Run]":
        """The runs that equal this one in everything but these keys, itself included, in the order of the study."""
        keys = tuple(keys)
        if keys not in self._groups:
            groups: dict[str, list[Run]] = defaultdict(list)
            for other in self.folder.runs:
                groups[self._rest(other, keys)].append(other)
            self._groups[keys] = groups
        return self._groups[keys][self._rest(run, keys)]

    def _rest(self, run: "Run", keys: Sequence[str]) -> str:
        if run.id not in self._described:
            self._described[run.id] = run.described()
        return json.dumps({k: v for k, v in self._described[run.id].items() if k not in keys}, sort_keys=True)
