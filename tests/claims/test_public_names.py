"""The claims are users of the library: what they take from it is public, and what others keep to themselves they leave alone."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import scorefield
import scorefield_claims

FOLDER = Path(str(scorefield_claims.__file__)).parent
CLOSED = {"app", "cli", "config"}
"""Rooms whose names are for the library's own floors."""


def trespasses(code: str) -> Iterator[str]:
    """Yield what code takes of scorefield that is not public, and the private attributes of others that it touches."""
    tree = ast.parse(code)
    fronts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root, *below = alias.name.split(".")
                if root == "scorefield" and below:
                    yield alias.name  # a room is for `from scorefield.room import name`, which says what of it is used
                elif root == "scorefield":
                    fronts.add(alias.asname or root)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scorefield":
            _, *below = str(node.module).split(".")
            is_open = len(below) < 2 and not (below and (below[0] in CLOSED or below[0].startswith("_")))
            public = set(import_module(str(node.module)).__all__) if is_open else set()
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name not in public)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name.startswith("_"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            of = node.value.id if isinstance(node.value, ast.Name) else ""
            dunder = node.attr.startswith("__")
            hidden = node.attr.startswith("_") and not dunder and of not in ("self", "cls")
            if hidden or (of in fronts and not dunder and node.attr not in scorefield.__all__):
                yield f"{of}.{node.attr}"


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_claim_uses_public_names_alone(path: Path):
    assert list(trespasses(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "from scorefield._tensors import derive_seed",
        "from scorefield.metrics.estimate import mean",
        "from scorefield.config import RunConfig",
        "from scorefield.metrics import row_means",
        "from scorefield import Nonsense",
        "from scorefield.cli import main",
        "from scorefield_claims.base import _hidden",
        "import scorefield.config.sampling",
        "import scorefield as sf\nsf.grids",
        "import scorefield\nscorefield._tensors",
        "def f(model): return model._with(net=None)",
    ],
)
def test_what_is_not_public_is_found(code: str):
    assert len(list(trespasses(code))) == 1


def test_what_is_public_is_let_pass():
    code = "import scorefield as sf\nfrom scorefield.metrics import mean\nsf.__version__, sf.sample\nself._own"
    assert list(trespasses(code)) == []
