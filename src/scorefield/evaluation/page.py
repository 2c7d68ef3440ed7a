"""An evaluation as text and as a page."""

from typing import Any

from scorefield.metrics import Estimate

_TITLES = {
    "confidence": "judge's mean confidence",
    "sure": "judge surer than 0.9",
    "as_asked": "judged the class asked for",
    "frechet_distance": "FID (MNIST features)",
    "kernel_distance": "KID (MNIST features)",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "mmd": "MMD² (Gaussian kernel)",
    "energy_distance": "energy distance",
    "sliced_wasserstein": "sliced W₂",
    "c2st": "C2ST accuracy",
}
_WIDTH = 28


def render(report: dict[str, Any]) -> str:
    """Return the whole report as text."""
    parts = {
        "classes": _classes,
        "strokes": _strokes,
        "classifier_two_sample": _classified,
        "memorisation": _memorisation,
        "soundness": _soundness,
        "bits_per_dim": render_likelihood,
    }
    shown = [show(report[name]) for name, show in parts.items() if name in report]
    return "\n\n".join([_heading(report), _measures(report), *shown])


def page(report: dict[str, Any], name: str, *, picture: bool) -> str:
    """Return the report as a page of Markdown that shows the samples."""
    return _page(name, render(report), "![Samples, the first and unchosen](grid.png)" if picture else "")


def render_calibration(report: dict[str, Any]) -> str:
    """Return what a classifier's calibration.json holds as text: a line per noise level."""
    lines = [
        f"{report['model']} on {report['data']}",
        "",
        f"{'σ/α':>6}{'accuracy':>20}{'confidence':>20}{'calibration error':>20}{'−log p, nats':>20}",
    ]
    for row in report["levels"]:
        accuracy, confidence, nll = (
            f"{value:.4f} ± {error:.4f}" for value, error, *_ in (row["accuracy"], row["confidence"], row["nll"])
        )
        lines.append(f"{row['ratio']:6g}{accuracy:>20}{confidence:>20}{row['calibration_error']:>20.4f}{nll:>20}")
    return "\n".join(lines)


def calibration_page(report: dict[str, Any], name: str) -> str:
    """Return a classifier's calibration as a page of Markdown."""
    return _page(name, render_calibration(report), "![Confidence and accuracy](calibration.png)")


def _page(name: str, text: str, shown: str) -> str:
    picture = f"{shown}\n\n" if shown else ""
    return (
        f"# {name}\n\n{picture}Written by `scorefield evaluate`; nothing was typed or chosen.\n\n```text\n{text}\n```\n"
    )


def _heading(report: dict[str, Any]) -> str:
    """Return what was compared with what."""
    trained = report["training"]
    minutes = "" if trained["seconds"] is None else f" in {trained['seconds'] / 60:.1f} minutes"
    model = (
        f"{report['model']}: {trained['parameters']:,} parameters, {trained['steps']} steps of "
        f"{trained['batch_size']}{minutes}"
    )
    return f"{model}\n{_drawn(report)}\nagainst {report['reference']}"


def _drawn(report: dict[str, Any]) -> str:
    """Return how the samples came about."""
    if report["from_samples"] is not None:
        return f"{report['n']} samples from {report['from_samples']}"
    settings = {
        key: value
        for key, value in report["sampler"].items()
        if key != "kind" and value not in (None, "listed") and not isinstance(value, list)  # the report has all levels
    }
    settings = {**settings, "guide": report["guide"], "precision": report["precision"]}
    named = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items())
    return (
        f"{report['n']} samples by {report['sampler']['kind']} ({named}), {report['evaluations_per_sample']:g} network evaluations each, "
        f"{report['seconds']['sampling']:.1f} s"
    )


def _measures(report: dict[str, Any]) -> str:
    """Return a line per measure, with what real data get."""
    measures = report["measures"]
    themselves = (
        f"; of the judge's confidence, the {report['n_reference']} themselves" if "confidence" in measures else ""
    )
    told = f"Real data: {report['n_real']} training examples against the same{themselves}."
    return "\n".join([*_rows("", {_TITLES[name]: row for name, row in measures.items()}), told])


