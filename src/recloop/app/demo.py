"""``recloop demo``: the whole loop on a simulated shop, through the real service."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.app.comments import comment_reader, has_language_model
from recloop.app.load import load_events
from recloop.app.readout import read_trial
from recloop.app.run import reproduction, run
from recloop.client import Client
from recloop.data.vocabulary import Vocabulary
from recloop.errors import ConflictError
from recloop.experiments import Experiment, Guardrail, Variant
from recloop.loop.gate import Gate, gate, group_check
from recloop.loop.plan import read_plan
from recloop.loop.release import Release, load, successor
from recloop.loop.run import Run
from recloop.progress import SILENT, Progress
from recloop.report.report import Trial, Truth, report
from recloop.simulate import World
from recloop.simulate.traffic import HttpClient, Traffic, drive
from recloop.store import Store

EXPERIMENT = "home"
TREATMENT = "composed"
TODAY = "popular-7d"  # what the shop's front page shows: the last week's best
MARK = "demo.json"
LIVE_DAYS = 10
DAY = 86_400.0
USERS, QUICK = 1500, 1000
SLATE = 10

PLAN = """\
# The plan of a demo: a simulated shop. Written by `recloop demo`; try other settings and `recloop run` it again.

[data]
events = "data/events.parquet"
items = "data/items.parquet"
users = "data/users.parquet"

[data.kinds.weights]  # what an event of each kind is worth
view = 0.5
click = 1.0
purchase = 3.0
rating = 1.0

[data.kinds.minimum]  # lower ratings weigh nothing
rating = 4

[split]
name = "temporal"  # one moment for everybody: the only split that could have happened live
test_fraction = 0.2

[strategies]
use = [{use}]

[metrics]
k = [10]

[policy]
diversity = 0.15  # 0: by relevance alone; 1: as unlike each other as can be
fallback = "popular"  # stands in for a strategy that fails

