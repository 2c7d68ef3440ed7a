"""Any number of processes takes the same steps: two and four of them over gloo beside one, in float32 and in float64."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import processes
import pytest
import torch
from processes import CASES, half_and_half, trained
from safetensors.torch import load_file
from small import images, small_run

from forked import Forked, several
from scorefield.errors import ScorefieldError
from scorefield.training import Accelerated, OneProcess, checkpoint

BOUND = {torch.float32: 1e-6, torch.float64: 1e-12}


def together(number: int, *given: object) -> list[tuple[int, str]]:
    """Call `processes.main` in that many processes; return their exit codes and what they say."""
    with several(number) as environments:
        started = [Forked(processes.main, *given, **environment) for environment in environments]
        said = [process.communicate()[1] for process in started]
        return [(process.returncode, errors) for process, errors in zip(started, said, strict=True)]


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)], ids=["two", "four"])
def left_by_several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What several processes leave."""
    folder = tmp_path_factory.mktemp("several")
    half_and_half(folder / "one-several", OneProcess())
    ended = together(request.param, folder)
    assert {code for code, _ in ended} == {0}, ended
    return folder


@cache
def by_one(dtype: torch.dtype, rows: str) -> "dict[str, torch.Tensor]":
    return trained(dtype, rows, OneProcess())


def gap(ours: "dict[str, torch.Tensor]", theirs: "dict[str, torch.Tensor]") -> float:
    assert ours.keys() == theirs.keys()
    return max((value - theirs[name]).abs().max().item() for name, value in ours.items())


@pytest.mark.promise("B1")
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("dtype", "rows"), CASES, ids=str)
def test_several_processes_take_the_steps_of_one(left_by_several: Path, dtype: torch.dtype, rows: str, parts: int):
    """B1, B5: after 60 steps the weights agree to 1e-6 in float32 and 1e-12 in float64, for uneven batches and one example too."""
    weights = load_file(left_by_several / f"{dtype} {rows} {parts}.safetensors")
    assert gap(weights, by_one(dtype, rows)) <= BOUND[dtype]


def test_parts_of_a_batch_send_no_more_than_the_whole(left_by_several: Path):
    """Gradients are sent once a step, in one bucket here, whatever the parts it is computed in."""
    assert json.loads((left_by_several / "sent").read_text()) == [3, 3]


@pytest.mark.promise("B2")
@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize(("dtype", "rows"), CASES, ids=str)
def test_accumulation_takes_the_steps_of_the_whole_batch(dtype: torch.dtype, rows: str, parts: int):
    """B2: as B1, in parts of a batch instead of processes."""
    assert gap(trained(dtype, rows, OneProcess(), parts), by_one(dtype, rows)) <= BOUND[dtype]


@pytest.mark.promise("B3")
@pytest.mark.parametrize("order", ["several-one", "one-several"])
def test_a_checkpoint_does_not_know_how_many_wrote_it(left_by_several: Path, tmp_path: Path, order: str):
    """B3: a run begun by several processes and finished by one, and the other way, is the run of one."""
    if order == "several-one":
        half_and_half(left_by_several / order, OneProcess())
    whole, _ = small_run(tmp_path, images())
    with whole:
        list(whole)
    found = checkpoint.latest(left_by_several / order / "checkpoints", pytest.fail)
    assert found is not None
    assert found.step == 12
    for group, tensors in whole.state.tensors().items():
        assert gap(found.tensors[group], dict(tensors)) <= 1e-6


@pytest.mark.promise("B4")
def test_a_dead_process_ends_the_job(tmp_path: Path):
    """B4: the others say so and end within a minute, non-zero; what the first wrote until then loads, and the others wrote nothing."""
    began = time.monotonic()
    (code, said), (killed, _) = together(2, tmp_path, True)
    assert time.monotonic() - began < 60
    assert (code, killed) == (1, -signal.SIGKILL)
    assert "another process of this run has ended" in said
    run = tmp_path / "dying"
    found = checkpoint.latest(run / "checkpoints", pytest.fail)
    assert found is not None
    assert found.step == 4
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["dying"]


LEAVING = """
import os, signal
from scorefield.training import loop
clip, steps = loop._clip, []
def once(*given):
    steps.append(1)
    if len(steps) == 5 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.{signal})
    return clip(*given)
loop._clip = once
"""


@pytest.mark.promise("A10", "B4")
@pytest.mark.parametrize(
    ("number", "restarts"),
    [("SIGTERM", 0), *(pytest.param(number, 3, marks=pytest.mark.slow) for number in ("SIGTERM", "SIGKILL"))],
)  # gloo does not always connect anew at once
def test_torchrun_goes_on_by_itself(tmp_path: Path, number: str, restarts: int):
    """A10, B4: a process told to leave takes all of them along, after a checkpoint, with 143; started again, they go on from there."""
    plugin, run = tmp_path / "leaving.py", tmp_path / "run"
    plugin.write_text(LEAVING.format(signal=number))
    arguments = ["-m", "scorefield", "train", "--data.kind", "digits", "--network.width", "4", "--network.depth", "1"]
    arguments += ["--train", '{"steps": 8, "batch_size": 8, "warmup": 2, "checkpoint_every": 3, "log_every": 1}']
    arguments += ["--sampling.steps", "2", "--device", "cpu", "--plugin", str(plugin), "--run-dir", str(run)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", str(restarts)]
    launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launcher, *arguments], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    left = "step-00000005" if number == "SIGTERM" else "step-00000003"
    assert (run / "checkpoints" / left).is_dir(), done.stderr[-3000:]
    assert done.returncode == (0 if restarts else 1), done.stderr[-3000:]
    assert (run / "checkpoints" / "last").read_text() == f"step-{8 if restarts else 5:08d}\n"
    if number == "SIGTERM":
        assert done.stderr.count("stopped at step 5; go on with --resume") == 1
        assert "exitcode  : 143" in done.stderr or restarts
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").open()] == list(range(1, 9 if restarts else 6))


@pytest.mark.promise("B4")
def test_the_others_say_that_one_has_ended(monkeypatch: pytest.MonkeyPatch):
    """B4: what a process learns of another's death is told in words, with exit code 1 and not that of a bug."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("[pair.cc:538] Connection closed by peer\nmore")

    alone = SimpleNamespace(num_processes=1, process_index=0, device="cpu", reduce=refuse, wait_for_everyone=refuse)
    monkeypatch.setattr("accelerate.Accelerator", lambda cpu: alone)
    parallel = Accelerated("cpu")
    monkeypatch.setattr(torch.Tensor, "backward", refuse)
    sending = (lambda: parallel.sum_([torch.zeros(2)]), lambda: parallel.backward(torch.zeros(())))
    for work in (*sending, parallel.wait, parallel.leave):
        with pytest.raises(
            ScorefieldError, match=r"another process of this run has ended \(.*closed by peer\)"
        ) as caught:
            work()
        assert caught.value.exit_code == 1
