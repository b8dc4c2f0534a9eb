"""The course's setting: one place for blur and data, and numbers held only where they belong."""

import shutil
from pathlib import Path

import pytest
import torch

from ippy import course
from ippy.data import embedded_data
from ippy.operators import Blurring


@pytest.fixture
def other_data(tmp_path: Path) -> Path:
    """A root with a test folder of two slices, and no training slices."""
    patient = sorted((embedded_data() / "test").iterdir())[0]
    target = tmp_path / "test" / "somebody"
    target.mkdir(parents=True)
    for path in sorted(patient.glob("*.png"))[:2]:
        shutil.copy(path, target)
    return tmp_path


def test_blur_is_the_courses_own_unless_changed():
    expected = Blurring((256, 256), kernel_type="motion", kernel_size=9, motion_angle=20)
    assert torch.equal(course.blurring().kernel, expected.kernel)
    assert course.blurring().img_shape == (256, 256)
    changed = course.blurring((32, 48), motion_angle=70, padding="circular")
    expected = Blurring((32, 48), kernel_type="motion", kernel_size=9, motion_angle=70)
    assert torch.equal(changed.kernel, expected.kernel)
    assert (changed.img_shape, changed.padding) == ((32, 48), "circular")


def test_datasets_are_the_two_splits_of_the_embedded_data(capsys: pytest.CaptureFixture):
    train_set, test_set = course.datasets()
    assert {p.parents[1].name for p in train_set.paths} == {"train"}
    assert {p.parents[1].name for p in test_set.paths} == {"test"}
    assert train_set[0].shape == (1, 256, 256)
    assert capsys.readouterr().out == ""


def test_a_missing_split_is_completed_and_said(other_data: Path, capsys: pytest.CaptureFixture):
    train_set, test_set = course.datasets(other_data)
    assert len(test_set) == 2
    assert all(p.is_relative_to(other_data) for p in test_set.paths)
    assert all(p.is_relative_to(embedded_data()) for p in train_set.paths)
    assert "no folder 'train'" in capsys.readouterr().out


def test_load_model_takes_the_architecture_from_the_manifest():
    model = course.load_model("CNN")
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == 9857
    circular = course.load_model("CNN", padding_mode="circular")
    assert circular.conv1.padding_mode == "circular"
    assert torch.equal(circular.conv1.weight, model.conv1.weight)


def test_unknown_weights_are_answered_with_the_names_there_are():
    with pytest.raises(FileNotFoundError, match=r"shipped weights \(.*CNN.*\), got 'UNet'"):
        course.load_model("UNet")


def test_expect_holds_a_number_in_the_books_own_setting():
    course.expect(1.04, about=1.0, within=0.05, what="a number")
    with pytest.raises(AssertionError, match=r"a number: the book has 1 .*here it is 1\.06"):
        course.expect(1.06, about=1.0, within=0.05, what="a number")
    with pytest.raises(AssertionError):
        course.expect(float("nan"), about=1.0, within=0.05, what="a number")


def test_expect_tells_a_reader_instead_of_stopping_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.delenv("IPPY_STRICT")
    course.expect(2.0, about=1.0, within=0.05, what="a number")
    assert capsys.readouterr().out == "a number: the book has 1 (within 0.05), here it is 2\n"


@pytest.mark.parametrize("change", ["data", "blur", "noise"])
def test_expect_is_silent_in_another_setting(
    change: str, other_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    if change == "data":
        monkeypatch.setenv("IPPY_DATA", str(other_data))
    elif change == "blur":
        monkeypatch.setitem(course.BLUR, "motion_angle", 70.0)
    else:
        monkeypatch.setattr(course, "NOISE_LEVEL", 0.05)
    reread = other_data / "reread.txt"
    monkeypatch.setenv("IPPY_REREAD", str(reread))
    course.expect(1.0, about=1.0, within=0.05, what="a number that holds")
    assert not reread.exists()
    course.expect(2.0, about=1.0, within=0.05, what="a number")
    monkeypatch.delenv("IPPY_REREAD")
    course.expect(3.0, about=1.0, within=0.05, what="another")
    assert capsys.readouterr().out == ""
    line = "a number: the book has 1 (within 0.05), here it is 2\n"
    assert reread.read_text(encoding="utf-8") == line  # the build lists it
