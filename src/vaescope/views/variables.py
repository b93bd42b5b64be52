"""What the template of the page is given: texts, rows of tables, and the data of its script. Pure."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from vaescope.views import answers, gaps, lacking, method, outcomes, page, rerun, summary, tables
from vaescope.views.contents import Content

DISTANCES_ONLY = (
    "This study has distances only: 0.9 as settled and floors mean nothing for those, so there is no finding. Add a "
    "similarity, such as cka, to its measures."
)
PACKAGES = ("vaescope", "torch", "numpy", "pandas", "scipy")


def variables(found: Content, pictures: Mapping[str, Any]) -> dict[str, Any]:
    """Everything but pictures' words and the page's own files.

    Args:
        found: what stands on the page.
        pictures: run -> step -> its two pictures as data URIs.
    """
    frames, axes, measure = found.frames, found.axes, found.measure
    maps = found.explored.maps
    distances = [name for name in found.study.measures if method.is_distance(name)]
    title = method.titles([measure])[measure]
    labels = axes.labels
    raw, corrected = (summary.lead(frames.lead, measure, c, frames.runs) for c in ("raw", "corrected"))
    headline, finding = summary.headline(raw, corrected), [DISTANCES_ONLY]
    if measure not in distances:
        finding = summary.finding(raw, corrected, summary.floors(frames.settling, measure), title)
    if lacking.partless(frames.layers):
        headline = f"There is no finding: {lacking.NO_PARTS}."
        finding = [headline]
    seeds = page.over_seeds_rows(frames, measure)
    main = {"name": found.study.name, "steps": found.study.steps, "latents": found.study.latents, "main": measure}
    pairs = max((extent.left_out for extent in maps.extents.values()), default=0)
    return {
        "version": version("vaescope"),
        "name": found.study.name,
        "main": title,
        "setting": summary.setting(frames.runs, found.study.steps),
        "lede": " ".join(filter(None, [headline, answers.headline(found.verdicts)])),
        "caveats": summary.caveats(frames.runs, labels),
        "missing": gaps.gaps(
            frames.runs,
            found.evidence,
            axes.measures,
            [*found.study.measures],
            found.folder,
            found.recorded,
            frames.layers,
        ),
        "verdicts": answers.answers(found.verdicts),
        "verdict_counts": answers.counts(found.verdicts),
        "judged_by": method.titles([found.evidence.measure])[found.evidence.measure] if found.verdicts else "",
        "figures": found.opening.figures(title, frames.layers),
        "finding": finding,
        "distances": ", ".join(method.titles(distances).values()),
        "cards": page.cards(frames, maps.extents, measure),
        "never": page.never(frames, measure),
        "runs": page.run_rows(frames, measure),
        "more_runs": _more(len(frames.runs), page.MOST_ROWS, "run"),
        "over_seeds": seeds[: page.MOST_SETTINGS],
        "more_over_seeds": _more(len(seeds), page.MOST_SETTINGS, "setting"),
        "relapses": page.relapses(frames),
        "settling": page.settling_rows(frames),
        "differing": found.differing,
        "leads_table": found.opening.lead_rows()[: 3 * page.MOST_SETTINGS],
        "across_table": found.opening.across_rows(),
        "collapse_table": outcomes.collapse_rows(axes, found.evidence),
        "decomposition": outcomes.decomposition_rows(found.evidence),
        "has_scores": bool(axes.measures),
        "has_maps": bool(maps.settings),
        "parts": [part for part in tables.PARTS if part in axes.parts.values()] or [*tables.PARTS[:3]],
        "has_curves": len(frames.curves) > 0,
        "has_losses": found.explored.parts["losses"] is not None,
        "has_pictures": bool(pictures),
        "has_latents": found.explored.parts["latents"] is not None,
        "has_disentanglement": bool(found.explored.parts["disentanglement"]),
        "left_out": outcomes.left_out(axes, pairs, found.explored.curves_left_out),
        "method": method.paragraphs(
            found.study, maps.extents, found.examined, found.scores, _versions(), found.recorded
        ),
        "citations": method.citations(
            found.study, found.examined, found.scores, [verdict.claim for verdict in found.verdicts]
        ),
        "rerun": {
            "commands": rerun.commands(found.study, version("vaescope"), found.folder if found.recorded else None),
            "yaml": "" if found.recorded else rerun.yaml(found.study),
            "versions": _versions(),
        },
        "data": found.explored.described(main, found.opening, found.verdicts, pictures),
        "arrays": found.explored.arrays.text(),
    }


def _more(count: int, most: int, noun: str) -> str:
    return f"{summary.counted(count - most, f'more {noun}')} in the study's folder." if count > most else ""


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)
