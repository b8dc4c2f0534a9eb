"""The whole way on real CT slices, as a person goes it: look, train, evaluate, keep the weights.

Where the slices are is said by IPPY_TEST_SLICES (a root with test/<patient>/<n>.png); without it
these tests skip and say so. What is trained here is thrown away.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ippy import course
from ippy.metrics import psnr
from ippy.models import SimpleCNN, load_weights
from ippy.training import measure

ROOT = Path(__file__).resolve().parent.parent


def ippy(*arguments: str | Path, data: Path) -> str:
    environment = {**os.environ, "IPPY_DATA": str(data)}
    command = [sys.executable, "-m", "ippy", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_from_data_to_weights(real_slices: Path, tmp_path: Path):
    patient = next(p for p in sorted((real_slices / "test").iterdir()) if p.is_dir())
    files = sorted(patient.glob("*.png"))
    for split, part in (("train", files[:6]), ("test", files[6:9])):
        folder = tmp_path / "slices" / split / f"{patient.name}-{split}"
        folder.mkdir(parents=True)
        for path in part:
            (folder / path.name).symlink_to(path.resolve())
    data = tmp_path / "slices"

    assert "3" in ippy("data", "check", data=data)
    weights = tmp_path / "runs" / "real.pth"
    ippy("train", weights, "--preset", "brief", "--steps", "150", data=data)
    table = ippy("evaluate", weights, "--json", tmp_path / "scores.json", data=data)
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]

    model = load_weights(SimpleCNN(1, 1, 32), weights)
    _, test_set = course.datasets(data)
    K = course.blurring()
    x = torch.stack([test_set[i] for i in range(3)])
    numbers = [int(path.stem) for path in test_set.paths]
    y_delta = torch.stack([measure(x[i], K, 0.01, numbers[i]) for i in range(3)])
    with torch.no_grad():
        by_hand = psnr(model(y_delta), x)
    assert by_hand.tolist() == pytest.approx(scores["network"]["psnr"], abs=1e-3)
    assert psnr(y_delta, x).tolist() == pytest.approx(scores["measurement"]["psnr"], abs=1e-3)
    assert f"{by_hand.mean():.2f}" in table
    assert by_hand.mean() > psnr(y_delta, x).mean() + 1.5


@pytest.mark.slow
def test_shipped_weights_gain_five_decibels_on_slices_they_have_never_seen(
    real_slices: Path, tmp_path: Path
):
    output = tmp_path / "scores.json"
    ippy("evaluate", ROOT / "weights" / "CNN.pth", "--json", output, data=real_slices)
    scores = json.loads(output.read_text())["scores"]
    gain = scores["network"]["mean_psnr"] - scores["measurement"]["mean_psnr"]
    assert gain > 5
    assert scores["network"]["mean_psnr"] > scores["Wiener"]["mean_psnr"] + 1
