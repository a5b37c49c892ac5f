"""Every benchmark of this folder, one after another, in its short form: ``make bench``.

    python benchmarks/run.py            # some minutes
    python benchmarks/run.py --full     # as in benchmarks/README.md
    python benchmarks/run.py encoding   # only those named

Each runs as a process of its own and prints its own figures. The end code is 1 where one of them failed.
"""

import argparse
import ast
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SHORT = {
    "accuracy/cold_items": (),
    "accuracy/cold_users": ("--draws", "1"),
    "accuracy/compression": ("--users", "2000", "--epochs", "2"),
    "accuracy/generative": ("--only", "transitions"),
    "accuracy/ratings": (),
    "accuracy/reasons": (),
    "accuracy/sequence": ("--data", "beauty", "--only", "transitions"),
    "accuracy/sequence_peer": ("--epochs", "1"),
    "accuracy/steering": (),
    "accuracy/transfer": ("--target", "films", "--epochs", "1", "--source-users", "500"),
    "accuracy/warm": (),
    "accuracy/zero_shot": ("--others", "200"),
    "analysis": ("--rows", "1000000", "--rounds", "1"),
    "bandits": ("--seeds", "2", "--schedules", "100"),
    "compose_pareto": ("--data", "ml-100k", "--trials", "15"),
    "classic": ("--repeat", "1"),
    "cupac": ("--salts", "100"),
    "demo": ("--seeds", "1", "--quick"),
    "encoding": ("--texts", "200"),
    "evaluation": ("--users", "5000", "--repeat", "1"),
    "feedback": ("--no-fit", "--fold", "0", "--worlds", "50"),
    "ingest": ("--seconds", "1"),
    "interleaving": ("--users", "1000"),
    "long_term": ("--users", "500", "--seeds", "1", "--play", "200"),
    "movielens": ("--data", "ml-100k"),
    "off_policy": ("--worlds", "20", "--sets", "3", "--actions", "10", "200"),
    "overrides": ("--requests", "200"),
    "problems": ("--seeds", "1", "--sizes", "1", "--slates", "40000"),
    "readout": ("--slates", "20000"),
    "ratings": ("--data", "ml-100k"),
    "retrieval": ("--items", "100000"),
    "serving": ("--seconds", "2"),
    "serving_large": ("--seconds", "3", "--items", "60000", "--users", "3000"),
    "simulation": ("--users", "500", "--days", "7"),
    "slates": ("--repeat", "3"),
    "tuning": ("--trials", "5"),
    "validity": ("core", "--worlds", "200"),  # the others have their own lines
    "validity_fixed": ("--worlds", "200"),
    "validity_sequential": ("--worlds", "400"),
    "validity_adaptive": ("--worlds", "100"),
    "validity_interleaving": ("--worlds", "100"),
}


def measures(name: str) -> str:
    """What a script measures: the first line of its docstring."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")))
    return (text or "").split("\n", 1)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"which of {', '.join(SHORT)}; all where none is named"
    )
    parser.add_argument("--full", action="store_true", help="in the form that benchmarks/README.md reports")
    options = parser.parse_args()
    for name in options.names:
        if name not in SHORT:
            parser.error(f"there is no benchmark {name!r}: choose from {', '.join(SHORT)}")
    failed = []
    for name in options.names or SHORT:
        words = () if options.full else SHORT[name]
        print(f"\n== {measures(name)}\n   python benchmarks/{' '.join((f'{name}.py', *words))}\n", flush=True)
        start = time.perf_counter()
        if subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], check=False).returncode:
            failed.append(name)
        print(f"\n   {time.perf_counter() - start:.0f} s", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
