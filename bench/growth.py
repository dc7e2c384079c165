#!/usr/bin/env python3
"""Does a step's time grow as its multiply-adds do: linearly with batch and depth, with the square of the width? And what
share of this machine's peak does a net of 100 million weights reach?

    bench/growth.py [threads]

One thing doubles from row to row. "growth" is the time over that of the row above, beside what the multiply-adds grow by;
"of peak" counts multiply-adds only, the optimizer's traffic through memory (Adam: 24 bytes a weight) comes on top.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(HERE, "build", "release")


def lines(program, *words):
    return subprocess.run([os.path.join(BENCH, program), *words], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


def net(width, hidden, batch):
    return "-".join([str(width)] * (hidden + 1)) + ",%d,adam" % batch


def weights(width, hidden):
    return hidden * (width * width + width)


def step(threads, width, hidden, batch):
    """Microseconds, and GFLOP/s."""
    field = lines("bench_mlp", threads, net(width, hidden, batch))[-1].split("|")
    return float(field[5].split()[0]), float(field[6].split()[0])


def table(title, threads, peak, rows):
    print("\n%s\n%7s %6s %6s %10s %12s %9s %9s %8s" % (title, "width", "layers", "batch", "weights", "step", "growth", "of work", "of peak"))
    before = None
    for width, hidden, batch in rows:
        us, rate = step(threads, width, hidden, batch)
        work = float(us) * rate
        growth = "%8.2fx %8.2fx" % (us / before[0], work / before[1]) if before else "%9s %9s" % ("", "")
        print("%7d %6d %6d %9.1fM %9.2f ms %s %7.1f%%" % (width, hidden, batch, weights(width, hidden) / 1e6, us / 1e3, growth, 100 * rate / peak), flush=True)
        before = us, work


def main():
    threads = sys.argv[1] if len(sys.argv) > 1 else str(len(os.sched_getaffinity(0)))
    peak = float(lines("bench_gemm", threads, "f32", "none")[0].split("|")[4])
    print("f32, %s threads, peak %.1f GFLOP/s" % (threads, peak))
    table("batch", threads, peak, [(1024, 4, b) for b in (32, 64, 128, 256, 512)])
    table("width", threads, peak, [(w, 4, 256) for w in (256, 512, 1024, 2048)])
    table("depth", threads, peak, [(1024, d, 256) for d in (2, 4, 8, 16)])
    table("100 million weights", threads, peak, [(4096, 6, 256), (4096, 6, 512)])


main()