[run]
seed = {seed}
out = "runs"
"""


@dataclass(frozen=True)
class Demo:
    """What a demo made: every number of it is a simulation.

    Attributes:
        folder: everything it wrote.
        run: the run on the shop's log.
        trial: the experiment, its readout, verdict and scorecard.
        truth: whether the verdict agrees with the world.
        values: variant → the true click rate of its policy.
        gate: whether the winner was released, and why.
        released: name of the active release at the end.
        traffic: what went over HTTP.
        report: the page.
        served_verdict: what the service itself said over HTTP.
        url: of the service, where it was kept running; else "".
        seconds: it took.
    """

    folder: Path
    run: Run
    trial: Trial
    truth: Truth
    values: Mapping[str, float]
    gate: Gate
    released: str
    traffic: Traffic
    report: Path
    served_verdict: str
    url: str
    seconds: float


def demo(
    folder: Path,
    *,
    seed: int = 0,
    users: int | None = None,
    quick: bool = False,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.time,
    serving: Callable[[Demo], None] | None = None,
) -> Demo:
    """Make a shop, learn from its log, try the result on its users over HTTP, decide, release, report.

    Args:
        folder: for everything it writes; an earlier demo there is replaced, anything else is not touched.
        seed: of the world and of the run.
        users: how many; ``USERS``, or ``QUICK`` when quick.
        quick: a smaller shop without the language model.
        progress: shows how far it has come.
        clock: seconds since 1970.
        serving: called while the service still runs, with its URL in ``Demo.url``; it may wait.

    Raises:
        ConflictError: the folder holds something that is not a demo, or the service does not start.
    """
    begun = clock()
    folder = _fresh(folder)
    world = _world(seed, users or (QUICK if quick else USERS), quick, folder, progress)
    plan = folder / "recloop.toml"
    done = run(read_plan(plan), progress=progress, clock=clock, command=f"recloop run {plan}")
    today = load(
        successor(done.release, folder / "releases" / "today", name="1-today", version=1, default_policy=TODAY)
    )
    store_file = folder / "recloop.db"
    with Store(store_file) as store:
        load_events(store, done.reading, progress=progress)
    sentiment = None if quick else comment_reader()
    with (
        _service(store_file, today.folder, folder / "service.log", seed) as url,
        Client(url, timeout=60.0) as service,
    ):
        _post(service, "/v1/experiments", _experiment(len(world.population)).to_dict())
        _post(service, f"/v1/experiments/{EXPERIMENT}/start")
        with HttpClient(url) as client:
            traffic = drive(world, client, days=LIVE_DAYS, seed=seed, progress=progress)
        _post(service, f"/v1/experiments/{EXPERIMENT}/stop")
        with progress.task("Read out, decide, release", total=4) as advance:
            said = _get(service, f"/v1/experiments/{EXPERIMENT}/readout")
            with Store(store_file) as store:
                now = world.end + LIVE_DAYS * DAY
                trial = read_trial(store, EXPERIMENT, now, shown=today, sentiment=sentiment, rules=done.plan.gate)
            advance(1)
            values = _true_values(world, done, today, trial.experiment)
            truth = _truth(trial, values)
            advance(1)
            fair = trial.experience.fairness if trial.experience else None
            opened = gate(trial.verdict.verdict, [group_check(fair, done.plan.gate)])
            if opened.open:
                winner = successor(
                    today.folder,
                    folder / "releases" / "winner",
                    name="2-winner",
                    version=2,
                    default_policy=trial.experiment.variants[trial.verdict.treatment].policy,
                )
                with Store(store_file) as store:
                    store.releases.add("2-winner", str(winner.resolve()), load(winner).checksum, actor="recloop demo")
                _post(service, "/v1/releases/2-winner/promote")
            active = next(one["name"] for one in _get(service, "/v1/releases")["releases"] if one["active"])
            advance(1)
            page = folder / "report.html"
            finished = Demo(
                folder=folder,
                run=done,
                trial=trial,
                truth=truth,
                values=values,
                gate=opened,
                released=active,
                traffic=traffic,
                report=page,
                served_verdict=said["verdict"],
                url=url if serving else "",
                seconds=clock() - begun,
            )
            page.write_text(_page(finished, seed, quick, clock()), encoding="utf-8")
            (folder / MARK).write_text(json.dumps(summary(finished), indent=2), encoding="utf-8")
            advance(1)
        if serving:
            serving(finished)
    return finished


def summary(demo: Demo) -> dict[str, Any]:
    """A demo as plain JSON values."""
    return {
        "simulation": True,
        "verdict": demo.trial.verdict.verdict,
        "sentence": demo.trial.verdict.sentence,
        "agrees_with_truth": demo.truth.agrees,
        "truth": demo.truth.sentence,
        "true_click_rates": dict(demo.values),
        "users": dict(demo.trial.readout.users),
        "released": demo.released,
        "gate": {"open": demo.gate.open, "sentences": list(demo.gate.sentences)},
        "served_verdict": demo.served_verdict,
        "traffic": {
            "users": demo.traffic.users,
            "sessions": demo.traffic.sessions,
            "slates": demo.traffic.slates.height,
            "events": demo.traffic.events,
            "comments": demo.traffic.comments,
            "churned": demo.traffic.churned,
            "retries": demo.traffic.retries,
            "seconds": round(demo.traffic.seconds, 1),
            "latency_p50_ms": round(1000 * float(np.median(demo.traffic.latencies)), 1),
            "latency_p99_ms": round(1000 * float(np.quantile(demo.traffic.latencies, 0.99)), 1),
        },
        "folder": str(demo.folder),
        "run": str(demo.run.folder),
        "report": str(demo.report),
        "store": str(demo.folder / "recloop.db"),
        "url": demo.url,
        "seconds": round(demo.seconds, 1),
    }


def _fresh(folder: Path) -> Path:
    """The folder, empty; an earlier demo in it is removed.

    Raises:
        ConflictError: it holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ConflictError(
            f"{folder} holds something that is not a demo",
            allowed="a demo replaces demos only",
            advice="name another with --out",
        )
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text('{"finished": false}', encoding="utf-8")
    return folder


def _world(seed: int, users: int, quick: bool, folder: Path, progress: Progress) -> World:
    """The shop, with its log, catalogue, users and plan in the folder."""
    with progress.task("Make the shop (a simulation)", total=3) as advance:
        world = World(seed=seed, users=users, items=400 if quick else 1200, days=30 if quick else 60)
        advance(1)
        log = world.log()
        advance(1)
        data = folder / "data"
        data.mkdir()
        log.write_parquet(data / "events.parquet")
        world.items.write_parquet(data / "items.parquet")
        world.users.write_parquet(data / "users.parquet")
        names = [
            "popular",
            "transitions",
            "item-knn",
            "ease",
            "ials",
            *([] if quick or not has_language_model() else ["content"]),
        ]
        use = ", ".join(f'"{name}"' for name in names)
        (folder / "recloop.toml").write_text(PLAN.format(use=use, seed=seed), encoding="utf-8")
        advance(1)
    return world


