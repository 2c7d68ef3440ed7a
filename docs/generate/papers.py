"""Links to the papers that docstrings name, as the bibliography gives their addresses."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["cited", "linked", "links"]

_ENTRY = re.compile(
    r"^- (?P<authors>[^*]+), \*.*?\*.*?(?P<year>(?:19|20)\d\d)\D*?[:<(\[].*?(?P<url>https?://[^\s>]+)", re.M
)
_NAME = r"[A-ZŞ][\w’'-]+"
_CITED = re.compile(
    rf"(?P<who>{_NAME}(?:, {_NAME})*(?: (?:& {_NAME}|et al\.))?) (?P<open>\()?(?P<year>(?:19|20)\d\d)\b(?(open)\)?)"
)


@cache
def links() -> dict[tuple[str, str], str]:
    """Return addresses by authors, as the text names them, and year. Of two that fit, the bibliography's own "et al." is meant."""
    entries = list(_ENTRY.finditer((Path(__file__).parents[1] / "bibliography.md").read_text(encoding="utf-8")))
    found: dict[tuple[str, str], str] = {}
    for short in (True, False):
        for entry in entries:
            if entry["authors"].endswith("et al.") is short:
                for who in _forms(entry["authors"]):
                    found.setdefault((who, entry["year"]), entry["url"].removesuffix(")"))
    return found


def _forms(authors: str) -> Iterator[str]:
    """Yield how a text may name these authors: A; A & B; A, B & C; A et al.; A, B et al."""
    names = [re.sub(r"^(?:[A-Z]\.[ -]?)+", "", name) for name in authors.removesuffix(" et al.").split(", ")]
    if authors.endswith("et al."):
        yield f"{names[0]} et al."
        return
    yield " & ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    if len(names) > 2:
        yield f"{names[0]} et al."
        yield f"{names[0]}, {names[1]} et al."


def cited(text: str) -> set[tuple[str, str]]:
    """Return the authors and years of all that a text cites."""
    return {(match["who"], match["year"]) for match in _CITED.finditer(" ".join(text.split()))}


def linked(text: str, form: str = "[{text}]({url})") -> str:
    """Return text in which citations are links."""

    def link(match: re.Match[str]) -> str:
        url = links().get((match["who"], match["year"]))
        return match[0] if url is None else form.format(text=match[0], url=url)

    return _CITED.sub(link, text)
