"""What a check answers: right, not begun, or which mistake was made.

A check is a function of one exercise. It calls what the student wrote, compares, and returns a
`Mistake` or None; the decorator `exercise` turns that into a `Verdict`, which a notebook shows as
two or three sentences. Whatever goes wrong in the student's code becomes a sentence too: a check
never ends in a traceback.
"""

from __future__ import annotations

import functools
import html
import linecache
import re
import traceback
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

CHAPTERS = {
    1: "01-convolution",
    2: "02-cnn",
    3: "03-end-to-end",
    4: "04-equivariance",
    5: "05-activations",
}


@dataclass(frozen=True)
class Mistake:
    """One mistake that a student can make.

    Parameters
    ----------
    name : short and stable, for tests and graders: "kernel not flipped".
    sentence : what happened, in words a beginner understands.
    hint : what to look at or to try; not the solution.
    paragraph : the heading of the chapter to read again, word for word.
    """

    name: str
    sentence: str
    hint: str = ""
    paragraph: str = ""

    def because(self, sentence: str) -> Mistake:
        """The same mistake, told with the numbers of this case."""
        return Mistake(self.name, sentence, self.hint, self.paragraph)


NOT_BEGUN = Mistake(
    "not begun",
    "There is nothing to check yet.",
    "Replace the line that raises NotImplementedError, run that cell, then this one.",
)


class Found(Exception):
    """Ends a check from within a helper: this mistake has been found."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.name)
        self.mistake = mistake


@dataclass(frozen=True)
class Verdict:
    """The answer of a check; true if the exercise is solved.

    `require()` is for graders: it raises AssertionError with the sentences unless the exercise is
    solved.
    """

    title: str
    chapter: int
    mistake: Mistake | None = None
    praise: str = field(default="Right.")

    def __bool__(self) -> bool:
        return self.mistake is None

    def require(self) -> Verdict:
        """Return the verdict if it is good, otherwise raise AssertionError with its text."""
        if self.mistake is not None:
            raise AssertionError(str(self))
        return self

    @property
    def _mark(self) -> str:
        if self.mistake is None:
            return "✓"
        return "○" if self.mistake.name == NOT_BEGUN.name else "✗"

    @property
    def _link(self) -> str:
        if self.mistake is None or not self.mistake.paragraph:
            return ""
        return "#" + anchor(self.mistake.paragraph)

    def __str__(self) -> str:
        if self.mistake is None:
            return f"{self._mark} {self.title}: {self.praise}"
        lines = [f"{self._mark} {self.title}: {self.mistake.sentence}"]
        if self.mistake.hint:
            lines.append(f"  Hint: {self.mistake.hint}")
        if self._link:
            lines.append(f"  Read again: chapter {self.chapter}, “{self.mistake.paragraph}”")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same sentences with a link into the chapter; plain enough for a dark page."""
        title, parts = html.escape(self.title), []
        if self.mistake is None:
            parts.append(f"<strong>{self._mark} {title}:</strong> {html.escape(self.praise)}")
        else:
            sentence = html.escape(self.mistake.sentence).replace("\n", "<br>")
            parts.append(f"<strong>{self._mark} {title}:</strong> {sentence}")
            if self.mistake.hint:
                parts.append(f"<br><em>Hint:</em> {html.escape(self.mistake.hint)}")
            if self._link:
                heading = html.escape(self.mistake.paragraph)
                parts.append(f'<br>Read again: <a href="{html.escape(self._link)}">{heading}</a>')
        return f'<div class="ippy-verdict">{"".join(parts)}</div>'


def anchor(heading: str) -> str:
    """The address of a heading within its page, as docutils makes it: letters, digits, hyphens.

    >>> anchor("Convolution or cross-correlation?")
    'convolution-or-cross-correlation'
    """
    plain = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", plain))


def exercise(
    title: str, chapter: int, praise: str = "Right."
) -> Callable[[Callable[..., Mistake | None]], Callable[..., Verdict]]:
    """Turn a function that returns a `Mistake` or None into a check that returns a `Verdict`.

    When the check is done, torch's global random state, gradient mode and default type are as
    before: a check must not change what the next cell of the notebook computes.
    """

    def decorate(examine: Callable[..., Mistake | None]) -> Callable[..., Verdict]:
        @functools.wraps(examine)
        def check(*answers: Any, **named: Any) -> Verdict:
            gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
            try:
                with torch.random.fork_rng(devices=[]), torch.enable_grad():
                    mistake = examine(*answers, **named)
            except Found as found:
                mistake = found.mistake
            finally:
                torch.set_grad_enabled(gradients)
                torch.set_default_dtype(dtype)
            return Verdict(title, chapter, mistake, praise)

        check.title, check.chapter = title, chapter  # type: ignore[attr-defined]
        return check

    return decorate


