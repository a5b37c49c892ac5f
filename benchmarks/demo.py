"""What ``recloop demo`` takes from a fresh start: seconds, CPU seconds and peak memory of all its processes, over seeds.

    python benchmarks/demo.py [--seeds 3] [--quick]

Vectors of texts are not in any cache before. Memory is the sum over the command and the service that it starts, each
shared page counted once (proportional set size), looked at ten times a second: Linux only. Everything about the shop
is a simulation; the last column says whether the decision is the one that its known truth calls for.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def family(root: int) -> list[int]:
    """A process and its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # it has ended
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def memory(processes: list[int]) -> int:
    """Bytes of proportional set size."""
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def demo(seed: int, *, quick: bool) -> tuple[dict, float, float, int]:
    """The answer of ``recloop demo``, its seconds, CPU seconds and peak memory in bytes."""
    with tempfile.TemporaryDirectory() as temporary:
        words = ["--quick"] if quick else []
        command = [sys.executable, "-m", "recloop", "demo", "--json", "--seed", str(seed), "--out", "demo", *words]
        environment = {**os.environ, "RECLOOP_CACHE": str(Path(temporary) / "cache")}
        answer = Path(temporary) / "answer.json"
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with answer.open("w") as out:
            process = subprocess.Popen(command, cwd=temporary, env=environment, stdout=out)
            peak = 0
            while process.poll() is None:
                peak = max(peak, memory(family(process.pid)))
                time.sleep(0.1)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            sys.exit(f"recloop demo --seed {seed} ended with {process.returncode}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return json.loads(answer.read_text()), wall, cpu, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many shops")
    parser.add_argument("--quick", action="store_true", help="the smaller shop, without the language model")
    options = parser.parse_args()
    print(f"{'seed':>4}{'s':>8}{'CPU s':>8}{'MiB':>8}  {'verdict':<12}agrees with the known truth")
    for seed in range(options.seeds):
        answer, wall, cpu, peak = demo(seed, quick=options.quick)
        print(
            f"{seed:>4}{wall:8.0f}{cpu:8.0f}{peak / 2**20:8,.0f}  {answer['verdict']:<12}{answer['agrees_with_truth']}",
            flush=True,
        )
    print("(goals: under 180 s on two cores, under 2 GB)")


if __name__ == "__main__":
    main()
