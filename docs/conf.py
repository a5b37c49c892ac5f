from typing import Any

from latex2mathml.converter import convert

from recloop import __version__

project = "recloop"
author = "the recloop authors"
release = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"recloop {__version__}"
html_static_path = ["_static"]
exclude_patterns = ["_build"]
# the front page's links to files of the repository lead nowhere inside the built pages
suppress_warnings = ["myst.xref_missing"]


def _math(translator: Any, node: Any) -> None:
    """Formulas as MathML, so that the pages need no script and no network."""
    from docutils import nodes

    block = isinstance(node, nodes.math_block)
    translator.body.append(convert(node.astext(), display="block" if block else "inline"))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """MathML stands in for the renderer that would load a script from elsewhere."""
    app.add_html_math_renderer("mathml", (_math, None), (_math, None))


html_math_renderer = "mathml"
