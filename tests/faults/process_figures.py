"""What Linux says of a process: its time of the processor, its memory, its open files."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Seconds of one core, in user and system mode, since the process began.

    Source: proc_pid_stat(5), fields 14 and 15; the second field may hold blanks and parentheses.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid: int) -> int:
    """Memory that is in RAM. Source: proc_pid_statm(5), field 2, in pages."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def open_files(pid: int) -> int:
    """Files, sockets and pipes."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
