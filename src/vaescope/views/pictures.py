"""Pictures of snapshots as marks of a chart: rows and columns of small images with words beside them."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from vaescope.stats.selection import must_know
from vaescope.views import bands, theme

if TYPE_CHECKING:
    from vaescope.runs.extract import Pictures
    from vaescope.runs.study import Run
    from vaescope.stats.results import Results

SHARP = 256  # pixels an image is enlarged to, at least, so that no viewer blurs it


def chosen(results: "Results", run: str | None) -> "Run | None":
    """The run of that id; the first finished one if none is said, None where there is none.

    Raises:
        UsageError: there is no such run.
    """
    if run is not None:
        must_know("run", run, [r.id for r in results.folder.runs])
    finished = set(bands.runs_of(results)["run"])
    known = [r for r in results.folder.runs if (r.id == run if run is not None else r.id in finished)]
    return known[0] if known else None


def seen(results: "Results", run: "Run", step: int) -> "Pictures":
    """What a snapshot makes of examples of its probe set."""
    from vaescope.runs.extract import pictures

    return pictures(results.folder, run, step)


def uri(image: np.ndarray) -> str:
    """An image as PNG in a data URI.

    Args:
        image: (c, h, w), uint8, c 1 or 3.
    """
    pixels = image.transpose(1, 2, 0)
    found = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    out = BytesIO()
    found.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def sheet(
    table: pd.DataFrame,
    rows: Sequence[str],
    columns: Sequence[str],
    total: float,
    titles: tuple[str | None, str | None],
) -> alt.TopLevelMixin:
    """A sheet of images, `total` points wide at most.

    Args:
        table: row, column (words), picture (data URI).
        rows: in order, from above.
        columns: in order, from the left.
        total: points from edge to edge.
        titles: of the rows and of the columns.
    """
    side = min((total - 70) / max(len(columns), 1), 46)
    quiet: dict[str, Any] = {"ticks": False, "domain": False, "grid": False, "labelOverlap": False}
    labelled = any(columns)
    x = alt.X("column:N", sort=list(columns), title=titles[1], scale=alt.Scale(paddingInner=0, paddingOuter=0))
    x["axis"] = alt.Axis(orient="top", labelAngle=0, labels=labelled, **quiet)
    y = alt.Y("row:N", sort=list(rows), title=titles[0], scale=alt.Scale(paddingInner=0, paddingOuter=0))
    y["axis"] = alt.Axis(**quiet)
    shown = table.assign(picture=[sharp(u) for u in table["picture"]])
    images = alt.Chart().mark_image(width=side - 1.5, height=side - 1.5).encode(x=x, y=y, url="picture:N")
    return alt.layer(images, data=theme.data(shown[["row", "column", "picture"]])).properties(
        width=side * len(columns), height=side * len(rows)
    )


def sharp(picture: str) -> str:
    """The same picture with every pixel made a block of pixels, until it is `SHARP` wide."""
    image = Image.open(BytesIO(base64.b64decode(picture.partition(",")[2])))
    times = max(1, -(-SHARP // image.width))
    out = BytesIO()
    image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
