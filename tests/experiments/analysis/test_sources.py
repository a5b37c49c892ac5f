"""The same answer from wherever the rows lie, every time."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from recloop.errors import DataError, ExtraError, MissingError, SettingError
from recloop.experiments import Analysis, analyze, scan_of

Plan = dict[str, Any]


class Arrow:
    """What any table of Arrow offers, without its package."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def same(a: Analysis, b: Analysis, tolerance: float = 1e-10) -> None:
    """All figures agree to rounding; a p-value of Holm at a comparison of equals may be anything, and is not there."""
    x, y = a.table, b.table
    assert x.height
    for name in x.columns:
        if x[name].dtype == pl.Float64:
            np.testing.assert_allclose(x[name].to_numpy(), y[name].to_numpy(), rtol=tolerance, atol=1e-12, err_msg=name)
        else:
            assert x[name].equals(y[name]), name
    assert a.verdict == b.verdict
    assert a.readout.data == b.readout.data
    assert [c.sentence for c in a.readout.checks] == [c.sentence for c in b.readout.checks]


@pytest.fixture(scope="module")
def wanted(users: pl.DataFrame, plan: Plan) -> Analysis:
    return analyze(users, plan=plan, now=0.0)


@pytest.mark.parametrize("kind", ["lazy", "arrow", "pandas", "parquet", "csv", "csv.gz", "many"])
def test_one_row_per_user(kind: str, users: pl.DataFrame, plan: Plan, wanted: Analysis, tmp_path: Path) -> None:
    data: Any = users
    match kind:
        case "lazy":
            data = users.lazy()
        case "arrow":
            data = Arrow(users)
        case "pandas":
            pandas = pytest.importorskip("pandas")
            data = pandas.DataFrame({name: users[name].to_numpy() for name in users.columns})
            data["country"] = data["country"].astype("category")
            data["time"] = data["time"].dt.tz_localize("UTC")
        case "many":
            for place, part in enumerate(users.iter_slices(2500)):
                part.write_parquet(tmp_path / f"part{place}.parquet")
            data = tmp_path / "part*.parquet"
        case _:
            data = tmp_path / f"users.{kind}"
            if kind == "parquet":
                users.write_parquet(data)
            else:
                users.write_csv(tmp_path / "users.csv")
            if kind == "csv.gz":
                import gzip

                data.write_bytes(gzip.compress((tmp_path / "users.csv").read_bytes()))
    if kind in {"parquet", "csv", "csv.gz", "many"}:
        pytest.importorskip("duckdb", reason="needs the extra duckdb")
    same(analyze(data, plan=plan, now=0.0), wanted)


@pytest.mark.parametrize("kind", ["frames", "files", "sqlite"])
def test_exposures_and_events(
    kind: str, exposures: pl.DataFrame, events: pl.DataFrame, events_plan: Plan, tmp_path: Path
) -> None:
    wanted = analyze(exposures, events=events, plan=events_plan, now=0.0)
    match kind:
        case "frames":
            as_times = [
                frame.with_columns(pl.from_epoch(pl.col("time").cast(pl.Int64), time_unit="s"))
                for frame in (exposures, events)
            ]
            found = analyze(as_times[0], events=as_times[1], plan=events_plan, now=0.0)
        case "files":
            pytest.importorskip("duckdb", reason="needs the extra duckdb")
            exposures.write_parquet(tmp_path / "exposures.parquet")
            events.write_csv(tmp_path / "events.csv")
            found = analyze(tmp_path / "exposures.parquet", events=tmp_path / "events.csv", plan=events_plan, now=0.0)
        case _:
            engine = sa.create_engine(f"sqlite:///{tmp_path}/data.db")
            fill(engine, {"exposures": exposures, "events": events})
            found = analyze("exposures", events="SELECT * FROM events", plan=events_plan, database=engine, now=0.0)
            engine.dispose()
    same(found, wanted)


