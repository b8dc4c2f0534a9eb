"""What this Sphinx extension does to exercises, solutions and short questions in the built book.

sphinx-exercise numbers the exercises and puts their cells together. This adds some things: a
solution is a native `<details>`, which needs no script, opens with the keyboard and is left out of
print while it is folded; no two exercises share an id; and the script of the questions is one file
instead of a copy in every output. And a definition can be linked to from any page.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import (  # type: ignore[import-untyped]
    is_exercise_node,
    is_solution_node,
    solution_node,
)

from ippy import questions

STYLE = Path(__file__).with_name("exercises.css")
QUESTIONS = Path(questions.__file__)
# What each question's output carries, of this or an earlier version of ippy.questions.
CARRIED = re.compile(r'<(style|script) class="ippy-questions">.*?</\1>', re.DOTALL)


class TidyExercises(SphinxPostTransform):
    """Take the id that all have off, and the link out of a solution's title.

    sphinx-exercise calls the body of every exercise `exercise-content`. A link inside a `<summary>`
    could not be followed without folding.
    """

    default_priority = 30  # after the titles have been made, 20 to 22

    def run(self, **kwargs: Any) -> None:
        for body in self.document.findall(nodes.section):
            if body.parent is not None and (
                is_exercise_node(body.parent) or is_solution_node(body.parent)
            ):
                body["ids"] = []
        for solution in list(self.document.findall(is_solution_node)):
            title = solution[0]
            solution["summary"] = title.astext()
            solution.remove(title)


def visit_solution(self: Any, node: nodes.Element) -> None:
    """Open `<details>`; the class `dropdown` would call for a script that is not needed."""
    node["classes"] = [name for name in node["classes"] if name != "dropdown"]
    title = self.encode(node["summary"])
    self.body.append(self.starttag(node, "details", CLASS="admonition"))
    self.body.append(f'<summary class="admonition-title">{title}</summary>\n')


def depart_solution(self: Any, node: nodes.Element) -> None:
    self.body.append("</details>\n")


def offer_targets(app: Sphinx, doctree: nodes.document) -> None:
    """Let other pages link to this page's targets and headings: `01-convolution.ipynb#def-adjoint`.

    MyST looks such an address up among the headings that it has numbered itself, and no others.
    """
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    targets = [doctree.nameids[name] for name, own in doctree.nametypes.items() if own]
    headings = [key for section in doctree.findall(nodes.section) for key in section["ids"]]
    for key in [*targets, *headings]:
        slugs.setdefault(key, (0, key, key))


def copy_files(app: Sphinx) -> None:
    """Put the script and the styles where the pages look for them."""
    static = Path(app.outdir) / "_static"
    static.mkdir(parents=True, exist_ok=True)
    for file in (STYLE, QUESTIONS.with_suffix(".css"), QUESTIONS.with_suffix(".js")):
        shutil.copyfile(file, static / file.name)


def share_files(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load what a page needs, once, and drop the copies that its outputs carry."""
    body, found = CARRIED.subn("", context.get("body", ""))
    if found:
        context["body"] = body
        app.add_css_file(QUESTIONS.with_suffix(".css").name)
        app.add_js_file(QUESTIONS.with_suffix(".js").name, loading_method="defer")
    if found or "admonition" in body:
        app.add_css_file(STYLE.name)


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx_exercise")
    app.add_node(solution_node, override=True, html=(visit_solution, depart_solution))
    app.add_post_transform(TidyExercises)
    app.connect("doctree-read", offer_targets)
    app.connect("builder-inited", copy_files)
    app.connect("html-page-context", share_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
