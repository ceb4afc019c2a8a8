"""How fast these cores can hash at all: one JSON line, as a process of its own on given cores.

python -m benchmarks.raw_bcrypt HASHES THREADS
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt

ROUNDS = 12
PASSWORD = b"correct horse battery staple"


def main() -> None:
    hashes, threads = (int(argument) for argument in sys.argv[1:])
    stored = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(ROUNDS))
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        verdicts = list(pool.map(lambda _: bcrypt.checkpw(PASSWORD, stored), range(hashes)))
    assert all(verdicts)
    used = (time.process_time() - used) / hashes
    elapsed = (time.perf_counter() - started) / hashes
    print(json.dumps({"used": used, "elapsed": elapsed, "cores": len(os.sched_getaffinity(0))}))


if __name__ == "__main__":
    main()
