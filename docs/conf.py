"""Sphinx builds this site: strictly, and without a network. `make docs` is the command."""

# ruff: noqa: INP001 - Sphinx runs it; no package

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from generated_pages import write_pages  # noqa: E402 - beside this file, once it is found

import radar_nb  # noqa: E402 - with the other imports of the project

project = "radar_nb"
author = "The radar_nb developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx names it so
release = version = radar_nb.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "images", "faults.example.toml"]
default_role = "py:obj"  # a name in single backticks links to the reference where it is there

myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # outputs are stored: `make notebooks` makes them, tests run the cells
nb_ipywidgets_js: dict[str, Any] = {}  # by default widgets would fetch scripts from another server
nb_mime_priority_overrides = [("*", "application/vnd.jupyter.widget-view+json", None)]  # the other output instead

numpydoc_show_class_members = False  # autodoc shows them
numpydoc_class_members_toctree = False
autodoc_typehints = "none"  # the docstrings state the types in words
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
maximum_signature_line_length = 90
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"radar_nb {release}"
html_static_path = ["_static"]
html_extra_path = ["generated/extra"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7fb4ee", "color-brand-content": "#7fb4ee"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_exclude = ".linenos, .gp, .go"

suppress_warnings = [
    "myst.header",  # notebooks and included pages begin where they begin
    "mystnb.unknown_mime_type",  # the states of widgets
]


def setup(app: Any) -> None:
    """Write the pages that are generated from notebooks, before Sphinx looks for pages."""
    app.connect("config-inited", lambda _app, _config: write_pages(HERE))
