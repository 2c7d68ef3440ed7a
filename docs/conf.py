"""Sphinx configuration."""

import re

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


def _lay_out(app, what, name, obj, options, lines: list[str]) -> None:  # noqa: ANN001 Sphinx's signature
    """Show what docstrings indent, their formulas, as written; and take the * of a shape (b, *d) for what it is."""
    laid: list[str] = []
    literal = False
    for line in lines:
        indented = line.startswith("    ")
        field = bool(laid) and any(former.startswith((":", "..", "*")) for former in laid[-3:])
        if indented and not literal and laid and not laid[-1].strip() and not field:
            laid += ["::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        laid.append(line if literal else re.sub(r"\*(?=[bdm]\b)", r"\\\g<0>", line))
    lines[:] = laid


def setup(app) -> None:  # noqa: ANN001
    """Run after napoleon, which turns sections into fields."""
    app.connect("autodoc-process-docstring", _lay_out, priority=900)
