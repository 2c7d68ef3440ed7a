"""How the golden files beside this script were made. Run once, at commit e6da096, and kept for the record.

    cd tests && python -m golden.first_edition.make

It uses the library's interface of that commit, through the `golden.calls` of that commit: to run it again, check out the commit that
added it. It refuses to overwrite what it once wrote; later editions are compared with these files, not with new ones.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from golden import calls
from golden.files import FOLDER, difference, read_arrays
from scorefield.cli import main
from scorefield.training import checkpoint
from scorefield.training.export import export

_PROCESSORS = (
    {"ATEN_CPU_CAPABILITY": "default"},
    {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"OMP_NUM_THREADS": "2"},
)
"""What makes PyTorch round as on older processors, or with two threads."""
_POINTS = {
    "data.kind": "path",
    "data.path": "table.npy",
    "network.kind": "mlp",
    "network.width": 16,
    "network.depth": 2,
}
_DIGITS = {"data.kind": "digits", "network.width": 16, "network.depth": 1}
_TRAIN = {
    "train.steps": 400,
    "train.batch_size": 64,
    "train.warmup": 20,
    "train.ema_decay": 0.98,
    "train.precision": "fp32",
    "train.device": "cpu",
    "train.log_every": 1,
}
_VE = {"process.kind": "ve", "process.sigma_min": 0.02, "process.sigma_max": 20.0}
_EDM = {"process.kind": "edm", "process.sigma_min": 0.02, "process.sigma_max": 20.0}
_SIGMA = {"objective.weight": "sigma"}
_LEVELS = {
    "model.kind": "ladder",
    "model.levels": 10,
    "objective.kind": "multilevel_dsm",
    "objective.sigma_1": 20.0,
    "objective.sigma_L": 0.02,
    "objective.levels": 10,
    "sampling.kind": "ald",
    "sampling.steps": 10,
    "sampling.repeats": 2,
}
RUNS: dict[str, dict[str, Any]] = {
    "ve": {**_POINTS, **_VE},
    "edm": {**_POINTS, **_EDM, "objective.weight": "min_snr"},
    "vp": {**_POINTS, "process.kind": "vp", "objective.times": "uniform", **_SIGMA},
    "subvp": {**_POINTS, "process.kind": "subvp"},
    "power_ve": {**_POINTS, "process.kind": "power_ve", **_SIGMA},
    "ladder": {**_POINTS, **_VE, **_LEVELS},
    "noise": {**_POINTS, "process.kind": "vp", "model.kind": "noise", "objective.times": "uniform", **_SIGMA},
    "score": {**_POINTS, **_VE, "model.kind": "score", **_SIGMA},
    "unet": {**_DIGITS, **_EDM, "train.optimizer": "muon", "guide.step": 50, "guide.interval": "[0.1, 5.0]"},
    "unet-class": {**_DIGITS, **_EDM, "network.classes": 10},
    "classifier": {
        **_DIGITS,
        **_EDM,
        "network.kind": "noisy_classifier",
        "network.dropout": 0.0,  # it draws from the global generator, so that with it no two trainings are the same
        "model.kind": "classifier",
        "objective.kind": "cross_entropy",
        "train.label_dropout": 0.0,
    },
    "cond_refinenet": {"data.kind": "digits", **_VE, "network.kind": "cond_refinenet", "network.ngf": 4, **_LEVELS},
    "ncsnv2": {"data.kind": "digits", **_VE, "network.kind": "ncsnv2", "network.ngf": 4, **_LEVELS},
}


def points() -> np.ndarray:
    """Return 512 points of three Gaussian clouds, away from the origin and of unlike scales."""
    rng = np.random.default_rng(0)
    centres = np.array([[-1.0, 0.5], [1.2, 1.0], [0.5, -1.0]]) + 0.3
    cloud = rng.integers(3, size=512)
    return (centres[cloud] + np.array([0.3, 0.15]) * rng.standard_normal((512, 2))).astype(np.float32)


def stored(name: str, settings: dict[str, Any], folder: Path) -> None:
    """Train a run as a user does, and keep its averaged weights and its configuration."""
    flags = [text for key, value in {**settings, **_TRAIN}.items() for text in (f"--{key}", str(value))]
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / name
        assert main(["train", "--name", name, *flags, "--run", str(run)]) == 0
        found = checkpoint.latest(run / "checkpoints", warnings.warn)
        assert found is not None
        export(found, folder / name)


def interrupted(folder: Path) -> None:
    """Train ten steps, then take the last five away: what a resume has to bring back."""
    flags = {**RUNS["ve"], **_TRAIN, "train.steps": 10, "train.checkpoint_every": 5}
    assert (
        main(
            [
                "train",
                *[text for key, value in flags.items() for text in (f"--{key}", str(value))],
                "--run",
                str(folder),
            ]
        )
        == 0
    )
    shutil.copy(folder / "metrics.jsonl", folder.parent / "interrupted.jsonl")
    shutil.rmtree(folder / "checkpoints" / "step-00000010")
    for leftover in ("environment.json", "loss.png", ".lock", "checkpoints/last"):
        (folder / leftover).unlink(missing_ok=True)
    for leftover in ("samples", "tensorboard"):
        shutil.rmtree(folder / leftover, ignore_errors=True)
    (folder / "metrics.jsonl").write_text("".join((folder / "metrics.jsonl").read_text().splitlines(True)[:5]))


def sampling(configs: dict[str, dict], states: dict[str, dict]) -> dict[str, dict]:
    """Return what every recipe, every shipped model and every kind of sampling builds."""
    found = {f"configs/{name}": calls.sampling_of(values) for name, values in configs.items()}
    found |= {f"shipped/{name}": calls.sampling_of(state["state"]["config"]) for name, state in states.items()}
    found |= {f"kinds/{name}": value for name, value in calls.sampling_kinds().items()}
    return {name: value._asdict() for name, value in found.items()}


def check_command(numbers: dict[str, np.ndarray]) -> None:
    """Check that ``scorefield sample`` writes the samples of the shipped models, clamped to [0, 1]."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in calls.DRAWN:
            written = calls.sample_command(name, Path(scratch) / f"{name}.npz")
            assert np.array_equal(written, numbers[f"shipped/{name}|x"].clip(0, 1)), name


