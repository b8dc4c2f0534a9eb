"""The benchmark of the page's arithmetic runs, on a small picture, and finds what torch finds."""

import re
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "browser.py"


def test_it_prints_a_table_with_every_contestant(chromium: str):
    command = [sys.executable, str(BENCHMARK), "--rounds", "1", "--size", "32"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    rows = re.findall(r"^(\S.*?)\s{2,}([\d.]+)\s+([\d.]+)(?:\s+(\d)e-(\d+))?", found.stdout, re.M)
    names = [row[0] for row in rows]
    pages = ["page, relaxed SIMD", "page, SIMD", "page, plain JavaScript"]
    assert names == [
        "torch, default layout",
        "torch, channels_last",
        *pages,
        "torch, ippy.Blurring",
        *pages,
    ]
    assert all(float(time) > 0 for _, time, *_ in rows)
    digits = [int(row[4]) for row in rows if row[4]]
    assert len(digits) == 3 and min(digits) >= 6, "each differs from torch by rounding only"