def fill(engine: sa.Engine, frames: dict[str, pl.DataFrame]) -> None:
    """Tables of a database."""
    kinds = {
        pl.String: sa.Text, pl.Float64: sa.Double, pl.Int64: sa.BigInteger, pl.Boolean: sa.Boolean,
        pl.Datetime: sa.TIMESTAMP,
    }  # fmt: skip
    book = sa.MetaData()
    for name, frame in frames.items():
        columns = [sa.Column(column, kinds[type(dtype)]()) for column, dtype in frame.schema.items()]
        sa.Table(name, book, *columns)
    book.create_all(engine)
    with engine.begin() as connection:
        for name, frame in frames.items():
            connection.execute(book.tables[name].insert(), frame.to_dicts())


def test_postgresql(
    postgres: str, users: pl.DataFrame, plan: Plan, wanted: Analysis, exposures: pl.DataFrame, events: pl.DataFrame,
    events_plan: Plan,
) -> None:  # fmt: skip
    engine = sa.create_engine(postgres)
    try:
        fill(engine, {"users": users, "exposures": exposures, "events": events})
        same(analyze("public.users", plan=plan, database=engine, now=0.0), wanted)
        query = "SELECT * FROM users WHERE 'a%b' LIKE 'a%'"  # a per cent sign is no placeholder
        same(analyze(query, plan=plan, database=engine, now=0.0), wanted)
        both = analyze(exposures, events=events, plan=events_plan, now=0.0)
        same(analyze("exposures", events="events", plan=events_plan, database=engine, now=0.0), both)
        with pytest.raises(DataError, match='relation "nowhere" does not exist'):
            analyze("nowhere", plan=plan, database=engine)
    finally:
        engine.dispose()
    # the driver of the extra is taken where the URL names none
    same(analyze("users", plan=plan, database=postgres.replace("+psycopg", ""), now=0.0), wanted)


def test_a_warehouse_through_ibis(users: pl.DataFrame, plan: Plan, wanted: Analysis, tmp_path: Path) -> None:
    ibis = pytest.importorskip("ibis", reason="needs the extra ibis")
    users.write_parquet(tmp_path / "users.parquet")
    table = ibis.duckdb.connect().read_parquet(tmp_path / "users.parquet")
    same(analyze(table, plan=plan, now=0.0), wanted)
    same(analyze(table.filter(table.visits > 0), plan=plan, now=0.0), wanted)


def test_the_same_every_time_with_threads(plan: Plan, tmp_path: Path) -> None:
    """Many row groups, so that threads take turns; the benchmark does it with a million users."""
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    rng = np.random.default_rng(3)
    n = 60_000
    users = pl.DataFrame(
        {
            "user": np.arange(n), "variant": np.array(["old", "new"])[rng.integers(0, 2, n)],
            "country": np.array(["at", "be", "cz"])[rng.integers(0, 3, n)], "revenue": rng.gamma(0.1, 100.0, n),
            "visits": rng.poisson(3.0, n) + 1, "bought": rng.random(n) < 0.1, "before": rng.normal(1e6, 1.0, n),
        }
    )  # fmt: skip
    users.write_parquet(tmp_path / "users.parquet", row_group_size=5000)
    plan = {**plan, "segments": []}
    first = analyze(users, plan=plan, now=0.0)
    for source in [users, users.lazy(), Arrow(users), *[tmp_path / "users.parquet"] * 4] * 2:
        same(analyze(source, plan=plan, now=0.0), first)


def test_numbers_are_those_of_the_rows(users: pl.DataFrame, plan: Plan) -> None:
    from scipy.stats import ttest_ind

    plain = {**plan, "metrics": {"revenue": {}, "visits": {}}, "guardrails": [], "segments": ["country"]}
    found = analyze(users, plan=plain, now=0.0)
    arms = [users.filter(variant=name) for name in ("new", "old")]
    for metric in ("revenue", "visits"):
        oracle = ttest_ind(*(arm[metric] for arm in arms), equal_var=False)
        effect = found.readout.of(metric)[0].effect
        assert effect is not None
        assert effect.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
        interval = oracle.confidence_interval()
        assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    for part in found.readout.segments.effects:
        oracle = ttest_ind(*(arm.filter(country=part.value)[part.metric] for arm in arms), equal_var=False)
        assert part.effect is not None
        assert part.effect.p_value == pytest.approx(oracle.pvalue, rel=1e-8)


