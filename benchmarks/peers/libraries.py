"""How the other libraries are imported: only the modules that are measured, and never as a requirement."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module, metadata
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TypeVar

from benchmarks.timing import Note

LIBRARIES = ("scorefield", "azula", "smalldiffusion", "k-diffusion", "diffusers", "denoising-diffusion-pytorch")
TORCHVISION = ("torchvision", "torchvision.transforms")  # some import it to read image files, which nothing here does
Side = TypeVar("Side")

_without_torchvision: set[str] = set()


class Unavailable(Exception):
    """A library that cannot be imported here; the message says why in one line."""


def load(name: str) -> ModuleType:
    """Return the module ``name``; the ``__init__`` of its package, which imports more than is measured, does not run.

    A plain package name is imported whole. What cannot be imported is tried again with an empty module in place of torchvision.

    Raises:
        Unavailable: it cannot be imported.
    """
    package, _, inside = name.partition(".")
    try:
        if inside:
            _enter(package)
        try:
            return import_module(name)
        except (ImportError, RuntimeError):  # a torchvision that does not fit torch raises the latter
            with _empty_torchvision():
                module = import_module(name)
            _without_torchvision.add(package)
            return module
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed") from error
    except ImportError as error:
        raise Unavailable("it could not be imported") from error


def available(sides: Mapping[str, Callable[[], Side]]) -> tuple[dict[str, Side], list[Note]]:
    """Return the sides that can be built here, and a line for each of the others."""
    built: dict[str, Side] = {}
    missing = []
    for name, build in sides.items():
        try:
            built[name] = build()
        except Unavailable as error:
            missing.append(Note(f"{name}: not measured, {error}"))
    return built, missing


def versions() -> Note:
    """Return the line that says what was compared; call it when all that can be imported has been."""
    found = [f"{name} {version}" for name in LIBRARIES if (version := _version(name))]
    told = "Versions: " + ", ".join(found)
    if _without_torchvision:
        told += f"; torchvision was an empty module while {', '.join(sorted(_without_torchvision))} was imported"
    return Note(told)


def silence(module: ModuleType) -> None:
    """Take away the progress bar of a module that offers no way to turn it off."""
    module.__dict__["tqdm"] = lambda steps, **_: steps


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _enter(package: str) -> None:
    """Make the modules of a package importable without running its ``__init__``."""
    if package in sys.modules:
        return
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    sys.modules[package] = module_from_spec(spec)


class _Empty(ModuleType):
    """A module that anything can be imported from, and of which nothing can be called."""

    def __getattr__(self, name: str) -> "_Empty":
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(f"{self.__name__}.{name}")


@contextmanager
def _empty_torchvision() -> Iterator[None]:
    """Put empty modules in the place of torchvision's, and take them away again."""
    before = {name: sys.modules[name] for name in TORCHVISION if name in sys.modules}
    sys.modules.update({name: _Empty(name) for name in TORCHVISION})
    try:
        yield
    finally:
        for name in TORCHVISION:
            del sys.modules[name]
        sys.modules.update(before)
