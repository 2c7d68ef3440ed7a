"""Runs as processes: killed, stopped, resumed, doubled; what ends up on disk must not know."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from small import small_run

from forked import Beside, Forked, command, several
from scorefield.config import stored
from scorefield.errors import ConfigError, ScorefieldError
from scorefield.training.parallel import Accelerated

STEPS = 60
ARGUMENTS = [
    *("--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--model.sigma_data", "0.37"),
    *(
        "--train.steps",
        str(STEPS),
        "--train.batch_size",
        "16",
        "--train.checkpoint_every",
        "7",
        "--train.log_every",
        "1",
    ),
    *("--train.sample_every", "1000", "--train.precision", "fp32", "--sampling.steps", "2", "--device", "cpu"),
]


def start(run: Path, *more: str) -> Forked:
    return command("train", *ARGUMENTS, "--run", str(run), *more)


def finish(run: Path, *more: str) -> None:
    process = start(run, *more)
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def wait_for(run: Path, lines: int, process: Forked) -> None:
    """Return when the run has logged that many steps, or ended."""
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= lines):
        time.sleep(0.005)


def assert_same(a: Path, b: Path) -> None:
    """Equal bytes of weights, averages, moments and metrics."""
    last = f"checkpoints/step-{STEPS:08d}"
    for name in ("model.safetensors", "ema.safetensors", "optim.safetensors"):
        assert (a / last / name).read_bytes() == (b / last / name).read_bytes(), name
    assert (a / "metrics.jsonl").read_text() == (b / "metrics.jsonl").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command leaves as the shell starts it; the others are forked, and may not know."""
    run = tmp_path_factory.mktemp("whole") / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [sys.executable, "-m", "scorefield", "train", *ARGUMENTS, "--run", str(run)]
    done = subprocess.run(started, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return run


def kill_and_resume(run: Path, moments: list[int]) -> None:
    """Kill -9 after each number of logged steps, then let the run finish."""
    for moment in moments:
        process = start(run, *(["--resume"] if run.exists() else []))
        wait_for(run, moment, process)
        process.kill()
        process.communicate()
    finish(run, "--resume")


@pytest.mark.promise("A1")
def test_kill_9_and_resume_is_the_uninterrupted_run(tmp_path: Path, uninterrupted: Path):
    kill_and_resume(tmp_path / "run", [3, 21, 50])
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.promise("A1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_kill_9_at_random_moments(tmp_path: Path, uninterrupted: Path, seed: int):
    chance = random.Random(seed)
    kill_and_resume(tmp_path / "run", sorted(chance.randrange(1, STEPS) for _ in range(4)))
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.promise("A10")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_saves_and_the_resumed_run_is_whole(tmp_path: Path, uninterrupted: Path, number: int, code: int):
    run = tmp_path / "run"
    process = start(run)
    wait_for(run, 10, process)
    with Beside() as beside:
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code, errors
    assert beside.seconds < 5
    assert "--resume" in errors
    finish(run, "--resume")
    assert_same(run, uninterrupted)


@pytest.mark.promise("A11")
def test_a_second_process_on_the_run_is_refused(tmp_path: Path):
    run = tmp_path / "run"
    first = start(run)
    wait_for(run, 2, first)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = start(run, "--resume")
        _, errors = second.communicate()
        assert second.returncode == 2, errors
        assert str(first.pid) in errors
    finally:
        os.kill(first.pid, signal.SIGCONT)
        first.kill()
        first.communicate()


@pytest.mark.promise("A12")
def test_a_changed_configuration_is_refused_unless_told(tmp_path: Path, uninterrupted: Path):
    process = start(uninterrupted, "--resume", "--train.learning_rate", "0.5")
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "train.learning_rate: 0.002 → 0.5" in errors
    assert "--override" in errors


def under_torchrun(arguments: list[str]) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": ""}
    launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "scorefield"]
    done = subprocess.run(
        [*launcher, *arguments], capture_output=True, text=True, env=environment, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Warning" not in done.stderr


def forked(arguments: list[str]) -> None:
    with several(2) as environments:
        started = [command(*arguments, **environment) for environment in environments]
        said = [process.communicate() for process in started]
        assert [process.returncode for process in started] == [0, 0], said


@pytest.mark.promise("B1")
@pytest.mark.parametrize("start_two", [forked, pytest.param(under_torchrun, marks=pytest.mark.slow)])
def test_two_processes_take_the_same_steps_as_one(
    tmp_path: Path, uninterrupted: Path, start_two: Callable[[list[str]], None]
):
    run = tmp_path / "run"
    start_two(["train", *ARGUMENTS, "--device", "auto", "--run-dir", str(run)])  # as the README does, on no GPU
    last = f"checkpoints/step-{STEPS:08d}/model.safetensors"
    ours, theirs = load_file(run / last), load_file(uninterrupted / last)
    gap = max((ours[name] - theirs[name]).abs().max().item() for name in ours)
    assert gap <= 1e-5, gap  # sixty Adam steps on sums of another order
    assert len((run / "metrics.jsonl").read_text().splitlines()) == STEPS  # rank 0 alone writes


def test_processes_that_do_not_find_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    alone = SimpleNamespace(num_processes=1, process_index=0, device=torch.device("cpu"))
    monkeypatch.setattr("accelerate.Accelerator", lambda cpu: alone)
    with pytest.raises(ConfigError, match="2 processes were started, and 1 found"):
        Accelerated("cpu")


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path: Path):
    from scorefield.runs.folder import RunFolder

    folder = RunFolder(tmp_path)
    folder.metrics.write_text(
        "".join(json.dumps({"step": k, "loss": 1.0}) + "\n" for k in range(1, 6)) + '{"step": 6, "lo'
    )
    folder.truncate_metrics(4)
    assert [line["step"] for line in folder.read_metrics()] == [1, 2, 3, 4]


def test_a_disk_that_is_full_leaves_the_configuration_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from scorefield.config import RunConfig
    from scorefield.runs.folder import RunFolder

    folder, write = RunFolder(tmp_path), Path.write_text
    folder.begin(RunConfig(), torch.device("cpu"), step=1)
    before = folder.config.read_text()

    def half(path: Path, text: str, **how: str) -> None:
        write(path, text[: len(text) // 2], **how)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(ScorefieldError, match="cannot be written: No space left on device; free some space"):
        folder.begin(RunConfig(seed=1), torch.device("cpu"), step=1)
    assert folder.config.read_text() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_known_of_several_processes_is_not_warned_of(monkeypatch: pytest.MonkeyPatch):
    """Strides of 1×1 kernels, which say the same in two ways, for one; what is not known is."""
    from scorefield.training import parallel

    def warns(*_: object, **__: object) -> None:
        warnings.warn(
            "Grad strides do not match bucket view strides. This may indicate grad was not created", stacklevel=1
        )
        warnings.warn("another matter", stacklevel=1)

    monkeypatch.setattr(parallel, "DistributedDataParallel", warns)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        Accelerated.summed(object.__new__(Accelerated), torch.nn.Identity())
    assert [str(warning.message) for warning in heard] == ["another matter"]


def test_every_checkpoint_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also the last one, where its step is among those that are saved on the way."""
    saved: list[int] = []
    monkeypatch.setattr("scorefield.training.checkpoint.save", lambda folder, step, *_, **__: saved.append(step))
    run, _ = small_run(tmp_path / "run", checkpoint_every=3)
    with run:
        list(run)
    assert saved == [3, 6, 9, 12]


def test_a_run_names_its_generator_and_goes_on_with_it(tmp_path: Path):
    """One that names none had PyTorch's; counted noise resumes bit for bit, and in any number of parts."""
    whole, _ = small_run(tmp_path / "whole", generator="philox")
    other, _ = small_run(tmp_path / "torch")
    half, _ = small_run(tmp_path / "half", generator="philox")
    with whole, half, other:
        list(whole), list(other)
        next(record for record in half if record.step == 5)
        half.save()
    assert other.config.train.generator == "torch"  # what is new on a CPU
    again, _ = small_run(tmp_path / "half")  # unasked, it keeps what it began with
    with again:
        list(again.resume())
    assert again.config.train.generator == "philox"
    weights = [run.state.tensors()["model"] for run in (whole, again, other)]
    name = next(name for name, value in weights[0].items() if value.is_floating_point() and value.ndim > 1)
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert not torch.equal(weights[0][name], weights[2][name])
    assert stored({})["train"]["generator"] == "torch"
    with small_run(tmp_path / "half", generator="torch")[0] as changed, pytest.raises(ConfigError, match="generator"):
        changed.resume()
