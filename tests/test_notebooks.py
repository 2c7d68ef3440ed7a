"""The docs do what they say: notebooks run, commands parse, Python on the pages runs."""

import re
import runpy
import shlex
import subprocess
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path

import matplotlib
import pytest

import scorefield
from forked import Forked
from scorefield.cli.main import COMMANDS, _parse, build_parser
from scorefield.errors import ConfigError

# What readers paste draws as it likes, and registers kinds.
pytestmark = pytest.mark.usefixtures("seeded", "kinds_of_this_test")

DOCS = Path(__file__).parents[1] / "docs"
README = DOCS.parent / "README.md"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.py"))
PAGES = sorted(page for page in DOCS.rglob("*.md") if not {"_build", "_generated"} & set(page.parts))
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(scorefield [a-z]+ [^`…]*)`")


def python_of(page: Path) -> list[str]:
    return PYTHON.findall(page.read_text())


TRAINING = ("mnist", "score_matching")
"""Notebooks that train for most of their time; another that trains is quick."""
LONG = ("few_steps", "classes")  # they train for a quarter of a minute; tests of what they show do with less
PROGRAMS = [
    pytest.param(page, id=page.stem, marks=pytest.mark.slow if page.stem in LONG else ())
    for page in PAGES
    if python_of(page)
]


def commands_of(page: Path) -> list[str]:
    """Return the ``scorefield`` commands of a page, in blocks and in running text."""
    text = page.read_text()
    lines = [line for block in CONSOLE.findall(text) for line in block.splitlines()]
    found = [line[line.index("scorefield ") :] for line in lines if re.search(r"(^|-m )scorefield ", line)]
    return found + INLINE.findall(CONSOLE.sub("", text))


def parse(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    _parse(build_parser([name for name in COMMANDS if name in words[:1]] or COMMANDS), words)


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 5


def test_scripts_on_the_pages_parse() -> None:
    """Of scripts that need a cluster, bash reads the syntax, and the parser the commands of the library."""
    scripts = [script for page in PAGES for script in SCRIPT.findall(page.read_text())]
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        filled = script.replace("\\\n", " ").replace("$resume", "--resume").replace("$rate", "1e-3")
        for command in re.findall(r"^.*?\b(scorefield [a-z]+ .*)$", filled, re.MULTILINE):
            parse(command)
    assert any("#SBATCH" in script for script in scripts)


@pytest.mark.promise("G6")
@pytest.mark.parametrize(
    "notebook",
    [pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in TRAINING else ()) for path in NOTEBOOKS],
)
def test_a_notebook_runs_as_a_script(notebook: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environment = {"SCOREFIELD_FAST": "1"}
    if notebook.stem == "mnist":
        environment["SCOREFIELD_DATA"] = str(request.getfixturevalue("mnist_dir"))
    ran = Forked(as_script, notebook, cwd=tmp_path, **environment)
    _, errors = ran.communicate(540)
    assert ran.returncode == 0, errors[-3000:]


def as_script(notebook: Path) -> None:
    matplotlib.use("agg")
    runpy.run_path(str(notebook), run_name="__main__")


@pytest.mark.promise("G6")
@pytest.mark.parametrize("page", [page for page in [README, *PAGES] if commands_of(page)], ids=lambda path: path.stem)
def test_commands_on_a_page_parse(page: Path) -> None:
    for command in commands_of(page):
        try:
            parse(command)
        except ConfigError as error:
            pytest.fail(f"{page.name}: {command}\n{error}")


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        parse("scorefield nonsense --out x.png")


@pytest.mark.promise("G6")
@pytest.mark.parametrize("page", PROGRAMS)
def test_python_on_a_page_runs(page: Path) -> None:
    """Blocks of one page share their names, from top to bottom."""
    namespace: dict[str, object] = {}
    for block in python_of(page):
        exec(compile(block, str(page), "exec"), namespace)  # noqa: S102


def test_every_name_of_the_front_and_of_its_rooms_is_on_an_api_page() -> None:
    api = runpy.run_path(str(DOCS / "generate" / "api.py"))
    shown = set(re.findall(r"auto(?:class|function):: \S+\.(\w+)", "\n".join(api["pages"]().values())))
    assert set(scorefield.__all__) <= shown
    for room in api["ROOMS"]:
        module = import_module(f"scorefield.{room}")
        described = {name for name in module.__all__ if isclass(value := getattr(module, name)) or isfunction(value)}
        assert described <= shown, room
    rooms = {path.stem for path in Path(scorefield.__file__).parent.iterdir() if not path.stem.startswith(("_", "."))}
    assert rooms - set(api["ROOMS"]) == {"app", "cli", "configs", "py", "weights"}
