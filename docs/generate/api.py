"""API pages: a page per package, its public names as ``from scorefield import …`` gives them, under the mathematics of their modules."""

from importlib import import_module
from pathlib import Path

import scorefield

__all__ = ["write"]

PACKAGES = [
    "processes",
    "densities",
    "networks",
    "grids",
    "models",
    "preconditioning",
    "energy",
    "sampling",
    "samplers",
    "objectives",
    "guidance",
    "likelihood",
    "metrics",
    "data",
    "training",
    "pretrained",
    "advice",
    "plotting",
]


def write(folder: Path) -> None:
    """Write one page per package."""
    pages = folder / "api"
    pages.mkdir(exist_ok=True)
    for name in PACKAGES:
        (pages / f"{name}.md").write_text(_page(name))


def _page(name: str) -> str:
    """Return the page of ``scorefield.<name>``."""
    package = import_module(f"scorefield.{name}")
    homes: dict[str, list[str]] = {}
    for public in package.__all__:
        value = getattr(package, public)
        homes.setdefault(getattr(value, "__module__", package.__name__), []).append(public)
    lines = [f".. automodule:: {package.__name__}", ""]
    for home, names in homes.items():
        if home not in (package.__name__, "typing", "collections.abc", "types"):
            clash = home in (f"{package.__name__}.{public}" for public in names)  # a function named like its module
            lines += [f".. automodule:: {home}", *(["   :no-index:"] if clash else []), ""]
        lines += [line for public in sorted(names) for line in _entry(package.__name__, public)]
    return f"# {name}\n\n```{{eval-rst}}\n" + "\n".join(lines) + "\n```\n"


def _entry(package: str, public: str) -> list[str]:
    """Return the directive of one name, under the shortest path that imports it."""
    value = getattr(import_module(package), public)
    path = f"scorefield.{public}" if public in scorefield.__all__ else f"{package}.{public}"
    if isinstance(value, type):
        return [f".. autoclass:: {path}", "   :members:", "   :show-inheritance:", ""]
    if callable(value) and hasattr(value, "__code__"):
        return [f".. autofunction:: {path}", ""]
    return []
