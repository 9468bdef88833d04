"""How Sphinx builds these pages."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "jfcelery"
author = "The jfcelery developers"
project_copyright = "2026, The jfcelery developers"
release = version = version_of("jfcelery")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "references", "diagrams"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = True

# A reference that leads nowhere is an error. Types of signatures are exempt: most are jobflow's, or
# have no page.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]

html_theme = "furo"
html_title = f"jfcelery {release}"
html_static_path = ["_static"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
