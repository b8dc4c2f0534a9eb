"""What the build makes of Jupyter Book's answer; the real thing is in tests/site/test_build.py."""

import io
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
import build  # noqa: E402  found through the line above
import finish  # noqa: E402

from ippy import course  # noqa: E402


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has been read before, of which a notebook will fail if `fails` exists."""
    (tmp_path / "_build" / ".doctrees").mkdir(parents=True)
    (tmp_path / "_build" / "fingerprint").write_text("")
    monkeypatch.setattr(build, "FINGERPRINT", tmp_path / "_build" / "fingerprint")
    monkeypatch.setattr(build, "REREAD", tmp_path / "reread.txt")
    monkeypatch.setattr(build, "forget_stale_results", lambda: None)
    monkeypatch.setattr(build, "forget_stale_pages", lambda project: None)
    monkeypatch.setattr(finish, "finish", lambda site: site / "all.zip")
    for name in (*build.STRICT, "IPPY_FINGERPRINT", "IPPY_REREAD"):
        monkeypatch.setenv(name, "")  # what the build sets is taken back afterwards

    def jupyter_book(*arguments: str) -> int:
        (tmp_path / "asked").write_text(" ".join(arguments))
        if (tmp_path / "fails").exists():
            report = tmp_path / "_build" / "html" / "reports" / "book" / "a.err.log"
            report.parent.mkdir(parents=True)
            report.write_text("Traceback")
        return 0

    monkeypatch.setattr(build, "_jupyter_book", jupyter_book)
    return tmp_path


@pytest.mark.parametrize("own", [True, False])
def test_warnings_are_errors_in_the_books_own_setting(
    own: bool, project: Path, monkeypatch: pytest.MonkeyPatch
):
    """With another blur the tuning of a method may warn, which must not cost the whole book."""
    monkeypatch.setattr(course, "is_books_own", lambda: own)
    assert build.build(project) == 0
    assert (" -W " in (project / "asked").read_text()) == own
    assert (project / "_build" / ".doctrees").exists()


def test_a_notebook_that_fails_fails_the_build_each_time(project: Path, capsys):
    """Sphinx would not read its page again, and the second build would succeed."""
    (project / "fails").touch()
    for _ in range(2):
        assert build.build(project) == 1
        assert "This notebook failed, see" in capsys.readouterr().err
        assert not (project / "_build" / ".doctrees").exists()
    (project / "fails").unlink()
    assert build.build(project) == 0


def test_what_to_read_again_is_listed_once(project: Path, capsys):
    line = "psnr: the book has 1 (within 0.05), here it is 2 – ü"
    build.REREAD.write_text(f"{line}\n{line}\n", encoding="utf-8")
    assert build.build(project) == 0
    printed = capsys.readouterr().out
    assert printed.count(line) == 1 and "Read these sentences again" in printed
    build.REREAD.unlink()
    build.build(project)
    assert "Read these" not in capsys.readouterr().out


def test_what_to_read_again_is_listed_on_a_poor_terminal(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    """A Cyrillic code page has no ×, which must not cost the build its good end."""
    build.REREAD.write_text("gain of 17 × 17 pixels\n", encoding="utf-8")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1251")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "argv", ["build.py"])
    monkeypatch.setattr(build, "BUILD", project / "_build")
    monkeypatch.setattr(build, "build", lambda: build.list_what_to_read_again() or 0)
    assert build.main() == 0
    terminal.flush()
    assert b"gain of 17 ? 17 pixels" in terminal.buffer.getvalue()
