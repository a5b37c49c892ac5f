"""An e-mail campaign to 64,000 customers: men's goods, women's goods, or no e-mail; and for whom it works."""

import os
from pathlib import Path

import polars as pl

from recloop.experiments import Experiment, Guardrail, Readout, Variant, Verdict, decide, read_out
from recloop.metrics.online import OutcomeMetric

ARMS = {"Mens E-Mail": "men", "Womens E-Mail": "women", "No E-Mail": "none"}
EXPERIMENT = Experiment(
    name="mail",
    hypothesis="an e-mail brings customers to the shop within two weeks, and they buy",
    variants={name: Variant(policy=name, control=name == "none") for name in ARMS.values()},
    primary="visit",
    guardrails=(Guardrail(metric="spend", margin=0.05),),
    planned_users=64_000,
    rule="fixed",
)
CATALOGUE = {
    metric.id: metric
    for metric in (
        OutcomeMetric(id="visit", title="visit rate", formula=r"\#\{u : \text{visited}\} / \#u", unit="share",
                      needs="visits", numerator="visit", form="percent"),
        OutcomeMetric(id="conversion", title="conversion", formula=r"\#\{u : \text{bought}\} / \#u", unit="share",
                      needs="purchases", numerator="conversion", form="percent"),
        OutcomeMetric(id="spend", title="spend per customer", formula=r"\sum_u \text{spend} / \#u", unit="dollars",
                      needs="purchases", numerator="spend"),
    )
}  # fmt: skip
SEGMENTS = ("bought_women", "bought_men", "new", "channel", "zip_code")  # all from the year before
COVARIATES = ("history", "recency")


def read(data: Path) -> tuple[Readout, Verdict]:
    """The readout with its segments, and the decision."""
    mails = pl.read_csv(data / "abtests" / "hillstrom" / "hillstrom.csv", infer_schema_length=None)
    users = mails.with_row_index("user").with_columns(
        variant=pl.col("segment").replace(ARMS),
        bought_women=pl.col("womens") == 1,
        bought_men=pl.col("mens") == 1,
        new=pl.col("newbie") == 1,
    )
    readout = read_out(EXPERIMENT, users, now=0.0, catalogue=CATALOGUE, segment_columns=SEGMENTS, covariates=COVARIATES)
    return readout, decide(EXPERIMENT, readout)


def main() -> None:
    """Print the conclusion and its caveats."""
    data = Path(os.environ.get("RECLOOP_TEST_DATA", "../shared/data"))
    if not (data / "abtests" / "hillstrom").is_dir():
        print(f"no Hillstrom data in {data}: set RECLOOP_TEST_DATA")
        return
    readout, verdict = read(data)
    print(verdict.paragraph)
    for one in readout.comparisons:
        if one.effect:
            e = one.effect
            print(f"{one.metric}, {one.treatment}: {e.estimate:+.4f}, between {e.low:+.4f} and {e.high:+.4f}")
    differ = [test for test in readout.segments.tests if test.p_adjusted < EXPERIMENT.alpha]
    print(f"{len(differ)} of {len(readout.segments.tests)} tests say that an effect differs between segments:")
    for test in differ:
        print(f"- {test.sentence}")
    print(
        "Mind: men against women was not asked, both are held against no e-mail. The customers were chosen by a "
        "purchase in the year before, and watched for two weeks: what an e-mail does to others, or in the long run "
        "(who unsubscribes?), is not in these numbers."
    )


if __name__ == "__main__":
    main()
