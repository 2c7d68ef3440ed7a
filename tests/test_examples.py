"""Every public name that people call has a short example on its API page, and the example does what it shows."""

import doctest
import re
import sys
from importlib import import_module
from inspect import getdoc, isabstract, isclass
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from generate import api, examples  # noqa: E402

pytestmark = pytest.mark.usefixtures("seeded", "kinds_of_this_test")

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
COMMANDS = ("runs", "loaded", "evaluation", "toys", "hub", "interop")
"""Rooms that commands are made of; how-tos show what they are for. Names of the front that live there have examples."""
ELSEWHERE = {
    "data.mnist": "it downloads",
    "data.fashion_mnist": "it downloads",
    "data.kmnist": "it downloads",
    "data.cifar10": "it downloads",
    "networks.UNet2D": "needs diffusers: docs/howto/others_models",
    "training.Accelerated": "of several processes: docs/howto/several_gpus",
    "training.Sharded": "of several processes: docs/howto/several_gpus",
    "pretrained.save_card": "docs/howto/convert",
    "pretrained.weighted": "load_model calls it",
}


def public() -> set[str]:
    """Return the names on API pages that people call."""
    pages = {room: page for room, page in api.pages().items() if room not in COMMANDS}
    found = re.findall(r"auto(?:class|function):: scorefield\.(\S+)", "\n".join(pages.values()))
    return {name for name in found if not abstract(name)} - {"ScoreModel"} - ELSEWHERE.keys()


def value_of(name: str) -> object:
    room, _, last = f"scorefield.{name}".rpartition(".")
    return getattr(import_module(room), last)


def described(name: str) -> str:
    return getdoc(value_of(name)) or ""


def abstract(name: str) -> bool:
    value = value_of(name)
    return isclass(value) and (isabstract(value) or getattr(value, "_is_protocol", False))


OWN = {name: text for name in public() if ">>>" in (text := described(name))}
"""Docstrings that hold an example themselves."""


def test_every_name_has_an_example() -> None:
    assert len(examples.examples()) > 150
    assert sorted(public() - examples.examples().keys() - OWN.keys()) == []


def test_every_example_is_of_a_name_on_a_page_and_short() -> None:
    shown = set(re.findall(r"auto(?:class|function):: scorefield\.(\S+)", "\n".join(api.pages().values())))
    assert sorted(examples.examples().keys() - shown) == []
    assert [name for name, text in examples.examples().items() if text.count("\n") > 9] == []


@pytest.mark.parametrize("name", [*examples.examples(), *sorted(OWN)])
def test_an_example_does_what_it_shows(name: str, tmp_path: Path) -> None:
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
