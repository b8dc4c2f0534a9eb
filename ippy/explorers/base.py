"""`Explorer`: what the interactive figures have in common, in a live notebook and in a page.

An explorer is a class beside a script of the same name: NAME.py says what can be set and what
Python makes of it, NAME.js draws. In a live notebook the two talk to each other through anywidget.
Stored in a notebook, it is a few lines of HTML: a host that the scripts of the built page bring to
life, and in it a picture for wherever there are none.
"""

import base64
import inspect
import io
from abc import abstractmethod
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
from traitlets import Dict

from ippy.explorers import bundle
from ippy.explorers.assets import Asset, catalogue
from ippy.explorers.parameters import Parameter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIVE = "application/vnd.jupyter.widget-view+json"


class Explorer(anywidget.AnyWidget):
    """An interactive figure; the parameters of the class are its keywords and its attributes.

    Setting an attribute moves the control in the page; moving the control sets the attribute.

    Raises:
        TypeError: a keyword is no parameter.
        traitlets.TraitError: a value is not allowed.
    """

    title: ClassVar[str]
    alt: ClassVar[str]
    # Pixels kept free for it on a phone, in a book's column and on a screen of its own, so that
    # nothing jumps when it comes to life.
    heights: tuple[int, int, int] = (900, 600, 600)

    _parameters = Dict().tag(sync=True)

    def __init__(self, **values: Any) -> None:
        known = self.parameters()
        unknown = [key for key in values if key not in known]
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no parameter {unknown[0]!r}; "
                f"its parameters are {', '.join(known)}"
            )
        start = {key: trait.start() for key, trait in known.items() if callable(trait.start)}
        self._provided: dict[str, Asset] = {}
        super().__init__(**{**start, **values})
        self._parameters = {key: trait.describe(self) for key, trait in known.items()}
        self.on_msg(self._answer)

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """The parameters by name, in the order in which the class states them."""
        traits = cls.class_traits()
        order = {key: n for c in reversed(cls.__mro__) for n, key in enumerate(vars(c), 1)}
        found = {key: trait for key, trait in traits.items() if isinstance(trait, Parameter)}
        return dict(sorted(found.items(), key=lambda item: order.get(item[0], 0)))

    @classmethod
    def script(cls) -> Path:
        """The script that draws it: NAME.js beside the NAME.py in which the class is."""
        return Path(inspect.getfile(cls)).with_suffix(".js")

    @classmethod
    def name(cls) -> str:
        """The name of its module, its script, its page and its host."""
        return cls.script().stem

    @classmethod
    def assets(cls) -> Mapping[str, Callable[[], Asset]]:
        """Data of its own for the page, by name, each made when it is asked for."""
        return {}

    def choices(self) -> dict[str, dict[Any, str]]:
        """Values that this instance allows besides those of the class, by parameter."""
        return {}

    @abstractmethod
    def fallback(self) -> "Figure":
        """The picture for a PDF, a page without JavaScript and a code host's preview."""
        raise NotImplementedError(f"{type(self).__name__} must have a method `fallback`")

    def provide(self, name: str, asset: Asset) -> None:
        """Give this instance an asset of its own, such as the reader's network."""
        self._provided[name] = asset
        self.send({"type": "changed", "name": name})

    def description(self) -> str:
        """What the picture shows, in words: `alt`, until something else has been chosen.

        >>> from ippy.explorers import Window
        >>> Window(stride=2).description()
        'Convolution by hand. Stride s: 2.'
        """
        told = []
        for key, trait in self.parameters().items():
            value = getattr(self, key)
            if value != (trait.start() if callable(trait.start) else trait.start):
                choices = self._parameters[key].get("choices", [])
                names = [name for choice, name in choices if choice == value]
                long = isinstance(value, list) and len(value) > 2
                told.append(f"{trait.label}: {'set by hand' if long else (*names, value)[0]}")
        return f"{self.title}. {'; '.join(told)}." if told else self.alt

    @property
    def _esm(self) -> str:
        return bundle.module(self.script(), self.title)

    def _answer(self, widget: Any, content: Any, buffers: Any) -> None:
        """Send the asset that the page has asked for."""
        if not isinstance(content, dict) or content.get("type") != "asset":
            return
        name = str(content.get("name"))
        known = {**catalogue(), **self.assets()}
        try:
            value = self._provided[name] if name in self._provided else known[name]()
            self.send({"type": "asset", "name": name, "value": value})
        except Exception as error:  # whatever it is, the page shows it and goes on
            problem = f"Python could not make {name}: {error!r}"
            self.send({"type": "asset", "name": name, "problem": problem})

    def html(self) -> str:
        """The host that a static page mounts the explorer on."""
        state = {
            "parameters": {
                key: {**told, "initial": getattr(self, key)}
                for key, told in self._parameters.items()
            },
            "assets": self._provided,
        }
        kept = zip(("phone", "column", "screen"), self.heights, strict=True)
        style = "; ".join(f"--ippy-{width}: {height}px" for width, height in kept)
        return (
            f'<div class="ippy-explorer" data-explorer="{self.name()}" style="{style}">\n'
            f'<div class="ippy-fallback">{self._picture()}</div>\n'
            '<script type="application/json" class="ippy-state">'
            f"{bundle.as_script(state)}</script>\n</div>"
        )

    def _picture(self) -> str:
        import matplotlib.pyplot as plt
        from PIL import Image

        figure = self.fallback()
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=100, facecolor="white", bbox_inches="tight")
        plt.close(figure)
        # A quarter of the PNG's size; every browser and code host shows it.
        smaller = io.BytesIO()
        picture = Image.open(file).convert("RGB")
        picture.save(smaller, format="WebP", quality=80, method=6)
        width, height = picture.size
        address = "data:image/webp;base64," + base64.b64encode(smaller.getvalue()).decode()
        alt = escape(self.description(), quote=True)
        return f'<img src="{address}" alt="{alt}" width="{width}" height="{height}">'

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None
        data, metadata = shown
        # An address in memory, as the usual text has it, would differ from run to run.
        data["text/plain"] = f"{self.title}: {self.alt}"
        data["text/html"] = self.html()
        return data, metadata
