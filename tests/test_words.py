"""Words and phrases that readers stumbled over stay out of pages, docstrings, strings and help; a failure names file and line.

What is listed is gone: a phrase is added when its last use is rewritten. Names in code are kept; of a source, strings are read,
docstrings and help included.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(page for page in (ROOT / "docs").rglob("*.md") if not {"_build", "_generated"} & set(page.parts)),
    *(ROOT / "docs" / "notebooks").glob("*.py"),
    *(ROOT / "report").rglob("*.typ"),
]
SOURCES = sorted(path for name in ("scorefield", "scorefield_claims") for path in (ROOT / "src" / name).rglob("*.py"))
CLAIMS = sorted((ROOT / "src" / "scorefield_claims" / "claims").glob("*.py"))
EVERYWHERE = {  # what may not be written, and what to write
    "law of nothing": "say which distribution it is not",
    "yard-?stick": "reference",
    "where not to go": "say what is subtracted: autoguidance",
    "of which there are none": "leave it out, and say why",
    "makes probabilities of it": "say what it computes",
    "where that is all that counts": "say where",
    "whose death is an answer": "say what is returned when a process dies",
    "rounding for curvature": "say what the solver does",
    "for strangers": "say what is not connected",
    "what it brings that": "say what is gained",
    "climbs the density and shakes": "a step along the score plus noise",
    "half blind": "with little information",
    "hands its state down": "start where the last chain ended",
    "knows nothing of": "does not depend on",
    "as the pull has it": "say how closely",
    "bring (it|the file) again": "copy it again",
    "what they are worth": "how good they are",
    "the exact score pays": "the loss of the exact score",
}
WORDS = {
    "(?<!be )told": "conditioned on, given",  # but a verdict is "cannot be told"
    "laws?": "distribution",
    "learned by heart": "memorised",
    "speaks the data": "works in the data's units",
}
NAMES = {"told", "not told", ", told", ", not told", "told the class", "law", "cannot be told"}
"""Strings that are names in stored results and configurations."""


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page with their numbers; of a source, its strings, docstrings included."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py" or path in PAGES:
        yield from enumerate(text.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in NAMES:
            yield from enumerate(node.value.splitlines(), node.lineno)


def found(path: Path, words: dict[str, str]) -> list[str]:
    """Return where a file holds what it may not, and what to write for it."""
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return [
        f"{name}:{number}: {phrase!r}; write: {better}"
        for number, line in prose(path)
        for phrase, better in words.items()
        if re.search(
            rf"\b({phrase})\b", re.sub(r"`[^`]*`|^ +\w+: ", "", line), re.IGNORECASE
        )  # names in code are what they are
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_keep_out_what_readers_stumbled_over(path: Path):
    assert found(path, EVERYWHERE | WORDS) == []


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_what_the_page_of_claims_shows_of_a_module_is_in_plain_words(path: Path, tmp_path: Path):
    shown = tmp_path / f"{path.stem}.md"
    shown.write_text(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "", encoding="utf-8")
    assert found(shown, EVERYWHERE | WORDS) == []


def test_docstrings_and_help_keep_out_what_readers_stumbled_over():
    assert [line for path in SOURCES for line in found(path, EVERYWHERE | WORDS)] == []


def test_a_phrase_is_found_in_a_page_and_in_a_string_with_its_line(tmp_path: Path):
    page, source = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text("fine\nThe Yardstick of it\n")
    source.write_text('x = 1\nyardstick = """fine\nthe law of nothing"""\n')
    assert [line.split(";")[0] for line in found(page, EVERYWHERE)] == ["page.md:2: 'yard-?stick'"]
    assert [line.split(";")[0] for line in found(source, EVERYWHERE)] == ["module.py:3: 'law of nothing'"]
