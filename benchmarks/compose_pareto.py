"""Composed policies against every single strategy on several aims, and the search itself against pymoo's.

    python benchmarks/compose_pareto.py --data ml-1m|beauty|ml-100k [--trials 60]   # real users
    python benchmarks/compose_pareto.py --problems [ZDT1 ZDT2 DTLZ2] [--evaluations 300]   # all three where none is named
    python benchmarks/compose_pareto.py --problems --sampler gp --keep FOLDER       # goes on where it was, after a kill too

Real users: leave-last-out, full ranking, seen items hidden. ``recloop compose tune`` searches on validation users. Then
all is trained anew on the training events, objectives are learned on users of the validation split, and the points found
are judged once on the test events, beside every single strategy, on the same users (paired t, 95%).

Problems: hypervolume after equal evaluations, by the search's NSGA-II (Optuna) and by pymoo's (an oracle: where it is
not installed, its column stays empty), and both volumes by both implementations. With ``--keep`` every search stays in
the folder, and the same command goes on where it was.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

AIMS = ("ndcg@10", "novelty@10", "diversity@10")
LOGS = {
    "ml-1m": {"events": "ml-1m/ratings.parquet", "items": "ml-1m/movies_text.parquet"},
    "beauty": {"events": "amazon-2014-5core/Beauty.txt"},
    "ml-100k": {"events": "ml-100k/raw/u.data", "items": "ml-100k/raw/u.item"},
}
COLUMNS = """kind = "rating"
[data.columns]
user = "user"
item = "item"
value = "rating"
order = "order"
[data.item_columns]
item = "item"
title = "title"
category = "genres"
"""
SOURCES = ("popular", "transitions", "item-knn", "ease")


def real(options: argparse.Namespace) -> dict:
    data = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")).resolve()
    files = {what: data / path for what, path in LOGS[options.data].items()}
    if not files["events"].is_file():
        sys.exit(print(f"not measured: no real data at {data}; set RECLOOP_TEST_DATA"))

    from recloop.app.compose import tune_policies
    from recloop.compose import Catalogue, build
    from recloop.data.source import read
    from recloop.evaluate import evaluate
    from recloop.loop.objectives import learned_for
    from recloop.loop.plan import child_seed, read_plan
    from recloop.loop.run import fit_strategies
    from recloop.loop.vectors import item_vectors
    from recloop.progress import SILENT
    from recloop.stats import paired

    with kept(options.keep) as folder:
        path = folder / "recloop.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f'{what} = "{file}"' for what, file in files.items()]
        path.write_text(
            "[data]\n" + "\n".join(lines) + "\n" + (COLUMNS if options.data == "ml-1m" else "")
            + f'[split]\nname = "leave-last-out"\n[strategies]\nuse = {json.dumps(SOURCES)}\n'
            + '[metrics]\nnames = ["ndcg"]\n'
        )  # fmt: skip
        start = time.process_time()
        found = tune_policies(path, metrics=AIMS, sources=SOURCES, trials=options.trials).found
        searched = time.process_time() - start
        plan = read_plan(path)
        dataset = read(plan.source).dataset
        split = plan.splitter(dataset)
        validation = plan.splitter(split.train)
        start = time.process_time()
        early, _, _ = fit_strategies(plan, validation.train, {}, SILENT)
        late, _, _ = fit_strategies(plan, split.train, {}, SILENT)
        early_vectors = item_vectors(early.values(), validation.train).values
        vectors = item_vectors(late.values(), split.train).values
        policies = {}
        for pick in found.picks:
            objectives, policy = None, pick.policy
            if policy.objectives is not None:
                seed = child_seed(0, "objectives")
                policy, objectives = learned_for(policy, early, split.train, validation, early_vectors, seed=seed)
                objectives = objectives.refreshed(split.train, vectors)
            policies[pick.name] = build(
                policy, late, vectors, catalogue=Catalogue(dataset.items, objectives=objectives)
            )
        alone = {name: late[name] for name in SOURCES}
        judged = evaluate(split, {**alone, **policies}, [*AIMS, "coverage@10", "recall@10"], vectors=vectors)
        taken = time.process_time() - start
        rows, answer = list(alone) + list(policies), {}
        print(f"{options.data}: {len(split):,} test users, {dataset.n_items:,} items, {options.trials} trials")
        print(f"{'policy':<20}" + "".join(f"{aim:>22}" for aim in (*AIMS, "coverage@10")))
        for name in rows:
            line = f"{name:<20}"
            for aim in (*AIMS, "coverage@10"):
                row = judged.leaderboard.filter(strategy=name, metric=aim).row(0, named=True)
                line += f"{row['value']:.4f} ±{(row['high'] - row['low']) / 2:.4f}".rjust(22)
            print(line)
        for name in policies:
            for other in alone:
                effects = {aim: paired(judged.per_user[name, aim], judged.per_user[other, aim]) for aim in AIMS}
                better = [aim for aim, effect in effects.items() if effect.low > 0]
                lost = effects[AIMS[0]].high < 0
                verdict = "dominates" if len(better) >= 2 and not lost else "does not dominate"
                answer[f"{name} vs {other}"] = {"better": better, "first lost": lost}
                said = ", ".join(
                    f"{aim} {e.estimate:+.4f} ({e.low:+.4f} to {e.high:+.4f})" for aim, e in effects.items()
                )
                print(f"{name} {verdict} {other}: {said}")
        print(f"volume of the front {found.volume:.3f}, of the single strategies {found.alone:.3f}; "
              f"search {searched:.0f} CPU s, training and test {taken:.0f} CPU s")  # fmt: skip
        return answer


def zdt(kind: int):
    def values(x):
        import numpy as np

        g = 1 + 9 * x[1:].mean()
        ratio = x[0] / g
        return np.array([x[0], g * (1 - (ratio**0.5 if kind == 1 else ratio**2))])

    return values


def dtlz2(x):
    import numpy as np

    g = ((x[2:] - 0.5) ** 2).sum()
    a, b = x[0] * np.pi / 2, x[1] * np.pi / 2
    return (1 + g) * np.array([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])


PROBLEMS = {"ZDT1": (zdt(1), 10, 2, 6.0), "ZDT2": (zdt(2), 10, 2, 6.0), "DTLZ2": (dtlz2, 7, 3, 2.0)}


def pymoo_problem(function, wide: int, axes: int):
    """The function as pymoo takes it; ``seen`` holds all that was evaluated."""
    from pymoo.core.problem import ElementwiseProblem

    class Problem(ElementwiseProblem):
        def __init__(self):
            super().__init__(n_var=wide, n_obj=axes, xl=0.0, xu=1.0)
            self.seen = []

        def _evaluate(self, x, out, *_, **__):
            out["F"] = function(x)
            self.seen.append(out["F"])

    return Problem()


@contextlib.contextmanager
def kept(folder: Path | None):
    """The folder, or one that goes away."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def problems(options: argparse.Namespace) -> dict:
    import numpy as np

    from recloop.evaluate import hypervolume
    from recloop.loop.space import Range
    from recloop.loop.study import Study

    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.indicators.hv import HV
        from pymoo.optimize import minimize
    except ImportError:
        HV = None
    answer = {}
    print(f"{'problem':<8}{'ours':>10}{'pymoo':>10}{'ratio':>8}   largest relative difference of the two volumes")
    for name in options.problems or PROBLEMS:
        function, wide, axes, corner = PROBLEMS[name]
        ours, theirs, gap = [], [], 0.0
        for seed in range(options.seeds):
            space = {f"x{at:02d}": Range(low=0.0, high=1.0) for at in range(wide)}
            with kept(options.keep) as folder:
                place = folder / f"{name}-{options.sampler}-{seed}"
                place.mkdir(parents=True, exist_ok=True)
                study = Study(place, None, space, axes, seed, sampler=options.sampler)
                while study.begun < options.evaluations:
                    trial = study.ask(None)
                    merits = -function(np.array([trial.params[at] for at in space]))
                    values = {str(at): float(merit) for at, merit in enumerate(merits)}
                    study.tell(trial, "complete", merits, settings={}, values=values, seconds=0.0, reason="")
                tried = [list(trial.values.values()) for trial in study.trials()[: options.evaluations]]
            points, low = np.array(tried), np.full(axes, -corner)
            ours.append(hypervolume(points, low))
            if options.keep is not None:
                print(f"{name}, seed {seed}: {ours[-1]:.4f}", file=sys.stderr, flush=True)
            if HV is not None:
                problem = pymoo_problem(function, wide, axes)
                minimize(problem, NSGA2(pop_size=20), ("n_eval", options.evaluations), seed=seed)
                theirs.append(hypervolume(-np.array(problem.seen), low))
                for seen in (points, -np.array(problem.seen)):
                    reference = HV(ref_point=np.full(axes, corner))(-seen)
                    gap = max(gap, abs(hypervolume(seen, low) - reference) / reference)
        mean = float(np.mean(ours))
        answer[name] = {"ours": mean, "pymoo": float(np.mean(theirs)) if theirs else None, "gap": gap}
        other = f"{np.mean(theirs):10.4f}{mean / np.mean(theirs):8.3f}   {gap:.1e}" if theirs else f"{'-':>10}"
        print(f"{name:<8}{mean:10.4f}{other}")
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=LOGS, default="ml-1m")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="keep the search in this folder, and go on with it")
    parser.add_argument(
        "--problems",
        nargs="*",
        choices=PROBLEMS,
        help="standard problems instead of real users; all where none is named",
    )
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sampler", choices=("nsga2", "gp"), default="nsga2")
    parser.add_argument("--json", action="store_true", help="one JSON document after the table")
    options = parser.parse_args()
    answer = problems(options) if options.problems is not None else real(options)
    if options.json:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
