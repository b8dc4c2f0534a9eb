"""The picture on the landing page and in the README: `python book/figures/hero.py`.

One test slice, its measurement, and what a Wiener filter and the network make of it, computed from
the embedded data and the shipped weights.
"""

import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from ippy.classical import tune, wiener
from ippy.course import NOISE_LEVEL, blurring, datasets, load_model
from ippy.figures import INK, STYLE
from ippy.metrics import psnr
from ippy.training import measure

FOLDER = Path(__file__).resolve().parent
SLICE = 2
TOP, LEFT, SIDE = 152, 30, 60
BRIGHTEST = 0.62


def reconstructions() -> tuple[Tensor, dict[str, Tensor]]:
    """The slice, (1, 1, H, W), and what is to be shown beside it, by title."""
    train_set, test_set = datasets()
    K = blurring()
    x = test_set[SLICE][None]
    y_delta = measure(x, K, NOISE_LEVEL, seed=SLICE)
    values = [10 ** (k / 4) for k in range(-18, -1)]
    constant = tune(wiener, K, train_set, values, NOISE_LEVEL)
    with torch.no_grad():
        x_hat = load_model("CNN")(y_delta)
    return x, {
        "measurement": y_delta,
        "Wiener filter": wiener(y_delta, K, constant),
        "network": x_hat,
    }


def draw(x: Tensor, shown: dict[str, Tensor]) -> Figure:
    style = STYLE | {"font.size": 12, "axes.titlesize": 14}
    with mpl.rc_context(style):
        fig, axes = plt.subplots(
            2, 4, figsize=(12, 6.3), layout="constrained", height_ratios=(1, 1)
        )
        for column, (name, image) in enumerate({"true slice": x, **shown}.items()):
            score = "" if image is x else f"   {psnr(image, x).item():.1f} dB"
            picture = image[0, 0].clamp(0, 1)
            detail = picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
            for ax, part in zip(axes[:, column], (picture, detail), strict=True):
                ax.imshow(part, cmap="gray", vmin=0, vmax=BRIGHTEST)
                ax.set(xticks=[], yticks=[])
                for spine in ax.spines.values():
                    spine.set(visible=True, color=INK)
            axes[0, column].set_title(name + score)
            axes[0, column].add_patch(
                Rectangle((LEFT, TOP), SIDE, SIDE, fill=False, ec="white", lw=1.5)
            )
    return fig


def main() -> None:
    fig = draw(*reconstructions())
    file = io.BytesIO()
    fig.savefig(file, dpi=100)
    plt.close(fig)
    Image.open(file).convert("L").save(FOLDER / "hero.png", optimize=True)


if __name__ == "__main__":
    main()
