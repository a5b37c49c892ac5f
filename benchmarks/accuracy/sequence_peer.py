"""The sequence strategy beside RecTools' SASRec on the same log in the same run: CPU seconds and accuracy.

    RECLOOP_PEERS=/path/to/python python benchmarks/accuracy/sequence_peer.py --data ml-100k [--epochs 10] [--json]

``RECLOOP_PEERS`` is a Python in which RecTools is installed (``pip install 'rectools[torch]'``): it cannot share an
environment with recloop, because it asks for an older NumPy. Both train with the softmax loss, two blocks, the same width, heads,
window, dropout and number of epochs, on the same events; both then rank every item for every user, seen items left out.
Everything else of the peer is its default. On one core an epoch of the peer takes minutes on MovieLens-100K, the
default, and longer on the larger logs.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, judge, options
from sequence import GOALS, METRICS, SETTINGS, log_of

PEER = """
import json, resource, sys, time
import numpy as np, pandas as pd
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.sasrec import SASRecDataPreparator

folder, settings = sys.argv[1], json.loads(sys.argv[2])
log = np.load(f"{folder}/log.npz")
frame = pd.DataFrame({Columns.User: log["user"], Columns.Item: log["item"], Columns.Weight: 1.0,
                      Columns.Datetime: pd.to_datetime(np.arange(len(log["user"])), unit="s")})
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
data = Dataset.construct(frame)
model = SASRecModel(n_blocks=2, n_heads=settings["heads"], n_factors=settings["width"], loss="softmax",
                    session_max_len=settings["window"], dropout_rate=settings["dropout"], epochs=settings["epochs"],
                    deterministic=True, verbose=0)
begun, clock = cpu(), time.perf_counter()
model.fit(data)
fit = cpu() - begun, time.perf_counter() - clock
begun = cpu()
found = model.recommend(users=np.unique(log["user"]), dataset=data, k=10, filter_viewed=True)
scored = cpu() - begun
items = np.full((int(log["user"].max()) + 1, 10), -1)
items[found[Columns.User].to_numpy(), found[Columns.Rank].to_numpy() - 1] = found[Columns.Item].to_numpy()
np.savez(f"{folder}/found.npz", items=items, cost=np.array([*fit, scored]),
         peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def movielens(folder: Path):
    """MovieLens-100K in the order of each user's events, without times."""
    from recloop.data.dataset import Dataset

    names = ["user", "item", "value", "time"]
    events = pl.read_csv(folder / "ml-100k/raw/u.data", separator="\t", has_header=False, new_columns=names)
    return Dataset.of(events.sort("user", "time").select("user", "item"))


def main() -> None:
    words = {
        "data": {"choices": ("ml-100k", *GOALS), "default": "ml-100k", "help": "which log"},
        "epochs": {"type": int, "default": 10, "help": "of both"},
    }
    arguments = options(__doc__, **words)
    peer = os.environ.get("RECLOOP_PEERS")
    if not peer or subprocess.run([peer, "-c", "import rectools"], capture_output=True, check=False).returncode:
        print("not measured: RECLOOP_PEERS names no Python with RecTools")
        return
    os.environ["RECLOOP_CACHE"] = tempfile.mkdtemp()
    os.environ["RECLOOP_LOGGER"] = "none"
    from recloop.data.rankings import Rankings
    from recloop.data.split import split
    from recloop.strategies import make

    small = arguments.data == "ml-100k"
    held = split(movielens(data_folder()) if small else log_of(arguments.data, data_folder()), "leave-last-out")
    chosen = {
        **({"width": 64} if small else SETTINGS[arguments.data]),
        "epochs": arguments.epochs,
        "patience": None,
        "held_out": 0,
    }
    ours = make("sequence", **chosen)
    board = Board(
        f"{arguments.data}, {arguments.epochs} epochs", goal=dict.fromkeys(METRICS[:2], 0.0), floor="RecTools"
    )
    with tempfile.TemporaryDirectory() as folder:
        events = held.train.events
        np.savez(f"{folder}/log.npz", user=events["user"].to_numpy(), item=events["item"].to_numpy())
        settings = {name: getattr(ours, name) for name in ("width", "window", "dropout", "heads", "epochs")}
        subprocess.run([peer, "-W", "ignore", "-c", PEER, folder, json.dumps(settings)], check=True, cwd=folder)
        with np.load(Path(folder) / "found.npz") as found:
            (cpu, seconds, scored), peak = found["cost"], int(found["peak"])
            items = found["items"][held.users]
    meter = Meter()
    meter.cpu, meter.seconds, meter.peak = float(cpu), float(seconds), peak
    theirs = Rankings(items.astype(np.int32), np.zeros(items.shape, np.float32))
    judged = judge(theirs, held.truth, held.histories, held.train, METRICS)
    board.add("RecTools", judged, meter, score_cpu_s=float(scored))
    with Meter() as meter:
        ours.fit(held.train)
    with Meter() as scoring:
        rankings = ours.rank(held.histories, 10)
    judged = judge(rankings, held.truth, held.histories, held.train, METRICS)
    board.add("sequence", judged, meter, score_cpu_s=scoring.cpu)
    board.show(arguments)
    if not arguments.json:
        print(
            f"\ntraining: {cpu / meter.cpu:.1f} times fewer CPU seconds; scoring: {scored / scoring.cpu:.1f} times fewer"
        )


if __name__ == "__main__":
    main()
