"""How the pages are built: ``make docs`` writes them to ``build/docs``, and stops at the first warning."""

from importlib.metadata import version as version_of

project = "Earmark"
author = "The Earmark developers"
version = release = version_of("earmark")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]

# Headings get the anchors that they have on a code host, so that links work in both places.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = [
    "myst.xref_missing"
]  # links out of docs/, to the README and to bench/: tests check these
exclude_patterns: list[str] = []

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_use_rtype = False
napoleon_google_docstring = False
default_role = "code"

html_theme = "furo"
html_title = f"Earmark {version}"
html_copy_source = html_show_sourcelink = html_show_sphinx = html_show_copyright = False
html_theme_options = {"navigation_with_keys": False}
