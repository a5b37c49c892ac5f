"""What users say, read: labelled complaints, product reviews, themes, and answers saved by predictions.

    python benchmarks/feedback.py few                 # 20 labels of each reason, five folds
    python benchmarks/feedback.py all --epochs 2      # all labels, five folds
    python benchmarks/feedback.py themes aspects reviews surveys

``few`` and ``all``: macro-F1 over the ten reasons of complaints about airlines, with the encoder fitted to the labels
(``--no-fit`` leaves it frozen), beside a logistic regression on frozen vectors of all-MiniLM-L6-v2 on the same folds.
``few`` learns from 20 texts of each reason; the other texts of the four folds are there without their labels. Each
fold prints its line when it is done, and ``--fold`` runs one alone.

``reviews``: probability that a good review (4 or 5 stars) scores above a bad one (1 or 2), by five folds, beside the
same regression. ``themes``: normalised mutual information of unsupervised themes with the ten reasons, beside k-means
on TF-IDF. ``aspects``: nobody labelled these texts with aspects; what can be held against labels of people is whether
``service`` finds complaints about staff and customer service, and ``delivery`` those about what came late, was
cancelled or lost. ``surveys``: a simulation: answers that are needed for the same interval with and without predictions, and
how often the interval covers the truth, also when predictions are noise.

Complaints and reviews are read from the folder that RECLOOP_TEST_DATA names. CPU seconds of one thread.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from recloop.experience.reading.clusters import clusters
from recloop.experience.satisfaction import satisfaction
from recloop.language import load_encoder
from recloop.language.aspects import Aspects, clauses
from recloop.language.labels import Labeller, class_f1, folds, mutual_information
from recloop.language.labels.grams import plain_words
from recloop.language.labels.softmax import SoftmaxHead
from recloop.language.lexicon import Lexicon
from recloop.stats.auc import auc

SHOTS = 20
FOLDS = 5
WHAT = ("few", "all", "themes", "aspects", "reviews", "surveys")
ASPECTS = {
    "service": ("Customer Service Issue", "Flight Attendant Complaints"),
    "delivery": ("Late Flight", "Cancelled Flight", "Lost Luggage"),
}


def complaints(data: Path) -> tuple[list[str], np.ndarray, list[str]]:
    frame = pl.read_parquet(data / "feedback" / "airline_tweets.parquet").drop_nulls("negativereason")
    names = sorted(frame["negativereason"].unique().to_list())
    place = {name: i for i, name in enumerate(names)}
    return frame["text"].to_list(), np.array([place[name] for name in frame["negativereason"]]), names


def labels(what: str, data: Path, given: argparse.Namespace) -> None:
    texts, y, names = complaints(data)
    plain = [plain_words(text) for text in texts]
    raw = load_encoder(max_length=128).encode(texts).astype(np.float64)  # as anybody would begin
    frozen = load_encoder(max_length=48)
    vectors = None if given.fit else frozen.encode(plain)
    fold = folds(y, FOLDS, np.random.default_rng(0))
    scores: dict[str, list[float]] = {"floor": [], "recloop": []}
    for k in [given.fold] if given.fold is not None else range(FOLDS):
        start = time.process_time()
        known, asked = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        own = known
        if what == "few":
            rng = np.random.default_rng(k)
            own = np.concatenate([rng.choice(known[y[known] == c], SHOTS, replace=False) for c in range(len(names))])
        floor = SoftmaxHead.fit(raw[own], y[own], len(names), ridge=1.0, balance=0.0)
        scores["floor"].append(f1(y[asked], floor.probabilities(raw[asked]).argmax(axis=1), len(names)))
        others = [texts[i] for i in np.setdiff1d(known, own)]
        with tempfile.TemporaryDirectory() as folder:
            encoder = fitted([plain[i] for i in own], y[own], len(names), Path(folder), given) if given.fit else frozen
            known_of, asked_of = (None, None) if vectors is None else (vectors[own], vectors[asked])
            reasons = [names[i] for i in y[own]]
            labeller = Labeller.learn([texts[i] for i in own], reasons, encoder, others=others, vectors=known_of)
            told = labeller.probabilities([texts[i] for i in asked], vectors=asked_of).argmax(axis=1)
        scores["recloop"].append(f1(y[asked], told, len(names)))
        cpu = time.process_time() - start
        line = ", ".join(f"{name} {found[-1]:.4f}" for name, found in scores.items())
        print(f"{what} fold {k}: macro-F1 {line}; {cpu:.0f} CPU s", flush=True)
    for name, found in scores.items():
        print(f"{what}, {name}: macro-F1 {np.mean(found):.4f} over {len(found)} folds", flush=True)


def fitted(texts: list[str], y: np.ndarray, classes: int, folder: Path, given: argparse.Namespace) -> object:
    from recloop.language.finetune.labels import LabelTuning, tune_to_labels

    settings = LabelTuning.for_labels(len(y), classes, epochs=given.epochs)
    tune_to_labels(texts, y, classes, folder / "encoder", settings)
    return load_encoder(str(folder / "encoder"), max_length=48)


def f1(truth: np.ndarray, told: np.ndarray, classes: int) -> float:
    return float(class_f1(truth, told, classes).mean())


def reviews(data: Path) -> None:
    frame = pl.read_csv(data / "feedback" / "amazon_alexa.tsv", separator="\t").with_columns(
        text=pl.col("verified_reviews").fill_null("").str.strip_chars()
    )
    frame = frame.filter((pl.col("rating") != 3) & (pl.col("text") != ""))
    texts, y = frame["text"].to_list(), (frame["rating"].to_numpy() > 3).astype(np.int64)
    start, encoder = time.process_time(), load_encoder(max_length=128)
    vectors = encoder.encode([plain_words(text) for text in texts])
    fold = folds(y, FOLDS, np.random.default_rng(0))
    floor, ours = np.empty(len(y)), np.empty(len(y))
    for k in range(FOLDS):
        known, asked = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        head = SoftmaxHead.fit(vectors[known].astype(np.float64), y[known], 2, ridge=1.0, balance=0.0)
        floor[asked] = head.probabilities(vectors[asked].astype(np.float64))[:, 1]
        good = ["bad", "good"]
        labeller = Labeller.learn(
            [texts[i] for i in known], [good[i] for i in y[known]], encoder, vectors=vectors[known]
        )
        ours[asked] = labeller.probabilities([texts[i] for i in asked], vectors=vectors[asked])[:, 1]
    for name, found in (("floor", floor), ("recloop", ours)):
        print(f"reviews, {name}: AUC {auc(found[y == 1], found[y == 0]):.4f} on {len(y):,} reviews")
    print(f"reviews: {time.process_time() - start:.0f} CPU s", flush=True)


def themes(data: Path) -> None:
    texts, y, _ = complaints(data)
    plain = [plain_words(text) for text in texts]
    from scipy.sparse.linalg import svds

    matrix = Lexicon.of(plain).matrix.astype(np.float64)
    left, size, _ = svds(matrix, k=100, random_state=0)
    words = left * size
    words = (words / np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    vectors = load_encoder(max_length=48).encode(plain)
    for name, found in (("k-means on TF-IDF", words), ("recloop", vectors)):
        start, runs = time.process_time(), []
        for seed in range(3):
            grouped = clusters(found, np.random.default_rng(seed), k=10)
            inside = grouped.groups >= 0
            runs.append((mutual_information(y[inside], grouped.groups[inside]), grouped.unassigned))
        information, left_out = np.mean(runs, axis=0)
        cpu = (time.process_time() - start) / 3
        print(f"themes, {name}: NMI {information:.3f}, {left_out:.0%} unassigned, {cpu:.1f} CPU s", flush=True)


def aspects(data: Path) -> None:
    texts, y, names = complaints(data)
    rows = np.random.default_rng(0).choice(len(texts), 2_000, replace=False)
    start, encoder = time.process_time(), load_encoder(max_length=48)
    known = Aspects(encoder)
    parts = [clauses(plain_words(texts[i])) for i in rows]
    owner = np.repeat(np.arange(len(rows)), [len(part) for part in parts])
    about = known.of(encoder.encode([clause for part in parts for clause in part]))
    print(f"aspects: {known.accuracy}")
    for name, reasons in ASPECTS.items():
        found = np.bincount(owner, about[:, known.names.index(name)], len(rows)) > 0
        truth = np.isin(y[rows], [names.index(reason) for reason in reasons])
        right = (found & truth).sum()
        print(
            f"aspects, {name}: of the complaints that it finds {right / found.sum():.2f} have such a reason (of all "
            f"{truth.mean():.2f}); it finds {right / truth.sum():.2f} of those that have; {len(rows):,} complaints"
        )
    print(f"aspects: {time.process_time() - start:.0f} CPU s", flush=True)


def surveys(worlds: int) -> None:
    n = 4_000
    rng = np.random.default_rng(1)
    mean = np.clip(np.rint(3.4 + rng.normal(0, np.hypot(1, 0.5), 2_000_000)), 1, 5).mean()  # of all that could be
    for name, noise in (("good predictors", 0.5), ("useless predictors", np.inf)):
        rng = np.random.default_rng(0)
        covered, plain, widths, saved = 0, 0, [], []
        for _ in range(worlds):
            liking = rng.normal(size=n)
            truth = np.clip(np.rint(3.4 + liking + rng.normal(0, 0.5, n)), 1, 5)
            seen = rng.normal(size=(n, 3)) if np.isinf(noise) else liking[:, None] + rng.normal(0, noise, (n, 3))
            chance = 0.03 + 0.07 / (1 + np.exp(-2 * liking))  # who likes it answers more often
            answers = np.where(rng.random(n) < chance, truth, np.nan)
            found = satisfaction(answers, seen, chance, rng)
            covered += found.low <= mean <= found.high
            plain += found.plain_low <= mean <= found.plain_high
            widths.append((found.high - found.low) / (found.plain_high - found.plain_low))
            saved.append(found.needed / found.needed_plain)
        print(
            f"surveys (simulation), {name}: interval covers {covered / worlds:.3f} (without predictions "
            f"{plain / worlds:.3f}), width {np.mean(widths):.2f} of that without, {np.mean(saved):.2f} of the answers "
            f"needed; {worlds} worlds",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*WHAT, []], default=[], help="all of them where none is named")
    parser.add_argument("--fit", action=argparse.BooleanOptionalAction, default=True, help="fine-tune the encoder")
    parser.add_argument("--epochs", type=int, help="of the fine-tuning; by the number of labels without")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="one fold alone")
    parser.add_argument("--worlds", type=int, default=400, help="of the simulation of surveys")
    given = parser.parse_args()
    data = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    wanted = given.what or list(WHAT)
    if "surveys" in wanted:
        surveys(given.worlds)
    if not (data / "feedback").is_dir():
        print(f"complaints and reviews not measured: no real data at {data}; set RECLOOP_TEST_DATA")
        return
    for name in wanted:
        if name in {"few", "all"}:
            labels(name, data, given)
        elif name != "surveys":
            {"themes": themes, "aspects": aspects, "reviews": reviews}[name](data)


if __name__ == "__main__":
    main()
