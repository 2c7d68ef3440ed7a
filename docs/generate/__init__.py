"""Pictures, tables and API pages of these docs, made by the library itself: ``python docs/generate`` or any docs build.

Nothing in them is typed: scores are exact, so a page costs seconds and says what the code does.
"""

from pathlib import Path

from generate import (
    api,
    budgets,
    claims,
    commands,
    control,
    examples,
    gallery,
    likelihood,
    ncsn,
    reliability,
    score,
    sde,
    settings,
    tables,
)

__all__ = ["write"]


ROOT = Path(__file__).parents[2]


def write(folder: Path) -> None:
    """Write everything into ``folder``, unless it is newer than all it is made of."""
    pages = (ROOT / "docs" / name for name in ("gallery.py", "bibliography.md", "howto/command_line.md"))
    made_of = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/generate/*.*"), *pages, *ROOT.glob("results/**/*.json")]
    stamp = folder / ".made"
    if stamp.exists() and stamp.stat().st_mtime > max(path.stat().st_mtime for path in made_of):
        return
    folder.mkdir(exist_ok=True)
    for part in (
        score,
        ncsn,
        sde,
        likelihood,
        control,
        budgets,
        tables,
        claims,
        reliability,
        commands,
        settings,
        examples,
        gallery,
        api,
    ):
        part.write(folder)
    stamp.touch()
