"""Does the problem finder find what is planted, where and when, and stay silent on traps? Made-up worlds, and its speed.

    python benchmarks/problems.py                        # 20 seeds of every world at full and half size: most of an hour
    python benchmarks/problems.py --seeds 2 --sizes 1    # a first look
    python benchmarks/problems.py --speed                # 300,000 slates with 7 dimensions: CPU and memory

A problem counts as found where a primary finding names its metric and its slice, on its day or a day beside it. "else"
counts other primary findings of the same reports: false alarms. Simulation throughout.
"""

import argparse
import resource
import time
from collections import Counter

import numpy as np

from recloop.experience.problems import Problems, Settings, find_problems
from recloop.simulate.planted import START, WORLDS, Planted, planted

DAY = 86_400
START_DAY = int(START // DAY)


def look(world: Planted, *, history: bool = True, release: bool = True) -> Problems:
    settings = Settings()
    if world.arms:  # an experiment knows how it split its users
        settings = Settings(treatment=world.arms[0], control=world.arms[1], weights=dict.fromkeys(world.arms, 0.5))
    return find_problems(
        world.slates if release else world.slates.drop("release"),
        settings,
        comments=world.comments,
        events=world.events,
        shown=world.exposures,
        earlier=world.earlier if history else None,
        simulation=True,
    )


def day_of(text: str) -> int:
    return int(np.datetime64(text, "D").astype(int)) - START_DAY


def judge(world: Planted, report: Problems) -> Counter[str]:
    said: Counter[str] = Counter()
    if world.invalid:
        said["found"] = said["place"] = said["day"] = int(report.verdict == "invalid" and not report.findings)
        return said
    if world.trap:
        said["silent"] = int(not report.findings and report.verdict != "invalid")
        return said
    for one in report.primary:
        mine = one.metric in world.metrics
        place = one.slice == dict(world.where or {})
        on_day = world.day is None or (one.change_day is not None and abs(day_of(one.change_day) - world.day) <= 1)
        said["metric"] |= int(mine)
        said["place"] |= int(mine and place)
        said["found"] |= int(mine and place and on_day)
        said["else"] += int(not (mine and place))
    return said


def worlds(options: argparse.Namespace) -> None:
    names = options.worlds or list(WORLDS)
    cpu, looked = 0.0, 0
    print(f"{'world':<16}{'size':>6}{'found':>8}{'metric':>8}{'place':>8}{'else':>8}   (of {options.seeds})")
    for name in names:
        trap = None
        for size in options.sizes:
            if trap and size != options.sizes[0]:
                continue  # a trap has no size to find
            total: Counter[str] = Counter()
            for seed in range(options.first, options.first + options.seeds):
                world = planted(name, np.random.default_rng(seed), size=size, slates=options.slates)
                trap = world.trap
                start = time.process_time()
                total.update(judge(world, look(world, history=not options.no_history, release=not options.no_release)))
                cpu, looked = cpu + time.process_time() - start, looked + 1
            if trap:
                print(f"{name:<16}{'trap':>6}   silent {total['silent']} of {options.seeds}", flush=True)
            else:
                print(
                    f"{name:<16}{size:>6g}{total['found']:>8}{total['metric']:>8}{total['place']:>8}{total['else']:>8}",
                    flush=True,
                )
    print(f"{cpu / max(looked, 1):.1f} CPU s a report of {options.slates:,} slates")


def speed(slates: int) -> None:
    world = planted("regression", np.random.default_rng(0), slates=slates)
    table = world.slates.drop("variant")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    names = ("device", "app", "region", "gender", "age", "tenure", "surface")
    start = time.process_time()
    report = find_problems(table, Settings(dimensions=names), comments=world.comments)
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{table.height:,} slates, {report.users:,} users, {len(names)} dimensions, {report.slices:,} slices, "
          f"{report.tests:,} tests: {took:.1f} CPU s, peak {peak:,.0f} MB of which {before:,.0f} before")  # fmt: skip
    print(report.sentence)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="first seed; it was built with others, from 1000 on")
    parser.add_argument("--slates", type=int, default=120_000)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1.0, 0.5], help="of the effect; 1 is full")
    parser.add_argument("--worlds", nargs="*", choices=list(WORLDS), metavar="world")
    parser.add_argument("--no-history", action="store_true", help="without the slates from before an experiment")
    parser.add_argument("--no-release", action="store_true", help="in logs that do not say which release served")
    parser.add_argument("--speed", action="store_true", help="measure CPU and memory instead")
    options = parser.parse_args()
    if options.speed:
        speed(300_000 if options.slates == 120_000 else options.slates)
    else:
        worlds(options)


if __name__ == "__main__":
    main()
