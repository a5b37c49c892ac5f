"""The objectives there are: what each says of an item on a slate, in which unit, and where it is known from."""

from dataclasses import dataclass
from typing import Literal

RELEVANCE = "relevance"
NEW, PROVIDER = "new", "provider:"
"""Exposures that may be bounded beside objectives: of new items, of one provider."""

Source = Literal["policy", "model", "log", "catalogue", "request"]


@dataclass(frozen=True, slots=True)
class Objective:
    """One thing that a slate is to be good for.

    Attributes:
        id: its name in settings.
        title: its name on pages.
        formula: LaTeX: the value of item i for request u.
        unit: of the value.
        source: ``policy`` (the fused score), ``model`` (foretold by the multi-task ranker), ``log`` (what all users
            did), ``catalogue`` (attributes of items) or ``request`` (the history and the other candidates).
        direction: 1 where more is better, -1 where less is.
    """

    id: str
    title: str
    formula: str
    unit: str
    source: Source
    direction: Literal[1, -1] = 1


_ALL = (
    Objective(RELEVANCE, "Relevance", r"s(u, i)", "fused score", "policy"),
    Objective("click", "Click", r"P(\text{click} \mid u, i)", "probability", "model"),
    Objective(
        "conversion",
        "Conversion",
        r"P(\text{click} \mid u, i) \cdot P(\text{convert} \mid \text{click}, u, i)",
        "probability",
        "model",
    ),
    Objective("revenue", "Revenue", r"P(\text{convert} \mid u, i) \cdot \text{price}_i", "money", "model"),
    Objective("margin", "Margin", r"P(\text{convert} \mid u, i) \cdot \text{margin}_i", "money", "model"),
    Objective("satisfaction", "Satisfaction", r"E[\text{rating} \mid \text{click}, u, i]", "stars", "model"),
    Objective(
        "dwell",
        "Dwell time",
        r"\frac{n_i \overline{\log(1 + t_i)} + c \overline{\log(1 + t)}}{n_i + c}",
        "log seconds",
        "log",
    ),
    Objective("novelty", "Novelty", r"-\log_2 \frac{\max(n_i, 1)}{U}", "bits", "log"),
    Objective("freshness", "Freshness", r"2^{-\text{age}_i / h}", "0 to 1", "log"),
    Objective(
        "fairness",
        "Provider fairness",
        r"\log \frac{\text{share of items}}{\text{share of past exposure}} \text{ of the provider of } i",
        "log ratio",
        "log",
    ),
    Objective("diversity", "Diversity", r"1 - \cos(v_i, \bar v_{\text{slate}})", "cosine distance", "request"),
    Objective(
        "calibration", "Calibration to taste", r"\sum_g \frac{p(g \mid u)}{\tilde q(g \mid u)}\, p(g \mid i)", "ratio",
        "request",
    ),
)  # fmt: skip

OBJECTIVES: dict[str, Objective] = {objective.id: objective for objective in _ALL}
MODELLED = ("click", "conversion", "revenue", "margin", "satisfaction")
