"""Become another program that ends when the process that started it ends.

Run as a script of its own, `dies_with_parent.py PARENT_ID PROGRAM ARGUMENT…`, because code between
fork and exec (subprocess's `preexec_fn`) can deadlock where threads run. On Linux the kernel keeps
the promise even when the parent is killed; elsewhere only an orderly end stops the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent_id, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent_id):  # it ended before we asked
        sys.exit(1)
    os.execv(program, [program, *arguments])  # noqa: S606 - the program is our caller's choice


if __name__ == "__main__":
    main()
