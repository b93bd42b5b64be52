"""The tables of examinations on disk: one Parquet file a run and examination, recognised by what it was made from."""

import json
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from vaescope.errors import CorruptArtifact
from vaescope.stats.examination import EXAMINATIONS, Examination

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from vaescope.runs.store import StudyFolder
    from vaescope.runs.study import Run
    from vaescope.stats.subject import Subject

KEY = b"vaescope"
FOLDER = "examined"

# Pyarrow, pandas and the store are imported where they are used: finding the measures imports all files here.


def file_of(folder: "StudyFolder", run: "Run", name: str) -> Path:
    """Where the table of a run lies."""
    return folder.path / FOLDER / run.id / f"{name}.parquet"


def digest(subject: "Subject", examination: Examination) -> str:
    """Of everything the table of a run comes from."""
    from vaescope.runs.inputs import probe_of

    study, census = subject.folder.study, subject.census
    others = [(r.id, census.snapshots(r).get(r.snapshots[-1], "")) for r in examination.others(subject)]
    measures = {name: [c.n, c.precision] for name, c in study.measures.items()}
    probe = probe_of(subject.folder, subject.run).sha256 if subject.steps else ""
    made_of = [
        examination.name,
        examination.version,
        sorted(census.snapshots(subject.run).items()),
        [study.probe.n, study.probe.seed, probe],
        measures,
        others,
    ]
    return sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def is_there(subject: "Subject", examination: Examination) -> bool:
    """Whether the table of a run is there and of what is there now; a damaged one may be found out as it is read."""
    file = file_of(subject.folder, subject.run, examination.name)
    return file.exists() and _origin(file) == digest(subject, examination)


def is_whole(subject: "Subject", examination: Examination) -> bool:
    """Whether the table of a run is there, of what is there now, and undamaged to the last byte."""
    if not is_there(subject, examination):
        return False
    try:
        _read(file_of(subject.folder, subject.run, examination.name))
    except CorruptArtifact:
        return False
    return True


def keep(subject: "Subject", examination: Examination, table: "pd.DataFrame") -> None:
    """Write the table of a run, whole or not at all.

    Raises:
        ResourceError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vaescope.runs.store import put

    if tuple(table.columns) != examination.columns:
        raise AssertionError(f"{examination.name}: expected columns {examination.columns}, got {(*table.columns,)}")
    made = pa.Table.from_pandas(table, preserve_index=False)
    made = made.replace_schema_metadata({KEY: digest(subject, examination).encode()})
    data = BytesIO()
    pq.write_table(made, data, compression="zstd", write_page_checksum=True)
    put(file_of(subject.folder, subject.run, examination.name), data.getvalue())


def joined(subjects: "Sequence[Subject]", name: str) -> "pd.DataFrame":
    """The tables of these runs, one below the other, with the run in front; without those not there or out of date.

    Raises:
        UsageError: there is no such examination.
        CorruptArtifact: a table is damaged.
    """
    import pandas as pd
    import pyarrow as pa

    examination = EXAMINATIONS[name]()
    tables = []
    for subject in subjects:
        if not is_there(subject, examination):
            continue
        table = _read(file_of(subject.folder, subject.run, name))
        run = pa.array([subject.run.id] * len(table)).dictionary_encode()
        tables.append(table.replace_schema_metadata(None).add_column(0, "run", run))
    columns = ["run", *examination.columns]
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=columns)
    whole = pa.concat_tables(tables, promote_options="permissive")
    texts = [c for c in whole.column_names if pa.types.is_string(whole.schema.field(c).type)]
    whole = whole.unify_dictionaries()
    frame = whole.to_pandas(categories=texts)
    return frame[columns]


def _read(file: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(BytesIO(file.read_bytes()), page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(file) from error


def _origin(file: Path) -> str:
    """What a table says it was made from; "" where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return (pq.read_schema(file).metadata or {}).get(KEY, b"").decode()
    except (pa.ArrowException, OSError, ValueError):
        return ""


def _damaged(file: Path) -> CorruptArtifact:
    return CorruptArtifact(
        f"{file} is damaged. Remove it and give `vaescope examine {file.parents[2]}`: it is made anew."
    )
