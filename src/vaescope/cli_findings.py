"""`vaescope examine`, `claims` and `figures`: what a study that is trained and compared has to say."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vaescope.console import say, show_progress, table
from vaescope.errors import UsageError

FolderArgument = Annotated[Path, typer.Argument(help="The folder of a study.", metavar="DIR")]


def add_findings(app: typer.Typer, guarded: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
    """Add the commands to the app; `guarded` turns what goes wrong into messages and exit codes."""
    for name, command in (("examine", examine), ("claims", claims), ("figures", figures)):
        app.command(name)(guarded(command))


def examine(
    folder: FolderArgument,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Work in N processes of this machine.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Work on the Dask cluster at this address.")
    ] = None,
) -> None:
    """Make the tables that claims, figures and report need beyond the scores: controls, latents, disentanglement."""
    from vaescope.runs.executors import executor_of
    from vaescope.runs.machine import keep_freed_memory
    from vaescope.runs.store import StudyFolder
    from vaescope.stats.examine import examine as examine_study

    keep_freed_memory()
    with show_progress() as progress, executor_of(workers, scheduler) as executor:
        examine_study(StudyFolder(folder, as_compared=True), progress, executor)
    say(f"Examined: {folder / 'examined'}")


def claims(
    folder: FolderArgument,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="This claim alone; may be given again.")
    ] = None,
    every_reading: Annotated[bool, typer.Option("--all", help="Every reading of each claim.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write every reading as a CSV file.")
    ] = None,
) -> None:
    """Judge each claim about how VAEs learn: supported, not supported or undecided, with and without controls."""
    from vaescope.stats.judge import judge, verdict_frame
    from vaescope.stats.refreshed import refreshed
    from vaescope.views import lacking
    from vaescope.views.gaps import unexamined
    from vaescope.views.verdicts import READING_COLUMNS, VERDICT_COLUMNS, reading_rows, verdict_rows, whys

    if out is not None and out.is_dir():
        raise UsageError(f"--out: {out} is a folder: expected a file. Give {out / 'claims.csv'}.")
    with show_progress() as progress:
        results = refreshed(folder, progress)
    evidence = results.evidence()
    verdicts = judge(evidence, only or None)
    table(VERDICT_COLUMNS, verdict_rows(verdicts), title=f"Claims in the study {results.study.name}")
    for line in whys(verdicts):
        say(line)
    if results.folder.recorded and lacking.unnamed(results.layers):
        say(lacking.UNNAMED)
    if few := unexamined(results.runs, evidence):
        say(f"{few} not examined, or with damaged tables, which the verdicts lack: `vaescope examine {folder}`.")
    for line in results.twins():
        say(line)
    if every_reading:
        table(READING_COLUMNS, reading_rows(verdicts), title="Every reading")
        say("p is of a sign-flip test over seeds, at least 2 / 2^s with s of them; the words go by the intervals.")
    if out is not None:
        from vaescope.runs.store import put

        put(out, verdict_frame(verdicts).to_csv(index=False).encode())
        say(f"Readings: {out}")


def figures(
    folder: FolderArgument,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="This figure alone; may be given again.")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", metavar="FORMAT", help="svg, png or pdf; all three if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="DIR/figures if not given.")] = None,
    width: Annotated[
        str | None, typer.Option("--width", metavar="WIDTH", help="column (3.3 in) or page (6.9 in) for all of them.")
    ] = None,
) -> None:
    """Write the figures for a paper: SVG, PNG and PDF, each with its data and caption."""
    from vaescope.stats.refreshed import refreshed
    from vaescope.views.press import FORMATS, write

    wrong = [name for name in formats or [] if name not in FORMATS]
    if wrong:
        raise UsageError(f"--format: expected {', '.join(FORMATS)}, got {wrong[0]!r}.")
    if width not in (None, "column", "page"):
        raise UsageError(f"--width: expected column or page, got {width!r}.")
    options: dict[str, Any] = {"width": width} | ({"formats": tuple(formats)} if formats else {})
    with show_progress() as progress:
        results = refreshed(folder, progress)
        written = write(results, out or folder / "figures", only or None, progress=progress, **options)
    say(f"Figures: {len(written)} file(s) in {out or folder / 'figures'}")
