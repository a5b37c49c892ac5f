"""What it costs to read an experiment out of the store: CPU and memory of each part, with nobody else on the line.

    python benchmarks/readout.py                     # 300,000 slates
    python benchmarks/readout.py --slates 1000000

A made-up log: half of the slates lie before the experiment, a third of the events before the 180 days that are read.
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from recloop.app.decision import decide_experiment
from recloop.app.problems import Wish, problems_in_store
from recloop.app.readout import read_trial
from recloop.experiments import Experiment
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

DAY, DAYS, PLACES, ITEMS = 86_400.0, 28, 10, 5_000
START = 20_393 * DAY
BATCH = 5_000


def fill(store: Store, slates: int, rng: np.random.Generator) -> float:
    """An experiment of 28 days with as many slates before it as in it; returns the moment of the readout."""
    users = max(slates // 24, 20)
    variants = {"old": {"policy": "popular", "control": True}, "new": {"policy": "blend"}}
    plan = {"name": "home", "variants": variants, "planned_users": users, "covariate_days": 28.0}
    store.experiments.add("home", Experiment.parse(plan).to_dict())
    store.experiments.start("home")
    catalogue = [f"i{n}" for n in range(ITEMS)]
    who = rng.integers(0, users, slates)
    when = START + np.sort(rng.uniform(-DAYS, DAYS, slates)) * DAY
    shown = rng.integers(0, ITEMS, (slates, PLACES))
    place = np.where(rng.random(slates) < 0.15, rng.integers(0, PLACES, slates), -1)
    for first in range(0, slates, BATCH):
        decisions, events = [], []
        for n in range(first, min(first + BATCH, slates)):  # rows of a log, written as a service writes them
            user, live = int(who[n]), when[n] >= START
            items = tuple(SlateItem(item=catalogue[i], score=1.0, source="popular") for i in shown[n])
            arm = "new" if user % 2 else "old"
            decisions.append(
                Decision(
                    id=f"d{n}", user=f"u{user}", time=float(when[n]), items=items, experiment="home" if live else "",
                    variant=arm if live else "", policy="popular", propensity=1.0, release="1", latency=0.01,
                    context={"profile.device": ("ios", "web")[user % 3 == 0], "profile.age": str(user % 5)},
                )
            )  # fmt: skip
            if place[n] >= 0:
                item = items[int(place[n])].item
                events.append(Event(f"u{user}", item, "click", float(when[n]) + 5, id=f"e{n}", decision=f"d{n}"))
        store.append_decisions(decisions)
        store.append_events(events)
    for first in range(0, slates, BATCH):
        old = START - rng.uniform(0, 270, BATCH) * DAY
        bought = rng.integers(0, ITEMS, BATCH)
        buyers = rng.integers(0, users, BATCH)
        store.append_events(
            [
                Event(f"u{u}", catalogue[i], "purchase", float(t), 5.0, id=f"p{first + k}")
                for k, (u, i, t) in enumerate(zip(buyers, bought, old, strict=True))
            ]
        )
    return float(START + DAYS * DAY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slates", type=int, default=300_000)
    parser.add_argument("--store", type=Path, help="kept, and filled where it is not there yet")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = options.store or Path(folder) / "readout.db"
        fresh = not path.exists()
        with Store(path) as store:
            now = START + DAYS * DAY
            if fresh:
                fill(store, options.slates, np.random.default_rng(0))
            print(f"{store.counts()}, at first {_peak():,.0f} MB at the peak")
            for name, work in {
                "a short card (whole=False)": lambda: read_trial(store, "home", now, whole=False),
                "the whole readout": lambda: read_trial(store, "home", now),
                "the problem finder alone": lambda: problems_in_store(store, Wish("home"), now),
                "a decision": lambda: decide_experiment(store, "home", now, actor="benchmark"),
            }.items():
                start = time.process_time()
                work()
                print(f"{name:<28}{time.process_time() - start:6.1f} CPU s, peak {_peak():,.0f} MB", flush=True)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
