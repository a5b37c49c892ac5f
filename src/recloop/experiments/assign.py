"""Who gets which variant: a pure function of salts and ids, the same on every machine, in every language.

**A bucket.** Concatenate the bytes of a salt in UTF-8, one byte 0x00, and the bytes of an id in UTF-8. Take SHA-256 of
them. Read its first 8 bytes as an unsigned big-endian integer and drop the lowest 11 bits. That leaves 53 bits; divided
by 2^53 they are a number u with 0 <= u < 1 that every IEEE double holds exactly.

**Who takes part.** The first line that fits decides:

1. The unit, or the request, was given a variant by hand: that one, marked as forced.
2. The bucket of the user under ``holdout:`` and the holdout's salt lies below its share: no.
3. A condition of the targeting is not met: no.
4. The bucket of the unit under ``layer:`` and the layer's name lies in [offset, offset + share): yes. Else no.

**Which variant.** Sort the variants with a weight above zero by name, byte by byte of its UTF-8. Add up their weights
in that order, as doubles. The unit gets the first variant whose running sum exceeds u times the sum of all, u being its
bucket under the experiment's salt; the last one if none does.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from recloop.experiments.definition import Experiment, Holdout


class Allocation(NamedTuple):
    """The variant of a unit, and whether it was given by hand: then nobody counts it."""

    variant: str
    forced: bool = False


def bucket(salt: str, unit: str) -> float:
    """Where a unit falls in [0, 1) under a salt.

    >>> bucket("home.1", "u1"), bucket("home.1", "Zoë")
    (0.4764481850013954, 0.42967950579999015)
    """
    digest = hashlib.sha256(salt.encode() + b"\x00" + unit.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def assign(experiment: Experiment, unit: str) -> str:
    """The variant of a unit that takes part: the same at every call, as long as the experiment is the same.

    >>> from recloop.experiments import Variant
    >>> test = Experiment(name="home", variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")})
    >>> [assign(test, user) for user in ("u1", "u2", "u4", "u1")]
    ['blend', 'blend', 'popular', 'blend']
    """
    names, sums = experiment.cuts
    at = bucket(experiment.effective_salt, unit) * sums[-1]
    return names[min(bisect_right(sums, at), len(names) - 1)]


def held_out(experiment: Experiment, user: str) -> bool:
    """Whether a user is in no experiment. Nobody knows who is anonymous (""): those are not held out."""
    holdout = experiment.holdout
    return holdout is not None and in_holdout(holdout, user)


def in_holdout(holdout: Holdout, user: str) -> bool:
    """Whether a holdout has a user.

    >>> from recloop.experiments import Holdout
    >>> [in_holdout(Holdout(share=0.2, salt="2026-q4"), user) for user in ("u1", "u3", "")]
    [True, False, False]
    """
    return bool(user) and bucket(f"holdout:{holdout.salt}", user) < holdout.share


def takes_part(experiment: Experiment, unit: str, share: float | None = None) -> bool:
    """Whether a unit falls into the experiment's part of its layer.

    Args:
        experiment: with its place in the layer; without one, its part begins at 0.
        unit: id of the user, session or request.
        share: of the units that take part now; None is the whole traffic.
    """
    start, width = experiment.offset or 0.0, experiment.traffic if share is None else share
    return width >= 1 or start <= bucket(f"layer:{experiment.layer}", unit) < start + width


def allocate(
    experiment: Experiment,
    unit: str,
    *,
    user: str = "",
    attributes: Mapping[str, str] | None = None,
    share: float | None = None,
    force: str = "",
) -> Allocation | None:
    """The variant of a unit; None where it does not take part.

    Args:
        experiment: what was agreed on.
        unit: id of the user, session or request, as the experiment's ``unit`` says.
        user: id of the user, for the holdout; "" where nobody knows.
        attributes: ``profile.NAME`` and ``context.NAME`` → text, for the targeting.
        share: of the units that take part now, on a ramp; None is the whole traffic.
        force: a variant that this request asks for.

    >>> from recloop.experiments import Variant
    >>> test = Experiment(name="home", traffic=0.5, forced={"tester": "popular"}, variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")})
    >>> [allocate(test, user) for user in ("u1", "u3", "tester")]
    [None, Allocation(variant='blend', forced=False), Allocation(variant='popular', forced=True)]
    """
    if given := force or experiment.forced.get(unit):
        return Allocation(given, forced=True)
    if held_out(experiment, user):
        return None
    for condition in experiment.targeting:
        if not condition.met(attributes or {}):
            return None
    return Allocation(assign(experiment, unit)) if takes_part(experiment, unit, share) else None