def _experiment(users: int) -> Experiment:
    return Experiment(
        name=EXPERIMENT,
        hypothesis="Slates composed of what people like you took and what the words say get more clicks.",
        variants={
            "random": Variant(policy="random", control=True),
            "popular": Variant(policy=TODAY, control=True),
            TREATMENT: Variant(policy=TREATMENT),
        },
        primary="slate_ctr",
        guardrails=(Guardrail(metric="abandonment", margin=0.1, against="popular"),),
        minimum_users=50,
        planned_users=max(100, int(0.6 * users)),  # about seven in ten come during the experiment
        rule="fixed",
        window=4 * 86_400.0,
    )


@contextmanager
def _service(store: Path, release: Path, log: Path, seed: int) -> Iterator[str]:
    """The real service in a process of its own, on a free loopback port; its URL."""
    command = [sys.executable, "-m", "recloop", "serve", "--store", str(store), "--release", str(release)]
    command += ["--port", "0", "--seed", str(seed), "--quiet", "--json"]
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603 -- our own
        try:
            yield _url(process, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _url(process: "subprocess.Popen[str]", log: Path) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.rstrip() == "}":
            return str(json.loads(said)["url"])
    raise ConflictError(f"the service did not start (exit {process.wait()})", advice=f"what it said stands in {log}")


def _post(service: Client, path: str, body: Any = None) -> Any:
    return service.call("POST", path, {} if body is None else body, answer=dict)


def _get(service: Client, path: str) -> Any:
    return service.call("GET", path, answer=dict)


def _true_values(world: World, done: Run, release: Release, experiment: Experiment) -> dict[str, float]:
    """Variant → the click rate that its policy truly has over all users, in closed form."""
    dataset = done.reading.dataset
    histories = dataset.histories()
    of_world = Vocabulary(world.items["item"].to_list())
    places = np.append(of_world.indices(release.items.ids), -1)
    rows = dataset.user_ids.indices(world.users["user"])

    def rank(name: str) -> Callable[[NDArray[np.int64]], NDArray[np.integer]]:
        return lambda users: places[release.policies[name].rank(histories.take(rows[users]), SLATE).items]

    return {
        name: world.true_value(rank(variant.policy), memory=world.past.memory)
        for name, variant in experiment.variants.items()
    }


def _truth(trial: Trial, values: Mapping[str, float]) -> Truth:
    """Whether the verdict is what somebody who knows the world would decide."""
    best = max(values, key=lambda name: values[name])
    right = "ship" if best == TREATMENT else "roll_back"
    said = trial.verdict.verdict
    rates = ", ".join(f"{name} {value:.1%}" for name, value in values.items())
    agrees = said == right or (right == "roll_back" and said in {"inconclusive", "keep_running"})
    return Truth(
        agrees,
        f"In the simulated world the true click rates of a fresh slate are {rates}: {best} is best, and the decision "
        f"was '{said}'.",
    )


def _page(demo: Demo, seed: int, quick: bool, now: float) -> str:
    traffic, readout = demo.traffic, demo.trial.readout
    made = reproduction(demo.run, f"recloop demo --seed {seed}{' --quick' if quick else ''} --out {demo.folder}")
    return report(
        title="Does the composed policy beat what the shop does today?",
        results=demo.run.results,
        check=demo.run.check.to_dict(),
        reproduction=made,
        now=now,
        tested=demo.trial,
        truth=demo.truth,
        tiles=[
            ("simulated users in the experiment", f"{readout.total_users:,}"),
            ("slates served over HTTP", f"{traffic.slates.height:,}"),
            ("events and comments kept", f"{traffic.events + traffic.comments:,}"),
            ("median answer, driver's side", f"{1000 * float(np.median(traffic.latencies)):.0f} ms"),
            ("release in charge now", demo.released),
        ],
        simulation=True,
    )
