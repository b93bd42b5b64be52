"""The command line: a thin shell over the library. Only this module and `console` print or exit.

Exit codes: 0 done, 1 done with failed runs, 2 usage, 3 corrupt data, 4 resources, 70 a bug of ours, 130 interrupted.
"""

import errno
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from vaescope.cli_data import data_app
from vaescope.cli_findings import add_findings
from vaescope.cli_models import add_models
from vaescope.console import clean, say, show_progress, table
from vaescope.errors import Interrupted, UsageError, VaescopeError

app = typer.Typer(
    name="vaescope",
    help="How variational autoencoders learn, layer by layer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FAILED_RUNS = 1
P = ParamSpec("P")
R = TypeVar("R")

StudyArgument = Annotated[
    str, typer.Argument(help="A study file (YAML), or the name of a built-in study.", metavar="STUDY")
]
FolderArgument = Annotated[Path, typer.Argument(help="The folder of a study.", metavar="DIR")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study: --set optimiser.lr=1e-4"),
]
MemoryOption = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="Memory to work in, e.g. 6GB; a quarter of the machine's otherwise."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Work in N processes of this machine; in this one otherwise."),
]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Work on the Dask cluster at this address.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="What to train on: auto, cpu, cuda, cuda:1, mps.")
]
EnsembleOption = Annotated[
    int,
    typer.Option(
        "--ensemble",
        metavar="K",
        min=1,
        help="Train K runs as one, stacked; for GPUs, slower on a CPU. Last digits differ.",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder of the study; vaescope-NAME here if not given.")
]


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what goes wrong into a message and an exit code; a traceback only goes to a crash file."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except VaescopeError as error:
            say(f"Error: {error}", stderr=True)
            code = error.exit_code
        except KeyboardInterrupt:
            say("Interrupted. What was done is kept: give the same command again to continue.", stderr=True)
            code = Interrupted.exit_code
        except MemoryError:
            say("Error: not enough memory. A smaller probe.n or batch_size needs less.", stderr=True)
            code = 4
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except OSError as error:
            say(f"Error: {error.filename or 'the system'}: {error.strerror or error}.", stderr=True)
            code = (
                4
                if error.errno
                in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT, errno.EFBIG, errno.EIO)
                else 70
            )
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            say(f"Error: this is a bug in vaescope: {type(error).__name__}: {error}\n{_crash_file()}", stderr=True)
            code = 70
        raise typer.Exit(code)

    return wrapped


app.add_typer(data_app(guarded), name="data")


def _crash_file() -> str:
    try:
        with tempfile.NamedTemporaryFile("w", prefix="vaescope-crash-", suffix=".txt", delete=False) as file:
            traceback.print_exc(file=file)
        return f"What led to it is in {file.name}; please send it to us with what you did."
    except OSError:
        return traceback.format_exc()


@app.command()
@guarded
def run(
    study: StudyArgument,
    out: OutOption = None,
    overrides: SetOption = None,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    device: DeviceOption = "cpu",
    ensemble: EnsembleOption = 1,
) -> None:
    """Train, compare, examine and report, continuing whatever is already there."""
    from vaescope.pipeline import default_out, failed, in_words, load_study
    from vaescope.pipeline import run as run_study
    from vaescope.runs.machine import keep_freed_memory
    from vaescope.runs.store import StudyFolder

    keep_freed_memory()
    loaded = load_study(study, overrides or [])
    path = out or default_out(loaded)
    with show_progress() as progress:
        results = run_study(
            loaded,
            path,
            progress,
            _bytes(memory),
            workers=workers,
            scheduler=scheduler,
            device=device,
            ensemble=ensemble,
        )
    say(in_words(results))
    say(f"Report: {path / 'report.html'}")
    _tell_failed(failed(StudyFolder(path)))


@app.command()
@guarded
def plan(study: StudyArgument, overrides: SetOption = None) -> None:
    """Show what a study would do and cost, and start nothing."""
    from vaescope.pipeline import load_study
    from vaescope.planning import plan as plan_study

    planned = plan_study(load_study(study, overrides or []))
    say(f"Study {planned.name}\n" + "\n".join(f"  {what:<16} {how}" for what, how in planned.overview))
    table(planned.columns, planned.choices, title="What each choice of pairs costs; -> is what the study chose")
    say(f"Time on this machine, from a short measurement now: {planned.time_text}")


