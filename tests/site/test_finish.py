"""The steps from Sphinx's pages to the finished site, on a site of two small pages."""

import base64
import io
import re
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))

import finish  # noqa: E402  found through the line above
from finish import archive, formulas, markup, pictures, scripts, styles, versions  # noqa: E402

HEAD = """<!DOCTYPE html><html lang="en"><head><title>t</title>
<link href="../_static/theme.css?digest=1" rel="stylesheet" />
<link rel="stylesheet" type="text/css" href="../_static/own/more.css?v=1" />
<script src="../_static/scripts/fontawesome.js"></script>
<link rel="preload" as="script" href="../_static/scripts/bootstrap.js?digest=1" />
<script defer src="../_static/scripts/bootstrap.js?digest=1"></script>
<script src="../_static/page.js?v=0"></script>
</head><body>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What Sphinx might have left."""
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    site = tmp_path / "html"
    for folder in (
        "book",
        "_images",
        "_static/own",
        "_static/scripts",
        "_static/vendor/fontawesome/webfonts",
    ):
        (site / folder).mkdir(parents=True)
    font = "vendor/fontawesome/webfonts/fa-solid-900.ttf"
    (site / "_static" / font).write_bytes((theme / font).read_bytes())
    (site / "_static" / "theme.css").write_text(
        '@import "own/basic.css"; /* remark */ /*! licence */ .a, .gone { color: red }\n'
        '.fa-x::before { content: "\\f002" } .fa-y::before { content: "\\f003" }'
    )
    (site / "_static" / "own" / "basic.css").write_text("body { background: url(dot.png) }")
    (site / "_static" / "own" / "more.css").write_text(".given-by-script { top: 0 }")
    (site / "_static" / "page.js").write_text('    // remark\n    let a = "given-by-script";')
    (site / "_static" / "header.js").write_text("scrollTo(0, 0);")
    for name in ("fontawesome", "bootstrap"):
        (site / "_static" / "scripts" / f"{name}.js").write_text('"gone fa-y"')
    (site / "_static" / "theme.css.map").write_text("{}")
    drawing = Image.new("RGB", (60, 40), "white")
    ImageDraw.Draw(drawing).ellipse((5, 5, 30, 30), fill="navy")
    drawing.save(site / "_images" / "dot.png")
    (site / "_images" / "old.png").write_bytes(b"shown by no page any more")
    (site / "_images" / "line.svg").write_text('<svg xmlns="" viewBox="0 0 72.4 20"></svg>')
    (site / "book" / "one.html").write_text(
        HEAD
        + '<p class="a"><i class="fa-solid fa-x"></i><img alt="a dot" src="../_images/dot.png" />'
        '<img alt="a line" src="../_images/line.svg" /></p>'
        '<p class="ippy-take-along"><a href="../x.zip">all</a></p></body></html>'
    )
    (site / "book" / "two.html").write_text(HEAD + "<p>two</p></body></html>")
    return site


def test_a_page_has_one_sheet_with_what_it_needs(site: Path):
    finish.finish(site)
    css = (site / "_static" / "site.css").read_text()
    assert ".a{color: red}" in css and "given-by-script" in css and "/*! licence */" in css
    assert "gone" not in css and "remark" not in css and "fa-y" not in css
    assert 'url("own/dot.png")' in css, "seen from the place of the new sheet"
    for page in site.glob("book/*.html"):
        text = page.read_text()
        assert text.count("stylesheet") == 1 and "fontawesome" not in text
        assert "bootstrap" not in text and text.count("../_static/header.js?v=") == 1
        assert re.search(r'href="\.\./_static/site\.css\?v=[0-9a-f]{8}"', text)
    assert not [*site.rglob("theme.css"), *site.rglob("*.map"), *site.rglob("*.ttf")]
    assert not [*site.glob("_static/scripts/*")]
    assert (site / "_static" / "page.js").read_text() == 'let a = "given-by-script";'


def test_pictures_are_smaller_have_room_and_are_the_same_to_the_dot(site: Path):
    before = Image.open(site / "_images" / "dot.png").convert("RGB")
    finish.finish(site)
    text = (site / "book" / "one.html").read_text()
    assert re.search(
        r'<img width="60" height="40" decoding="async" class="ippy-ink" alt="a dot" '
        r'src="[^"]*dot.webp',
        text,
    )
    assert '<img width="72" height="20" loading="lazy" decoding="async" class=' in text
    after = Image.open(site / "_images" / "dot.webp").convert("RGB")
    assert after.tobytes() == before.tobytes()
    assert {file.name for file in site.glob("_images/*")} == {"dot.webp", "line.svg"}


def test_noise_is_kept_to_the_eye(tmp_path: Path):
    import numpy as np

    random = np.random.default_rng(0)
    grey = np.clip(random.normal(128, 12, (200, 200)), 0, 255).astype(np.uint8)
    Image.fromarray(grey).convert("RGB").save(tmp_path / "noise.png")
    file = pictures.smaller(tmp_path / "noise.png")
    assert file.stat().st_size < 0.75 * (tmp_path / "noise.png").stat().st_size
    assert np.abs(np.asarray(Image.open(file).convert("L"), float) - grey).mean() < 3


