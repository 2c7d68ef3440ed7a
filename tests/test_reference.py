"""The generated references say everything: each setting with its meaning, each command with an example, each paper with its address."""

import ast
import sys
from pathlib import Path

import pytest

import scorefield
from scorefield.cli.main import COMMANDS
from scorefield.config import RunConfig

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from generate import commands, papers, settings  # noqa: E402


def flat(values: dict, prefix: str = "") -> set[str]:
    """Return the dotted names of nested settings."""
    inner = [
        flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
        for key, value in values.items()
    ]
    return set().union(*inner)


def test_every_setting_has_a_meaning_where_the_class_is() -> None:
    found = [(key, settings.meaning(section, name)) for key, section, name in settings.every()]
    assert len(found) > 150
    assert [key for key, meaning in found if len(meaning) < 3] == []


def test_every_setting_of_a_run_is_on_the_page() -> None:
    text = settings.page() + settings.kinds()
    assert [key for key in flat(RunConfig().model_dump()) if f"`{key.removesuffix('.kind')}" not in text] == []


def test_the_page_of_settings_is_that_of_this_code() -> None:
    assert settings.PAGE.read_text(encoding="utf-8") == settings.page(), "run python -m tools.kinds"


def test_the_default_of_the_average_and_why_stands_on_the_page() -> None:
    row = next(line for line in settings.page().splitlines() if line.startswith("| `train.ema_decay`"))
    assert all(
        part in row
        for part in (
            "`0.999`",
            "≥\N{NO-BREAK SPACE}0, <\N{NO-BREAK SPACE}1",
            "moving average",
            "Song & Ermon 2020",
            "arxiv.org/abs/2006.09011",
        )
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_says_what_each_option_is(command: str) -> None:
    section = commands.pages()[command]
    assert f"scorefield {command}" in commands.example(command)
    assert [line for line in section.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_every_paper_that_a_docstring_cites_is_in_the_bibliography() -> None:
    cited: set[tuple[str, str]] = set()
    for path in Path(scorefield.__file__).parent.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        cited |= papers.cited("\n\n".join(texts))
    assert len(cited) > 40
    assert sorted(cited - papers.links().keys()) == []


def test_citations_become_links() -> None:
    url = "https://arxiv.org/abs/2206.00364"
    assert papers.linked("of Karras et al. (2022, Table 1)") == f"of [Karras et al. (2022]({url}), Table 1)"
    assert papers.linked("Nobody et al. 2022") == "Nobody et al. 2022"
