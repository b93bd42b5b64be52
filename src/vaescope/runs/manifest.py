"""What is known of a run: its state, and the files it must have."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["planned", "running", "recording", "done", "diverged", "failed"]


@dataclass(frozen=True)
class Artifact:
    """A file and the bytes it must have."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Resume:
    """Where an interrupted run continues: the weights and optimiser state, and how long its events log was then."""

    step: int
    artifact: Artifact
    events_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What is known of one run.

    Attributes:
        state: "planned", "running", "recording" (by a `Recorder`), "done", "diverged" (its loss was no number), or
            "failed" (its workers died; it is tried again when the command is given again).
        step: optimiser steps done at the last entry.
        reason: why a run diverged or failed, else "".
        snapshots: step -> the file of the weights.
        resume: where to continue, None once the run has ended.
        threads: how many torch had, on which the last bits of the weights depend; 0 before the run began.
        device: what it was trained on, on which they depend as well.
        ensemble: how many runs were trained as one with this one, itself included; on which they depend, too.
        events_bytes: how long the events log is at least, once the run has ended.
        weights: step -> the file of the weights, where snapshots are representations that a `Recorder` kept.
    """

    state: State = "planned"
    step: int = 0
    reason: str = ""
    snapshots: dict[int, Artifact] = field(default_factory=dict)
    resume: Resume | None = None
    threads: int = 0
    events_bytes: int = 0
    device: str = "cpu"
    ensemble: int = 1
    weights: dict[int, Artifact] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether what is there can be compared: a recorded run as far as it has come, others once they are done."""
        return self.state in ("done", "diverged", "recording")

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Manifest":
        """What `RunFolder.save` wrote."""
        resume = content["resume"]
        return cls(
            state=content["state"],
            step=content["step"],
            reason=content["reason"],
            snapshots={int(k): Artifact(**v) for k, v in content["snapshots"].items()},
            resume=resume and Resume(resume["step"], Artifact(**resume["artifact"]), resume["events_bytes"]),
            threads=content.get("threads", 0),
            events_bytes=content.get("events_bytes", 0),
            device=content.get("device", "cpu"),
            ensemble=content.get("ensemble", 1),
            weights={int(k): Artifact(**v) for k, v in content.get("weights", {}).items()},
        )
