#!/usr/bin/env python3
"""nilu train with several seeds and several sets of options, seed by seed in turn: is one better, or only luckier?

    bench/seeds.py DATA [--nilu build/release/nilu] [--seeds 1-10] [--with OPTIONS] ...

The defaults come first, then each OPTIONS (one argument, as in --with "--precision bf16"). Prints, for each, mean and
deviation of the accuracy (or R2) over the seeds, mean and worst wall clock of the process from start to exit, with reading
the data and judging the test set, and the difference from the defaults seed by seed with its standard error; then the same
as JSON. MNIST in half the time, and with bf16:

    bench/seeds.py MNIST --with "-e 7 -b 256 -l 0.005" --with "--precision bf16"

A small convolutional net:

    bench/seeds.py MNIST --with "--model mnist_quick --augment \"translate 1\" --validation 0 --no-alarms --snapshots 0"
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time


def seeds(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def train(nilu, data, options, seed):
    """Score and seconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run([nilu, "train", data, *options, "--seed", str(seed), "--out", os.path.join(folder, "run"), "--json"],
                              capture_output=True, text=True)
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"bench/seeds.py: nilu train {data} {' '.join(options)} --seed {seed} ends with {done.returncode}:\n{done.stderr}")
    last = json.loads(done.stdout.splitlines()[-1])
    return (100 * last["accuracy"] if "accuracy" in last else last["r2"]), seconds


def deviation(values):
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--nilu", default=os.path.join(here, "build", "release", "nilu"))
    parser.add_argument("--seeds", type=seeds, default=range(1, 11))
    parser.add_argument("--with", dest="options", action="append", default=[])
    a = parser.parse_args()
    ways = [""] + a.options
    score, wall = [[] for _ in ways], [[] for _ in ways]
    for seed in a.seeds:
        for i, way in enumerate(ways):
            s, t = train(a.nilu, a.data, shlex.split(way), seed)
            score[i].append(s)
            wall[i].append(t)
    print(f"{a.data}, {len(a.seeds)} seeds")
    print(f"{'options':36} {'score':>8} {'+-':>6} {'seconds':>8} {'worst':>6}   against the defaults")
    table = []
    for i, way in enumerate(ways):
        gain = [x - y for x, y in zip(score[i], score[0])]
        row = {"options": way, "score": statistics.mean(score[i]), "deviation": deviation(score[i]), "scores": score[i],
               "seconds": statistics.mean(wall[i]), "worst": max(wall[i]), "gain": statistics.mean(gain),
               "error": deviation(gain) / len(gain) ** 0.5}
        against = f"{row['gain']:+.3f} +- {row['error']:.3f}" if i else ""
        print(f"{way or '(defaults)':36} {row['score']:8.3f} {row['deviation']:6.3f} {row['seconds']:8.2f} {row['worst']:6.2f}   {against}")
        table.append(row)
    print(json.dumps({"data": a.data, "seeds": list(a.seeds), "table": table}))


main()
