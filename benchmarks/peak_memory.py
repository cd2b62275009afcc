"""The peak memory of a process of a benchmark, without that of the process that started it.

Linux's `ru_maxrss` survives `exec` (getrusage(2)): a process starts with the peak of the process that started it.
`VmHWM` of /proc/self/status belongs to the program alone (proc_pid_status(5)).
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_memory() -> float:
    """Return the peak resident memory of this process, in MB (1,000,000 bytes)."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else KiB (getrusage(2))
    return most * (1 if sys.platform == "darwin" else 1024) / 1e6
