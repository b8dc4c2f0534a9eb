"""What every self-checking exercise must pass, whatever it is about.

A `Case` lists a check's starter, unlike right answers (five at least) and, for each mistake, three
variants of it. `standard(CASES, module)` makes the tests.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from ippy import checks
from ippy.checks.verdict import CHAPTERS, Mistake, anchor

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Case:
    check: str  # its name in ippy.checks
    right: list[Any]  # answers, or tuples of answers where the check takes several
    wrong: dict[Mistake, list[Any]]
    starter: Any = None  # None: a function that raises NotImplementedError


def _starter(*arguments: Any, **named: Any) -> Any:
    raise NotImplementedError("write me")


def ask(check: str, answer: Any) -> checks.Verdict:
    answers = answer if isinstance(answer, tuple) else (answer,)
    return getattr(checks, check)(*answers)


def label(answer: Any) -> str:
    return getattr(answer, "__name__", type(answer).__name__)


def headings(chapter: int) -> set[str]:
    notebook = json.loads((ROOT / "book" / f"{CHAPTERS[chapter]}.ipynb").read_text("utf-8"))
    text = "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] != "code")
    return {match.strip() for match in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}


def mistakes_of(module: ModuleType) -> list[Mistake]:
    return [value for value in vars(module).values() if isinstance(value, Mistake)]


def standard(cases: Iterable[Case], module: ModuleType) -> dict[str, Callable[..., None]]:
    """The tests; a test module takes them with `globals().update(standard(CASES, module))`."""
    cases = list(cases)
    names = [name for name, f in vars(module).items() if getattr(f, "chapter", None)]
    general = {m.name for m in mistakes_of(checks.verdict)}
    own = [m for m in mistakes_of(module) if m.name not in general]
    rights = [
        pytest.param(case.check, answer, id=f"{case.check}-{i}-{label(answer)}")
        for case in cases
        for i, answer in enumerate(case.right)
    ]
    wrongs = [
        pytest.param(case.check, mistake, answer, id=f"{case.check}-{mistake.name}-{i}")
        for case in cases
        for mistake, answers in case.wrong.items()
        for i, answer in enumerate(answers)
    ]

    def test_every_check_and_every_mistake_has_its_cases():
        assert sorted(case.check for case in cases) == sorted(names)
        for case in cases:
            assert len(case.right) >= 5, case.check
            for mistake, answers in case.wrong.items():
                assert len(answers) >= 3, (case.check, mistake.name)
        planted = {mistake.name for case in cases for mistake in case.wrong}
        assert {m.name for m in own} <= planted

    @pytest.mark.parametrize("case", cases, ids=[case.check for case in cases])
    def test_the_starter_is_not_begun(case):
        verdict = ask(case.check, case.starter or _starter)
        assert not verdict
        assert verdict.mistake.name == "not begun"

    @pytest.mark.parametrize(("check", "answer"), rights)
    def test_right_answers_pass(check, answer):
        verdict = ask(check, answer)
        assert verdict, str(verdict)
        assert verdict.require() is verdict

    @pytest.mark.parametrize(("check", "mistake", "answer"), wrongs)
    def test_a_mistake_is_named(check, mistake, answer):
        verdict = ask(check, answer)
        assert verdict.mistake is not None
        assert verdict.mistake.name == mistake.name, str(verdict)
        with pytest.raises(AssertionError, match=re.escape(verdict.title)):
            verdict.require()

    @pytest.mark.parametrize("case", cases, ids=[case.check for case in cases])
    def test_nonsense_gets_a_sentence(case):
        width = len(case.right[0]) if isinstance(case.right[0], tuple) else 1
        for nonsense in (3, "text", lambda *a, **k: "text", lambda: None, lambda *a, **k: 1 / 0):
            verdict = ask(case.check, (nonsense,) * width)
            assert not verdict
            assert verdict.mistake.sentence[0].isupper()
            assert "Traceback" not in str(verdict)

    @pytest.mark.parametrize("case", cases, ids=[case.check for case in cases])
    def test_a_check_leaves_no_trace(case):
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        ask(case.check, case.right[0])
        ask(case.check, next(iter(case.wrong.values()))[0])
        assert torch.equal(torch.rand(1), expected)

    @pytest.mark.parametrize("mistake", own, ids=lambda m: m.name)
    def test_mistakes_tell_where_to_read_on(mistake):
        chapter = getattr(module, names[0]).chapter
        assert mistake.sentence.endswith((".", "?", "!"))
        assert mistake.hint, mistake.name
        assert mistake.paragraph in headings(chapter), mistake.name
        assert anchor(mistake.paragraph)

    return {name: value for name, value in locals().items() if name.startswith("test_")}