def _rows(title: str, found: dict[str, Any]) -> list[str]:
    """Return a heading, and a line for each measure of samples and of real data."""
    lines = [f"{title:{_WIDTH}}{'samples':>12}   {'95 % interval':24}{'real data':>12}   95 % interval"]
    return lines + [
        f"{name:{_WIDTH}}{_number(row['samples'])}{_number(row.get('real'))}".rstrip() for name, row in found.items()
    ]


def _number(row: dict[str, float] | None) -> str:
    """Return a value and its interval."""
    if row is None:
        return ""
    interval = f"{row['low']:.4g} to {row['high']:.4g}"
    return f"{row['value']:12.4g}   {interval:24}"


def _classes(classes: dict[str, Any]) -> str:
    """Return the shares of the classes."""
    lines = [f"{'class':{_WIDTH}}" + "".join(f"{k:7}" for k in range(len(classes["expected"]))) + "   χ² p-value"]
    lines.append(f"{'share expected':{_WIDTH}}" + _shares(classes["expected"]))
    for name in ("samples", "real"):
        row = classes[name]
        title = {"samples": "of samples", "real": "of real data"}[name]
        lines.append(f"{title:{_WIDTH}}{_shares(row['shares'])}   {row['p_value']:.2g}")
    half = max(
        0.5 * (high - low) for low, high in zip(classes["samples"]["low"], classes["samples"]["high"], strict=True)
    )
    return "\n".join([*lines, f"95 % intervals of the samples' shares: within ±{half:.3f}"])


def _shares(shares: list[float]) -> str:
    return "".join(f"{share:7.3f}" for share in shares)


def _strokes(found: dict[str, Any]) -> str:
    """Return whether tails of strokes are as heavy as those of real data."""
    lines = [
        f"{'beyond 95 % of real data':{_WIDTH}}{'samples':>12}   {'95 % interval':24}0.05 expected; classes that differ, by KS at .05"
    ]
    for name, row in found.items():
        lines.append(f"{name:{_WIDTH}}{_number(row['beyond'])}{row['rejected']} of {len(row['p_values'])}")
    return "\n".join(lines)


def _classified(found: dict[str, Any]) -> str:
    """Return how well networks tell samples from data, in each view of them."""
    told = "Accuracy on held-out halves of networks trained to know which images were drawn; 0.5 is chance."
    return "\n".join([*_rows("distinguished from data", found), told])


def _memorisation(found: dict[str, Any]) -> str:
    """Return whether training data were copied."""
    ratio, share = found["ratio"], found["train_share"]
    return (
        f"{'distance to training data':{_WIDTH}}{_estimate(ratio)} of a test example's "
        f"(1: as far as fresh data, 0: copies)\n"
        f"{'nearest is a training one':{_WIDTH}}{_estimate(share)}, without memory "
        f"{found['expected_share']:.4g}; p-value {found['p_value']:.2g}"
    )


def _soundness(found: dict[str, dict[str, Any]]) -> str:
    """Return plain statistics, of samples and of real data."""
    lines = [f"{'':{_WIDTH}}{'samples':>12}{'real data':>15}"]
    for name, value in found["samples"].items():
        if name != "n" and value is not None:
            lines.append(f"{name.replace('_', ' '):{_WIDTH}}{value:12.4g}{found['real'][name]:15.4g}")
    return "\n".join(lines)


def render_likelihood(found: dict[str, Any]) -> str:
    """Return bits per dimension, a line for each way to fill the gaps between bytes and one for the bound; or nats."""
    kind = "held-out" if found["held_out"] else "training"
    if "nats" in found:
        return _line(f"log p of {found['n']} {kind}, nats", found["nats"])
    rows = ({"n": found["n"]} | found[name] for name in ("uniform", "gaussian", "variational"))
    return "\n".join(_line(f"bits/dim of {row['n']} {kind}", row) + f"  {row['dequantisation']}" for row in rows)


def _line(what: str, row: dict[str, float]) -> str:
    return f"{what:{_WIDTH}}{_estimate(row)}"


def _estimate(row: dict[str, float]) -> str:
    """Return a value in a column, and its standard error."""
    value, error = Estimate(row["value"], row["error"]).rounded(row["value"], row["error"])
    return f"{value:>12} ± {error}"
