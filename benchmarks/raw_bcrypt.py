"""How fast given cores can hash at all, one thread on each. Prints a JSON line.

python -m benchmarks.raw_bcrypt HASHES CORES
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
    hashes, cores = int(sys.argv[1]), {int(core) for core in sys.argv[2].split(",")}
    os.sched_setaffinity(0, cores)
    stored = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(ROUNDS))
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(len(cores)) as pool:
        verdicts = list(pool.map(lambda _: bcrypt.checkpw(PASSWORD, stored), range(hashes)))
    assert all(verdicts)
    processor = (time.process_time() - used) / hashes
    elapsed = (time.perf_counter() - started) / hashes
    print(json.dumps({"processor": processor, "elapsed": elapsed}))


if __name__ == "__main__":
    main()
