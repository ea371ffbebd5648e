"""How much memory this process holds."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_UNIT = 1024 * 1024 if sys.platform == "darwin" else 1024  # of ru_maxrss, in a MiB


def rss_mib() -> float:
    """Resident memory of this process, MiB; where the system has no ``/proc``, the most it ever was."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024
    return peak_mib()


def peak_mib() -> float:
    """The most resident memory that this process ever held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
