import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recloop.cli.console import answer, existing_store, json_option, out, progress_for, store_option
from recloop.cli.ux.group import ux
from recloop.errors import SettingError

if TYPE_CHECKING:
    from recloop.experience.result import UserExperience


@ux.command(epilog="Example: recloop ux scorecard --experiment front --html scorecard.html")
@click.option("--experiment", default="", help="The experiment in the store that is read.")
@click.option("--decisions", type=click.Path(path_type=Path), help="Read this Parquet or CSV file, not the store.")
@click.option("--events", type=click.Path(path_type=Path), help="With --decisions: user, item, kind, time.")
@click.option("--feedback", type=click.Path(path_type=Path), help="With --decisions: ratings, surveys, comments.")
@click.option(
    "--items", type=click.Path(path_type=Path), help="With --decisions: item, category, provider, popularity."
)
@click.option("--users", type=click.Path(path_type=Path), help="With --decisions: user and columns that make groups.")
@click.option("--treatment", default="", help="With --decisions: the variant that is judged; the last one without.")
@click.option("--control", default="", help="With --decisions: what it is held against; all others without.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True,
              help="With --decisions: accepted share of false lights.")  # fmt: skip
@click.option("--reasons", type=click.IntRange(min=0), default=0, show_default=True,
              help="With --experiment: users whose reasons are checked by leaving out what they cite.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which users --reasons picks.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write an HTML page here.")
@click.option("--parquet", type=click.Path(path_type=Path, dir_okay=False), help="Also write all rows here.")
@click.option("--simulation", is_flag=True, help="The users are made up, and the page says so.")
@store_option
@json_option
def scorecard(store: str, page: Path | None, parquet: Path | None, as_json: bool, **given: Any) -> None:
    """Say what users went through: every metric of the catalogue, fairness, all slates together, the log."""
    from recloop.report.experience_page import experience_page

    found = _from_files(given) if given["decisions"] else _from_store(store, given, as_json=as_json)
    if page is not None:
        page.write_text(experience_page(found, time.time()), encoding="utf-8")
    if parquet is not None:
        found.to_parquet(parquet)
    if as_json:
        answer(found.to_dict())
        return
    out.print(found)
    for path in (page, parquet):
        if path is not None:
            out.print(f"written: {path}", markup=False)


@ux.command(epilog="Example: recloop ux proxies --long active_days")
@click.option("--long", default="slate_ctr", show_default=True, help="The metric whose later effect is foretold.")
@click.option("--days", type=click.IntRange(min=1), default=7, show_default=True,
              help="How many of a user's first days are the short term.")  # fmt: skip
@store_option
@json_option
def proxies(store: str, long: str, days: int, as_json: bool) -> None:
    """Say how well each metric of users' first days foretold the later effect in past experiments."""
    from recloop.app.comments import comment_reader
    from recloop.app.past_effects import past_effects
    from recloop.experience.proxy import proxies as judged

    with existing_store(store) as opened:
        progress = progress_for(as_json=as_json)
        found = judged(past_effects(opened, long, days, sentiment=comment_reader(), progress=progress))
    if as_json:
        answer({"long": long, "days": days, "proxies": [one.to_dict() for one in found]})
        return
    for one in found:
        out.print(one.sentence, markup=False)
    if not found:
        out.print("No past experiment has users who were there for longer.")


def _from_files(given: dict[str, Any]) -> "UserExperience":
    from recloop.app.comments import comment_reader
    from recloop.app.scorecard import Files, experience_in_files

    if given["events"] is None:
        raise SettingError("--decisions is given without --events", advice="name the file of what users did")
    names = ("decisions", "events", "feedback", "items", "users")
    return experience_in_files(
        Files(**{name: given[name] for name in names}),
        given["treatment"],
        given["control"],
        alpha=given["alpha"],
        sentiment=comment_reader() if given["feedback"] else None,
        simulation=given["simulation"],
    )


def _from_store(store: str, given: dict[str, Any], *, as_json: bool) -> "UserExperience":
    import numpy as np

    from recloop.app.comments import comment_reader
    from recloop.app.scorecard import experience_in_store
    from recloop.loop.release import load

    if not given["experiment"]:
        raise SettingError("nothing is named to read", advice="give --experiment NAME, or --decisions and --events")
    with existing_store(store) as opened:
        active = opened.releases.active()
        return experience_in_store(
            opened,
            given["experiment"],
            time.time(),
            release=load(Path(active.path)) if active else None,
            sentiment=comment_reader(),
            reasons=given["reasons"],
            rng=np.random.default_rng(given["seed"]),
            progress=progress_for(as_json=as_json),
        )
