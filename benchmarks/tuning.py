"""What `recloop tune` gains: settings found on validation users against the defaults, judged on the test events.

    python benchmarks/tuning.py [--data ml-100k|ml-1m] [--trials 30] [--strategies ease ials] [--json]

MovieLens-100K, or the item sequences of MovieLens-1M, leave-last-out. Each search sees the validation split alone; afterwards the defaults and the settings
found are trained on the training events and judged on the test events, once each, on the same users.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

METRIC = "ndcg@10"
LOGS = {"ml-100k": "ml-100k/raw/u.data", "ml-1m": "ml-1m/sasrec_sequences.txt"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=LOGS, default="ml-100k")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--strategies", nargs="+", default=["ease", "ials"])
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    log = Path(os.environ.get("RECLOOP_TEST_DATA", default)).resolve() / LOGS[options.data]
    if not log.is_file():
        sys.exit(print(f"not measured: no real data at {log}; set RECLOOP_TEST_DATA"))

    from recloop.app.tune import tune
    from recloop.data.source import read
    from recloop.evaluate import evaluate
    from recloop.loop.plan import read_plan

    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recloop.toml"
        names = ", ".join(f'"{name}"' for name in options.strategies)
        path.write_text(
            f'[data]\nevents = "{log}"\n[split]\nname = "leave-last-out"\n[strategies]\nuse = [{names}]\n'
            f'[metrics]\nnames = ["{METRIC}"]\n'
        )
        plan = read_plan(path)
        searches = {}
        for name in options.strategies:
            wall, cpu = time.perf_counter(), time.process_time()
            (searches[name],) = tune(path, strategies=[name], trials=options.trials).searches
            rows[name] = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        split = plan.splitter(read(plan.source).dataset)
        for name, found in searches.items():
            tuned = type(found.entry)(
                strategy=found.entry.strategy, settings={**found.entry.settings, **found.settings}
            )
            fitted = {"tuned": tuned.make().fit(split.train), "default": found.entry.make().fit(split.train)}
            judged = evaluate(split, fitted, [METRIC, "coverage@10"])
            gain = judged.comparisons.filter(metric=METRIC).row(0, named=True)
            rows[name] |= {
                "settings": found.best.settings,
                "validation": {"default": found.own.values[METRIC], "tuned": found.best.values[METRIC]},
                "test": {key: judged.value(key, METRIC) for key in fitted},
                "coverage": {key: judged.value(key, "coverage@10") for key in fitted},
                "difference": {key: gain[key] for key in ("difference", "low", "high", "p_value")},
                "ended_early": sum(trial.state == "pruned" for trial in found.trials),
                "trials": len(found.trials),
            }
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for name, row in rows.items():
        gap = row["difference"]
        print(
            f"{name}: {METRIC} on {len(split):,} test users {row['test']['default']:.4f} -> {row['test']['tuned']:.4f}, "
            f"{gap['difference']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f}, p {gap['p_value']:.3f}); "
            f"coverage {row['coverage']['default']:.3f} -> {row['coverage']['tuned']:.3f}\n"
            f"  on validation users {row['validation']['default']:.4f} -> {row['validation']['tuned']:.4f}; "
            f"{row['trials']} trials, {row['ended_early']} ended early; {row['cpu_s']:.1f} CPU s, {row['wall_s']:.0f} s; "
            f"{row['settings']}"
        )


if __name__ == "__main__":
    main()
