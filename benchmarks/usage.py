"""Runs a command, and writes its exit status, peak memory and CPU time to a JSON file.

    python -m benchmarks.peers.usage FILE COMMAND [ARGUMENT ...]

A process of its own, because on Linux a child's peak is at least the size of the process that
starts it, and this one is small.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the command and return its exit status."""
    file, *command = sys.argv[1:]
    status = subprocess.run(command).returncode
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = {
        "status": status,
        "peak_mib": usage.ru_maxrss / 1024,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }
    Path(file).write_text(json.dumps(facts))
    return status


if __name__ == "__main__":
    sys.exit(main())
