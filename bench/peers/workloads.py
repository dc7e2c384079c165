"""What the peers in Python share: nilu's workloads as data, the clock, and the line of JSON that script/bench reads."""
import argparse
import json
import os
import resource
import statistics
import time

# When the process was started, as the one that started it read on the same clock; the interpreter's own start counts.
BEGIN = float(os.environ.get("PEER_BEGIN", time.monotonic()))
# name: sizes, batch, learning rate, optimizer. W8 and W8b4 have tanh and squared error, the others relu and cross-entropy. W3 and
# W4 are nets for pictures [channels, height, width] with ten classes.
WORKLOADS = {
    "W1": ([784, 512, 512, 10], 64, 1e-3, "adam"),
    "W2": ([784, 128, 10], 32, 1e-2, "sgd"),
    "W3": ([1, 28, 28], 64, 1e-2, "momentum"),
    "W4": ([3, 32, 32], 128, 1e-2, "momentum"),
    "W8": ([2, 3, 1], 1, 1e-2, "sgd"),
    "W8b4": ([2, 3, 1], 4, 1e-2, "sgd"),
}


def arguments(ways=("plain",)):
    """`ways`: what the program can do otherwise, in its last operand."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("seconds", type=float)
    parser.add_argument("threads", type=int)
    parser.add_argument("precision", choices=["f32", "bf16"])
    parser.add_argument("way", choices=ways, nargs="?", default=ways[0])
    return parser.parse_args()


def measure(name, batch, step, finish, seconds):
    """step() may return before the work is done; finish() waits for it."""
    step()
    finish()
    first = time.monotonic() - BEGIN
    for _ in range(3):
        step()
    finish()
    least, times = min(seconds / 20, 0.02), 1

    def several(n):
        begin = time.perf_counter()
        for _ in range(n):
            step()
        finish()
        return time.perf_counter() - begin

    while True:
        took = several(times)
        if took >= least:
            break
        times = times * 10 if took < least / 100 else int(times * 1.2 * least / took) + 1
    runs, end = [], time.perf_counter() + seconds
    while len(runs) < 5 or time.perf_counter() < end:
        runs.append(several(times) / times)
    median = statistics.median(runs)
    print(json.dumps({"event": "workload", "workload": name, "step_us": median * 1e6, "samples_per_second": batch / median,
                      "steps_per_second": 1 / median, "first_step_ms": first * 1e3,
                      "resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
