"""Sphinx extension: formulas as MathML, which browsers draw themselves, in the place of 1.2 MB of MathJax.

A formula that the converter does not know fails the build.
"""

from __future__ import annotations

from html import escape

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def mathml(tex: str, display: str, location: nodes.Element | None = None) -> str:
    """A formula in TeX as a ``<math>`` element; ``display`` is "inline" or "block"."""
    try:
        formula = convert(tex, display=display)
        if "\\" in formula:
            raise ValueError("a command that it does not know")
    except Exception as error:  # the converter has many kinds of errors
        logger.warning("this formula cannot become MathML (%s): %s", error, tex, location=location)
        return f"<code>{escape(tex)}</code>"
    return formula


def inline(self: HTML5Translator, node: nodes.math) -> None:
    # the word joiner keeps a full stop on the line of its formula
    self.body.append(f'<span class="math">{mathml(node.astext(), "inline", node)}</span>&#8288;')
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math", tabindex="0"))
    self.body.append(mathml(node.astext(), "block", node))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, object]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
