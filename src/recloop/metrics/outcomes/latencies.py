"""How long answers took, per variant."""

import polars as pl


def latency_quantiles(decisions: pl.DataFrame) -> pl.DataFrame:
    """Seconds until the answer per variant: n, p50, p95, p99. Descriptive: slates of one user are not independent."""
    latency = pl.col("latency")
    marks = {f"p{q}": latency.quantile(q / 100, "linear") for q in (50, 95, 99)}
    return decisions.group_by("variant").agg(n=latency.count(), **marks).sort("variant")
