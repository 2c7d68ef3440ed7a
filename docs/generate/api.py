"""API pages: a page per room, its public names as they are imported, under the mathematics of their modules."""

from importlib import import_module
from pathlib import Path

import scorefield

__all__ = ["pages", "write"]

ROOMS = (
    "errors",
    "processes",
    "densities",
    "networks",
    "grids",
    "models",
    "preconditioning",
    "energy",
    "classifier",
    "units",
    "sampling",
    "samplers",
    "objectives",
    "guidance",
    "likelihood",
    "metrics",
    "data",
    "training",
    "runs",
    "loaded",
    "pretrained",
    "evaluation",
    "toys",
    "config",
    "advice",
    "plotting",
    "hub",
    "interop",
)
PRIVATE = {  # pages of names whose module has none of its own: they are imported from scorefield
    "noise": ("_noise", ("Noise", "Source", "standard_normal", "uniform_like")),
    "errors": (
        "errors",
        ("ScorefieldError", "ConfigError", "DataError", "CheckpointError", "DivergedError", "MissingExtraError"),
    ),
}


def write(folder: Path) -> None:
    """Write one page per room."""
    place = folder / "api"
    place.mkdir(exist_ok=True)
    for name, text in pages().items():
        (place / f"{name}.md").write_text(text)


def pages() -> dict[str, str]:
    """Return the pages by name."""
    rooms = {name: _page(name, _sections(f"scorefield.{name}")) for name in ROOMS}
    private = {
        name: _page(name, [f".. automodule:: scorefield.{module}", "", *_entries(f"scorefield.{module}", names)])
        for name, (module, names) in PRIVATE.items()
    }
    return rooms | private


def _page(name: str, lines: list[str]) -> str:
    return f"# {name}\n\n```{{eval-rst}}\n" + "\n".join(lines) + "\n```\n"


def _sections(room: str) -> list[str]:
    """Return the directives of a room: module by module, and the names of each."""
    package = import_module(room)
    homes: dict[str, list[str]] = {}
    for public in package.__all__:
        home = getattr(getattr(package, public), "__module__", room)
        # What a room passes on from another is on the other's page.
        if not any(home.startswith(f"scorefield.{other}") for other in ROOMS) or f"{home}.".startswith(f"{room}."):
            homes.setdefault(home, []).append(public)
    lines = [f".. automodule:: {room}", ""]
    for home, names in homes.items():
        if home != room and home.startswith("scorefield."):  # not that of a type made by Python's own modules
            clash = home in (f"{room}.{public}" for public in names)  # a function named like its module
            lines += [f".. automodule:: {home}", *(["   :no-index:"] if clash else []), ""]
        lines += _entries(room, sorted(names))
    return lines


def _entries(module: str, names: list[str] | tuple[str, ...]) -> list[str]:
    """Return the directives of names, under the shortest path that imports them."""
    lines: list[str] = []
    for public in names:
        value = getattr(import_module(module), public)
        short = public in scorefield.__all__ or module.startswith("scorefield._")
        path = f"scorefield.{public}" if short else f"{module}.{public}"
        if isinstance(value, type):
            lines += [f".. autoclass:: {path}", "   :members:", "   :show-inheritance:", ""]
        elif callable(value) and hasattr(value, "__code__"):
            lines += [f".. autofunction:: {path}", ""]
    return lines
