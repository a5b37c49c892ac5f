"""The planned looks of a group-sequential plan, found in sums: at the ends of the days on which they came to be."""

from dataclasses import dataclass

from recloop.experiments.analysis.plan import DAY, AnalysisPlan
from recloop.experiments.analysis.reader import Reader, Where
from recloop.experiments.analysis.sums import Sums
from recloop.experiments.checks import Check
from recloop.experiments.definition import Experiment
from recloop.experiments.look import Look, LookTime, users_at_looks

UNDATED = (
    "The data have no times, so the users that are there make the look, and earlier looks are taken to be as planned. "
    "Read such data once per planned look."
)


@dataclass(frozen=True, slots=True)
class Reached:
    """The last planned look that was reached, what it shows, and a check where its time had to be guessed."""

    time: LookTime
    look: Look
    checks: tuple[Check, ...] = ()


def reached(experiment: Experiment, plan: AnalysisPlan, reader: Reader, now: float, *, events: bool) -> Reached | None:
    """The last look of a plan that was reached; None before the first one.

    Sums know the day on which a user came. So a look is at the end of the day on which its planned number of users
    came together, over all users who had come by then: it is the same whenever it is read, and the numbers that were
    really there at this look and at those before it make its boundary (Lan & DeMets). Where outcomes are summed up from
    events, the attribution window of the last of these users must be over. Data without times make one look, at the
    users that are there.

    Args:
        experiment: with the rule ``group-sequential``.
        plan: what is read.
        reader: of the sums.
        now: seconds since 1970.
        events: whether outcomes are summed up from events, inside a window after the first exposure.
    """
    sums = reader.sums
    wanted = users_at_looks(experiment)
    if not sums.days:
        return _undated(experiment, reader, wanted)
    wait = plan.window_days * DAY if events else 0.0
    came = {day: sums.users(sums.until(day)) for day in sums.days if now >= (day + 1) * DAY + wait}
    found: dict[int, int] = {}  # day → number of the last look that came to be at its end
    for number, users in enumerate(wanted, 1):
        day = next((day for day, count in came.items() if count >= users), None)
        if day is not None:
            found[day] = number
    if not found:
        return None
    day = max(found)
    shares = tuple(came[one] / experiment.planned_users for one in found)
    return _look(experiment, reader, found[day], came[day], shares, (day + 1) * DAY, sums.until(day))


def _undated(experiment: Experiment, reader: Reader, wanted: tuple[int, ...]) -> Reached | None:
    users = reader.sums.users()
    number = sum(one <= users for one in wanted)
    if not number:
        return None
    shares = (*experiment.looks[: number - 1], users / experiment.planned_users)
    check = Check("looks", "yellow", UNDATED)
    return _look(experiment, reader, number, users, shares, 0.0, _everybody(reader.sums), (check,))


def _look(
    experiment: Experiment,
    reader: Reader,
    number: int,
    users: int,
    shares: tuple[float, ...],
    until: float,
    who: Where,
    checks: tuple[Check, ...] = (),
) -> Reached:
    wanted = users_at_looks(experiment)
    next_users = wanted[number] if number < len(wanted) else None
    return Reached(
        LookTime(number, users, until, next_users), Look(experiment, number, reader.arms(who), shares), checks
    )


def _everybody(sums: Sums) -> Where:
    return sums.n >= 0
