"""Sphinx configuration: pictures and API pages are generated first, notebooks are executed in full, once: results are cached."""

import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # tensors are small: threads that wait for each other cost more than they save

os.environ.pop("MPLBACKEND", None)  # or notebooks would show no figures

import generate  # noqa: E402
from generate.examples import examples  # noqa: E402
from generate.papers import linked  # noqa: E402
from pydantic import BaseModel  # noqa: E402

import scorefield  # noqa: E402

project = "scorefield"
author = "The scorefield authors"
copyright = "the scorefield authors, MIT licence"
release = scorefield.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
extensions += [
    "sphinx_copybutton",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
]  # formulas are set without a network, too
html_theme = "furo"
html_title = "scorefield"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_extra_path = ["../src/scorefield/app"]  # the plane, a page of its own: plane/index.html
exclude_patterns = ["_build", "conf.py", "generate", "gallery.py", "_generated/*.inc", "**/.ipynb_checkpoints"]
exclude_patterns += ["./*.py", "./pages", "./__pycache__"]  # of the app: its server, and the pages that need one
suppress_warnings = ["mystnb.unknown_mime_type"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
nb_custom_formats = {".py": "generate.notebook.read"}
nb_execution_mode = "cache"
nb_execution_timeout = 1800  # seconds of a cell, on a busy machine
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars, and remarks on what is installed where these docs were built

default_role = "py:obj"  # `Heun` in a docstring is a link
napoleon_use_ivar = True  # attributes of a docstring are not declared a second time as members
autodoc_typehints = "description"
autodoc_member_order = "bysource"


def _lay_out(app, what, name, obj, options, lines: list[str]) -> None:  # noqa: ANN001 Sphinx's signature
    """Show indented formulas as written, link the papers that are named, and take the * of a shape (b, *d) and |x| as they are."""
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
        plain = re.sub(r"(``.*?``)|(\*(?=[bdm]\b)|(?<!`)\|(?!`))", lambda found: found[1] or f"\\{found[2]}", line)
        laid.append(line if literal else linked(plain, "`{text} <{url}>`__"))
    lines[:] = laid


def _exemplify(app, what, name, obj, options, lines: list[str]) -> None:  # noqa: ANN001 Sphinx's signature
    """Add the example of a name."""
    example = examples().get(name.removeprefix("scorefield."))
    if example is not None:
        lines += ["", ".. code-block:: pycon", "", *(f"   {line}" for line in example.splitlines()), ""]


def _skip(app, what, name, obj, skip, options) -> bool | None:  # noqa: ANN001 Sphinx's signature
    """Leave out the fields of named tuples, which their class describes, and what pydantic adds to a configuration."""
    added = name == "model_config" or (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
    return True if added else None


def _brief(app, what, name, obj, options, signature, returns) -> tuple[str, None] | None:  # noqa: ANN001 Sphinx's signature
    """Leave the types of a configuration to the page of settings: as annotations they fill screens."""
    if isinstance(obj, type) and issubclass(obj, BaseModel):
        app.env.current_document.autodoc_annotations.pop(name, None)
        return "(**settings)", None
    return None


def setup(app) -> None:  # noqa: ANN001
    """Generate what pages include; lay docstrings out after napoleon, which turns sections into fields."""
    generate.write(DOCS / "_generated")
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _brief, priority=900)  # after the types were recorded
    app.connect("autodoc-process-docstring", _lay_out, priority=900)
    app.connect("autodoc-process-docstring", _exemplify, priority=950)
