"""Searches a flat index of faiss, once for each line that it reads, and writes the CPU time: nanoseconds a candidate.

Arguments: dot, l2, binary, i8-dot or i8-l2; dimension (bits of a binary one); candidates; how many are wanted.

faiss has no flat index of i8. What comes nearest is its scalar quantizer in the form that stores whole numbers from -128 to 127 in a byte each; its
queries are floats.
"""

import os
import sys
import time

import faiss
import numpy

SAMPLE_SECONDS = 0.003 if os.environ.get("LYGER_BENCH_SHORT") else 0.06


def main(kind, dim, count, k):
    faiss.omp_set_num_threads(1)
    random = numpy.random.default_rng(1)
    if kind == "binary":
        index = faiss.IndexBinaryFlat(dim)
        vectors = random.integers(0, 256, (count, dim // 8), dtype=numpy.uint8)
    elif kind.startswith("i8-"):
        metric = faiss.METRIC_INNER_PRODUCT if kind == "i8-dot" else faiss.METRIC_L2
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit_direct_signed, metric)
        vectors = random.integers(-127, 128, (count, dim)).astype(numpy.float32)
    else:
        index = faiss.IndexFlatIP(dim) if kind == "dot" else faiss.IndexFlatL2(dim)
        vectors = random.random((count, dim), dtype=numpy.float32)
    index.add(vectors)
    query = vectors[:1].copy()
    del vectors
    index.search(query, k)
    print("ready", flush=True)
    for _ in sys.stdin:
        searches = 0
        start = time.perf_counter()
        cpu = time.process_time_ns()
        while searches == 0 or time.perf_counter() - start < SAMPLE_SECONDS:
            index.search(query, k)
            searches += 1
        print((time.process_time_ns() - cpu) / searches / count, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
