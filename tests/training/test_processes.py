"""Any number of processes takes the same steps: two and four of them over gloo beside one, in float32 and in float64."""

import json
import os
import shutil
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
from processes import CASES, MUON, half_and_half, trained
from safetensors.torch import load_file
from small import images, small_run

from forked import Forked, command, several
from scorefield.errors import ConfigError, ScorefieldError
from scorefield.training import Accelerated, OneProcess, Optimization, checkpoint
from scorefield.training.loop import _check_sharded
from turns import in_turn

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


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)], ids=["two", "four"])
def shares(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What processes leave that hold a share each; and what one process that holds it all leaves of the same run."""
    folder = tmp_path_factory.mktemp("shares")
    half_and_half(folder / "one-sharded", OneProcess(), **MUON)
    shutil.copytree(folder / "one-sharded", folder / "one")
    half_and_half(folder / "one", OneProcess(), **MUON)
    done = together(request.param, folder, "sharded")
    assert {code for code, _ in done} == {0}, done
    return folder


def final(run: Path) -> "dict[str, dict[str, torch.Tensor]]":
    """Return the tensors of a run's last checkpoint, of step 12, by group."""
    found = checkpoint.latest(run / "checkpoints", pytest.fail)
    assert found is not None
    assert found.step == 12
    return found.tensors


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
@pytest.mark.parametrize(
    ("dtype", "rows", "parts"), in_turn(BOUND, ("density, 32", "one example, 33"), (2, 4)), ids=str
)
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
@pytest.mark.parametrize("how", [(), pytest.param(("sharded",), marks=pytest.mark.slow)], ids=["copies", "shares"])
def test_a_dead_process_ends_the_job(tmp_path: Path, how: tuple[str, ...]):
    """B4: the others say so and end within a minute, non-zero; what the first wrote until then loads, and the others wrote nothing.

    It is a minute of the clock, from the last step that was logged: they take a second, or would wait for half an hour.
    """
    (code, said), (killed, _) = together(2, tmp_path, "die", *how)
    ended = time.time()
    assert (code, killed) == (1, -signal.SIGKILL)
    assert "another process of this run has ended" in said
    run = tmp_path / "dying"
    found = checkpoint.latest(run / "checkpoints", pytest.fail)
    assert found is not None
    assert found.step == 4
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 5
    assert ended - (run / "metrics.jsonl").stat().st_mtime < 60
    assert [path.name for path in tmp_path.iterdir()] == ["dying"]


@pytest.mark.promise("B1", "B2")
@pytest.mark.parametrize("dtype", BOUND, ids=str)
def test_processes_that_hold_a_share_take_the_steps_of_one(shares: Path, dtype: torch.dtype):
    """B1, B2, B5: an uneven batch in three parts, of processes that gather weights and scatter gradients."""
    weights = load_file(shares / f"{dtype}.safetensors")
    assert gap(weights, trained(dtype, "one example, 33", OneProcess(), steps=20)) <= BOUND[dtype]


@pytest.mark.promise("B3")
@pytest.mark.parametrize("order", ["sharded", "one-sharded", "sharded-one"])
def test_a_run_in_shares_is_that_of_one_process(shares: Path, order: str):
    """B3: weights, averages, guide, moments of Muon and Adam, and the decoder; also where one process began or ended the run."""
    if order == "sharded-one":
        shutil.copytree(shares / "sharded-sharded", shares / order)
        shutil.rmtree(shares / order / "checkpoints" / "step-00000012")
        half_and_half(shares / order, OneProcess(), **MUON)
    ours, theirs = final(shares / order), final(shares / "one")
    assert set(ours) == set(theirs) == {"model", "ema", "optim", "guide", "average-0_1", "decoder", "moments"}
    for group, tensors in ours.items():
        assert gap(tensors, theirs[group]) <= 1e-6, group
    assert (shares / order / "movie.gif").exists()


@pytest.mark.promise("A1", "A2")
def test_a_resumed_run_in_shares_is_the_uninterrupted_one(shares: Path):
    """A1: bit for bit, by as many processes."""
    ours, theirs = final(shares / "sharded-sharded"), final(shares / "sharded")
    assert {group: gap(ours[group], theirs[group]) for group in theirs} == dict.fromkeys(ours, 0.0)


def test_processes_hold_shares_and_refuse_what_needs_the_whole(shares: Path):
    """Every process holds its share of every tensor, the first alone the whole of a checkpoint; gradients of gradients are refused."""
    told = [json.loads(path.read_text()) for path in sorted(shares.glob("told-*"))]
    refused, held, numbers, gathered = zip(*told, strict=True)
    assert gathered == (numbers[0], *[0] * (len(told) - 1))
    assert sum(held) == numbers[0] == numbers[-1]
    assert max(held) <= numbers[0] / len(told) + 64  # rows do not always divide
    assert all("leave train.sharding=none, or choose another objective" in said for said in refused)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"accumulate": 4}, "2 processes would compute batch_size 9 in 3 and 4 parts"), ({"compile": True}, "compile")],
    ids=["parts", "compile"],
)
def test_what_does_not_go_with_shares_is_refused(settings: dict, told: str):
    with pytest.raises(ConfigError, match=told):
        _check_sharded(9, 2, Optimization(**settings))
    _check_sharded(10, 2, Optimization(accumulate=4))


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


def leaving(folder: Path, number: str) -> list[str]:
    """Return a training of eight steps, of which the second process is sent a signal at the fifth, the first time."""
    plugin = folder / "leaving.py"
    plugin.write_text(LEAVING.format(signal=number))
    arguments = ["train", "--data.kind", "digits", "--network.width", "4", "--network.depth", "1"]
    arguments += ["--train", '{"steps": 8, "batch_size": 8, "warmup": 2, "checkpoint_every": 3, "log_every": 1}']
    arguments += ["--sampling.steps", "2", "--device", "cpu", "--plugin", str(plugin)]
    return [*arguments, "--run-dir", str(folder / "run")]


@pytest.mark.promise("A10", "B4")
def test_a_process_told_to_leave_takes_the_others_along(tmp_path: Path):
    """A10, B4: after a checkpoint, with 143; one of them says how to go on."""
    with several(2) as environments:
        started = [command(*leaving(tmp_path, "SIGTERM"), **environment) for environment in environments]
        said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [143, 143], said
    assert "".join(said).count("stopped at step 5; go on with: scorefield train") == 1
    assert (tmp_path / "run" / "checkpoints" / "last").read_text() == "step-00000005\n"
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 6))


@pytest.mark.promise("A10", "B4")
@pytest.mark.slow
@pytest.mark.parametrize(("number", "restarts"), [("SIGTERM", 0), ("SIGTERM", 1), ("SIGKILL", 1)])
def test_torchrun_goes_on_by_itself(tmp_path: Path, number: str, restarts: int):
    """A10, B4: torchrun ends with such processes, or starts them again, and they go on from there."""
    run, arguments = tmp_path / "run", ["-m", "scorefield", *leaving(tmp_path, number)]
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
        assert done.stderr.count("stopped at step 5; go on with: scorefield train") == 1
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
