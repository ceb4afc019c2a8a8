"""What the process does that workers are forked from, once it has imported what they need.

It has nothing else: no thread, connection or secret, which its workers would then share.
"""

import gc
import signal

from src.first_run.workers import signals_to_all

for number in signals_to_all():
    signal.signal(number, signal.SIG_IGN)
gc.freeze()  # else a worker's first collection would write to, and so copy, all that is shared
