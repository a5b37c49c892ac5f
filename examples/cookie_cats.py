"""A mobile game's gate at level 30 or 40: does it keep players? Read out as one planned look at 90,189 players."""

import os
from pathlib import Path

import polars as pl

from recloop.experiments import Experiment, Readout, Variant, Verdict, decide, read_out
from recloop.experiments.arms import Arms
from recloop.experiments.checks import Influence, influence
from recloop.metrics.online import OutcomeMetric

EXPERIMENT = Experiment(
    name="gate",
    hypothesis="a gate ten levels later keeps more players",
    variants={"gate_30": Variant(policy="gate_30", control=True), "gate_40": Variant(policy="gate_40")},
    primary="week",
    rule="fixed",
    planned_users=90_000,
)
WEEK = OutcomeMetric(
    id="week", title="7-day retention", formula=r"\#\{u : \text{back on day 7}\} / \#u", unit="share of players",
    needs="log-ins", numerator="retention_7", form="percent",
)  # fmt: skip
DAY = OutcomeMetric(
    id="day", title="1-day retention", formula=r"\#\{u : \text{back on day 1}\} / \#u", unit="share of players",
    needs="log-ins", numerator="retention_1", form="percent",
)  # fmt: skip
ROUNDS = OutcomeMetric(
    id="rounds", title="rounds played", formula=r"\sum_u \text{rounds} / \#u", unit="per player",
    needs="rounds", numerator="sum_game_rounds",
)  # fmt: skip
CATALOGUE = {metric.id: metric for metric in (WEEK, DAY, ROUNDS)}


def read(data: Path) -> tuple[Readout, Verdict, Influence]:
    """The readout, the decision, and how much of the difference in rounds hangs on few players."""
    table = pl.read_csv(data / "abtests" / "cookie_cats" / "cookie_cats.csv")
    players = table.rename({"version": "variant", "userid": "user"})
    readout = read_out(EXPERIMENT, players, now=0.0, catalogue=CATALOGUE)
    few = influence(Arms.of(players, [ROUNDS]), "rounds", "gate_40", "gate_30")
    return readout, decide(EXPERIMENT, readout), few


def main() -> None:
    """Print the conclusion and its caveats."""
    data = Path(os.environ.get("RECLOOP_TEST_DATA", "../shared/data"))
    if not (data / "abtests" / "cookie_cats").is_dir():
        print(f"no Cookie Cats data in {data}: set RECLOOP_TEST_DATA")
        return
    readout, verdict, few = read(data)
    print(verdict.paragraph)
    (day,) = (one.effect for one in readout.of("day") if one.effect)
    print(f"1-day retention: {day.estimate * 100:+.2f} points (p = {day.p_value:.3f}), not beyond doubt.")
    print(
        f"Rounds: player {few.user} alone moves the difference from "
        f"{few.estimate:+.2f} to {few.estimate + few.moved:+.2f} rounds; without the top {few.top} players it is "
        f"{few.without_top:+.2f}. Judge rounds capped, or not at all."
    )
    users = ", ".join(f"{name} {n:,}" for name, n in readout.split.counts.items())
    print(
        f"Mind: a split this uneven ({users}) comes by chance in {readout.split.p_value:.2%} of experiments. It is "
        "above the line at which results are hidden (0.1%), and reason enough to ask how players "
        "were counted. Who came back is all that is known: neither money nor a second game."
    )


if __name__ == "__main__":
    main()