def rounding() -> dict[str, float]:
    """Return by how much other processors' arithmetic changes each array: the largest `difference` of those `_PROCESSORS`."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for environment in _PROCESSORS:
            out = Path(scratch) / "differences.json"
            command = [sys.executable, "-m", "golden.first_edition.make", "--differences", str(out)]
            subprocess.run(command, cwd=FOLDER.parents[1], env={**os.environ, **environment}, check=True)
            for key, value in json.loads(out.read_text()).items():
                found[key] = max(value, found.get(key, 0.0))
    # The others change nothing: see the tolerances in the test.
    base = {
        key: {"float32": 1e-7, "float64": 1e-10, "int64": 0.0}[str(a.dtype)]
        for key, a in read_arrays("numbers.npz").items()
    }
    return {key: float(f"{value:.1e}") for key, value in found.items() if value > base[key]}


def differences() -> dict[str, float]:
    """Return by how much each array, computed again, differs from the golden one."""
    golden = read_arrays("numbers.npz")
    times = {name: torch.tensor(value) for name, value in read_arrays("times.npz").items()}
    return {
        f"{group}|{name}": difference(value, golden[f"{group}|{name}"])
        for group, compute in calls.groups(times).items()
        for name, value in compute().items()
    }


def write_json(name: str, value: object) -> None:
    """Write one golden file of text."""
    (FOLDER / name).write_text(json.dumps(value, indent=1) + "\n")


def write() -> None:
    """Write all golden files."""
    np.save("table.npy", points())
    for name, settings in RUNS.items():
        stored(name, settings, FOLDER / "stored")
    interrupted(FOLDER / "interrupted")
    times = calls.all_times()
    numbers = {f"{group}|{name}": a for group, compute in calls.groups(times).items() for name, a in compute().items()}
    check_command(numbers)
    np.savez_compressed("times.npz", **{name: value.numpy() for name, value in times.items()})
    np.savez_compressed("numbers.npz", **numbers)
    write_json("rounding.json", rounding())
    configs, states = calls.resolved_configs(), calls.shipped_configs()
    write_json("configs.json", configs)
    write_json("defaults.json", calls.defaults())
    write_json("shipped.json", states)
    write_json("shipped_resolved.json", {name: calls.resolved(s["state"]["config"]) for name, s in states.items()})
    write_json("sampling.json", sampling(configs, states))


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    os.chdir(FOLDER)  # so that the stored configurations name their table without a folder
    if sys.argv[1:2] == ["--differences"]:
        Path(sys.argv[2]).write_text(json.dumps(differences()))
    elif (FOLDER / "numbers.npz").exists():
        sys.exit(f"{FOLDER}: is written already, at e6da096; it is what later editions are compared with")
    else:
        write()
