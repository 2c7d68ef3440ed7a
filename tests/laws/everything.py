"""Every public class of the library, found because it exists, and the law case of each that needs no telling."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["by_default", "public", "without_a_law"]

ROOMS = ("samplers", "guidance", "densities", "processes", "grids", "objectives", "models", "preconditioning", "energy")


def public(kind: type, rooms: Iterable[str] = ROOMS) -> dict[str, type]:
    """Return the concrete classes of a kind in the ``__all__`` of the rooms, by name; ``object`` is every kind."""
    found: dict[str, type] = {}
    for room in rooms:
        module = import_module(f"scorefield.{room}")
        for name in module.__all__:
            value = getattr(module, name)
            concrete = (
                inspect.isclass(value) and not inspect.isabstract(value) and not getattr(value, "_is_protocol", False)
            )
            second = getattr(value, "__name__", name) != name  # PiGDM, TwistedDiffusion: another name of a class
            if concrete and issubclass(value, kind) and value is not kind and not second:
                found[name] = value
    return found


def by_default(found: Mapping[str, type], told: Iterable[object], make: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a case for each class that no case told is an instance of, where it can be made without settings of its own."""
    known = {type(case) for case in told}
    made: dict[str, Any] = {}
    for name, cls in found.items():
        if cls in known:
            continue
        try:
            made[name] = make(cls)
        except TypeError:  # an argument without a default
            continue
    return made


def without_a_law(
    found: Mapping[str, type], cases: Iterable[object], elsewhere: Mapping[str, str], where: str
) -> list[str]:
    """Return a sentence for each class without a case, and for each that is said to have its laws elsewhere but is not there.

    Args:
        found: the classes that must have one.
        cases: objects that the laws run on.
        elsewhere: name of a class: the text of the tests that hold its laws.
        where: what to add a case to.
    """
    known = {type(case).__name__ for case in cases}
    missing = [
        f"{name} is public and has no law: add a case to {where}, or give its settings defaults"
        for name in found
        if name not in known and name not in elsewhere
    ]
    gone = [
        f"{name} is said to have its laws in a file that never makes one"
        for name, text in elsewhere.items()
        if f"{name}(" not in text
    ]
    return missing + gone + [f"{name} is excused and is no public class" for name in elsewhere if name not in found]
