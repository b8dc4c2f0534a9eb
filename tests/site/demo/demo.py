"""The smallest explorer that uses everything which explorers share; only the tests know it."""

from typing import Any

from matplotlib.figure import Figure

from ippy import course
from ippy.explorers import assets
from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, flag, number, numbers, whole
from ippy.operators import Blurring

PADDINGS = ("zeros", "circular", "reflect", "replicate")


def other() -> str:
    """The name of some other shipped network."""
    return next(name for name in assets.course_settings()["networks"] if name != "CNN")


class Demo(Explorer):
    """y = Kx, x_hat = f(y + e), for a motion blur K."""

    title = "A blur & its repair"
    alt = 'A slice, its blur and its "repair"'
    heights = (1400, 900, 700)

    angle = number(lambda: course.BLUR["motion_angle"], 0, 180, step=1, label="Angle", unit="°")
    length = whole(9, 1, 31, step=2, label="Length", unit="pixels")
    noise_level = number(0.01, 0.001, 0.2, label="Noise", scale="log")
    padding = choice("zeros", PADDINGS, label="Padding")
    weights = choice("CNN", lambda: {"CNN": "The book's", other(): "Another"}, label="Weights")
    clean = flag(False, label="Without noise")
    slice = whole(0, 0, 7, label="Slice")
    taps = numbers([1, 2], length=4, low=-5, high=5, label="Taps")

    def __init__(self, model: Any = None, **values: Any) -> None:
        self.model = model
        super().__init__(**values)
        if model is not None:
            self.provide("weights/own", assets.network_asset(model))

    def choices(self) -> dict[str, dict[Any, str]]:
        return {"weights": {"own": "Your network"}} if self.model is not None else {}

    @property
    def K(self) -> Blurring:
        """The blur that the sliders describe."""
        return Blurring(
            (256, 256),
            kernel_type="motion",
            kernel_size=self.length,
            motion_angle=self.angle,
            padding=self.padding,
        )

    def fallback(self) -> Figure:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(4, 3))
        axes.imshow(self.K.kernel[0, 0].numpy())
        return figure
