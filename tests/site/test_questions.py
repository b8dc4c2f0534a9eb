"""Questions in a real browser: right and wrong answers, by mouse and keyboard, in every dress."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Visit
from lab import Notebook, jupyter_lab

from ippy.questions import choose, number

SIZE = choose(
    "A 3×3 kernel, no padding: 256 pixels become",
    {
        "254": "Yes: one is lost on each side.",
        "256": "That needs padding.",
        "85": "That is stride 3.",
    },
    right="254",
)
LINEAR = choose(
    "Which are linear?",
    {"convolution": "Yes.", "ReLU": "It bends at 0.", "the mean": "A sum."},
    right=["convolution", "the mean"],
)
WEIGHTS = number(
    "How many weights?",
    right=9857,
    feedback={9248: "That is the middle layer alone.", 9857: "All three layers."},
    unit="weights",
)
PSNR = number("Which PSNR?", right=34.6, within=0.05, unit="dB")
PAGE = """<!DOCTYPE html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Questions</title>
<style>[data-theme=dark] body {{ background: #121212; color: #ced6dd }}</style></head>
<body><main><h1>Questions</h1>{questions}</main></body></html>"""


@pytest.fixture
def ask(browser, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    def open_page(*questions, theme: str = "light", width: int = DESKTOP, **context) -> Visit:
        page = tmp_path / "questions.html"
        text = "".join(question._repr_html_() for question in questions)
        page.write_text(PAGE.format(theme=theme, questions=text), encoding="utf-8")
        visited = Visit(browser, tmp_path.as_uri(), width, theme, **context)
        visited.open(page.as_uri())
        return visited

    return open_page


def said(visit: Visit, n: int = 0) -> list[str]:
    return visit.page.locator("output").nth(n).locator("p").all_inner_texts()


def check(visit: Visit, n: int = 0) -> list[str]:
    visit.page.get_by_role("button", name="Check").nth(n).click()
    return said(visit, n)


def test_one_answer(ask):
    with ask(SIZE) as visit:
        assert check(visit) == ["✗ Choose an answer first."]
        visit.page.get_by_label("256").check()
        assert said(visit) == []  # a new choice clears what was said of the old one
        assert check(visit) == ["✗ 256: That needs padding."]
        visit.page.get_by_label("254").check()
        assert check(visit) == ["✓ 254: Yes: one is lost on each side."]


def test_several_answers(ask):
    with ask(LINEAR) as visit:
        visit.page.get_by_label("convolution").check()
        assert check(visit) == ["✗ Right so far, but 1 more belongs to it."]
        visit.page.get_by_label("ReLU").check()
        assert check(visit) == ["✗ ReLU: It bends at 0."]
        visit.page.get_by_label("ReLU").uncheck()
        visit.page.get_by_label("the mean").check()
        assert check(visit) == ["✓ convolution: Yes.", "✓ the mean: A sum."]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("", "✗ Write a number, for example 12 or 0.5."),
        ("9248", "✗ No. That is the middle layer alone."),
        ("9000", "✗ No, it is more than that."),
        ("1e5", "✗ No, it is less than that."),
        ("9857", "✓ Right. All three layers."),
        ("9857.0", "✓ Right. All three layers."),
    ],
)
def test_a_number(ask, given, answer):
    with ask(WEIGHTS) as visit:
        visit.page.get_by_label("Your answer").fill(given)
        assert check(visit) == [answer]


@pytest.mark.parametrize(
    ("given", "good"), [("34.55", True), ("34.65", True), ("34.54", False), ("34.66", False)]
)
def test_a_number_within(ask, given, good):
    with ask(PSNR) as visit:
        visit.page.get_by_label("Your answer").fill(given)
        assert check(visit)[0].startswith("✓" if good else "✗")


def test_with_the_keyboard_alone(ask):
    with ask(SIZE, WEIGHTS) as visit:
        keyboard = visit.page.keyboard
        for key in ("Tab", "Space", "ArrowDown", "Enter"):
            keyboard.press(key)
        assert said(visit) == ["✗ 256: That needs padding."]
        for key in ("ArrowUp", "Tab", "Enter"):  # the button
            keyboard.press(key)
        assert said(visit)[0].startswith("✓ 254")
        for key in ("Tab", "Tab"):  # the folded answer, then the next question's field
            keyboard.press(key)
        keyboard.type("9857")
        keyboard.press("Enter")
        assert said(visit, 1) == ["✓ Right. All three layers."]


def test_the_same_question_twice_on_a_page(ask):
    with ask(SIZE, SIZE) as visit:
        visit.page.get_by_label("254").nth(0).check()
        visit.page.get_by_label("256").nth(1).check()
        assert check(visit, 0)[0].startswith("✓")
        assert check(visit, 1)[0].startswith("✗")
        assert visit.page.get_by_role("button", name="Check").count() == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_accessible_and_within_the_window(ask, theme, width):
    with ask(SIZE, LINEAR, WEIGHTS, theme=theme, width=width) as visit:
        visit.page.get_by_label("256").check()
        check(visit, 0)
        visit.page.get_by_label("Your answer").fill("9857")
        check(visit, 2)
        visit.page.locator("summary").first.click()
        assert visit.axe() == []
        assert visit.too_wide() == []
        for output in visit.page.locator("output").all():
            assert output.get_attribute("aria-live") == "polite"


def test_without_javascript_the_answer_can_be_read(ask):
    with ask(SIZE, WEIGHTS, java_script_enabled=False) as visit:
        assert visit.page.get_by_role("button").count() == 0
        visit.page.locator("summary").first.click()
        assert visit.page.get_by_text("Yes: one is lost on each side.").is_visible()


@pytest.mark.slow
def test_in_jupyterlab(browser, tmp_path: Path):
    """Also in command mode, in which JupyterLab takes keys for its own."""
    cells = [
        "from ippy.questions import choose, number",
        "choose('Pick', {'one': 'Yes.', 'two': 'That is too many.'}, right='one')",
        "number('How many?', right=12)",
    ]
    with jupyter_lab(tmp_path) as address:
        notebook = Notebook(browser, address, tmp_path, cells)
        for n in range(3):
            notebook.run(n)
        page = notebook.page
        page.get_by_label("two").check()
        page.keyboard.press("Enter")
        output = page.locator("output")
        output.nth(0).locator("p").wait_for()
        assert output.nth(0).inner_text() == "✗ two: That is too many."
        page.get_by_label("Your answer").fill("12")
        page.keyboard.press("Enter")
        output.nth(1).locator("p").wait_for()
        assert output.nth(1).inner_text() == "✓ Right."
        assert notebook.page.locator(".ippy-question button").count() == 2
        notebook.close()
