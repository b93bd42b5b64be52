"""`vaescope compare-files`: the layers of two checkpoints, or of representations in files, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vaescope.console import say, show_progress, table
from vaescope.errors import UsageError

if TYPE_CHECKING:
    from vaescope.comparing.comparison import Comparison

USUAL_N = 1000
MOST_ROWS = 40
TABLES, PICTURES = (".csv", ".parquet", ".json"), (".html", ".svg", ".png")
REPRESENTATIONS = (".npy", ".npz")


def add_models(app: typer.Typer, guarded: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
    """Add the commands to the app; `guarded` turns what goes wrong into messages and exit codes."""
    app.command("compare-files")(guarded(compare_files))


def compare_files(
    a: Annotated[
        str,
        typer.Argument(
            help="Weights (.safetensors, a folder of Hugging Face) with --model, or representations (.npy, .npz).",
            metavar="A",
        ),
    ],
    b: Annotated[
        str | None, typer.Argument(help="The same; if not given, the layers of A with one another.", metavar="B")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="PKG:FUNCTION",
            help="What makes the model, without arguments: pkg.module:function or path/to/file.py:function.",
        ),
    ] = None,
    model_b: Annotated[
        str | None, typer.Option("--model-b", metavar="PKG:FUNCTION", help="The model of B; that of A if not given.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="What the models are shown: .npy or .npz (n, ...), several arrays being inputs by name, FILE.npz:NAME "
            "for one of them; bytes of images become 0 to 1. Or the name of a dataset: `vaescope data list`.",
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "--n", metavar="N", min=1, help="Examples to take; 1000 of --data, all of representations if not given."
        ),
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option("--layers", metavar="GLOB", help="Layers by name or glob, e.g. 'encoder.*'; may be given again."),
    ] = None,
    layers_b: Annotated[
        list[str] | None, typer.Option("--layers-b", metavar="GLOB", help="Those of B; as --layers if not given.")
    ] = None,
    measure: Annotated[
        str, typer.Option("--measure", metavar="NAME", help="Of similarity: see `vaescope list measures`.")
    ] = "cka",
    reduce: Annotated[
        str, typer.Option("--reduce", metavar="NAME", help="What becomes of maps: flatten, channel_mean, average_pool.")
    ] = "flatten",
    interval: Annotated[
        bool, typer.Option("--interval", help="Add the interval of each score over the choice of examples.")
    ] = False,
    null: Annotated[bool, typer.Option("--null", help="Add what chance alone would give.")] = False,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write the table (.csv, .parquet, .json) or the heatmap (.html, .svg, .png); may be given again.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", min=0, help="Of the choice of examples.")] = 0,
    trust_pickle: Annotated[
        bool,
        typer.Option("--trust-pickle", help="Open .ckpt, .pt and .pth, which can run any code that is in them."),
    ] = False,
) -> None:
    """Compare two checkpoints, or two files of representations, layer by layer."""
    for path in out or []:
        _must_be_writable(path)
    from vaescope.comparing.arrayfiles import read_arrays
    from vaescope.comparing.compare import compare
    from vaescope.comparing.sides import titles_of

    factories = [model, model_b or model]
    sides = [_side(file, made, trust_pickle) for file, made in zip((a, b), factories, strict=True) if file is not None]
    shown = any(isinstance(side, tuple) for side in sides)
    if shown and data is None:
        raise UsageError("--data: a model needs examples to be shown. Give a file (.npy, .npz) or a dataset.")
    names = titles_of(sides[0], sides[1] if len(sides) == 2 else None, None)
    mixed = shown and not all(isinstance(side, tuple) for side in sides)
    if mixed:  # the same rows of representations and of data
        sides = [read_arrays(side, n, seed) if isinstance(side, str) else side for side in sides]
    with show_progress() as progress:
        examples = _examples(data, n, None if mixed else USUAL_N, seed, progress) if shown and data else data
        found = compare(
            sides[0],
            sides[1] if len(sides) == 2 else None,
            examples,
            measure,
            layers=layers or None,
            layers_b=layers_b or None,
            reduce=reduce,
            n=None if shown else n,
            interval=interval or None,
            null=null,
            seed=seed,
            names=names,
            trust_pickle=trust_pickle,
            progress=progress,
        )
    _tell(found)
    for path in out or []:
        _write(found, path)
        say(f"Written: {path}")


def _side(file: str, factory: str | None, trust_pickle: bool) -> Any:
    """A path of representations, or a model with the path of its weights."""
    from vaescope.comparing.checkpoints import PICKLES
    from vaescope.comparing.factories import model_from

    name = Path(file.rpartition(":")[0] or file) if not Path(file).exists() else Path(file)
    arrays = name.suffix.lower() in REPRESENTATIONS or (name.is_dir() and any(name.glob("*.npy")))
    if arrays or factory is None:
        if name.suffix.lower() in PICKLES and not arrays:
            raise UsageError(
                f"{file}: weights need the model they belong to. Give --model pkg.module:function or "
                "--model path/to/file.py:function, a function without arguments that makes it."
            )
        return file
    if not Path(file).expanduser().exists():  # before the model is made, which may take long
        raise UsageError(f"{file}: expected a file of weights, got none there. Check the path.")
    return model_from(factory), file


def _examples(data: str, n: int | None, usual: int | None, seed: int, progress: Any) -> Any:
    """What models are shown: from a file, or of a dataset; `n` examples, else `usual`, else all."""
    import numpy as np

    from vaescope.comparing.arrayfiles import KINDS, read_arrays, rows_of

    file = Path(data.rpartition(":")[0] or data) if not Path(data).exists() else Path(data)
    if file.suffix.lower() in KINDS or file.exists():
        made = {k: _as_input(x) for k, x in read_arrays(data, usual if n is None else n, seed).items()}
        return next(iter(made.values())) if len(made) == 1 else made
    from vaescope.data.dataset import DATASETS
    from vaescope.data.load import load_dataset
    from vaescope.registry import suggestion

    if data not in DATASETS:
        raise UsageError(
            f"--data: expected a file (.npy, .npz) or the name of a dataset, got {data!r}; there is no such file. "
            f"Datasets: {', '.join(DATASETS)}.{suggestion(data, list(DATASETS))}"
        )
    dataset = load_dataset(data, progress=progress)
    rows = rows_of(len(dataset), usual if n is None else n, seed)
    return dataset.images(np.arange(len(dataset)) if rows is None else rows)


def _as_input(x: Any) -> Any:
    """Numbers as models take them: float32, bytes of images from 0 to 1; other integers are tokens and stay."""
    import numpy as np

    if x.dtype.kind == "f" or (x.dtype == np.uint8 and x.ndim >= 3):
        return x.astype(np.float32) / np.float32(255 if x.dtype == np.uint8 else 1)
    return x


def _tell(found: "Comparison") -> None:
    """The best match of every layer, in a compact table; then words and warnings."""
    from vaescope.views.likeness import number

    best = found.best()
    own = {} if found.own else dict(zip(*(found.diagonal()[name] for name in ("layer_a", "score")), strict=True))
    ends = "low" in best
    a, b = found.names
    columns = [f"layer of {a}", f"best match in {b}" if not found.own else "most similar other", "score"]
    columns += [f"{found.level:.0%} interval"] if ends else []
    columns += ["of the same name"] if own else []
    rows = []
    for row in best.head(MOST_ROWS).to_dict("records"):
        known = row["score"] == row["score"]
        cells = [row["layer_a"], row["layer_b"] or "-", number(row["score"]) if known else "-"]
        cells += [f"{number(row['low'])} to {number(row['high'])}" if known else "-"] if ends else []
        score = own.get(row["layer_a"], float("nan"))
        cells += [number(score) if score == score else "-"] if own else []
        rows.append(cells)
    table(columns, rows, title=f"{found.measure.name}, {found.n:,} examples")
    if len(best) > MOST_ROWS:
        say(f"and {len(best) - MOST_ROWS:,} more layers: --out table.csv has all pairs.")
    say(found.summary())
    for warning in found.warnings:
        say(f"Warning: {warning}")


def _must_be_writable(path: Path) -> None:
    if path.suffix.lower() not in TABLES + PICTURES or path.is_dir():
        got = "a folder" if path.is_dir() else repr(path.suffix or path.name)
        raise UsageError(f"--out: {path}: expected a file ending in {', '.join(TABLES + PICTURES)}, got {got}.")


def _write(found: "Comparison", path: Path) -> None:
    """The table or the picture, whole or not at all."""
    from vaescope.runs.store import put

    kind = path.suffix.lower()
    if kind == ".csv":
        put(path, found.table().to_csv(index=False).encode())
    elif kind == ".parquet":
        put(path, found.table().to_parquet(index=False))
    elif kind == ".json":
        pairs = json.loads(found.table().to_json(orient="records"))
        head = {"a": found.names[0], "b": found.names[1], "measure": found.measure.name, "n": found.n}
        words = {"summary": found.summary().split("\n"), "warnings": list(found.warnings)}
        put(path, (json.dumps({**head, **words, "pairs": pairs}, indent=1, ensure_ascii=False) + "\n").encode())
    elif kind == ".html":
        put(path, found.plot().to_html(inline=True).encode())
    else:
        from vaescope.views.press import picture

        put(path, picture(found.plot().to_dict(), kind[1:]))
