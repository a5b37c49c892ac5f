"""Whether users come back."""

from recloop.metrics.online.outcome_metric import OutcomeMetric

RETENTION = (
    OutcomeMetric(
        id="return_week",
        title="back in the second week",
        formula=r"\frac{\sum_u [\text{there on day 7 to 13}]}{\sum_u [\text{day 13 is over}]}",
        unit="share of users",
        needs="two weeks of log after a first slate",
        numerator="returned_7",
        denominator="followed_7",
        margin=0.02,
        margin_scale="absolute",
        form="percent",
    ),
    OutcomeMetric(
        id="return_month",
        title="back in the fifth week",
        formula=r"\frac{\sum_u [\text{there on day 28 to 34}]}{\sum_u [\text{day 34 is over}]}",
        unit="share of users",
        needs="five weeks of log after a first slate",
        numerator="returned_28",
        denominator="followed_28",
        margin=0.02,
        margin_scale="absolute",
        form="percent",
    ),
    OutcomeMetric(
        id="active_days",
        title="active days",
        formula=r"\frac{\sum_u \#\text{days there, of the first 28}}{\sum_u \#\text{days gone by, of 28}}",
        unit="share of days",
        needs="a log of more than a day",
        numerator="active_days",
        denominator="lived_days",
        margin=0.03,
        form="percent",
    ),
    OutcomeMetric(
        id="days_to_return",
        title="days to the first return",
        formula=r"\frac{\sum_u \min(\text{days}, 14)}{\sum_u [\text{day 14 is over}]}",
        unit="days",
        needs="two weeks of log after a first slate",
        numerator="days_to_return_sum",
        denominator="followed_14",
        direction="lower",
        margin=0.05,
        source="P. Royston, M. Parmar, Statistics in Medicine 2011",
    ),
)
