"""What is asked of the data before their sums: kinds, dates, users who come twice."""

from dataclasses import dataclass

from recloop.errors import nearest
from recloop.experiments.analysis.findings import Findings
from recloop.experiments.analysis.layout import Layout
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.quantity import FromEvents
from recloop.experiments.analysis.source import Source, TellsApart, quoted
from recloop.experiments.analysis.units import Shape, arm, in_time
from recloop.experiments.analysis.variants import tell_crossovers
from recloop.experiments.words import number_of


@dataclass(frozen=True, slots=True)
class Before:
    """What the sums must heed.

    Attributes:
        conditions: which rows of exposures count, as SQL.
        crossovers: users left out since they were seen in several variants.
        counted: whether it is known that no user comes twice.
        notes: what a reader should know.
    """

    conditions: tuple[str, ...] = ()
    crossovers: int = 0
    counted: bool = True
    notes: tuple[str, ...] = ()


def before(source: Source, plan: AnalysisPlan, shape: Shape, findings: Findings) -> Before:
    """Everything that sums cannot tell.

    Raises:
        DataError: the data are bad, and the plan says stop.
    """
    conditions = _dates(source, plan, shape, findings)
    if shape.events is not None:
        _kinds(source, plan, findings)
        return Before(conditions)
    if shape.user is None:
        return Before(conditions, counted=False, notes=("Each row is taken for one user: the data name no users.",))
    if plan.columns.unique:
        return Before(conditions, counted=False, notes=("Each row is taken for one user, as the plan says.",))
    return _repeated(source, plan, shape, conditions, findings)


def _dates(source: Source, plan: AnalysisPlan, shape: Shape, findings: Findings) -> tuple[str, ...]:
    if not (plan.start or plan.stop):
        return ()
    inside = in_time(plan, shape.moment())
    ((outside,),) = source.rows(
        f"SELECT SUM(CASE WHEN {inside} THEN 0 ELSE 1 END) AS outside FROM {source.tables['exposures']}"
    )
    if outside:
        since, until = plan.start or "the beginning", plan.stop or "now"
        findings.add(
            "date",
            int(outside),
            f"the dates {since} to {until} leave out {number_of('exposure', int(outside))}",
            "they are left out",
        )
    return (inside,)


def _kinds(source: Source, plan: AnalysisPlan, findings: Findings) -> None:
    wanted = {one.sum.kind: None for one in Layout.of(plan).numbers if isinstance(one, FromEvents)}
    if not wanted:
        return
    kind = quoted(plan.columns.kind)
    seen = {str(name) for name, _ in source.rows(
        f"SELECT {kind} AS kind, COUNT(*) AS n FROM {source.tables['events']} GROUP BY {kind}"
    )}  # fmt: skip
    for name in wanted:
        if name not in seen:
            findings.add(
                "kind", 0, f"there is no event of kind '{name}'", "it counts as 0 for everybody",
                advice=nearest(name, seen),
            )  # fmt: skip


def _repeated(
    source: Source, plan: AnalysisPlan, shape: Shape, conditions: tuple[str, ...], findings: Findings
) -> Before:
    assert shape.user is not None
    user, table = quoted(shape.user), source.tables["exposures"]
    nobody = " AND ".join([*conditions, f"{user} IS NULL"])
    ((nameless,),) = source.rows(f"SELECT COUNT(*) AS n FROM {table} WHERE {nobody}")
    if nameless:
        findings.add("no user", nameless, f"no user is named in {number_of('row', nameless)}", "they are left out")
    inside = f" WHERE {' AND '.join([*conditions, f'{user} IS NOT NULL'])}"
    conditions = (*conditions, f"{user} IS NOT NULL") if nameless else conditions
    # without a condition the file's own statistics tell how many rows there are, and the range of their values
    some = inside if conditions else ""
    if isinstance(source, TellsApart) and source.distinct("exposures", shape.user, some):
        return Before(conditions)
    again = f"SELECT {user} FROM {table}{inside} GROUP BY {user} HAVING COUNT(*) > 1"
    ((repeated,),) = source.rows(f"SELECT COUNT(*) AS n FROM ({again}) AS again")
    if not repeated:
        return Before(conditions)
    variant = arm(plan.columns.variant, shape.exposures)
    ((users, several),) = source.rows(
        f"SELECT COUNT(*) AS users, SUM(CASE WHEN lo <> hi THEN 1 ELSE 0 END) AS several FROM "
        f"(SELECT {user} AS who, MIN({variant}) AS lo, MAX({variant}) AS hi FROM {table}{inside} "
        f"GROUP BY {user} HAVING COUNT(*) > 1) AS repeated"
    )
    if several:
        tell_crossovers(int(several), findings)
    if twice := int(users - several):
        findings.add(
            "repeated user",
            twice,
            f"more than one row is there for {number_of('user', twice)}",
            "they are left out",
            allowed="one row per user, since rows of one user are not independent",
            advice="sum up per user first, or pass events",
        )
    return Before((*conditions, f"{user} NOT IN ({again})"), int(several))
