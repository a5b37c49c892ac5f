import msgspec
import numpy as np
import polars as pl

from recloop.data.formats.base import Format, Options, Table
from recloop.data.formats.files import Content, Records
from recloop.data.problems import Problems


def _sniff(content: Content) -> str:
    if content.lines and all(line.lstrip().startswith("{") for line in content.lines[:20]):
        return "each line begins with {"
    return ""


def _load(content: Content, options: Options, problems: Problems) -> Table:
    records = Records.of(content.decoded(options.encoding))
    problems.rows += len(records)
    good = records.valid_utf8(problems)
    frame = _parse(records.keep(good)) if good.any() else pl.DataFrame()
    if frame is None or frame.height != int(good.sum()):
        faults = np.array([g and not _is_object(records.text(i)) for i, g in enumerate(good)], dtype=bool)
        problems.add("not a JSON object", records.line[faults])
        good &= ~faults
        frame = _parse(records.keep(good)) if good.any() else pl.DataFrame()
        if frame is None:
            frame = _one_by_one([records.text(int(i)) for i in np.flatnonzero(good)])
    if options.columns is not None:
        frame = frame.select(name for name in frame.columns if name in options.columns)
    return Table(frame, records.line[good])


def _parse(data: bytes) -> pl.DataFrame | None:
    try:
        # the types are inferred from every line, so that none is cut to fit those before it
        return pl.read_ndjson(data, infer_schema_length=None)
    except pl.exceptions.PolarsError:
        return None


def _one_by_one(lines: list[bytes]) -> pl.DataFrame:
    """The slow way, for objects whose fields change their type from line to line: all as text."""
    decoded = [msgspec.json.decode(line) for line in lines]
    names = dict.fromkeys(name for entry in decoded for name in entry)
    return pl.DataFrame({n: pl.Series([_text(e.get(n)) for e in decoded], dtype=pl.String) for n in names})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else msgspec.json.encode(value).decode()


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except msgspec.DecodeError:
        return False


JSONL = Format(name="jsonl", summary="one JSON object per line, gzipped or not", sniff=_sniff, load=_load)