def run(answer: Any, *arguments: Any, **named: Any) -> Any:
    """Call what the student wrote; whatever it raises becomes a sentence.

    Tensors are handed over as copies, and an answer that changes them in place is told so: the
    caller's picture would be spoilt.

    Raises
    ------
    Found : not begun; not a function; raised an exception; returned None; changed its input.
    """
    if answer is None or answer is Ellipsis:
        raise Found(NOT_BEGUN)
    if not callable(answer):
        sentence = f"A function is expected here, this is {_what(answer)}."
        hint = "Hand over the function itself, without brackets: check(my_function)."
        raise Found(Mistake("not a function", sentence, hint))
    handed = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
    before = [a.detach().clone() if isinstance(a, torch.Tensor) else None for a in handed]
    try:
        result = answer(*handed, **named)
    except NotImplementedError as error:
        if "not implemented for" in str(error):  # torch's own, for an unfit dtype
            raise Found(_raised(error, arguments)) from None
        raise Found(NOT_BEGUN) from None
    except (Exception, SystemExit) as error:
        raise Found(_raised(error, arguments)) from None
    if result is None or result is Ellipsis:
        sentence = "Your function returns nothing (None)."
        raise Found(Mistake("returns nothing", sentence, "Is there a `return` at its end?"))
    for given, kept in zip(handed, before, strict=True):
        if kept is not None and not torch.equal(given.detach(), kept):
            sentence = "Your function changes the tensor that it is given, in place."
            hint = (
                "Make a new tensor, or work on x.clone(); `x += 1` and `x[...] = 0` write into x."
            )
            raise Found(Mistake("changes its input", sentence, hint))
    return result


def tensor(result: Any, shape: tuple[int, ...] | None = None) -> torch.Tensor:
    """A student's result as a float64 tensor: numbers, lists and numpy arrays are welcome.

    Axes of length 1 in front are added or dropped if that gives `shape`.

    Raises
    ------
    Found : not numeric; another shape; NaN or infinite.
    """
    try:
        value = torch.as_tensor(result).detach().cpu().to(torch.float64)
    except Exception:
        sentence = f"A tensor of numbers is expected, your function returns {_what(result)}."
        raise Found(Mistake("not a tensor", sentence)) from None
    if shape is not None and tuple(value.shape) != shape:
        long, short = sorted((tuple(value.shape), shape), key=len, reverse=True)
        extra = len(long) - len(short)
        if extra and long[extra:] == short and set(long[:extra]) == {1}:
            value = value.reshape(shape)
        else:
            sentence = f"The shape is {tuple(value.shape)}, expected {shape}."
            raise Found(Mistake("another shape", sentence))
    if not bool(value.isfinite().all()):
        sentence = "The result holds NaN or infinity."
        hint = "Look for a division by zero, or a logarithm or root of a negative number."
        raise Found(Mistake("not finite", sentence, hint))
    return value


def close(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    """Whether two arrays agree: max |a − b| ≤ tolerance · max(1, max |b|)."""
    a, b = (torch.as_tensor(z).detach().to(torch.float64) for z in (a, b))
    if a.shape != b.shape:
        return False
    if a.numel() == 0:
        return True
    return bool((a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max())))


def differs(answer: torch.Tensor, expected: torch.Tensor) -> Mistake:
    """Where an answer differs first, for mistakes that nobody has foreseen."""
    expected = expected.to(torch.float64)
    gap = (answer - expected).abs()
    if gap.ndim == 0:
        sentence = f"The result is {float(answer):.5g}, expected {float(expected):.5g}."
        return Mistake("another value", sentence)
    wrong = gap > 1e-4 * max(1.0, float(expected.abs().max()))
    place = tuple(int(i) for i in wrong.nonzero()[0]) if bool(wrong.any()) else (0,) * gap.ndim
    sentence = (
        f"{int(wrong.sum())} of {wrong.numel()} numbers are off; the first at {list(place)}: "
        f"{float(answer[place]):.5g}, expected {float(expected[place]):.5g}."
    )
    return Mistake("another value", sentence, "Compute that one number by hand.")


def _what(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, (int, float, str)):
        return f"{type(value).__name__} {value!r}"
    return f"an object of type {type(value).__name__}"


def _raised(error: BaseException, arguments: tuple[Any, ...]) -> Mistake:
    """The exception in words, with the student's own line: the deepest that is in no library."""
    package = str(Path(__file__).resolve().parents[1])
    libraries = (package, "site-packages", "dist-packages")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(library in frame.filename for library in libraries)
    ]
    where = ""
    if frames:
        frame = frames[-1]
        line = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
        where = f" in line {frame.lineno} of your cell: {line}" if line else ""
    shapes = [str(tuple(a.shape)) for a in arguments if isinstance(a, torch.Tensor)]
    given = f" (it was given {' and '.join(shapes)})" if shapes else ""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    sentence = f"Your code stopped with {type(error).__name__}: {first}{given}{where}"
    hint = "Call your function yourself with a small tensor, and print the shapes on the way."
    return Mistake("raised", sentence, hint)
