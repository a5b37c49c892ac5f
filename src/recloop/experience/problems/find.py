from datetime import UTC, datetime

import numpy as np
import polars as pl
from msgspec.structs import replace

from recloop.errors import DataError, SettingError
from recloop.experience.problems.causes import begun
from recloop.experience.problems.coded import Coded, code, measured, with_columns
from recloop.experience.problems.contrast import Arms, Contrast, Step
from recloop.experience.problems.cube import cuboids
from recloop.experience.problems.expected import with_expected
from recloop.experience.problems.findings import Context, attack_findings, findings
from recloop.experience.problems.follow import consequences, followers
from recloop.experience.problems.health import Health, Joins, health
from recloop.experience.problems.said import Words, keywords
from recloop.experience.problems.schema import Problems
from recloop.experience.problems.search import Search
from recloop.experience.problems.settings import Settings
from recloop.experience.problems.sift import sift
from recloop.experience.problems.verdicts import headline, verdict
from recloop.experiments.words import number_of
from recloop.progress import SILENT, Progress

THURSDAY = 3  # the first of January 1970


def find_problems(
    slates: pl.DataFrame,
    settings: Settings | None = None,
    *,
    comments: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
    shown: pl.DataFrame | None = None,
    earlier: pl.DataFrame | None = None,
    words: Words = keywords,
    joins: Joins | None = None,
    now: float | None = None,
    simulation: bool = False,
    progress: Progress = SILENT,
) -> Problems:
    """Find where users were served worse, since when, why, and what to do about it.

    Health first; then every slice of up to three dimensions against its complement, for every metric, with the user as
    the unit and the false discovery rate under control; then what explains, what follows from what, and what to do.

    Args:
        slates: one row per slate, as ``metrics.outcomes.slate_table`` makes it: user, time (seconds since 1970, or
            ``first``), variant where arms are compared, the sums that metrics need, and text columns that make slices.
        settings: how to look. With a treatment and a control arms are compared, else time against time.
        comments: id, user, time, text: what users wrote.
        events: user, item, time: where attacks are looked for.
        shown: one row per place shown: ``decision`` and a column that names the provider of the item.
        earlier: slates of the same users from before the experiment, one row each with the same columns: what users did
            then is taken out, so that smaller effects are seen.
        words: reads the comments.
        joins: how many events that name a decision were found on it.
        now: seconds since 1970; slates after it have a wrong clock.
        simulation: whether the numbers come from a made-up world; the report then says so.
        progress: shows how far it is.

    Raises:
        DataError: a column is missing, or there are no slates.
        MissingError: a variant has no slates.
        SettingError: a metric is unknown, or one arm is named without the other.

    >>> from recloop.simulate.planted import planted
    >>> world = planted("cold", np.random.default_rng(0), slates=20_000)
    >>> found = find_problems(world.slates, simulation=True)
    >>> found.findings[0].metric, found.findings[0].slice, found.findings[0].kind
    ('empty_slates', {'tenure': 'new'}, 'primary')
    """
    settings = settings or Settings()
    arms = settings.treatment is not None
    if arms != (settings.control is not None):
        raise SettingError("one arm is named without the other", advice="name a treatment and a control, or neither")
    checked = health(with_columns(slates), settings, joins, now)
    if not checked.slates.height:
        raise DataError("there are no slates to look at", advice="name a longer time, or another experiment")
    if checked.red:
        return _refused(checked, settings, simulation=simulation)
    table = checked.slates
    measures, notes = measured(table, settings)
    coded = code(table, settings, measures, arms=arms)
    if earlier is not None:
        coded = with_expected(coded, table, earlier, measures)
    compared = f"{settings.treatment} against {settings.control}" if arms else "time against time"
    days = (coded.date(0), coded.date(int(coded.day.max())))
    too_little = _too_little(coded, settings, arms=arms)
    base = Problems(
        verdict="keep_running",
        sentence=too_little,
        compared=compared,
        slates=table.height,
        users=coded.users,
        days=days,
        alpha=settings.alpha,
        health=checked.checks,
        notes=(*notes, *coded.notes),
        simulation=simulation,
    )
    if too_little:
        return base
    contrast: Contrast = Arms() if arms else _step(coded, settings)
    context = Context(coded, table, settings, measures, contrast, comments, words)
    slices = cuboids(coded, settings.depth, settings.share, 2 * settings.events)
    search = Search(coded, slices, contrast, settings)
    with progress.task("slices", len(slices)) as advance:
        search.look(measures, advance)
    sifted = sift(context, search, shown)
    consequences(coded, sifted.facts, days=not arms)
    for primary in [fact for fact in sifted.facts if fact.because is None]:
        sifted.facts.extend(followers(coded, primary, measures, sifted.facts))
    told = findings(context, sifted.facts, search.wholes)
    if events is not None:
        told = [*attack_findings(context, events), *told]
    told = told[: settings.most]
    return replace(
        base,
        verdict=verdict(told, search.wholes, measures, arms=arms),
        sentence=headline(told, base, search.wholes, measures, settings),
        tests=sifted.tests,
        slices=sum(len(one.slices) for one in slices),
        findings=tuple(told),
        notes=(*sifted.notes, *base.notes),
    )


def _step(coded: Coded, settings: Settings) -> Step:
    weekday = (coded.first_day + THURSDAY + np.arange(coded.cells)) % 7
    return Step(coded.cells, weekday, settings.before, settings.after, begun(coded))


def _too_little(coded: Coded, settings: Settings, *, arms: bool) -> str:
    """Why nothing can be said yet; empty where something can."""
    if coded.users < settings.users:
        few = f"{number_of('user', coded.users)} {'is' if coded.users == 1 else 'are'} too few"
        return f"Too early: {few} to tell anything; {settings.users} are the least."
    if not coded.sums:
        return "Nothing to look at: the slates hold no column that a metric reads."
    if not arms and coded.cells < settings.before + settings.after:
        return (
            f"Too early: the log spans {number_of('day', coded.cells)}, and a change needs {settings.before} before it "
            f"and {settings.after} after."
        )
    return ""


def _refused(checked: Health, settings: Settings, *, simulation: bool) -> Problems:
    """Red: nothing is shown but why."""
    table = checked.slates
    times = table["time"].to_numpy()
    days = [datetime.fromtimestamp(float(one), tz=UTC).strftime("%Y-%m-%d") for one in (times.min(), times.max())]
    return Problems(
        verdict="invalid",
        sentence="Do not read these numbers. " + " ".join(one.sentence for one in checked.red),
        compared=f"{settings.treatment} against {settings.control}" if settings.treatment else "time against time",
        slates=table.height,
        users=table["user"].n_unique(),
        days=(days[0], days[1]),
        alpha=settings.alpha,
        health=checked.checks,
        simulation=simulation,
    )