def test_a_drawing_has_as_many_colours_as_it_needs(tmp_path: Path):
    """Of a thousand shades 256 stay, each within what an eye can tell; a rare one is not lost."""
    import numpy as np

    shades = np.linspace(0, 255, 300)[None, :, None] * np.ones((200, 1, 3))
    shades[..., 1] = shades[::-1, ::-1, 1]
    shades[:, :, 2] = np.linspace(40, 90, 200)[:, None]
    shades[100:103, 100:103] = (255, 0, 0)
    Image.fromarray(shades.astype(np.uint8)).save(tmp_path / "drawing.png")
    with Image.open(tmp_path / "drawing.png") as picture:
        few = pictures._in_few_colours(picture)
    assert len(few.getcolors()) <= 256
    assert np.abs(np.asarray(few, float) - shades.astype(np.uint8)).mean() < 8
    assert few.getpixel((101, 101))[0] > 200
    through = Image.new("RGBA", (9, 9), (1, 2, 3, 100))
    assert pictures._in_few_colours(through) is through


def test_only_lines_on_paper_change_to_light_on_dark(tmp_path: Path):
    """Not a slice, whose black is air, nor a drawing that shows one, nor curves on black."""
    paper = Image.new("RGB", (100, 100), "#fbfaf6")
    ImageDraw.Draw(paper).line((0, 0, 99, 99), fill="navy", width=9)
    slice_ = Image.new("RGB", (100, 100), "#fbfaf6")
    ImageDraw.Draw(slice_).rectangle((10, 10, 69, 69), fill="black")
    night = Image.new("RGB", (100, 100), "black")
    for name, picture in (("paper", paper), ("slice", slice_), ("night", night)):
        picture.save(tmp_path / f"{name}.png")
        assert pictures.is_ink(tmp_path / f"{name}.png") == (name == "paper"), name
    for inside, told in (('<path fill="#1f2933"/>', True), ('<image href=""/>', False)):
        (tmp_path / "drawing.svg").write_text(f'<svg viewBox="0 0 1 1">{inside}</svg>')
        assert pictures.is_ink(tmp_path / "drawing.svg") is told
    figures = {file.stem: pictures.is_ink(file) for file in ROOT.glob("book/figures/*.svg")}
    assert {name for name, ink in figures.items() if not ink} == {"data-way", "equivariance"}


def test_an_explorers_picture_becomes_a_file_unless_the_page_forbids_it(tmp_path: Path):
    (tmp_path / "book").mkdir()
    (tmp_path / "_images").mkdir()
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, format="WebP", lossless=True)
    data = base64.b64encode(file.getvalue()).decode()
    text = f'<img alt="a" src="data:image/webp;base64,{data}">'
    fitted = pictures.fit(text, tmp_path / "book")
    (kept,) = tmp_path.glob("_images/*.webp")
    assert kept.read_bytes() == file.getvalue()
    assert f'src="../_images/{kept.name}"' in fitted and 'width="64" height="64"' in fitted
    forbidding = '<meta http-equiv="Content-Security-Policy" content="img-src data:">' + text
    assert pictures.fit(forbidding, tmp_path / "book") == forbidding


def test_a_drawing_without_a_size_is_refused(tmp_path: Path):
    (tmp_path / "a.svg").write_text("<svg></svg>")
    with pytest.raises(ValueError, match=r"a\.svg must have a viewBox"):
        pictures.size(tmp_path / "a.svg")


