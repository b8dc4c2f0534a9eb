"""What the theme, docutils and Jupyter Book write wrongly or leave out, put right in a page.

Each entry is one known fault, as a pattern and what comes in its place; when a newer version no
longer makes the fault, its entry no longer finds anything.
"""

import re

MENDED = [
    # The name of the book stands outside every landmark of the page.
    (
        r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)',
        '<div class="sidebar-primary-item" role="navigation" aria-label="Book">',
    ),
    # A list asks for items, and this role of theirs has been withdrawn from the standard.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # A heading that says nothing is none.
    (r'<th class="head[^"]*">(?:<p></p>)?</th>', "<td></td>"),
    # Icons say nothing that the button's name does not say.
    (r'<i class="(fas? |fa-solid |theme-switch )', r'<i aria-hidden="true" class="\1'),
    # Names, brackets and blanks in code have the colour of the code around them: a quarter of a
    # chapter's bytes, and most of its elements, for nothing that anybody sees.
    (r'<span class="[npw]">([^<>]*)</span>', r"\1"),
    # Until the repository's address is set (book/address.py), its buttons would lead nowhere.
    (
        r'<div class="dropdown dropdown-launch-buttons">(?:(?!</ul>).)*OWNER/REPOSITORY'
        r"(?:(?!</ul>).)*</ul>\s*</div>",
        "",
    ),
    # A paragraph is no part of a summary.
    (
        r'<p class="((?:collapsed|expanded) admonition-title)">([^<>]*)</p>',
        r'<span class="\1">\2</span>',
    ),
    # Menus and hints in native HTML: Bootstrap's script, which would make them, weighs 82 kB.
    (
        r'(<div class="dropdown dropdown-(\w+)-buttons">\s*<button\b[^>]*)'
        r' data-bs-toggle="dropdown" aria-expanded="false"'
        r'([^>]*>(?:(?!<ul\b).)*<ul class="dropdown-menu")>',
        r'\1 popovertarget="\2-menu"\3 id="\2-menu" popover>',
    ),
    (r'\bdata-bs-title="', 'title="'),
    (r' data-bs-toggle="tooltip"| data-bs-(?:placement|spy|target|root-margin)="[^"]*"', ""),
    # The list of contents once more, for a paper on which it is not shown; an empty heading.
    (
        r'\s*<!-- Table of contents -->\s*<div id="print-main-content">.*?</div>\s*</div>'
        r"(?=\s*</div>)",
        "",
    ),
    (r'<div id="jb-print-docs-body" class="onlyprint">\s*<h1></h1>\s*</div>', ""),
    # The second and third time in one page.
    (r'(<meta name="viewport"[^>]*>)((?:(?!</head>).)*?)\s*<meta name="viewport"[^>]*>', r"\1\2"),
]
# Jupyter Book's first page is a bare instruction to the browser.
BARE_REDIRECT = re.compile(r'\A<meta http-equiv="Refresh" content="0; url=([^"]+)" />\s*\Z')
REDIRECT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta http-equiv="refresh" content="0; url={0}" />
<title>How convolutional networks restore images</title>
</head>
<body><main><h1><a href="{0}">How convolutional networks restore images</a></h1></main></body>
</html>
"""


def mend(text: str) -> str:
    """The page with the faults put right.

    >>> mend('<div class="citation" id="id2" role="doc-biblioentry">')
    '<div class="citation" id="id2" role="listitem">'
    """
    if bare := BARE_REDIRECT.match(text):
        return REDIRECT.format(bare[1])
    for fault, right in MENDED:
        text = re.sub(fault, right, text, flags=re.DOTALL)
    return text
