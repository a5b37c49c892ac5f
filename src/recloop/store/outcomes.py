import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, literal, select

from recloop.store import tables
from recloop.store.database import Database
from recloop.store.policy_states import write_state
from recloop.store.rows import listed


class Outcome(NamedTuple):
    """What came of one decision: the arm that made it, and its reward. Each decision has one, and it never changes.

    ``propensity`` and ``details`` are those of the decision: what was seen when the arm was chosen, and how likely it
    was then. They are 1 and empty where the decision is no longer in the store. ``taken`` are the places of its slate,
    from 0, whose items were rewarded; empty where nobody asked (``Rewarded.by_item``).
    """

    decision: str
    arm: str
    reward: float
    propensity: float = 1.0
    details: Mapping[str, Any] = MappingProxyType({})
    taken: tuple[int, ...] = ()


class Rewarded(NamedTuple):
    """Which events reward a decision.

    Attributes:
        kinds: of these kinds; of any where empty.
        window: seconds after the decision in which they happen.
        by_item: whether outcomes tell which items were rewarded.
    """

    kinds: tuple[str, ...]
    window: float
    by_item: bool = False


class Doubts(NamedTuple):
    """What was found when the log was last searched for attacks.

    Attributes:
        events: ids of those that reward nothing.
        looked: what came before this was looked at; what came later waits.
    """

    events: frozenset[str]
    looked: float


Fold = Callable[[Any, Sequence[Outcome]], Any]
"""From a policy's state (None before the first outcome) and outcomes that follow to the state after them."""


class Outcomes:
    """The log of outcomes, and the states that are folded from it.

    A decision of an arm is settled once, when its window is over: with 1 if an event that rewards it is in the store,
    else with 0. Not before: where rewards counted at once and silence later, an arm that is shown more than it was
    would look better than it is, and be shown still more. The state of a policy is what folding its outcomes in their
    order gives. Settling and folding happen in one transaction beside which nobody else writes, so it does not matter
    how many processes do it: no outcome is lost, none counts twice, and folding the whole log again gives the same
    state.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def follow(self, release: str, policy: str, rewarded: Rewarded, fold: Fold, doubts: Doubts | None = None) -> Any:
        """Settle what can be settled, fold what is new, and keep the state; returns it, None before any outcome.

        Args:
            release: of the policy.
            policy: whose decisions are settled.
            rewarded: what rewards them.
            fold: makes the state.
            doubts: events that reward nothing; None trusts all.
        """

        def work(connection: Connection) -> Any:
            t = tables.policy_states.c
            query = select(t.state, t.folded, t.settled).where(t.release == release, t.policy == policy)
            text, folded, settled = connection.execute(query).one_or_none() or ("null", 0, 0)
            state = json.loads(text)
            reached = self._settle(connection, release, policy, rewarded, settled, doubts)
            fresh, last = self._after(connection, release, policy, folded, rewarded, doubts)
            if fresh:
                state = fold(state, fresh)
            if fresh or reached > settled:
                cursors = {"folded": last, "settled": reached}
                write_state(connection, release, policy, state, self._database.clock(), **cursors)
            return state

        return self._database.write(work)

    def read(self, release: str, policy: str, rewarded: Rewarded | None = None) -> list[Outcome]:
        """Every outcome of a policy, in the order in which they were settled.

        Args:
            release: of the policy.
            policy: whose outcomes.
            rewarded: what rewarded them, where the items are wanted.
        """
        with self._database.reading() as connection:
            return self._after(connection, release, policy, 0, rewarded)[0]

    def _settle(
        self,
        connection: Connection,
        release: str,
        policy: str,
        rewarded: Rewarded,
        settled: int,
        doubts: Doubts | None,
    ) -> int:
        """Write outcomes; the number up to which every decision now has one."""
        now = self._database.clock()
        over = now if doubts is None else min(now, doubts.looked)  # up to here everything has been looked at
        d: Any = tables.decisions.c
        e: Any = tables.events.c
        o: Any = tables.outcomes.c
        asked = (d.seq > settled, d.release == release, d.policy == policy, d.arm != "", d.forced == 0)
        open_still = ~select(o.id).where(o.id == d.id).exists()
        within = _within(connection, rewarded, doubts)
        reward = case((select(e.id).where(*within).exists(), 1.0), else_=0.0).label("reward")
        found: Any = select(d.id, d.time, d.arm, d.seq, reward).where(*asked, open_still).subquery().c
        ripe = found.time <= over - rewarded.window
        columns = (found.id, literal(release), literal(policy), found.arm, found.reward, literal(now))
        names = ["id", "release", "policy", "arm", "reward", "time"]
        connection.execute(insert(tables.outcomes).from_select(names, select(*columns).where(ripe).order_by(found.seq)))
        first = connection.execute(select(func.min(d.seq)).where(*asked, open_still)).scalar_one()
        newest = connection.execute(select(func.max(d.seq))).scalar_one() or 0
        return max(settled, newest if first is None else first - 1)

    @staticmethod
    def _after(
        connection: Connection,
        release: str,
        policy: str,
        seq: int,
        rewarded: Rewarded | None = None,
        doubts: Doubts | None = None,
    ) -> tuple[list[Outcome], int]:
        t = tables.outcomes.c
        d = tables.decisions.c
        both = tables.outcomes.outerjoin(tables.decisions, t.id == d.id)
        asked = (t.seq > seq, t.release == release, t.policy == policy)
        shown = d["items"].label("shown")
        query = select(t.seq, t.id, t.arm, t.reward, d.propensity, d.details, shown).select_from(both)
        rows = connection.execute(query.where(*asked).order_by(t.seq)).all()
        items: dict[str, set[str]] = {}
        if rewarded is not None and rewarded.by_item:
            joined = both.join(tables.events, and_(*_within(connection, rewarded, doubts)))
            # what came after the decision was settled changes nothing, or a replay would give another state
            came = tables.events.c.received <= t.time
            won = select(t.id, tables.events.c.item).select_from(joined).where(*asked, t.reward > 0, came)
            for decision, item in connection.execute(won):
                items.setdefault(decision, set()).add(item)
        found = [
            Outcome(
                row.id,
                row.arm,
                row.reward,
                1.0 if row.propensity is None else row.propensity,
                json.loads(row.details or "{}"),
                tuple(
                    place
                    for place, item in enumerate(json.loads(row.shown) if row.id in items else ())
                    if item in items[row.id]
                ),
            )
            for row in rows
        ]
        return found, rows[-1].seq if rows else seq


def _within(connection: Connection, rewarded: Rewarded, doubts: Doubts | None) -> list[ColumnElement[bool]]:
    """What makes an event the reward of a decision, both from their tables."""
    d: Any = tables.decisions.c
    e: Any = tables.events.c
    # an event that names a decision came after it, whatever the clocks say
    found = [e.decision == d.id, e.time < d.time + rewarded.window]
    if rewarded.kinds:
        found.append(e.kind.in_(rewarded.kinds))
    if doubts is not None:
        found += [e.received < doubts.looked, e.id.not_in(listed(connection, sorted(doubts.events)))]
    return found
