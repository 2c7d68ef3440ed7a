"""benchmarks/README.md, rendered from what was measured."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import (
    allocator,
    app,
    before,
    checkpoints,
    exact,
    growth,
    ncsn_step,
    ncsnpp,
    overhead,
    plane,
    scaling,
    startup,
    training,
)
from benchmarks.peers import cifar, likelihood, networks, sampling
from benchmarks.peers import training as peer_training
from benchmarks.timing import Row

HERE = Path(__file__).parent
STORED = HERE / "results.json"
MINUTES = HERE.parent / "results" / "minutes"
INTRODUCTION = """# Benchmarks

Written by `make bench` and by the two studies at the end; every number was measured, none was typed. Ratios of time come from one run
on one machine, the two sides in turn; the spread is the range of the middle half of the rounds. Machines are noisy: read the ratio first.
"""
SUITES = {
    "training": training.run,
    "overhead": overhead.run,
    "startup": startup.run,
    "allocator": allocator.run,
    "exact": exact.run,
    "checkpoints": checkpoints.run,
    "before": before.run,
    "ncsn": ncsn_step.run,
    "ncsnpp": ncsnpp.run,
    "growth": growth.run,
    "plane": plane.run,
    "app": app.run,
    "scaling": scaling.run,
    "peers-training": peer_training.run,
    "peers-networks": networks.run,
    "peers-sampling": sampling.run,
    "peers-likelihood": likelihood.run,
    "peers-cifar": cifar.run,
}
STUDY = """## minutes

Which variant of the MNIST recipe draws the best digits after so many minutes of training (`benchmarks.minutes`,
[figure](../results/minutes/figure.png)); FID (MNIST features) is beside what training digits get, ± its standard error.
That floor is one draw of training digits, the same for every line of one n and nearly as uncertain as it is large; its error is not in
the ±. So the order of the lines tells more than their ratios.
"""
PEERS = """## peers-quality

What each library's own MNIST example draws after the same time of training (`benchmarks.peers.quality`); columns as above. Network, batch
and sampler are those of its documentation (`benchmarks.peers.examples`), most of them meant for a graphics card. Those of azula, diffusers
and k-diffusion's transformer are given the digit to draw, the others and ours are not. The floor falls with n: compare at one n only.
"""
ASKED = ("minutes", "n", "steps", "seconds", "batch", "parameters", "evaluations", "sampling_seconds")
MEASURED = ("confidence", "sure", "coverage")


def write() -> None:
    """Write the page anew."""
    (HERE / "README.md").write_text(whole())


def whole() -> str:
    """Return the page of all the results there are."""
    text = render(read(STORED, {}))
    for about, name, what in ((STUDY, "results.json", "variant"), (PEERS, "peers.json", "library")):
        if entries := read(MINUTES / name, []):
            text += f"\n{about}\n{table(entries, what)}\n"
    return text


def read(path: Path, default: Any) -> Any:  # noqa: ANN401 what JSON holds
    """Return what a file of results holds, or the default where there is none."""
    return json.loads(path.read_text()) if path.exists() else default


def keep(path: Path, what: str, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a study with one more, written to its file; it replaces that of the same name and minutes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    others = [e for e in read(path, []) if (e[what], e["minutes"]) != (entry[what], entry["minutes"])]
    path.write_text(json.dumps([*others, entry], indent=1) + "\n")
    return [*others, entry]


def table(entries: list[dict[str, Any]], what: str) -> str:
    """Return a line per entry, the best of every budget and n first: what was asked of it and what it reached."""
    asked = [name for name in ASKED if any(name in e for e in entries)]
    rows = [[what, *asked, "FID / floor", *MEASURED]]
    for e in sorted(entries, key=lambda e: (e["minutes"], -e["n"], e["frechet_distance"]["times_floor"])):
        distance = e["frechet_distance"]
        ratio = f"{distance['times_floor']:.2f} ± {distance['error'] / distance['real']:.2f}"
        measured = [f"{e[name]['samples']:.3f}" for name in MEASURED]
        rows.append([e[what], *(str(e.get(name, "")) for name in asked), ratio, *measured])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def render(results: dict) -> str:
    """Return the page of the suites."""
    lines = [INTRODUCTION]
    for name, suite in results.items():
        about = sys.modules[SUITES[name].__module__].__doc__ or ""
        lines += [f"## {name}", "", about.strip(), "", f"Measured on {suite['machine']}.", ""]
        lines += ["| what | median | unit | time, ratio to baseline | spread |", "|---|---|---|---|---|"]
        for values in suite["rows"]:
            if "value" not in values:
                lines.append(f"| {values['what']} | | | | |")
                continue
            row = Row(**values)
            spread = "" if row.low is None else f"{row.low:.3f} – {row.high:.3f}"
            ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
            lines.append(f"| {row.what} | {row.value:.4g} | {row.unit} | {ratio} | {spread} |")
        lines.append("")
    return "\n".join(lines)
