#!/usr/bin/env python3
"""nilu train on tables, as a newcomer types it, beside scikit-learn's MLP with its default settings, on the same splits.

    PYTHON bench/tables.py [--nilu build/release/nilu] [--seeds 10] [--threads 1] FOLDER [FILE ...]

Needs a Python with scikit-learn, which nothing else does. For each table and seed a fifth is held out, the same rows for
both; nilu is given the file and the target, scikit-learn what its users write themselves: missing numbers filled with the
mean, numbers and the target scaled, texts one-hot. Prints accuracy or R², mean and deviation over the seeds, the mean
difference with its standard error, and the seconds of a training (nilu's with starting the process and reading the file).
"""
import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

try:
    import numpy as np
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
except ImportError:
    sys.exit("bench/tables.py: this Python has no scikit-learn; run it with one that has (pip install scikit-learn)")

# file, target, does it name classes?
TABLES = [("iris.csv", "target", True), ("wine.csv", "target", True), ("breast-cancer.csv", "target", True),
          ("digits.csv", "target", True), ("titanic.csv", "Survived", True), ("adult.data", "Salary", True),
          ("diabetes.csv", "target", False), ("california-housing.csv", "median_house_value", False)]
MISSING = ("", "?", "NA")
MOST_TEXTS = 50  # a column of more different texts is left out, as people leave out names and tickets


def read(path):
    with open(path, newline="") as f:
        rows = [[c.strip() for c in r] for r in csv.reader(f, skipinitialspace=True) if r]
    return rows[0], rows[1:]


def columns(head, rows, target):
    """Everything but the target, and which columns are numbers and which are texts."""
    x, numbers, texts = [], [], []
    for i, name in enumerate(head):
        cells = [r[i] for r in rows]
        if name == target:
            continue
        try:
            x.append(np.array([np.nan if c in MISSING else float(c) for c in cells], dtype=object))
            numbers.append(len(x) - 1)
        except ValueError:
            if len(set(cells)) <= MOST_TEXTS:
                x.append(np.array(cells, dtype=object))
                texts.append(len(x) - 1)
    return np.stack(x, 1), numbers, texts


def theirs(numbers, texts, classes, seed):
    prepare = ColumnTransformer([("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
                                 ("texts", OneHotEncoder(handle_unknown="ignore"), texts)], sparse_threshold=0)
    net = MLPClassifier(random_state=seed) if classes else TransformedTargetRegressor(MLPRegressor(random_state=seed),
                                                                                      transformer=StandardScaler())
    return make_pipeline(prepare, net)


def ours(a, folder, target, classes, seed):
    run = os.path.join(folder, "run")
    shutil.rmtree(run, ignore_errors=True)
    train = [a.nilu, "train", os.path.join(folder, "train.csv"), "--target", target, "--seed", str(seed), "--threads", str(a.threads),
             "--out", run, "--json"]
    test = [a.nilu, "eval", run, os.path.join(folder, "test.csv"), "--json"]
    for command in (train, test):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(" ".join(command) + "\n" + done.stderr)
    return json.loads(done.stdout.strip().split("\n")[-1])["accuracy" if classes else "r2"]


def compare(a, folder, name, target, classes):
    head, rows = read(os.path.join(a.folder, name))
    x, numbers, texts = columns(head, rows, target)
    y = np.array([r[head.index(target)] for r in rows])
    y = y if classes else y.astype(float)
    scores, seconds = [], [0, 0]
    for seed in range(a.seeds):
        parts = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=seed, stratify=y if classes else None)
        for part, chosen in zip(("train", "test"), parts):
            with open(os.path.join(folder, part + ".csv"), "w", newline="") as f:
                w = csv.writer(f)
                w.writerow(head)
                w.writerows(rows[i] for i in chosen)
        times = [time.perf_counter()]
        own = ours(a, folder, target, classes, seed)
        times.append(time.perf_counter())
        model = theirs(numbers, texts, classes, seed).fit(x[parts[0]], y[parts[0]])
        other = model.score(x[parts[1]], y[parts[1]])
        times.append(time.perf_counter())
        scores.append((own, other))
        seconds = [s + t1 - t0 for s, t0, t1 in zip(seconds, times, times[1:])]
    s = np.array(scores)
    apart = s[:, 0] - s[:, 1]
    print("%-24s %-8s nilu %.4f ± %.4f   scikit-learn %.4f ± %.4f   difference %+.4f ± %.4f   %.2f s, %.2f s" % (
        name, "accuracy" if classes else "R²", s[:, 0].mean(), s[:, 0].std(), s[:, 1].mean(), s[:, 1].std(), apart.mean(),
        apart.std() / len(s) ** 0.5, seconds[0] / len(s), seconds[1] / len(s)), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder")
    p.add_argument("files", nargs="*")
    p.add_argument("--nilu", default="build/release/nilu")
    p.add_argument("--seeds", type=int, default=10)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    warnings.filterwarnings("ignore")  # that 200 iterations were not enough is part of the defaults
    folder = tempfile.mkdtemp(prefix="tables-")
    try:
        for table in TABLES:
            if not a.files or table[0] in a.files:
                compare(a, folder, *table)
    finally:
        shutil.rmtree(folder)


main()
