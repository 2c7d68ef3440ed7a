"""What a person reads of a claim: its verdict, its numbers, and whether its result still stands."""

import ast
import re
from pathlib import Path

from scorefield_claims.catalogue import module_of
from scorefield_claims.results import Result, standing

__all__ = ["caption", "finding", "in_words", "method", "numbers", "plain", "reason", "status_row"]

_HERE = Path(__file__).parent
_SHOWN = 3  # of the things that changed: more of them tell less
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_LABELS = {"told the class": "plain conditioning", ", not told": ", not given σ", ", told": ", given σ"}
"""Names in stored results, and what to read for them."""


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
    measured = "".join(f"\n  {name} = {value}" for name, value in numbers(result).items())
    return (
        f"{result['name']}: {result['verdict']} ({how})\n  claim: {result['claim']}\n  source: {result['source']}\n"
        f"  {reason(result)}{measured}\n  {place}/figure.png, result.json, rows.csv\n"
    )


def reason(result: Result) -> str:
    """Return why a claim has its verdict, without the verdict itself, which is shown beside it."""
    return re.sub(r"^(does not hold: |cannot be told: |holds only if )", "", plain(result["reason"]))


def numbers(result: Result) -> dict[str, str]:
    """Return what was measured, by name."""
    found = {plain(name): in_words(value) for name, value in result["measures"].items()}
    return {name: "below 10⁻³⁰⁰" if "p-value" in name and value == "0" else value for name, value in found.items()}


def method(name: str) -> str:
    """Return how a claim is measured, which is what its module says of itself."""
    return ast.get_docstring(_module(name)) or ""


def caption(name: str) -> str:
    """Return what a claim's figure shows, which is what the function that draws it says of itself."""
    for module in (_module(name), ast.parse((_HERE / "predictors.py").read_text(encoding="utf-8"))):
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.strip("_") == "draw":
                said = " ".join((ast.get_docstring(node) or "").split()).removeprefix("Draw ")
                return said[:1].upper() + said[1:]
    raise LookupError(f"{name}: no function draws its figure")


def _module(name: str) -> ast.Module:
    """Return the syntax of a claim's module, which is read and not run."""
    path = _HERE.parent / Path(*module_of(name).split(".")).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Return a stored text with powers of ten raised, no probability of zero, and names that a reader knows."""
    for label, read in _LABELS.items():
        text = re.sub(rf"{re.escape(label)}(?!\w)", read, text)
    text = re.sub(r"^([1-5]): ", r"Technique \1: ", text)  # measures of NCSNv2
    text = re.sub(r"\bp = 0(?![.\d])", "p < 10⁻³⁰⁰", text)
    text = re.sub(r"(?<=\d)%", " %", text)
    return re.sub(r"(\d(?:\.\d+)?)e([+-]\d+)", lambda found: _power(float(found[1]), int(found[2])), text)


def in_words(measured: dict[str, float]) -> str:
    """Return a value and, where chance was part of it, its 95 % interval, to two digits of its standard error."""
    value, error = measured["value"], measured["error"]
    if value is None:
        return "not finite"
    ends = measured["low"], measured["high"]
    if ends == (value, value):
        return plain(f"{value:.4g}")
    from scorefield.metrics import Estimate  # with PyTorch, which no other text needs

    shown, low, high = Estimate(value, error or (ends[1] - ends[0]) / 2).rounded(value, *ends)
    return f"{shown} [{low}, {high}]"


def _power(mantissa: float, exponent: int) -> str:
    """Return a number as a person writes it: in full from a ten thousandth up to a hundred thousand, else with its power of ten."""
    if 0 <= exponent < 6:
        return f"{mantissa * 10**exponent:.0f}"
    if -5 < exponent < 0:
        return f"{mantissa * 10**exponent:.{len(f'{mantissa:g}'.partition('.')[2]) - exponent}f}"
    power = f"10{str(exponent).translate(_RAISED)}"
    return power if mantissa == 1 else f"{mantissa:g}·{power}"
