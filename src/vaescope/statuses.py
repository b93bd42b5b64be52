"""What `vaescope status` tells: read from the study's folder at any moment, without the lock, writing nothing."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vaescope.console import say, table, watching
from vaescope.errors import CorruptArtifact
from vaescope.progress import Board, Row
from vaescope.runs.board import duration, has_total, in_words, most, speed
from vaescope.runs.live import Watch
from vaescope.runs.store import VIEW, StudyFolder
from vaescope.runs.study import Run
from vaescope.stats.examination import examined
from vaescope.stats.examined import FOLDER

LISTED_RUNS = 30
LISTED_REASONS = 3
TAIL_BYTES = 65_536  # of an events log, in which its last loss stands
RUN_COLUMNS = ("run", "state", "steps", "snapshots", "steps/s", "loss")
GROUP_COLUMNS = ("dataset", "objective", "runs", "done", "running", "waiting", "failed", "steps")


class Status:
    """How far a study is: its runs, comparisons and report.

    Args:
        path: of the study's folder.

    Raises:
        UsageError: there is no study there.
        CorruptArtifact: `study.json` is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._folder = StudyFolder(path)
        self._watch = Watch(path, self._folder.study.name, self._folder.runs)
        self._compared: tuple[object, dict[str, tuple[int, int]]] = (None, {})
        self.board = self._watch.look()

    def look(self) -> Board:
        """Read what changed."""
        self.board = self._watch.look()
        return self.board

    def tell(self, all_runs: bool = False) -> list[str]:
        """Print everything, and return the reasons of the failed runs.

        Args:
            all_runs: list every run; otherwise, where there are many, count them and list those running and failed.

        Raises:
            CorruptArtifact: manifests are damaged; raised after the rest was printed.
        """
        board, many = self.board, len(self._watch.runs) > LISTED_RUNS
        say(f"Study {board.name}: {in_words(board)}")
        rows = {row.run: row for row in board.rows}
        states = self._states(rows)
        if many:
            table(GROUP_COLUMNS, self._groups(states))
        listed = [i for i in states if all_runs or not many or states[i] not in ("done", "planned", "stopped")]
        if listed:
            table(RUN_COLUMNS, [self._row(i, states[i], rows.get(i)) for i in listed])
        if len(listed) < len(states):
            say(f"{len(states) - len(listed):,} other run(s) are done or waiting; --all lists them")
        for line in self.below():
            say(line)
        if damaged := self._watch.damaged:
            more = f" And {len(damaged) - LISTED_REASONS} more." if len(damaged) > LISTED_REASONS else ""
            raise CorruptArtifact(
                f"{' '.join([*damaged.values()][:LISTED_REASONS])}{more} Give `vaescope train {self._folder.path}`: "
                "it makes these runs anew."
            )
        return list(board.failures)

    def below(self) -> list[str]:
        """What there is besides the runs: blocks compared, tables of examinations, the report."""
        made = self._folder.path / "report.html"
        newer = f"; newer snapshots since: give `vaescope report {self._folder.path}`" if self._newer() else ""
        counts = self.compared().items()
        blocks = [f"{name}: {done:,} of {total:,} blocks compared{newer}" for name, (done, total) in counts]
        if tables := len(self._watch.runs) * len(examined(self._folder.study, self._folder.recorded)):
            made_tables = len(list(self._folder.path.glob(f"{FOLDER}/*/*.parquet")))
            blocks.append(f"examined: {made_tables:,} of {tables:,} tables")
        return [*blocks, f"report: {made if made.exists() else 'not yet written'}"]

    def compared(self) -> Mapping[str, tuple[int, int]]:
        """For each measure the blocks that are there, and those there are to be; counted anew where one changed."""
        store = self._folder.path / "similarity.zarr"
        if not store.exists():
            datasets = Counter(f"{r.dataset} {sorted(r.dataset_options.items())}" for r in self._watch.runs.values())
            blocks = sum(count * (count + 1) // 2 for count in datasets.values())  # runs of one dataset are compared
            return dict.fromkeys(self._folder.study.measures, (0, blocks))
        from vaescope.pipeline import compared

        ended = sum(m.ended for m in self._watch.manifests.values())
        state = (ended, [(p, p.stat().st_mtime_ns) for p in sorted(store.glob("*/done/c/*"))])
        if self._compared[0] != state and not self._watch.damaged:
            self._compared = state, compared(self._as_compared())
        return self._compared[1]

    def _as_compared(self) -> StudyFolder:
        """The study; of recorded runs, with the snapshots that were there when they were last compared."""
        return StudyFolder(self._folder.path, as_compared=True) if self._folder.recorded else self._folder

    def _newer(self) -> bool:
        """Whether recorded runs have snapshots that were not there when they were last compared."""
        if not self._folder.recorded or not (self._folder.path / VIEW).exists():
            return False
        seen = {run.id: run.snapshots for run in self._as_compared().runs}
        return any(set(m.snapshots) - set(seen.get(run_id, ())) for run_id, m in self._watch.manifests.items())

    def _states(self, rows: Mapping[str, Row]) -> dict[str, str]:
        """The state of each run in a word: of one that was begun and has not ended, whether it is being worked on."""
        states = {}
        for run_id, manifest in self._watch.manifests.items():
            row = rows.get(run_id)
            if run_id in self._watch.damaged:
                states[run_id] = "damaged"
            elif row:
                states[run_id] = "running" if row.alive else f"no sign of life for {duration(row.age)}"
            else:
                states[run_id] = "stopped" if manifest.state in ("running", "recording") else manifest.state
        return states

    def _groups(self, states: Mapping[str, str]) -> list[tuple[str | int, ...]]:
        """How many runs of each dataset and objective are in which state."""
        groups: dict[tuple[str, str], Counter[str]] = {}
        steps: Counter[tuple[str, str]] = Counter()
        rows = {row.run: row for row in self.board.rows if row.alive}
        for run_id, run in self._watch.runs.items():
            key = self._group(run)
            groups.setdefault(key, Counter())[states[run_id]] += 1
            steps[key] += rows[run_id].step if run_id in rows else self._watch.manifests[run_id].step
        total: Counter[tuple[str, str]] = Counter()
        for run in self._watch.runs.values():
            total[self._group(run)] += most(run, self._watch.manifests[run.id].step)
        found = []
        for key, c in groups.items():
            done, running, failed = c["done"], c["running"], c["failed"] + c["diverged"] + c["damaged"]
            waiting = c.total() - done - running - failed
            share = f"{100 * steps[key] / total[key]:.1f} %"
            found.append((*key, c.total(), done, running, waiting, failed, share))
        return found

    def _group(self, run: Run) -> tuple[str, str]:
        return self._folder.study.called(run)[0], run.objective

    def _row(self, run_id: str, state: str, row: Row | None) -> tuple[str, ...]:
        run, manifest = self._watch.runs[run_id], self._watch.manifests[run_id]
        step = row.step if row and row.alive else manifest.step
        last = self._last_loss(run_id) if row is None else row.loss
        loss = "-" if last is None else f"{last:,.2f}"
        rate = speed(row.steps_per_second) if row and row.alive else "-"
        steps = f"{step:,}/{run.steps:,}" if has_total(run) else f"{step:,}"
        kept = (
            f"{len(manifest.snapshots)}/{len(run.snapshots)}" if run.recorded is None else f"{len(manifest.snapshots)}"
        )
        return run_id, state, steps, kept, rate, loss

    def _last_loss(self, run_id: str) -> float | None:
        """The last loss that was logged; None where there is none among the last lines."""
        with suppress(OSError):
            with (self._folder.path / "runs" / run_id / "events.jsonl").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
                lines = file.read().splitlines()
            for line in reversed(lines):
                with suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and isinstance(event.get("loss"), float):
                        return event["loss"]
        return None


def watch(path: Path, seconds: float) -> Status:
    """Show how far a study is, again every so many seconds, until Ctrl-C; return what was seen last."""
    status = Status(path)
    with watching() as draw:
        try:
            while True:
                draw(status.look(), status.below())
                time.sleep(seconds)
        except KeyboardInterrupt:
            return status
