"""Sphinx configuration."""

import scorefield

project = "scorefield"
author = "The scorefield authors"
release = scorefield.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "scorefield"
myst_enable_extensions = ["dollarmath", "amsmath"]
exclude_patterns = ["_build"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