@app.command()
@guarded
def train(
    study: StudyArgument,
    out: OutOption = None,
    overrides: SetOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    device: DeviceOption = "cpu",
    ensemble: EnsembleOption = 1,
) -> None:
    """Train the runs of a study, without comparing them. STUDY may also be a study's folder."""
    from vaescope.pipeline import default_out, failed, load_study
    from vaescope.runs.executors import executor_of
    from vaescope.runs.inputs import check_fit
    from vaescope.runs.machine import keep_freed_memory
    from vaescope.runs.store import StudyFolder
    from vaescope.runs.train import train as train_study

    keep_freed_memory()
    if out is None and (Path(study) / "study.json").exists():
        if overrides:
            raise UsageError(
                f"{study} was begun already: --set cannot change it. Give its study file and another --out."
            )
        folder = StudyFolder(study)
        if folder.recorded:
            raise UsageError(f"{study} holds runs that a Recorder keeps: they are trained where the recorder is.")
    else:
        loaded = load_study(study, overrides or [])
        check_fit(loaded)
        folder = StudyFolder.create(out or default_out(loaded), loaded)
    with show_progress() as progress, executor_of(workers, scheduler) as executor:
        train_study(folder, progress, executor, device, ensemble)
    say(f"Trained: {folder.path}")
    _tell_failed(failed(folder))


@app.command()
@guarded
def compare(
    folder: FolderArgument,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Compare the layers of all snapshots that are there."""
    from vaescope.runs.executors import executor_of
    from vaescope.runs.machine import keep_freed_memory
    from vaescope.runs.store import StudyFolder
    from vaescope.stats.compare import compare as compare_study

    keep_freed_memory()
    with show_progress() as progress, executor_of(workers, scheduler) as executor:
        compare_study(StudyFolder(folder), progress, _bytes(memory), executor)
    say(f"Compared: {folder / 'similarity.zarr'}, {folder / 'similarity.parquet'}")


add_findings(app, guarded)
add_models(app, guarded)


@app.command()
@guarded
def report(
    folder: FolderArgument,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="DIR/report.html if not given.")] = None,
) -> None:
    """Write the report of what is there: one HTML file that works offline."""
    from vaescope.stats.refreshed import refreshed
    from vaescope.views.report import report as write_report

    with show_progress() as progress:
        path = write_report(refreshed(folder, progress), out or folder / "report.html", progress)
    say(f"Report: {path}")


@app.command()
@guarded
def status(
    folder: FolderArgument,
    every_run: Annotated[bool, typer.Option("--all", help="List every run, also where there are many.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it until Ctrl-C.")] = False,
    seconds: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="How often to look, with --watch.")
    ] = 2.0,
) -> None:
    """Show how far a study is, also while it is being worked on: its runs, comparisons and report."""
    from vaescope.statuses import Status
    from vaescope.statuses import watch as keep_watching

    _tell_failed((keep_watching(folder, seconds) if watch else Status(folder)).tell(every_run))


@app.command("list")
@guarded
def list_members(
    kind: Annotated[
        str | None,
        typer.Argument(help="datasets, networks, objectives, measures, claims, figures, ...; all if not given."),
    ] = None,
) -> None:
    """List what there is to choose from."""
    from vaescope.catalogue import MEASURE_COLUMNS, catalogue, measure_rows
    from vaescope.registry import suggestion

    found = catalogue()
    if kind is not None and kind not in found:
        raise UsageError(f"nothing called {kind!r} to list; there are: {', '.join(found)}.{suggestion(kind, [*found])}")
    if kind == "measures":
        table(MEASURE_COLUMNS, measure_rows())
        return
    for name in [kind] if kind else found:
        table((name, ""), [(member.name, member.summary) for member in found[name]])


@app.command()
@guarded
def cite(
    study: Annotated[
        str, typer.Argument(help="A study file, a built-in study, or the folder of a study.", metavar="STUDY")
    ],
) -> None:
    """Print the references of everything a study uses."""
    from vaescope.catalogue import references
    from vaescope.pipeline import load_study
    from vaescope.runs.store import StudyFolder

    loaded = StudyFolder(study).study if (Path(study) / "study.json").exists() else load_study(study)
    for name, lines in references(loaded).items():
        say(f"{name}\n" + "\n".join(f"  {line}" for line in lines))


def _bytes(size: str | None) -> int | None:
    """The number of bytes in "500MB", "6 GB", "6GiB" or "6000000000"."""
    if size is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", size, re.IGNORECASE)
    if not found or not float(found[1]):
        raise UsageError(f"--memory: expected a size such as 6GB or 500MiB, got {size!r}.")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper() or " "))


def _tell_failed(reasons: list[str]) -> None:
    if reasons:
        say("\n".join([f"{len(reasons)} run(s) failed:", *(f"  {clean(r)}" for r in reasons)]), stderr=True)
        raise typer.Exit(FAILED_RUNS)


def _version(asked: bool) -> bool:
    if asked:
        from vaescope import __version__

        say(f"vaescope {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """How variational autoencoders learn, layer by layer."""


def main() -> None:
    """The entry point `vaescope`."""
    app()
