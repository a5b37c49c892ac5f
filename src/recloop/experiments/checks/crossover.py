from recloop.experiments.checks.check import Check

CROSSOVER_LIMIT = 0.01  # share of users seen in two variants above which results are hidden


def crossover(crossovers: int, users: int) -> Check:
    """Whether users were seen in two variants: then nobody knows what they react to.

    >>> crossover(3, 1000).sentence
    '3 of 1,000 users (0.30%) were seen in two variants and are left out.'
    """
    if not crossovers:
        return Check("crossover", "green", "No user was seen in two variants.")
    share = crossovers / users
    red = share > CROSSOVER_LIMIT
    return Check(
        "crossover",
        "red" if red else "yellow",
        f"{crossovers:,} of {users:,} users ({share:.2%}) were seen in two variants "
        f"and are left out{'; the limit is ' + format(CROSSOVER_LIMIT, '.0%') if red else ''}.",
    )
