"""The part of the command line that is about datasets: `vaescope data list`, `fetch` and `show`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vaescope.console import say, show_progress, table
from vaescope.errors import UsageError

NameArgument = Annotated[str, typer.Argument(help="A dataset; see `vaescope data list`.", metavar="NAME")]
LARGEST_SHOWN = 1024


def data_app(guarded: Callable[[Callable[..., None]], Callable[..., None]]) -> typer.Typer:
    """The commands, each wrapped in what turns errors into messages and exit codes."""
    app = typer.Typer(
        help="Datasets: what there is, downloading their files, looking at them.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, command in (("list", list_datasets), ("fetch", fetch_files), ("show", show)):
        app.command(name)(guarded(command))
    return app


def list_datasets() -> None:
    """List the datasets, which of their files are on this machine, and how much there would be to download."""
    from vaescope.data.dataset import DATASETS
    from vaescope.data.fetch import cache
    from vaescope.data.official import VARIANTS

    rows = [_row(name, variant) for name in DATASETS for variant in VARIANTS.get(name, (None,))]
    table(("name", "images", "size", "factors", "on this machine", "download"), rows)
    say(f"Files are kept in {cache()}; set VAESCOPE_DATA to keep them elsewhere.")


def _row(name: str, variant: str | None) -> tuple[object, ...]:
    """What `list` says of a dataset."""
    from vaescope.data.load import MADE, described, missing_files
    from vaescope.data.official import OFFICIAL, has_official, official_key

    options = {} if variant is None else {"variant": variant}
    called = name if variant is None else f"{name}, variant={variant}"
    try:
        known = described(name, **options)
    except UsageError:  # it asks for files, or a name, of the user's own
        return called, "", "", "", "from your files", ""
    size = " x ".join(map(str, known.image_shape))
    factors = " x ".join(str(classes) for _, classes in known.factors) or "none known"
    if not has_official(name):
        return called, known.length, size, factors, "made", ""
    files = OFFICIAL[official_key(name, variant)]
    wanting = missing_files(name, **options, **({"source": "official"} if name in MADE else {}))
    here = (
        "yes"
        if not wanting
        else "no"
        if len(wanting) == len(files)
        else f"{len(files) - len(wanting)} files of {len(files)}"
    )
    if name in MADE:
        here = f"made; official file: {here}"
    return called, known.length, size, factors, here, _size([file.bytes for file in files])


def _size(lengths: list[int | None]) -> str:
    from vaescope.data.official import in_words

    told = [length for length in lengths if length is not None]
    return in_words(sum(told)) if len(told) == len(lengths) else "not published"


def fetch_files(
    name: NameArgument,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror", metavar="WHERE", help="An address or a folder that has the files, instead of the official."
        ),
    ] = None,
    variant: Annotated[str | None, typer.Option("--variant", help="Of mpi3d: toy, realistic or real.")] = None,
) -> None:
    """Download the official files of a dataset and verify them; what is there already is not downloaded again."""
    from vaescope.data.load import MADE, fetch_dataset

    options = {key: value for key, value in (("mirror", mirror), ("variant", variant)) if value is not None}
    with show_progress() as progress:
        paths = fetch_dataset(name, progress=progress, **options)
    say("\n".join(f"Verified: {path}" for path in paths))
    if name in MADE:
        say(f"Used where the dataset has the option `source: official`; otherwise {name} is made.")


def show(
    name: NameArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.png", help="vaescope-NAME.png here if not given.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=LARGEST_SHOWN, help="How many images.")] = 64,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which images: another number draws others.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the dataset: --set variant=real"),
    ] = None,
) -> None:
    """Draw images of a dataset at random, and write them side by side into a PNG file."""
    import torch

    from vaescope.data.load import check_options, load_dataset
    from vaescope.runs.draw import draw
    from vaescope.runs.store import put
    from vaescope.views.grid import columns_of, picture_grid

    target = Path(f"vaescope-{name}.png") if out is None else out
    if target.suffix.lower() != ".png" or target.is_dir():
        raise UsageError(f"--out: expected the name of a .png file, got {str(target)!r}.")
    options = _settings(settings or [])
    check_options(name, options)
    with show_progress() as progress:
        dataset = load_dataset(name, progress=progress, **options)
        drawn = torch.randperm(len(dataset), generator=draw("show", seed))[:count].sort().values.numpy()
        images = dataset.images(drawn)
    put(target, picture_grid(images))
    if dataset.factor_names:
        columns = columns_of(len(drawn))
        rows = [
            (place // columns + 1, place % columns + 1, int(index), *_values(dataset.factor_values, classes))
            for place, (index, classes) in enumerate(zip(drawn, dataset.factors(drawn), strict=True))
        ]
        table(("row", "column", "image", *dataset.factor_names), rows)
    say(f"{len(drawn):,} of {len(dataset):,} images, {' x '.join(map(str, dataset.image_shape))}: {target}")


def _values(values: tuple[tuple[float, ...], ...], classes: Any) -> list[str]:
    """The value of each factor, as short as it can be told."""
    return [f"{of_one[int(chosen)]:.4g}" for of_one, chosen in zip(values, classes, strict=True)]


def _settings(texts: list[str]) -> dict[str, Any]:
    """The options in "option=value" texts; the values are YAML."""
    from vaescope.runs.read import parse

    found: dict[str, Any] = {}
    for text in texts:
        option, equals, value = text.partition("=")
        if not equals or not option.strip().isidentifier():
            raise UsageError(f"--set {text!r}: expected OPTION=VALUE, for example --set variant=real.")
        found[option.strip()] = parse(value, f"--set {option.strip()}")
        if isinstance(found[option.strip()], dict | list):
            raise UsageError(f"--set {text!r}: expected one number or text, got several.")
    return found
