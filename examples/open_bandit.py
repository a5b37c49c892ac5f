"""Two policies of a fashion shop, random and Thompson sampling, 10,000 logged items each: what 115 clicks can tell."""

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recloop.evaluate.off_policy import effective_sample_size, importance_weights, snips
from recloop.stats import Effect, Mean, Moments, detectable_change, ratio, welch

ITEMS = 34  # the random policy shows each with chance 1/34
USER = [f"user_feature_{n}" for n in range(4)]


@dataclass(frozen=True)
class Reading:
    """What the two logs say.

    Args:
        clicks: of random and of Thompson sampling.
        rows: Thompson sampling minus random, as if rows were independent.
        groups: the same with the groups of alike users as units.
        detectable: the smallest difference that logs of this size find with a chance of 80%.
        reweighted: random's click rate from the rows of Thompson sampling, weighted by propensity.
        effective: independent rows that those weighted ones are worth.
    """

    clicks: tuple[int, int]
    rows: Effect
    groups: Effect
    detectable: float
    reweighted: Mean
    effective: float


def read(data: Path) -> Reading:
    """Compare the click rates of the two logs."""
    random, bts = (pl.read_csv(data / "obd" / policy / "men" / "men.csv") for policy in ("random", "bts"))
    rows = [Moments.of(log["click"].to_numpy()) for log in (bts, random)]
    # there is no user's id: the four hashed features are the nearest there is
    groups = [
        Moments.of(part["click"].to_numpy(), part["shown"].to_numpy())
        for log in (bts, random)
        for part in [log.group_by(USER).agg(pl.col("click").sum(), shown=pl.len())]
    ]
    weight = importance_weights([1 / ITEMS] * bts.height, bts["propensity_score"].to_numpy())
    weighted = snips(weight, bts["click"].to_numpy())
    low, high, _ = weighted.interval()
    return Reading(
        clicks=(int(random["click"].sum()), int(bts["click"].sum())),
        rows=welch(*rows),
        groups=ratio(*groups),
        detectable=detectable_change(rows[1].var, rows[0].n + rows[1].n),
        reweighted=Mean(weighted.value, low, high, weighted.n),
        effective=effective_sample_size(weight),
    )


def main() -> None:
    """Print the conclusion and its caveats."""
    data = Path(os.environ.get("RECLOOP_TEST_DATA", "../shared/data"))
    if not (data / "obd").is_dir():
        print(f"no Open Bandit data in {data}: set RECLOOP_TEST_DATA")
        return
    found = read(data)
    rows, groups, back = found.rows, found.groups, found.reweighted
    print(
        f"Thompson sampling got {found.clicks[1]} clicks on 10,000 items, random {found.clicks[0]}: "
        f"{rows.treatment:.2%} against {rows.control:.2%}, {rows.estimate * 100:+.2f} points, between "
        f"{rows.low * 100:+.2f} and {rows.high * 100:+.2f} (p = {rows.p_value:.3f}, rows as independent)."
    )
    print(
        f"Three items of a page, and pages of one user, are alike. With groups of alike users as units: between "
        f"{groups.low * 100:+.2f} and {groups.high * 100:+.2f} (p = {groups.p_value:.3f}). Two groups may still hold "
        "one user, and one group many: without an id, neither is the right unit."
    )
    print(
        f"Logs of this size find {found.detectable * 100:.2f} points with a chance of 80%. A smaller true difference "
        "is called only when luck makes it look larger, so what is seen here is likely too much."
    )
    print(
        f"Random's click rate from the other log, by propensity: {back.mean:.2%}, between {back.low:.2%} and "
        f"{back.high:.2%}; its own log says {rows.control:.2%}. 10,000 rows are worth {found.effective:,.0f} there."
    )
    print("So: Thompson sampling may be better. Nobody should bet a season on 115 clicks.")


if __name__ == "__main__":
    main()
