"""Scores candidates of f32 with numkong, once for each line that it reads, and writes the CPU time: nanoseconds a candidate.

Arguments: dot, cosine or l2; dimension; candidates. The candidates are packed as numkong wants them before anything is timed.
"""

import os
import sys
import time

import numkong
import numpy

SAMPLE_SECONDS = 0.003 if os.environ.get("LYGER_BENCH_SHORT") else 0.06
SCORES = {
    "dot": numkong.dots_packed,
    "cosine": numkong.angulars_packed,
    "l2": numkong.euclideans_packed,
}


def main(metric, dim, count):
    score = SCORES[metric]
    random = numpy.random.default_rng(1)
    query = random.random((1, dim), dtype=numpy.float32)
    candidates = numkong.dots_pack(random.random((count, dim), dtype=numpy.float32))
    score(query, candidates)
    print("ready", flush=True)
    for _ in sys.stdin:
        runs = 0
        start = time.perf_counter()
        cpu = time.process_time_ns()
        while runs == 0 or time.perf_counter() - start < SAMPLE_SECONDS:
            score(query, candidates)
            runs += 1
        print((time.process_time_ns() - cpu) / runs / count, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
