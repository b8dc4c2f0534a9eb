"""What `import ippy` costs: fresh processes, against `import torch`, in turns.

python benchmarks/imports.py [--rounds N]
"""

import argparse
import statistics
import subprocess
import sys

from machine import machine

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
NAMES = ("torch", "ippy")


def seconds(name: str) -> float:
    """Of the import alone, in a Python that has just started."""
    command = [sys.executable, "-c", CODE.format(name)]
    return float(subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="processes of each")
    rounds = parser.parse_args().rounds
    for name in NAMES:
        seconds(name)  # compiled, and in the system's file cache
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(rounds):
        for name in NAMES:
            times[name].append(seconds(name))
    print(machine())
    print("import     s, least   median    ratio of the least   of the medians")
    least, middle = (f(times["torch"]) for f in (min, statistics.median))
    for name in NAMES:
        a, b = min(times[name]), statistics.median(times[name])
        print(f"{name:8}{a:11.3f}{b:9.3f}{a / least:16.3f}{b / middle:17.3f}")


if __name__ == "__main__":
    main()