def test_finishing_twice_changes_nothing(site: Path):
    first = finish.finish(site).read_bytes()
    before = {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    assert finish.finish(site).read_bytes() == first
    assert {file: file.read_bytes() for file in site.rglob("*") if file.is_file()} == before


def test_when_one_page_is_written_again_the_other_keeps_what_it_needs(site: Path, tmp_path: Path):
    import shutil

    shutil.copytree(site, tmp_path / "copy")
    finish.finish(site)
    shutil.copytree(tmp_path / "copy" / "_static", site / "_static", dirs_exist_ok=True)
    less = HEAD.replace(
        '<link rel="stylesheet" type="text/css" href="../_static/own/more.css?v=1" />', ""
    )
    (site / "book" / "two.html").write_text(less + '<p class="gone">two</p></body></html>')
    finish.finish(site)
    css = (site / "_static" / "site.css").read_text()
    assert ".a,.gone{color: red}" in css and "given-by-script" in css and "fa-x" in css
    stamps = {re.search(r"site\.css\?v=(\w+)", p.read_text())[1] for p in site.glob("book/*.html")}
    assert len(stamps) == 1


def test_the_archive_is_the_same_and_does_not_offer_itself(site: Path, tmp_path: Path):
    import os
    import shutil

    shutil.copytree(site, tmp_path / "copy")
    for file in (tmp_path / "copy").rglob("*"):
        os.utime(file, (1e9, 1e9))
    assert finish.finish(site).read_bytes() == finish.finish(tmp_path / "copy").read_bytes()
    with zipfile.ZipFile(site / f"{archive.NAME}.zip") as packed:
        names = packed.namelist()
        page = packed.read(f"{archive.NAME}/book/one.html").decode()
    assert names == sorted(names) and not [name for name in names if name.endswith(".zip")]
    assert "take-along" not in page and "a dot" in page
    assert "take-along" in (site / "book" / "one.html").read_text()


def test_an_address_changes_with_the_content(site: Path):
    text = '<script src="../_static/page.js?v=0"></script><a href="../_static/page.js">it</a>'
    first = versions.stamp(text, site / "book")
    assert re.search(r'page\.js\?v=[0-9a-f]{8}"></script><a href="\.\./_static/page\.js">', first)
    (site / "_static" / "page.js").write_text("changed")
    second = versions.stamp(first, site / "book")
    assert second != first and second.count("?v=") == 1


@pytest.mark.parametrize(("fault", "right"), [
    ('<i class="fas fa-expand"></i>', '<i aria-hidden="true" class="fas fa-expand"></i>'),
    ('<span class="n">x</span><span class="p">,</span>', "x,"),
    ('<div class="citation" role="doc-biblioentry">', '<div class="citation" role="listitem">'),
    ('<p class="expanded admonition-title">Hide</p>',
     '<span class="expanded admonition-title">Hide</span>'),
    ('<div id="jb-print-docs-body" class="onlyprint">\n<h1></h1>\n</div>', ""),
    ('<a title="a" data-bs-placement="left" data-bs-toggle="tooltip">', '<a title="a">'),
    ('<meta name="viewport" content="a"><b></b>\n<meta name="viewport" content="b"/></head>',
     '<meta name="viewport" content="a"><b></b></head>'),
])  # fmt: skip
def test_faults_are_mended_once(fault: str, right: str):
    assert markup.mend(fault) == right
    assert markup.mend(right) == right


def test_the_first_page_is_a_page():
    text = markup.mend('<meta http-equiv="Refresh" content="0; url=book/index.html" />\n')
    assert "<title>" in text and 'lang="en"' in text and text.count("book/index.html") == 2


def test_a_menu_needs_no_script():
    text = (
        '<div class="dropdown dropdown-download-buttons">\n<button class="btn" type="button" '
        'data-bs-toggle="dropdown" aria-expanded="false" aria-label="Download">\n<i></i></button>\n'
        '<ul class="dropdown-menu">\n<li>a</li></ul></div>'
    )
    mended = markup.mend(text)
    assert 'popovertarget="download-menu" aria-label="Download"' in mended
    assert '<ul class="dropdown-menu" id="download-menu" popover>' in mended
    script = '<script defer src="../_static/scripts/bootstrap.js?digest=1"></script>'
    assert "bootstrap" in scripts.leave_out(text + script)
    assert "bootstrap" not in scripts.leave_out(mended + script)


@pytest.mark.parametrize(("formula", "ems"), [
    # As wide as MathJax's own in the font that Chromium takes here, to half an em.
    ("x", 0.68), ("y^\\delta", 1.07), ("K^\\top y", 2.46), (r"H = \mathcal F k", 4.27),
    ("z \\le 0", 2.75),
])  # fmt: skip
def test_the_room_of_a_formula_is_what_it_takes(formula: str, ems: float):
    assert formulas.width(formula) == pytest.approx(ems, abs=0.5)


def test_what_cannot_be_set_still_gets_room():
    assert 1 < formulas.width(r"\unheardof{abcd}") < 5


def test_scripts_are_where_they_are_needed():
    tabs = '<script data-x src="../_static/design-tabs.js?v=1"></script>'
    assert scripts.leave_out(tabs + "<p></p>") == "<p></p>"
    needed = tabs + '<div class="sd-tab-set docutils"></div>'
    assert scripts.leave_out(needed) == needed


def test_only_what_could_never_match_is_left_out():
    used = {"a", "b"}
    for rule in (
        "p{top:0}",
        ".a>.b{top:0}",
        ":is(.x,.a){top:0}",
        "p:not(.x){top:0}",
        "[class=x]{top:0}",
    ):
        assert styles.trim(rule, used) == rule
    for rule in (".x{top:0}", ".a .x{top:0}", "#x{top:0}", ".a:hover .x:not(.a){top:0}"):
        assert styles.trim(rule, used) == ""


@pytest.mark.parametrize(("owner", "kept"), [("OWNER/REPOSITORY", False), ("someone/course", True)])
def test_buttons_lead_somewhere_or_are_left_out(owner, kept):
    launch = (
        '<div class="dropdown dropdown-launch-buttons">\n<button>Launch</button>\n<ul>\n'
        f'<li><a href="https://mybinder.org/v2/gh/{owner}/main">Binder</a></li>\n</ul>\n</div>'
    )
    download = '<div class="dropdown dropdown-download-buttons"><ul><li>x</li></ul></div>'
    mended = markup.mend(f"<body>{launch}{download}</body>")
    assert ("Binder" in mended) == kept
    assert download in mended
