"""What a person reads of a claim: its verdict, its numbers, and whether its result still stands."""

from pathlib import Path

from scorefield_claims.results import Result, standing

__all__ = ["finding", "in_words", "status_row"]

_SHOWN = 3  # of the things that changed: more of them tell less


def status_row(name: str, folder: Path) -> tuple[str, str, str, str]:
    """Return the row of a claim: current, stale or missing; budget and commit of its result; what is not as it was then."""
    found = standing(name, folder)
    if found.state == "missing":
        return name, found.state, "", ""
    commit = f"{found.commit}, {'dirty' if found.dirty else 'clean'}" if found.commit else "no commit"
    some, more = ", ".join(found.changed[:_SHOWN]), len(found.changed) - _SHOWN
    unknown = "unknown: the result is of an older format" if found.state == "stale" and not some else some
    return name, found.state, f"{found.budget}, {commit}", f"{unknown} and {more} more" if more > 0 else unknown


def finding(result: Result, place: Path) -> str:
    """Return a verdict with its reason and numbers."""
    how = "kept from before" if result["cached"] else f"{result['seconds']:.1f} s"
    numbers = "".join(f"\n  {name} = {in_words(value)}" for name, value in result["measures"].items())
    return (
        f"{result['name']}: {result['verdict']} ({how})\n  claim: {result['claim']}\n  source: {result['source']}\n"
        f"  {result['reason']}{numbers}\n  {place}/figure.png, result.json, rows.csv\n"
    )


def in_words(measured: dict[str, float]) -> str:
    """Return a value and, where chance was part of it, its 95 % interval."""
    if measured["value"] is None:
        return "not finite"
    if not measured["error"]:
        return f"{measured['value']:.4g}"
    return f"{measured['value']:.4g} [{measured['low']:.4g}, {measured['high']:.4g}]"
