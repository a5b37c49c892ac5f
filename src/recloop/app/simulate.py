"""``recloop simulate``: a simulator fitted to a log, its distance from it, and policies tried on it."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recloop.compose import Policy, SlateConfig, build
from recloop.data.dataset import Dataset
from recloop.data.source import Source, read
from recloop.errors import SettingError, nearest
from recloop.loop.folder import write_whole
from recloop.loop.plan import Plan, read_plan
from recloop.loop.release import Release
from recloop.loop.release import load as load_release
from recloop.progress import SILENT, Progress
from recloop.report.simulation import simulation_page
from recloop.simulate.client import HttpClient
from recloop.simulate.fitted import (
    Comparison,
    Fidelity,
    FittedWorld,
    InProcess,
    Nothing,
    OverHttp,
    Server,
    Simulate,
    compare,
    fidelity,
    fit_world,
)
from recloop.simulate.fitted.crowd import Crowd, gather
from recloop.strategies import make

CONTROLS = ("none", "random", "popular")
SERVICE = "service"
KIND_OF_ITS_OWN = (
    "The simulated users want what a factor model and pairs of neighbours say. Strategies of that kind (ials, "
    "transitions) are at home here, and may do worse with real users."
)


@dataclass(frozen=True)
class Simulated:
    """What a simulation gave: the world, its distance from the log, the policies, the page and what to bear in mind."""

    world: FittedWorld
    fidelity: Fidelity
    comparison: Comparison
    page: Path | None
    notes: tuple[str, ...]


def simulate(
    plan_or_data: Path,
    *,
    release: Path | None = None,
    policies: Sequence[str] = (),
    strategies: Sequence[str] = (),
    service: str | None = None,
    key: str | None = None,
    baseline: str = "popular",
    days: int = 14,
    users: int | None = 2000,
    k: int = 10,
    seed: int = 0,
    page: Path | None = None,
    command: str = "recloop simulate",
    now: float | None = None,
    progress: Progress = SILENT,
) -> Simulated:
    """Fit a simulator to a log and try policies on it.

    Args:
        plan_or_data: a plan (``.toml``), whose tables ``[data]`` and ``[simulate]`` count, or a file of events.
        release: a folder whose policies are tried.
        policies: which of them; all where empty.
        strategies: trained on the log and tried too, each alone.
        service: the URL of a running service to try as well, over HTTP. It keeps what the simulated users do.
        key: of the service.
        baseline: what the others are compared with: a policy, a strategy, or one of none, random and popular.
        days: how many are simulated.
        k: places of a slate.
        seed: of everything random.
        users: of the log who come; all where None.
        page: where to write the HTML page.
        command: how it is made again, for the page.
        now: seconds since 1970; the clock's where None.
        progress: shows how far it has come.

    Raises:
        SettingError: a name is not known, or a number is out of range.
        DataError: the log is too small for a simulator.
        ArtifactError: the release is damaged.
    """
    if users is not None and users < 2:
        raise SettingError(f"there are {users} users", allowed="at least 2 are needed to compare policies")
    plan = read_plan(plan_or_data) if plan_or_data.suffix == ".toml" else None
    dataset = read(plan.source if plan else Source(events=str(plan_or_data)), progress).dataset
    config = plan.simulate if plan else Simulate()
    loaded = load_release(release) if release is not None else None
    made = _policies(loaded, policies) | _fitted(dataset, plan, strategies, progress)
    names = [*CONTROLS, *made, *([SERVICE] if service else [])]
    if baseline not in names:
        raise SettingError(f"the baseline is '{baseline}'", advice=nearest(baseline, names))
    of_world, of_crowd, of_nearness = np.random.SeedSequence(seed).spawn(3)
    world = fit_world(dataset, config, rng=np.random.default_rng(of_world), progress=progress)
    near = fidelity(world, rng=np.random.default_rng(of_nearness))
    crowd = gather(world, np.random.default_rng(of_crowd), days=days, users=users)
    hide = not world.preferences.repeats
    servers: dict[str, Server] = {"none": Nothing()}
    controls = _fitted(dataset, None, ("random", "popular"), progress)
    for name, policy in {**controls, **made}.items():
        servers[name] = InProcess(policy, dataset.item_ids, hide_seen=hide)
    with ExitStack() as open_:
        if service:
            client = open_.enter_context(HttpClient(service, key=key))
            everybody = np.arange(len(crowd))
            past = crowd.recent.histories(
                everybody, np.full(len(crowd), np.nan), everybody.astype(np.uint64), dataset.n_items
            )
            servers[SERVICE] = OverHttp(client, _ids(crowd), dataset.item_ids, past=past)
        found = compare(world, crowd, servers, days=days, k=k, seed=seed, baseline=baseline, progress=progress)
    notes = _notes(world, loaded)
    if page is not None:
        title = f"Policies on users simulated from {Path(plan.data.events if plan else plan_or_data).name}"
        text = simulation_page(
            world, near, found, title=title, notes=notes, command=command, now=time.time() if now is None else now
        )
        page.parent.mkdir(parents=True, exist_ok=True)
        write_whole(page, text)
    return Simulated(world, near, found, page, notes)


def _policies(release: Release | None, names: Sequence[str]) -> dict[str, Policy]:
    if release is None:
        if names:
            raise SettingError(f"the policy '{names[0]}' is of no release", advice="name its folder with --release")
        return {}
    return {name: release.policy(name) for name in names or release.policies}


def _fitted(dataset: Dataset, plan: Plan | None, names: Sequence[str], progress: Progress) -> dict[str, Policy]:
    """Strategies trained on the log, each as a policy of its own; with the plan's settings where it has some."""
    found = {}
    for name in names:
        known = plan.strategies.get(name) if plan else None
        strategy = (known.make() if known else make(name)).fit(dataset, progress)
        found[name] = build(SlateConfig(sources=[name], fallback=""), {name: strategy})
    return found


def _ids(crowd: Crowd) -> list[str]:
    """The ids under which simulated users are known to a service: none of a real user."""
    return [f"simulated-{number}" for number in range(len(crowd))]


def _notes(world: FittedWorld, release: Release | None) -> tuple[str, ...]:
    notes = [KIND_OF_ITS_OWN]
    if world.dataset.slates is None:
        notes.append(
            "The log has no slates, so that nobody knows what these users looked at. Attention falls with the place as "
            f"(1 + j)^-{world.config.attention:g}, and popular items are clicked by {100 * world.config.click_rate:g}% "
            "of who looks at them: both are assumed."
        )
    if release is not None and release.items != world.dataset.item_ids:
        notes.append("The release knows other items than the log. What only one of them knows is not shown.")
    return tuple(notes)


__all__ = ["CONTROLS", "Simulated", "simulate"]
