"""Every public name has a short example on its API page, and the example does what it shows."""

import doctest
import math
import re
import struct
import sys
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from generate import api, examples  # noqa: E402

pytestmark = pytest.mark.usefixtures("seeded", "kinds_of_this_test")

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NEEDED = {"networks.UNet2D": "diffusers", "interop.from_diffusers": "diffusers", "interop.from_sbi": "sbi"}
"""Packages without which an example is skipped."""
SLOW = {"evaluate", "plotting.score_panels", "preconditioning.denoised_by_flow", "toys.pictures"}


def public() -> set[str]:
    """Return the names on API pages."""
    return set(re.findall(r"auto(?:class|function):: scorefield\.(\S+)", "\n".join(api.pages().values())))


def value_of(name: str) -> object:
    room, _, last = f"scorefield.{name}".rpartition(".")
    return getattr(import_module(room), last)


def described(name: str) -> str:
    return getdoc(value_of(name)) or ""


OWN = {name: text for name in public() if ">>>" in (text := described(name))}
"""Docstrings that hold an example themselves."""


def test_every_name_has_an_example() -> None:
    assert len(public()) > 300
    assert sorted(public() - examples.examples().keys() - OWN.keys()) == []


def test_every_example_is_of_a_name_on_a_page_and_short() -> None:
    assert sorted(examples.examples().keys() - public()) == []
    assert [name for name, text in examples.examples().items() if text.count("\n") > 9] == []


@pytest.fixture(scope="session")
def data_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds test sets of zeros in the form of those that are downloaded."""
    folder = tmp_path_factory.mktemp("data_sets")
    for name in ("mnist", "fashion-mnist", "kmnist"):
        (folder / name).mkdir()
        for what, sizes in (("images-idx3", (10_000, 28, 28)), ("labels-idx1", (10_000,))):
            header = struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
            (folder / name / f"t10k-{what}-ubyte").write_bytes(header + bytes(math.prod(sizes)))
    (folder / "test_batch.bin").write_bytes(bytes(10_000 * 3073))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in [*examples.examples(), *sorted(OWN)]
    ],
)
def test_an_example_does_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_sets: Path
) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name], reason=f"{NEEDED[name]} is not installed")
    monkeypatch.setenv("SCOREFIELD_DATA", str(data_sets))
    monkeypatch.chdir(tmp_path)  # where sbi writes a log
    torch.manual_seed(0)
    test = doctest.DocTestParser().get_doctest(
        examples.examples().get(name) or OWN[name], examples.names(tmp_path), name, None, 0
    )
    assert test.examples
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append)
    assert outcome.failed == 0, "".join(said)


def test_an_example_that_lies_is_noticed() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "liar", None, 0)
    assert doctest.DocTestRunner().run(test, out=lambda _: None).failed == 1
