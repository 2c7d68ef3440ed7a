"""Notebooks are Python files with cells; Sphinx is told their language, which only an executed one says itself."""

from typing import Any

import jupytext

__all__ = ["read"]


def read(text: str) -> Any:  # noqa: ANN401 a notebook of nbformat
    """Return the notebook of a ``py:percent`` file."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook
