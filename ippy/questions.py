"""Short questions that answer back, in a live notebook and in the built page alike.

A question is plain HTML, readable without JavaScript: its possible replies stand in a folded list.
The few lines of questions.js beside this file turn that list into feedback; they need no kernel
and no network. jupyterquiz 2.9.6 was measured first: it works offline, but leaves an input without
a label and its text on too little contrast (axe: label, color-contrast), shows nothing at all
without JavaScript, and gives its parts random ids, so that no two runs agree.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path


@dataclass(frozen=True)
class Reply:
    """One answer, whether it is right, and the sentence it gets."""

    text: str
    feedback: str
    right: bool
    value: float | None = None  # of a numeric answer


@dataclass(frozen=True)
class Question:
    """What `choose` and `number` return; a notebook shows it as a small form."""

    text: str
    kind: str  # the type of its inputs: "radio", "checkbox" or "number"
    replies: tuple[Reply, ...]
    within: float = 0.0
    unit: str = ""

    def __repr__(self) -> str:
        """The question and what can be answered, the same in every run."""
        if self.kind == "number":
            return f"{self.text}\n  answer: ___ {self.unit}".rstrip()
        box = "[ ]" if self.kind == "checkbox" else "( )"
        return "\n".join([self.text, *(f"  {box} {reply.text}" for reply in self.replies)])

    def _repr_html_(self) -> str:
        name = "question-" + hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        replies = "".join(_reply(reply) for reply in self.replies)
        return (
            f'<div class="ippy-question" data-kind="{self.kind}" data-within="{self.within!r}" '
            'data-lm-suppress-shortcuts="true">\n'
            f"<fieldset><legend>{escape(self.text)}</legend>\n{self._inputs(name)}</fieldset>\n"
            f"<details><summary>Answer</summary><ul>\n{replies}</ul></details>\n</div>\n"
            f"{assets()}"
        )

    def _inputs(self, name: str) -> str:
        if self.kind == "number":
            unit = f" {escape(self.unit)}" if self.unit else ""
            field = '<input type="number" step="any" inputmode="decimal" autocomplete="off">'
            return f"<label>Your answer: {field}{unit}</label>\n"
        return "".join(
            f'<label><input type="{self.kind}" name="{name}"> {escape(reply.text)}</label>\n'
            for reply in self.replies
        )


def choose(text: str, answers: Mapping[str, str], *, right: str | Iterable[str]) -> Question:
    """A question with given answers; one can be chosen, or several if `right` is a list.

    Args:
        text: the question, plain text.
        answers: answer → the sentence that it gets, at least two.
        right: the right answer, or a list of all right answers.

    Raises:
        TypeError: a question, an answer or a sentence is no text.
        ValueError: fewer than two answers, an empty sentence, or `right` is not among the answers.

    >>> choose("2 + 2", {"4": "Yes.", "5": "One too many."}, right="4")
    2 + 2
      ( ) 4
      ( ) 5
    """
    if not isinstance(answers, Mapping):
        raise TypeError(f"answers must be a dict {{answer: sentence}}, got {answers!r}")
    rights = [right] if isinstance(right, str) else list(right)
    _check_text("text", text)
    for answer, sentence in answers.items():
        _check_text("an answer", answer)
        _check_text(f"the sentence for {answer!r}", sentence)
    if len(answers) < 2:
        raise ValueError(f"answers must hold at least two, got {len(answers)}; add wrong ones")
    strange = [answer for answer in rights if answer not in answers]
    if strange or not rights:
        given = repr(strange[0]) if strange else "nothing"
        raise ValueError(f"right must be among the answers {list(answers)}, got {given}")
    replies = (Reply(answer, answers[answer], answer in rights) for answer in answers)
    return Question(text, "radio" if isinstance(right, str) else "checkbox", tuple(replies))


def number(
    text: str,
    *,
    right: float,
    feedback: Mapping[float, str] | None = None,
    within: float = 0,
    unit: str = "",
) -> Question:
    """A question whose answer is a number; right are all with |answer − right| ≤ within.

    Args:
        text: the question, plain text.
        right: the right answer, in `unit`.
        feedback: number → the sentence that it gets: for foreseeable wrong answers, and for the
            right one if more is to be said than that it is right. To other numbers the page says
            whether the answer is more or less.
        within: how far off an answer may be.
        unit: written behind the field: "weights", "dB".

    Raises:
        TypeError: text where a number is expected, or the reverse.
        ValueError: a number is not finite, `within` is negative, or a sentence is empty.

    >>> number("How many weights has a 3 × 3 kernel?", right=9, unit="weights")
    How many weights has a 3 × 3 kernel?
      answer: ___ weights
    """
    _check_text("text", text)
    value, within = _finite("right", right), _finite("within", within)
    if within < 0:
        raise ValueError(f"within must be 0 or more, got {within}")
    sentences = {_finite("a number in feedback", key): s for key, s in (feedback or {}).items()}
    for key, sentence in sentences.items():
        _check_text(f"the sentence for {key:g}", sentence)
    wrong = {key: s for key, s in sentences.items() if abs(key - value) > within}
    praise = next((s for key, s in sentences.items() if key not in wrong), "")
    replies = [Reply(_spoken(value, unit), praise, True, value)]
    replies += [Reply(_spoken(key, unit), s, False, key) for key, s in wrong.items()]
    return Question(text, "number", tuple(replies), within, unit)


@cache
def assets() -> str:
    """The style and the script that a question's output carries; one copy serves a whole page.

    A notebook can show its outputs apart (Colab gives each a frame of its own), so that each
    carries them; ippy/checks/sphinx.py puts one file in their place in the built book.
    """
    return (
        f'<style class="ippy-questions">{style()}</style>'
        f'<script class="ippy-questions">{script()}</script>'
    )


@cache
def script() -> str:
    """The script that gives feedback; whoever runs it twice changes nothing."""
    return _beside("questions.js")


@cache
def style() -> str:
    return _beside("questions.css")


def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _reply(reply: Reply) -> str:
    value = "" if reply.value is None else f' data-value="{reply.value!r}"'
    mark = "✓" if reply.right else "✗"
    feedback = f" <span>{escape(reply.feedback)}</span>" if reply.feedback else ""
    return (
        f'<li data-right="{str(reply.right).lower()}"{value}>'
        f"{mark} <strong>{escape(reply.text)}</strong>{feedback}</li>\n"
    )


def _spoken(value: float, unit: str) -> str:
    """A number for people: thousands apart, no more digits than it has."""
    plain = f"{int(value):,}" if value == int(value) else f"{value:.6g}"
    return f"{plain} {unit}".rstrip()


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {value!r}")
    if not value.strip():
        raise ValueError(f"{name} must not be empty")


def _finite(name: str, value: float) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if isinstance(value, (bool, str, bytes)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(result):
        raise ValueError(f"{name} must be finite, got {result}")
    return result
