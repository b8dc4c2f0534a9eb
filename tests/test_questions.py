"""Questions: what they hold, say without a page, and refuse. Their feedback: tests/site."""

import html
import re

import pytest

from ippy.questions import choose, number, script

SIZES = {"254": "Yes: one row is lost on each side.", "256": "That needs padding.", "85": "No."}


def shown(question) -> str:
    """The HTML without the style and the script."""
    return question._repr_html_().partition("<style")[0]


def test_plain_text_tells_question_and_answers_but_not_which_is_right():
    question = choose("What size?", SIZES, right="254")
    assert repr(question) == "What size?\n  ( ) 254\n  ( ) 256\n  ( ) 85"
    several = choose("Which?", SIZES, right=["254", "85"])
    assert repr(several).splitlines()[1:] == ["  [ ] 254", "  [ ] 256", "  [ ] 85"]
    assert repr(number("How many?", right=9857, unit="weights")).endswith("answer: ___ weights")


def test_html_is_the_same_in_every_run():
    first, second = (choose("What size?", SIZES, right="254")._repr_html_() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("right", "kind"), [("254", "radio"), (["254"], "checkbox"), (["254", "85"], "checkbox")]
)
def test_every_answer_is_a_labelled_input(right, kind):
    page = shown(choose("What size?", SIZES, right=right))
    inputs = re.findall(rf'<label><input type="{kind}" name="([\w-]+)"> (\d+)</label>', page)
    assert [answer for _, answer in inputs] == list(SIZES)
    assert len({name for name, _ in inputs}) == 1
    assert "<legend>What size?</legend>" in page


def test_answer_can_be_read_without_a_script():
    page = shown(choose("What size?", SIZES, right="254"))
    folded = re.search(r"<details>(.*)</details>", page, re.DOTALL)[1]
    assert "✓ <strong>254</strong>" in folded
    assert "✗ <strong>256</strong>" in folded
    assert "That needs padding." in folded
    page = shown(number("How many?", right=9857, unit="weights"))
    assert "✓ <strong>9,857 weights</strong>" in page


def test_markup_in_a_question_stays_text():
    page = shown(choose("a < b & <b>?", {"<i>x": 'say "<x>"', "</li>": "no"}, right="<i>x"))
    assert "<b>" not in page
    assert "<i>" not in page
    assert html.escape('say "<x>"') in page
    assert page.count("</li>") == 2


def test_a_number_can_be_foreseen_and_praised():
    question = number(
        "How many?", right=10, feedback={9: "One short.", 10.2: "Well counted."}, within=0.5
    )
    right, wrong = question.replies
    assert (right.value, right.feedback, right.right) == (10.0, "Well counted.", True)
    assert (wrong.value, wrong.feedback, wrong.right) == (9.0, "One short.", False)
    assert 'data-within="0.5"' in shown(question)


@pytest.mark.parametrize(
    ("value", "said"), [(1e6, "1,000,000"), (-3, "-3"), (0.25, "0.25"), (34.5678912, "34.5679")]
)
def test_numbers_are_said_as_people_write_them(value, said):
    assert number("?", right=value, unit="dB").replies[0].text == f"{said} dB"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"right": "255"}, ValueError, r"right must be among the answers .*, got '255'"),
        ({"right": ["254", "1"]}, ValueError, "got '1'"),
        ({"right": []}, ValueError, "got nothing"),
        ({"answers": {"254": "Yes."}}, ValueError, "at least two, got 1"),
        ({"answers": {"254": "Yes.", "256": " "}}, ValueError, "'256' must not be empty"),
        ({"answers": {"254": "Yes.", 256: "No."}}, TypeError, "an answer must be text, got 256"),
        ({"answers": {"254": "Yes.", "256": None}}, TypeError, "must be text, got None"),
        ({"answers": ["254", "256"]}, TypeError, "answers must be a dict"),
        ({"text": ""}, ValueError, "text must not be empty"),
    ],
)
def test_choose_refuses_what_makes_no_question(change, error, message):
    arguments = {"text": "What size?", "answers": SIZES, "right": "254", **change}
    with pytest.raises(error, match=message):
        choose(arguments.pop("text"), arguments.pop("answers"), **arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"right": "9857"}, TypeError, "right must be a number, got '9857'"),
        ({"right": None}, TypeError, "right must be a number"),
        ({"right": float("nan")}, ValueError, "right must be finite"),
        ({"within": -1}, ValueError, "within must be 0 or more"),
        ({"feedback": {"9": "No."}}, TypeError, "a number in feedback must be a number"),
        ({"feedback": {9: ""}}, ValueError, "the sentence for 9 must not be empty"),
        ({"text": 3}, TypeError, "text must be text, got 3"),
    ],
)
def test_number_refuses_what_makes_no_question(change, error, message):
    arguments = {"text": "How many?", "right": 9857, **change}
    with pytest.raises(error, match=message):
        number(arguments.pop("text"), **arguments)


def test_a_number_may_come_from_torch_or_numpy():
    import numpy
    import torch

    assert number("?", right=torch.tensor(3.0)).replies[0].value == 3.0
    assert number("?", right=numpy.int64(3)).replies[0].value == 3.0


def test_the_script_asks_nothing_of_the_network():
    for word in ("http", "fetch", "import", "eval", "innerHTML"):
        assert word not in script()