def test_events_are_attributed_as_by_hand(exposures: pl.DataFrame, events: pl.DataFrame, events_plan: Plan) -> None:
    """A loop over users and events, against the query."""
    day = 86400.0
    sums: dict[tuple[str, str], list[list[float]]] = {}
    for user in sorted(set(exposures["user"])):
        seen = exposures.filter(user=user).sort("time", "country")
        since, country, variant = seen["time"][0], seen["country"][0], seen["variant"][0]
        row = [0.0] * 6  # spend, spend before, purchases, visits, purchases before, visits before
        for kind, value, time in events.filter(user=user).select("kind", "value", "time").iter_rows():
            after, before = since <= time < since + 2 * day, since - 3 * day <= time < since
            row[0] += value if kind == "purchase" and after else 0
            row[1] += value if kind == "purchase" and before else 0
            row[2] += kind == "purchase" and after
            row[3] += kind == "visit" and after
            row[4] += kind == "purchase" and before
            row[5] += kind == "visit" and before
        sums.setdefault((variant, country), []).append(row)
    found = scan_of(exposures, events=events, plan=events_plan).sums
    names = [
        "sum of purchase", "sum of purchase, 3 days before", "count of purchase", "count of visit",
        "count of purchase, 3 days before", "count of visit, 3 days before",
    ]  # fmt: skip
    for (variant, country), rows in sums.items():
        where = found.of(variant) & found.in_segment("country", country)
        for place, name in enumerate(names):
            one = found.comoments([name], where)
            assert one.n == len(rows)
            column = np.array(rows)[:, place]
            assert one.means[0] == pytest.approx(column.mean(), rel=1e-12)
            assert one.products[0, 0] == pytest.approx(np.square(column - column.mean()).sum(), rel=1e-9)
        bought = (np.array(rows)[:, 2] > 0).mean()
        assert found.comoments(["any of purchase"], where).means[0] == pytest.approx(bought)


def test_what_cannot_be_read(users: pl.DataFrame, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="the rows are a list; a frame of polars, pandas or Arrow, a file, or"):
        analyze([1, 2], plan=plan)
    with pytest.raises(SettingError, match="exposures and events lie in different places"):
        analyze(users, events="events.parquet", plan=plan)
    with pytest.raises(SettingError, match="the database's URL cannot be read; postgresql://user@host/name"):
        analyze("users", plan=plan, database="nonsense")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "psycopg", None)
        patch.setitem(sys.modules, "duckdb", None)
        with pytest.raises(ExtraError, match="needs the extra 'postgres', which is not installed; pip install"):
            analyze("users", plan=plan, database="postgresql://host/name")
        with pytest.raises(ExtraError, match=r"where they lie needs the extra 'duckdb'.*recloop\[duckdb\]"):
            analyze("users.parquet", plan=plan)
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    with pytest.raises(MissingError, match=r"there is no file .*users.parquet; name a Parquet or CSV file"):
        analyze(tmp_path / "users.parquet", plan=plan)
    with pytest.raises(MissingError, match=r"there is no file .*users\*.parquet"):
        analyze(tmp_path / "users*.parquet", plan=plan)
    with pytest.raises(SettingError, match=r"users.xlsx is no kind of file that can be read; kinds: .parquet"):
        analyze(tmp_path / "users.xlsx", plan=plan)
    (tmp_path / "bad.parquet").write_text("no Parquet")
    with pytest.raises(DataError, match="DuckDB cannot read the data"):
        analyze(tmp_path / "bad.parquet", plan=plan)
