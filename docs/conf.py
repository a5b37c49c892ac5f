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
