"""What a module's numbers follow from: found in small packages, where every kind of change is made once."""

from pathlib import Path

import pytest

from scorefield_claims.closure import Sources

LIBRARY = {
    "__init__.py": "import lazy\n__version__ = '1'\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)",
    "__init__.pyi": "from .grids import Karras as Karras\nfrom .samplers import Heun as Heun, Euler as Euler",
    "grids.py": "from ._tensors import like\nclass Karras:\n    steps: int = 3\n    def times(self): return like(1)",
    "samplers/__init__.py": "from lib.samplers.ode import Heun\nfrom lib.samplers.euler import Euler",
    "samplers/ode.py": "class Heun:\n    order = 2",
    "samplers/euler.py": "class Euler:\n    order = 1",
    "_tensors.py": "import math\nif TYPE_CHECKING:\n    import lib.unused as u\ndef like(x): return x * math.pi",
    "unused.py": "x = 1",
    "checked.py": """from lib.unused import x
def root(value):
    assert value < 9
    if value < x:
        raise ValueError(f"too small: {value}")
    try:
        assert value
        if value < 4:
            raise KeyError("few")
    except KeyError:
        value = 2
    if value > 7:
        raise TypeError("much")
    if (half := value / 2) < 0:
        raise ValueError("odd")
    if value > 5:
        value = 5
        raise OSError("many")
    return half
""",
}
CLAIMS = {
    "__init__.py": "",
    "base.py": "SIZE = 3",
    "one.py": '''"""Words."""
import lib as sf
from lib.samplers import Heun
from claims import base
CLAIM = "a statement"
def measure(n=base.SIZE):
    """Return it."""
    return sf.Karras(n), Heun()
''',
    "other.py": "import lib as sf\nsf.Euler",
    "checks.py": "import lib.checked\nlib.checked.root(3)",
}
REACHED = ["claims.base", "claims.one", "lib._tensors", "lib.grids", "lib.samplers.ode"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for package, files in (("lib", LIBRARY), ("claims", CLAIMS)):
        for name, text in files.items():
            path = tmp_path / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return tmp_path


def reached(root: Path, module: str = "claims.one", **settings) -> dict[str, str]:
    return Sources({name: root / name for name in ("lib", "claims")}, **settings).reached(module)


def change(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert text.count(old) == 1
    (root / file).write_text(text.replace(old, new))


def test_reached_is_what_the_names_used_lead_to_and_no_more(root: Path):
    assert list(reached(root)) == REACHED
    assert list(reached(root, "claims.other")) == ["claims.other", "lib.samplers.euler"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/samplers/ode.py", "order = 2", "order = 3"),
        ("lib/_tensors.py", "x * math.pi", "math.pi + x"),
        ("lib/_tensors.py", "math.pi", "math.tau"),
        ("lib/grids.py", "int = 3", "int = 4"),
        ("claims/base.py", "3", "3.0"),
        ("claims/one.py", "n=base.SIZE", "n=2"),
        ("claims/one.py", "sf.Karras(n), Heun()", "Heun(), sf.Karras(n)"),
    ],
)
def test_a_change_of_code_that_is_reached_is_seen(root: Path, file: str, old: str, new: str):
    before = reached(root)
    change(root, file, old, new)
    after = reached(root)
    module = file.removesuffix(".py").replace("/", ".")
    assert {name for name in before | after if before.get(name) != after.get(name)} >= {module}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/unused.py", "1", "2"),
        ("lib/samplers/euler.py", "1", "2"),
        ("lib/__init__.py", "'1'", "'2'"),
        ("lib/__init__.pyi", ", Euler as Euler", ""),
        ("lib/_tensors.py", "def like(x): return x * math.pi", "# why\ndef like(x):\n    '''Return.'''\n    return (x  *\n  math.pi)"),
        ("lib/_tensors.py", "def like(x)", "def like(x: float) -> float"),
        ("lib/_tensors.py", "import lib.unused as u", "from lib.unused import x"),
        ("claims/one.py", "Words.", "Other words."),
        ("claims/other.py", "sf.Euler", "sf.Heun"),
    ],
)  # fmt: skip
def test_a_change_of_words_or_of_other_code_is_not(root: Path, file: str, old: str, new: str):
    before = reached(root)
    change(root, file, old, new)
    assert reached(root) == before


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("value < 9", "value < 8", False),
        ("value < x", "value < x - 1", False),
        ("too small", "not large enough", False),
        ('"few"', '"hardly any"', False),
        ('"many"', '"a lot"', False),
        ("value < 4", "value < 3", True),
        ("KeyError(", "IndexError(", True),
        ("assert value\n", "assert value > 1\n", True),
        ("value > 7", "value > 8", False),
        ("value / 2", "value / 3", True),
        ("value > 5", "value > 6", True),
        ("OSError(", "TypeError(", True),
    ],
)
def test_of_a_refusal_counts_what_may_be_caught_or_gives_a_value(root: Path, old: str, new: str, counts: bool):
    before = reached(root, "claims.checks")
    assert list(before) == ["claims.checks", "lib.checked"]  # not what the refusal alone uses
    change(root, "lib/checked.py", old, new)
    assert (reached(root, "claims.checks") != before) == counts


def test_what_is_set_apart_is_not_compared(root: Path):
    before, apart = reached(root), reached(root, apart={"CLAIM"})
    change(root, "claims/one.py", "a statement", "another statement")
    assert reached(root) != before
    assert reached(root, apart={"CLAIM"}) == apart


def test_a_package_used_whole_brings_all_it_passes_on(root: Path):
    change(root, "claims/other.py", "sf.Euler", "print(sf)")
    assert {"lib", "lib.grids", "lib.samplers.ode", "lib.samplers.euler"} <= reached(root, "claims.other").keys()


def test_a_name_moved_to_another_module_is_followed(root: Path):
    change(root, "lib/__init__.pyi", ".grids", ".unused")
    change(root, "lib/unused.py", "x", "Karras")
    found = reached(root)
    assert "lib.unused" in found
    assert "lib.grids" not in found


def test_a_digest_is_the_same_for_every_version_of_python(tmp_path: Path):
    (tmp_path / "__init__.py").write_text(
        "def f(x, *, k=None, **z):\n    try: return f'{x!r:>{k}}' + 'a' 'b' + u'c'\n    except* OSError: ...\nclass A: pass\n"
    )
    assert Sources({tmp_path.name: tmp_path}).reached(tmp_path.name) == {tmp_path.name: "8a49ab1dcc423c33"}


def test_a_name_that_is_nowhere_is_an_error_that_names_it(root: Path):
    change(root, "claims/other.py", "sf.Euler", "sf.Leapfrog")
    with pytest.raises(LookupError, match="lib has no Leapfrog"):
        reached(root, "claims.other")
