from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.data.slates import SlateLog
from recloop.errors import DataError
from recloop.simulate.clicks.dependent import fit_cascade, fit_dynamic_bayesian
from recloop.simulate.clicks.model import Estimate, perplexity
from recloop.simulate.clicks.position import fit_position_based

HELD_OUT = 0.2


@dataclass(frozen=True, slots=True)
class Judged:
    """Click models judged on slates that none of them was fitted on.

    Attributes:
        best: the model of the least held-out perplexity, fitted on all slates.
        perplexities: name → (k,) perplexity of each place on the held-out slates.
        left_out: name → why a model could not be fitted.
    """

    best: Estimate
    perplexities: dict[str, NDArray[np.float64]]
    left_out: dict[str, str]

    @property
    def means(self) -> dict[str, float]:
        """Name → mean perplexity over the places."""
        return {name: float(np.nanmean(value)) for name, value in self.perplexities.items()}


def best_model(log: SlateLog, n_items: int, rng: np.random.Generator) -> Judged:
    """Position-based, cascade and dynamic Bayesian models, and which of them foretells held-out clicks best.

    Args:
        log: of slates; a fifth of them is held out.
        n_items: in the catalogue.
        rng: chooses which.

    Raises:
        DataError: no model can be fitted.
    """
    held = rng.random(len(log)) < HELD_OUT
    train, test = log.take(~held), log.take(held)
    fits = {
        "position-based": fit_position_based,
        "cascade": fit_cascade,
        "dynamic-bayesian": fit_dynamic_bayesian,
    }
    found: dict[str, NDArray[np.float64]] = {}
    left_out: dict[str, str] = {}
    for name, fit in fits.items():
        try:
            found[name] = perplexity(fit(train, n_items), test)
        except DataError as error:
            left_out[name] = error.given
    if not found:
        raise DataError(
            f"no click model can be fitted: {next(iter(left_out.values()))}", advice="leave the slate log out"
        )
    best = min(found, key=lambda name: float(np.nanmean(found[name])))
    return Judged(fits[best](log, n_items), found, left_out)
