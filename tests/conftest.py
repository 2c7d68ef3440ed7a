"""What holds for every test: it depends on nothing around it, and leaves nothing behind."""

import gc
import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import torch

import promises
from isolation import LEFTOVERS, leave_home, refuse_network

_DATA = Path(os.environ.get("SCOREFIELD_DATA") or Path(__file__).parents[2] / "shared" / "data").absolute()


def pytest_addoption(parser: pytest.Parser) -> None:
    promises.add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Start one more than there are cores: a fifth of the time, a test waits for processes that it has started."""
    return (yield) + 1


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until tests begin: a sixth of the time that it takes to collect them
    leave_home()
    sys.addaudithook(refuse_network)
    if (path := config.getoption("--promises")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(promises.Record(path.absolute(), config.option.markexpr))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    promises.prepare(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()  # modules and tests outlive the run: the collector need not look through them again and again
    gc.enable()


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """A folder that holds MNIST, itself or in ``mnist``: SCOREFIELD_DATA, or ../shared/data beside the repository."""
    if not any((_DATA / place / "train-images-idx3-ubyte.gz").exists() for place in ("", "mnist")):
        pytest.skip(f"no MNIST in {_DATA}: set SCOREFIELD_DATA to the folder that holds its four files")
    return _DATA


@pytest.fixture(scope="session", autouse=True)
def working_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that tests run in, where others have worked before."""
    folder = tmp_path_factory.mktemp("leftovers")
    for name in LEFTOVERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left by another program\n")
    os.environ.pop("SCOREFIELD_DATA", None)  # what tests want of it, they want from mnist_dir
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="session")
def leftovers(working_folder: Path) -> dict[str, int]:
    """What the working folder holds before the next test."""
    return _files(working_folder)


@pytest.fixture(autouse=True)
def hermetic(working_folder: Path, leftovers: dict[str, int]) -> Iterator[None]:
    """Hold each test to leaving the working folder as it was, and to seeding the global generator before it draws from it.

    Unseeded, the generator begins elsewhere in each test of each run, as pytest's seed decides.
    """
    unseeded = random.getrandbits(63)
    torch.default_generator.manual_seed(unseeded)  # torch.manual_seed keeps a stack trace for each kind of GPU, too
    generator = torch.get_rng_state()
    yield
    entered = Path.cwd()
    os.chdir(working_folder)
    assert entered == working_folder, "another working folder was entered and not left: use monkeypatch.chdir"
    before, after = dict(leftovers), _files(working_folder)
    leftovers |= after
    assert after == before, "the working folder was written to: use tmp_path"
    drawn = not torch.equal(torch.get_rng_state(), generator)
    assert not (drawn and torch.initial_seed() == unseeded), "the global generator was used unseeded: torch.manual_seed"


@pytest.fixture
def seeded(hermetic: None) -> None:
    """Seed the global generator, for tests of what draws from it, such as networks their initial weights."""
    torch.manual_seed(0)


@pytest.fixture
def hardly_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the networks that tell samples from data a twelfth as long: for tests that ask for a report, not for what they find."""
    from scorefield.metrics import classifier_test

    monkeypatch.setattr(classifier_test, "_PASSES", 2)


@pytest.fixture
def kinds_of_this_test() -> Iterator[None]:
    """Take away, afterwards, the kinds that a test registers."""
    from scorefield.config.rooms import ROOMS

    before = {noun: (dict(room.makers), dict(room.models)) for noun, room in ROOMS.items()}
    yield
    for noun, room in ROOMS.items():
        room.makers, room.models = before[noun]


def _files(folder: Path) -> dict[str, int]:
    """Return what is in a folder, and when it was last changed."""
    found = (os.path.join(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return {path: os.stat(path).st_mtime_ns for path in found}
