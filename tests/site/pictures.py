"""Pictures and weights that a test puts in the place of a page's own."""

import base64
import io
import json
from typing import Any

import numpy as np
from browser import Visit
from PIL import Image
from torch import Tensor


def as_asset(picture: Tensor) -> dict[str, Any]:
    """A picture (256, 256) of whole numbers / 255 as the page's slices are delivered."""
    file = io.BytesIO()
    Image.fromarray((picture * 255).round().numpy().astype(np.uint8)).save(file, format="PNG")
    return {
        "number": 0,
        "png": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
    }


def replace(visit: Visit, name: str, asset: dict[str, Any]) -> None:
    """Let a visited page, before it is opened, get this asset instead of its own of that name."""
    script = f"ippy.deliver({json.dumps(name)}, {json.dumps(asset)});"
    visit.context.route(f"**/{name}.js*", lambda route: route.fulfill(body=script))
