"""78 experiments of a fashion shop as daily summaries: what peeking does under each rule.

Every series (a variant, a metric) is looked at whenever a snapshot was taken. A rule "ever" calls a difference where it
does so at any of the looks, as a team does that stops at the first one; "at the end" is its last look.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from recloop.stats import GroupSequential, Moments, always_valid, confidence_sequence, msprt, welch

ALPHA = 0.05
RULES = {
    "one look, repeated (Welch)": "naive",
    "always valid": "always",
    "confidence sequence (mixture)": "mixture",
    "mSPRT, effects of the other experiments": "msprt",
    "group sequential, O'Brien-Fleming": "group",
}


def series(data: Path) -> list[pl.DataFrame]:
    """The snapshots of each experiment, variant and metric, in order of time."""
    frame = pl.read_parquet(data / "abtests" / "asos" / "asos_digital_experiments_dataset.parquet")
    ordered = frame.sort("experiment_id", "variant_id", "metric_id", "time_since_start")
    return ordered.partition_by("experiment_id", "variant_id", "metric_id", maintain_order=True)


def looks(snapshots: pl.DataFrame) -> list[tuple[Moments, Moments]]:
    """Treatment and control at each snapshot that has a variance."""
    usable = snapshots.drop_nulls().filter(pl.col("count_c") > 1, pl.col("count_t") > 1)
    return [
        (Moments.from_summary(int(nt), mt, vt), Moments.from_summary(int(nc), mc, vc))
        for nc, nt, mc, mt, vc, vt in usable.select(
            "count_c", "count_t", "mean_c", "mean_t", "variance_c", "variance_t"
        ).iter_rows()
    ]


@cache
def boundary(users: tuple[float, ...]) -> tuple[float, ...]:
    """What spends alpha over looks at so many users; the metrics of one variant share it."""
    return GroupSequential.spend(users, alpha=ALPHA).boundary


def crossed(pairs: list[tuple[Moments, Moments]]) -> list[bool]:
    """Whether each look crosses the boundary that spends alpha as users come; counts that fall are no new look."""
    users = np.array([t.n + c.n for t, c in pairs])
    new = np.diff(np.maximum.accumulate(users), prepend=0) > 0
    gaps = np.array([t.mean - c.mean for t, c in pairs])[new]
    errors = np.array([(t.var / t.n + c.var / c.n) ** 0.5 for t, c in pairs])[new]
    return (np.abs(gaps) > np.array(boundary(tuple(users[new].tolist()))) * errors).tolist()


def peek(data: Path) -> pl.DataFrame:
    """Per series: its metric, its looks, and whether each rule calls a difference ever, and at the end."""
    everything = [(part[0, "experiment_id"], part[0, "metric_id"], looks(part)) for part in series(data)]
    last = pl.DataFrame(
        [(e, m, (pairs[-1][0].mean - pairs[-1][1].mean) ** 2) for e, m, pairs in everything if pairs],
        schema=["experiment", "metric", "square"],
        orient="row",
    )
    rows = []
    for experiment, metric, pairs in everything:
        row = {"metric": metric, "looks": len(pairs)}
        if pairs:
            # as if the size that was reached had been planned, and the mixing variance known from other experiments
            planned = pairs[-1][0].n + pairs[-1][1].n
            mixing = last.filter(pl.col("metric") == metric, pl.col("experiment") != experiment)["square"].mean()
            naive = [welch(*pair, ALPHA) for pair in pairs]
            called = {
                "naive": [one.p_value < ALPHA for one in naive],
                "always": [always_valid(*pair, ALPHA, planned=planned).p_value < ALPHA for pair in pairs],
                "mixture": [confidence_sequence(*pair, ALPHA, planned=planned).p_value < ALPHA for pair in pairs],
                "msprt": [msprt(*pair, ALPHA, mixing_variance=mixing).p_value < ALPHA for pair in pairs],
            }
            called["group"] = crossed(pairs)
            for rule, found in called.items():
                row |= {f"{rule} ever": any(found), f"{rule} end": found[-1]}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).fill_null(value=False)


def main() -> None:
    """Print the conclusion and its caveats."""
    data = Path(os.environ.get("RECLOOP_TEST_DATA", "../shared/data"))
    if not (data / "abtests" / "asos").is_dir():
        print(f"no ASOS data in {data}: set RECLOOP_TEST_DATA")
        return
    found = peek(data)
    print(f"{found.height} series, {found['looks'].median():.0f} looks in the median. Called a difference:")
    for title, rule in RULES.items():
        ever, end = found[f"{rule} ever"], found[f"{rule} end"]
        lost = (ever & ~found["naive end"]).sum()
        print(f"- {title}: ever {ever.mean():.1%}, at the end {end.mean():.1%}; {lost} that one look at the end denies")
    print(
        "Whoever stops at the first look below .05 calls a difference in twice as many series as the same test at the "
        "end. Mind: nobody knows which series hold a real effect, so this is no error rate (benchmarks/validity.py "
        "measures that); four metrics of one variant go together; and a difference may come and go with novelty. The "
        "size that was reached stands for the planned one."
    )


if __name__ == "__main__":
    main()
