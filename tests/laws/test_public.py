"""The public surface: every name is there, and importing the package is free."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import scorefield


@pytest.mark.parametrize("name", scorefield.__all__)
def test_every_public_name_is_importable(name: str) -> None:
    value = getattr(scorefield, name)
    assert callable(value)
    assert value.__name__ == {"PiGDM": "LinearGaussian", "TwistedDiffusion": "Particles"}.get(name, name)
    assert name in dir(scorefield)


@pytest.mark.parametrize("package", ["scorefield", "scorefield.metrics", "scorefield.plotting"])
def test_the_names_of_a_stub_are_public_to_type_checkers_and_written_once(package: str) -> None:
    module = import_module(package)
    stub = ast.parse(Path(str(module.__file__)).with_suffix(".pyi").read_text())
    names = [name for line in stub.body if isinstance(line, ast.ImportFrom) for name in line.names]
    assert all(name.asname == name.name for name in names)  # without "as", a stub keeps what it imports to itself
    assert sorted(name.name for name in names) == module.__all__


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, scorefield; scorefield.errors.DivergedError; print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout.strip() == "[]"


MAKERS = {
    "arange",
    "as_tensor",
    "empty",
    "eye",
    "full",
    "linspace",
    "logspace",
    "ones",
    "rand",
    "randn",
    "tensor",
    "zeros",
}


def called_at_import(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of a module that are made when it is imported."""
    if isinstance(node, ast.Call):
        yield node
    later = [*node.body] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
    for child in ast.iter_child_nodes(node):
        if child not in later and not isinstance(child, ast.Lambda):
            yield from called_at_import(child)


def test_no_tensor_is_made_on_the_default_device_of_whoever_imports_first() -> None:
    """Rooms are imported when they are first used, which may be within ``torch.device("meta")``: it would stay there."""
    calls = [
        f"{path.name}:{call.lineno}"
        for path in Path(scorefield.__file__).parent.rglob("*.py")
        for call in called_at_import(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "torch" and call.func.attr in MAKERS
        if not any(keyword.arg == "device" for keyword in call.keywords)
    ]
    assert calls == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        scorefield.Nonsense  # noqa: B018


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Karas'; did you mean Karras\?$"):
        scorefield.Karas  # noqa: B018


def test_a_star_import_brings_every_name() -> None:
    namespace: dict[str, object] = {}
    exec("from scorefield import *", namespace)  # noqa: S102
    assert set(scorefield.__all__) <= namespace.keys()


def test_the_front_is_short_and_the_rooms_hold_the_rest() -> None:
    assert len(scorefield.__all__) <= 90
    assert scorefield.frechet_distance is scorefield.metrics.frechet_distance


def test_every_room_is_an_attribute_of_the_front() -> None:
    """``sf.data.mnist()`` is what people write; asked of the front itself, since importing one room makes attributes of others."""
    rooms = {f.parent.name for f in Path(scorefield.__file__).parent.glob("*/__init__.py")} - {"app", "cli"}
    assert {"data", "plotting", "metrics"} <= rooms
    for room in rooms:
        assert scorefield.__getattr__(room) is import_module(f"scorefield.{room}")


def test_every_room_is_on_the_front_page_of_the_docs() -> None:
    source = Path(scorefield.__file__).parent
    page = (source.parents[1] / "docs" / "index.md").read_text(encoding="utf-8")
    files = {path.stem for path in source.glob("*.py")} | {path.parent.name for path in source.glob("*/__init__.py")}
    rooms = {name for name in files if not name.startswith("_")} - {"errors"}
    assert [room for room in sorted(rooms) if f"`{room}`" not in page] == []
