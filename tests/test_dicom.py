"""DICOM in, the course's folders out: on a scanner's tree made here, and on pydicom's own files."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from ippy.cli import main
from ippy.data import MayoDataset
from ippy.dicom import convert, default_test, folder_name, survey, to_grey
from ippy.locks import only_one

CT = "1.2.840.10008.5.1.4.1.1.2"
PROJECTION = "1.2.840.10008.5.1.4.1.1.66"  # raw data storage


def write_slice(path: Path, stored, patient="C081", position=0.0, **header) -> Path:
    """A CT slice as a scanner writes it: 12 bits, HU = v − 1024."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.get("SOPClassUID", CT)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    pixels = np.asarray(stored, dtype=np.uint16)
    settings = {
        "SOPClassUID": CT,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "SeriesInstanceUID": "1.2.3",
        "SeriesDescription": "Full Dose Images",
        "PatientID": patient,
        "ImagePositionPatient": [-100.0, -100.0, position],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        **header,
    }
    for name, value in settings.items():
        if value is not None:
            setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def flat(units: float, shape=(8, 8)):
    return np.full(shape, units + 1024)


@pytest.fixture
def scans(tmp_path) -> Path:
    """Two patients; file names run against the positions; with what else lies in a collection."""
    root = tmp_path / "scans"
    for number in range(4):
        name = f"C081/08-23-2018/1.0-Full Dose Images/1-{number:03d}.dcm"
        write_slice(root / name, flat(100 * number), position=-5.0 * number, InstanceNumber=number)
        write_slice(
            root / f"L067/Full/{number}.dcm",
            flat(-50 * number),
            patient="L067",
            position=2.5 * number,
            SeriesInstanceUID="1.2.9",
        )
        write_slice(
            root / f"C081/low/{number}.dcm",
            flat(0),
            SeriesInstanceUID="1.2.4",
            SeriesDescription="Low Dose Images",
        )
    write_slice(root / "C081/raw/1.dcm", flat(0), SOPClassUID=PROJECTION)
    write_slice(root / "C081/scout.dcm", flat(0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (root / "C081" / "LICENSE").write_text("text")
    (root / "C081" / "broken.dcm").write_bytes((root / "C081/scout.dcm").read_bytes()[:140])
    return root


def pictures(folder: Path) -> dict[str, int]:
    """The grey of each picture's first pixel, by its name."""
    found = sorted(folder.rglob("*.png"))
    greys = {}
    for path in found:
        with Image.open(path) as image:
            assert image.mode == "L"
            greys[str(path.relative_to(folder).as_posix())] = int(np.asarray(image)[0, 0])
    return greys


def grey(units: float, low=-1024, high=1600) -> int:
    return round(255 * min(max((units - low) / (high - low), 0), 1))


def test_the_default_is_one_patient_in_ten_for_testing():
    assert default_test(["a"]) == []
    assert default_test(["a", "b"]) == ["b"]
    assert default_test([str(n) for n in range(30)]) == ["27", "28", "29"]


def test_slices_are_numbered_along_the_table(scans, tmp_path):
    counts = convert(survey(scans), tmp_path / "out", test=["C081"])
    assert counts == {"written": 8, "kept": 0}
    expected = {f"test/C081/{n}.png": grey(100 * (3 - n)) for n in range(4)}
    expected |= {f"train/L067/{n}.png": grey(-50 * n) for n in range(4)}
    assert pictures(tmp_path / "out") == expected


def test_what_is_no_slice_is_reported_with_its_reason(scans):
    skipped = {reason: len(paths) for reason, paths in survey(scans).skipped.items()}
    assert skipped["of another series than “full dose”"] == 4
    assert skipped["an overview picture (localizer)"] == 1
    assert skipped["no CT picture (raw projections, other kinds of scans, reports)"] >= 1
    assert skipped["no DICOM file"] == 1
    assert sum(skipped.values()) == 8


@pytest.mark.parametrize("window", [(-1024, 1600), (-160, 240), (0, 1)])
def test_greys_follow_the_window(tmp_path, window):
    units = np.arange(-1024, 3072).reshape(64, 64)
    path = write_slice(tmp_path / "1.dcm", units + 1024)
    low, high = window
    expected = np.round(255 * np.clip((units - low) / (high - low), 0, 1))
    assert np.array_equal(to_grey(path, window), expected)


def test_slope_intercept_and_padding(tmp_path):
    path = write_slice(tmp_path / "1.dcm", [[0, 500], [1000, 2000]], RescaleSlope=2)
    data = dcmread(path)
    data.add_new("PixelPaddingValue", "US", 2000)
    data.save_as(path)
    assert to_grey(path).tolist() == [[grey(-1024), grey(-24)], [grey(976), 0]]


def test_a_real_scanner_file_of_another_maker():
    path = get_testdata_file("CT_small.dcm")
    data = dcmread(path)
    stored = np.frombuffer(data.PixelData, dtype=np.int16).reshape(data.Rows, data.Columns)
    units = stored * float(data.RescaleSlope) + float(data.RescaleIntercept)
    expected = np.round(255 * np.clip((units + 1024) / 2624, 0, 1))
    padding = stored == data.get("PixelPaddingValue", -99999)
    assert np.array_equal(to_grey(path)[~padding], expected[~padding])


def test_a_second_run_goes_on_where_the_first_was_killed(scans, tmp_path):
    out, found = tmp_path / "out", survey(scans)
    stopped = iter(range(3))

    def killed(slices):
        for item in slices:
            if next(stopped, None) is None:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        convert(found, out, watch=killed)
    # As after a power cut: the record's last line is torn, and its picture was never renamed.
    record = out / "import.json"
    text = record.read_text()
    record.write_text(text[:-10])
    last = json.loads(text.splitlines()[-1])["file"]
    (out / last).unlink()
    assert convert(found, out) == {"written": 6, "kept": 2}
    assert convert(found, out) == {"written": 0, "kept": 8}
    fresh = tmp_path / "fresh"
    convert(found, fresh)
    assert pictures(out) == pictures(fresh)
    assert not list(out.rglob(".*"))


def test_other_settings_do_not_mix_into_one_folder(scans, tmp_path):
    found = survey(scans)
    convert(found, tmp_path / "out")
    with pytest.raises(ValueError, match=r"imported with .*-1024.*name a new folder"):
        convert(found, tmp_path / "out", window=(-160, 240))
    with pytest.raises(ValueError, match="test: no slices of patient C099 were found"):
        convert(found, tmp_path / "other", test=["C099"])


def test_pictures_of_other_origin_are_never_overwritten(scans, tmp_path):
    mine = tmp_path / "out" / "train" / "L067" / "0.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"0.png is there already and was not imported"):
        convert(survey(scans), tmp_path / "out", test=["C081"])
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "patient", ["../../escaped", "/etc/x", "..", "a\\b", "C:x", "über", "a\0b"]
)
def test_a_patients_name_cannot_leave_the_folder(tmp_path, patient):
    write_slice(tmp_path / "in" / "1.dcm", flat(0), patient=patient)
    convert(survey(tmp_path / "in"), tmp_path / "a" / "out")
    (written,) = tmp_path.rglob("*.png")
    assert written.parent.parent == tmp_path / "a" / "out" / "train"
    assert written.parent.name == folder_name(patient)


def test_two_patients_never_share_a_folder(tmp_path):
    write_slice(tmp_path / "1.dcm", flat(0), patient="A 1")
    write_slice(tmp_path / "2.dcm", flat(0), patient="A/1")
    with pytest.raises(ValueError, match="would both be called A-1"):
        survey(tmp_path)


def test_two_patients_never_share_a_folder_on_a_disk_that_ignores_case(tmp_path):
    write_slice(tmp_path / "1.dcm", flat(0), patient="c081")
    write_slice(tmp_path / "2.dcm", flat(0), patient="C081")
    with pytest.raises(ValueError, match="'c081' and 'C081' would both be called C081"):
        survey(tmp_path)


def test_a_name_longer_than_any_disk_takes_is_cut():
    assert folder_name("x" * 300) == "x" * 100


def written_over(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1 and len(old) == len(new)
    path.write_bytes(content.replace(old, new))


def test_a_header_that_makes_no_sense_is_damaged_and_the_rest_is_read(tmp_path):
    """What stands where a number should is said of that one file."""
    for number in range(5):
        write_slice(
            tmp_path / f"{number}.dcm", flat(0), position=1.5 + number, InstanceNumber=777 + number
        )
    written_over(tmp_path / "0.dcm", b"\\1.5", b"\\nan")
    written_over(tmp_path / "1.dcm", b"\\2.5", b"\\a.b")
    written_over(tmp_path / "2.dcm", b"\\3.5", b"\\inf")
    found = survey(tmp_path)
    assert [item.source.name for item in found.slices] == ["3.dcm", "4.dcm"]
    assert sum(len(v) for k, v in found.skipped.items() if k.startswith("damaged")) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_are_no_way_out_and_no_way_round(tmp_path):
    """A folder that leads back to itself is entered once; a link to nowhere is reported."""
    write_slice(tmp_path / "in" / "deep" / "1.dcm", flat(0))
    (tmp_path / "in" / "deep" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self.dcm").symlink_to(tmp_path / "in" / "self.dcm")
    (tmp_path / "in" / "gone.dcm").symlink_to(tmp_path / "gone")
    found = survey(tmp_path / "in")
    assert len(found.slices) == 1
    assert sorted(p.name for v in found.skipped.values() for p in v) == ["gone.dcm", "self.dcm"]


@pytest.mark.parametrize("line", ["5", "[]", "null", '{"file": "train/C081/0.png"}', "{"])
def test_a_record_of_nonsense_costs_no_picture(scans, tmp_path, line):
    found = survey(scans)
    convert(found, tmp_path)
    whole = pictures(tmp_path)
    with (tmp_path / "import.json").open("a") as record:
        record.write(line + "\n")
    convert(found, tmp_path)
    assert pictures(tmp_path) == whole


def test_two_imports_into_one_folder_do_not_meet(scans, tmp_path):
    arguments = ["data", "import", str(scans), str(tmp_path / "out")]
    with only_one(tmp_path / "out" / ".import.lock", "importing into", "out"):
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert f"Error: process {os.getpid()} on " in result.output
    assert "is importing into " in result.output and "out, since 20" in result.output
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert not list((tmp_path / "out").glob(".*"))


def test_of_several_series_the_largest_is_taken_and_doubles_are_left_out(tmp_path):
    for number in range(3):
        write_slice(tmp_path / f"a{number}.dcm", flat(7), position=number)
    write_slice(tmp_path / "b.dcm", flat(0), SeriesInstanceUID="1.2.4")
    write_slice(tmp_path / "again.dcm", flat(0), position=1)
    found = survey(tmp_path)
    assert len(found.slices) == 3
    assert {len(paths) for paths in found.skipped.values()} == {1}
    assert set(found.skipped) == {
        "of a smaller series of the same patient",
        "at the place of another slice",
    }


def test_unreadable_pixels_are_skipped_and_said(tmp_path):
    good = write_slice(tmp_path / "in" / "1.dcm", flat(0))
    cut = write_slice(tmp_path / "in" / "2.dcm", flat(0), position=1)
    cut.write_bytes(cut.read_bytes()[:-20])
    write_slice(tmp_path / "in" / "3.dcm", flat(0), position=2, RescaleSlope=None)
    shutil.copy(get_testdata_file("MR_small.dcm"), good.parent / "mr.dcm")
    found = survey(good.parent)
    assert convert(found, tmp_path / "out") == {"written": 1, "kept": 0}
    reasons = " ".join(found.skipped)
    assert "pixels cannot be read" in reasons
    assert "Hounsfield units" in reasons
    assert "no CT picture" in reasons


def test_the_command_and_what_it_leaves(scans, tmp_path):
    out = tmp_path / "slices"
    result = CliRunner().invoke(main, ["data", "import", str(scans), str(out), "--test", "C081"])
    assert result.exit_code == 0, result.output
    assert "8 slices written, 0 kept" in result.stdout
    assert "train      4 slices of 1 patient\n" in result.stdout
    assert "4  of another series than “full dose”" in result.stdout
    dataset = MayoDataset(out / "test", 8, cache=False)
    assert [path.name for path in dataset.paths] == ["0.png", "1.png", "2.png", "3.png"]
    assert float(dataset[0][0, 0, 0]) == pytest.approx(grey(300) / 255)
    checked = CliRunner().invoke(main, ["data", "check", str(out)])
    assert "No faults." in checked.stdout, checked.output


def test_the_command_says_what_else_there_is(scans, tmp_path):
    out = str(tmp_path / "out")
    result = CliRunner().invoke(main, ["data", "import", str(scans), out, "--series", "sharp"])
    assert result.exit_code == 2
    assert "“Full Dose Images” (8), “Low Dose Images” (4)" in result.output
    result = CliRunner().invoke(main, ["data", "import", str(tmp_path / "none"), out])
    assert result.exit_code == 2
    assert "SRC must be a folder of DICOM files" in result.output
    empty = tmp_path / "empty"
    empty.mkdir()
    result = CliRunner().invoke(main, ["data", "import", str(empty), out])
    assert "it is empty" in result.output
    window = ["--window", "5", "5"]
    result = CliRunner().invoke(main, ["data", "import", str(scans), out, *window])
    assert "LOW < HIGH" in result.output
