"""Runs a command, and writes its exit status, peak memory and times to a JSON file.

    python -m benchmarks.usage FILE COMMAND [ARGUMENT ...]

A process of its own, because on Linux a child's peak is at least the size of the process that
starts it, and this one is small. The peak is that of the largest process, not a sum.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
"""Where the commands of both packages are."""


def main() -> int:
    """Run the command and return its exit status."""
    file, *command = sys.argv[1:]
    start = time.perf_counter()
    status = subprocess.run(command).returncode
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = {
        "status": status,
        "peak_mib": usage.ru_maxrss / 1024,
        "wall_seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }
    Path(file).write_text(json.dumps(facts))
    return status


def measured(command: list[object], file: Path) -> dict[str, float]:
    """What a command used. Raises CalledProcessError if it fails."""
    words = [sys.executable, "-m", "benchmarks.usage", str(file), *map(str, command)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return json.loads(file.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
