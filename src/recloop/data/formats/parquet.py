import io

import numpy as np
import polars as pl

from recloop.data.formats.base import Format, Options, Table
from recloop.data.formats.files import Content
from recloop.data.problems import Problems
from recloop.errors import DataError


def _sniff(content: Content) -> str:
    return "it begins with the letters PAR1" if content.data.startswith(b"PAR1") else ""


def _load(content: Content, options: Options, problems: Problems) -> Table:
    try:
        if content.whole:
            wanted = None
            if options.columns is not None:
                there = pl.read_parquet_schema(io.BytesIO(content.data))
                wanted = [name for name in there if name in options.columns]
            frame = pl.read_parquet(io.BytesIO(content.data), columns=wanted)
        else:
            frame = pl.read_parquet(content.path, n_rows=1000)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{content.path.name} cannot be read as Parquet ({error})", advice="write or fetch the file again"
        ) from error
    problems.rows += frame.height
    return Table(frame, np.arange(1, frame.height + 1))


PARQUET = Format(name="parquet", summary="Parquet, gzipped or not", sniff=_sniff, load=_load)
