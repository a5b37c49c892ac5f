import hashlib

import polars as pl


def fingerprint(*tables: pl.DataFrame) -> str:
    """SHA-256 of user tables, whatever the order of their rows and columns: equal data, equal fingerprint.

    >>> a = pl.DataFrame({"variant": ["a", "b"], "user": ["x", "y"], "clicks": [1, None]})
    >>> fingerprint(a) == fingerprint(a.reverse().select("clicks", "user", "variant"))
    True
    """
    digest = hashlib.sha256()
    for table in tables:
        _add(digest, table)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", table: pl.DataFrame) -> None:
    ordered = table.sort([name for name in ("variant", "user") if name in table.columns])
    for name in sorted(ordered.columns):
        values = ordered[name]
        digest.update(f"{name}:{values.dtype}:{len(values)}".encode())
        digest.update(values.is_null().to_numpy().tobytes())
        if values.dtype.is_numeric() or values.dtype == pl.Boolean:
            digest.update(values.cast(pl.Float64).fill_null(0.0).to_numpy().tobytes())
        else:
            texts = values.cast(pl.String).fill_null("")
            digest.update(texts.str.len_bytes().cast(pl.Int64).to_numpy().tobytes())
            digest.update(texts.str.join("").item().encode() if len(texts) else b"")
