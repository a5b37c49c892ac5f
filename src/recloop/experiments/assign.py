"""Who gets which variant: a pure function of salt and user, the same on every machine, in every language.

1. Concatenate the bytes of the salt in UTF-8, one byte 0x00, and the bytes of the user id in UTF-8.
2. Take SHA-256 of them. Read its first 8 bytes as an unsigned big-endian integer and drop the lowest 11 bits. That
   leaves 53 bits; divided by 2^53 they are a number u with 0 <= u < 1 that every IEEE double holds exactly.
3. Sort the variants with a weight above zero by name, byte by byte of its UTF-8. Add up their weights in that order, as
   doubles. The user gets the first variant whose running sum exceeds u times the sum of all; the last one if none does.
"""

import hashlib
from itertools import accumulate

from recloop.experiments.definition import Experiment


def bucket(salt: str, user: str) -> float:
    """Where a user falls in [0, 1) under a salt.

    >>> bucket("home.1", "u1"), bucket("home.1", "Zoë")
    (0.4764481850013954, 0.42967950579999015)
    """
    digest = hashlib.sha256(salt.encode() + b"\x00" + user.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def assign(experiment: Experiment, user: str) -> str:
    """The variant of a user: the same at every call, as long as the experiment is the same.

    >>> from recloop.experiments import Variant
    >>> test = Experiment(name="home", variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")})
    >>> [assign(test, user) for user in ("u1", "u2", "u4", "u1")]
    ['blend', 'blend', 'popular', 'blend']
    """
    live = sorted(
        (name.encode(), variant.weight) for name, variant in experiment.variants.items() if variant.weight > 0
    )
    sums = list(accumulate(weight for _, weight in live))
    at = bucket(experiment.effective_salt, user) * sums[-1]
    chosen = next((name for (name, _), total in zip(live, sums, strict=True) if total > at), live[-1][0])
    return chosen.decode()
