"""What may stop a run, and how it stops: signals, numbers that are not finite, memory and disks that are full, pictures."""

import contextlib
import os
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from small import as_bytes, child_runs, images, small_run

from forked import Beside, children
from scorefield import DSM, DivergedError, Euler, Karras, sample
from scorefield.cli import main
from scorefield.cli.train import follow
from scorefield.data import Batch, Batches
from scorefield.likelihood import byte_network
from scorefield.runs import Run, pictures
from scorefield.training import OneProcess, checkpoint, train
from scorefield.training.signals import StopSignals

TINY = [
    *("train", "--data.kind", "digits", "--network.width", "4", "--network.depth", "1", "--device", "cpu"),
    *("--train.steps", "60", "--train.batch_size", "8", "--train.checkpoint_every", "7", "--train.log_every", "1"),
    *("--train.sample_every", "25", "--train.precision", "fp32", "--sampling.steps", "2"),
]


def newest(run: Run) -> int:
    found = checkpoint.latest(run.path / "checkpoints", pytest.fail)
    assert found is not None
    return found.step


# ------------------------------------------------------------------------------------------- A10: signals


@pytest.fixture
def under_a_terminal() -> Iterator[None]:
    """SIGHUP ends a process, as it does unless who started it, such as nohup, has it ignored."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


@pytest.mark.promise("A10")
@pytest.mark.usefixtures("under_a_terminal")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_costs_one_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, number: int, code: int):
    """A10: the step in hand is finished, saved once, the exit code is that of the signal, and the command to go on is the right one."""
    run, _ = small_run(tmp_path / "a folder")
    saves: list[int] = []
    monkeypatch.setattr(run, "save", lambda save=run.save, **how: (saves.append(run.state.step), save(**how)))
    log = run.folder.log
    monkeypatch.setattr(
        run.folder, "log", lambda record: (log(record), record.step == 5 and signal.raise_signal(number))
    )
    with run:
        assert follow(run) == code
    assert saves == [5]
    assert newest(run) == 5
    said = capsys.readouterr().err.partition("stopped at step 5; go on with: scorefield ")[2]
    assert main(shlex.split(said.splitlines()[0])) == 0
    assert newest(run) == run.config.train.steps


@pytest.mark.promise("A10")
@pytest.mark.parametrize("step", [4, 12])
def test_a_signal_breaks_a_picture_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int):
    """A10: a picture, which may take minutes, is not waited for, neither on the way nor at the end; the state is saved."""
    run, warned = small_run(tmp_path, sample_every=4)

    def slow(*_: object) -> None:
        if run.state.step == step:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(60)

    monkeypatch.setattr("scorefield.runs.run.draw_due", slow)
    with run:
        assert follow(run) == 143
    assert newest(run) == step
    assert any("SIGTERM" in said for said in warned)
    assert not run.drawing


@pytest.mark.promise("A10")
def test_a_signal_leaves_the_network_of_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """A10: its steps, which may take half an hour, are told of and not waited for."""
    run, _ = small_run(tmp_path, as_bytes(), steps=2, decoder_steps=10**6)
    learned = byte_network.learned
    monkeypatch.setattr(
        "scorefield.likelihood.decoder.learned",
        lambda width, draw, *how: learned(width, lambda k: (k == 3 and signal.raise_signal(15), draw(k))[1], *how),
    )
    with run:
        assert follow(run) == 143
    assert newest(run) == 2
    told = capsys.readouterr().err
    assert f"training the network of the decoder of {run.config.name}: 1000000 steps" in told
    assert "stopped at step 2; go on with: scorefield train --config" in told


@pytest.mark.promise("A10")
def test_a_second_interrupt_quits_at_once(tmp_path: Path):
    """A10: whoever presses Ctrl-C twice does not wait for the step in hand."""
    run, errors = tmp_path / "run", tmp_path / "errors"
    child = children.Process(
        target=child_runs, args=([*TINY, "--run", str(run)], errors), kwargs={"seconds_a_step": 100.0}
    )
    child.start()
    while not (errors.exists() and "in a step" in errors.read_text()):
        time.sleep(0.01)
    ends = time.monotonic() + 60  # however slow the machine, sooner than the step
    while child.is_alive() and time.monotonic() < ends:
        os.kill(child.pid or 0, signal.SIGINT)
        child.join(0.5)  # on one under load, two may be taken for one
    assert child.exitcode == 130
    assert "interrupted" in errors.read_text()


@pytest.mark.promise("A10")
def test_only_the_first_signal_breaks_off_a_picture():
    """A10: a later SIGTERM waits with the first one; a later SIGINT does not."""
    with StopSignals(lambda: True) as stop:
        with pytest.raises(InterruptedError):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.promise("A10")
def test_who_ignores_a_closed_terminal_trains_on():
    """``nohup``: the signal stays ignored, and is not taken for a wish to stop."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.received is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def resumed(run: Path, *, errors: Path) -> "children.Process":
    """Start the run, or go on with it; return when its process has."""
    errors.unlink(missing_ok=True)
    going_on = ["--resume"] if run.exists() else []
    child = children.Process(target=child_runs, args=([*TINY, *going_on, "--run", str(run)], errors))
    child.start()
    while not errors.exists():
        time.sleep(0.01)
    return child


def finish(run: Path, errors: Path) -> dict[str, bytes]:
    """Let the run come to its end; return its last checkpoint's tensors and its metrics."""
    child = resumed(run, errors=errors)
    child.join()
    assert child.exitcode == 0, errors.read_text()
    files = [*(run / "checkpoints" / "step-00000060").glob("*.safetensors"), run / "metrics.jsonl"]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What the uninterrupted run leaves, and the seconds it takes, within which others are interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    return finish(folder / "run", folder / "errors"), time.monotonic() - began


@pytest.mark.promise("A10")
@pytest.mark.parametrize("seed", range(25))
@pytest.mark.slow  # of a moment that is chosen, there are tests in test_runs.py
def test_signals_at_random_moments(tmp_path: Path, whole: tuple[dict[str, bytes], float], seed: int):
    """A10: whenever it comes, a signal ends the run within 5 s, and going on from there is the uninterrupted run, bit for bit.

    Fifty moments: two for each seed.
    """
    chance, errors, took = random.Random(seed), tmp_path / "errors", []
    for number in (signal.SIGINT, signal.SIGTERM):
        child = resumed(tmp_path / "run", errors=errors)
        time.sleep(whole[1] * chance.random())
        with Beside() as beside:
            with contextlib.suppress(ProcessLookupError):  # it may have ended already
                os.kill(child.pid or 0, number)
            child.join()
        took.append(beside.seconds)
        # Before the run has begun, the signal itself is the end of the process, which a shell shows as the same code.
        assert child.exitcode in (0, 128 + number, -number), errors.read_text()
    assert finish(tmp_path / "run", errors) == whole[0]
    assert max(took) < 5, took


# ------------------------------------------------------------------------------------------- A14: not finite

BAD = {"NaN": float("nan"), "infinity": float("inf")}


class Wrong(DSM):
    """An objective that spoils its loss, or the gradient alone, when told."""

    loss = gradient = None

    def __call__(self, model, x0, noise=None):
        found = super().__call__(model, x0, noise)
        if self.gradient is not None:
            bad, self.gradient = self.gradient, None
            found.register_hook(lambda g: g * bad)
        return found if self.loss is None else found + self.loss


def spoil(run: Run, where: str, value: float, objective: Wrong, batches: Batches) -> str:
    """Put ``value`` into one place of a training between two steps; return what the message must name."""
    if where == "loss":
        objective.loss = value
        return "the loss is (nan|inf)"
    if where == "gradient":
        objective.gradient = value
        return "the gradient of .*weight.* is not finite"
    if where == "norm":
        objective.gradient = 1e30
        return "the gradient's norm is not finite"
    if where == "data":
        whole = batches.batch
        batches.batch = lambda k: Batch(whole(k).x * value, None)  # pyright: ignore[reportAttributeAccessIssue]
        return "the data of batch 3 are not finite"
    name, weight = list(run.state.model.named_parameters())[3]
    with torch.no_grad():
        weight.view(-1)[0] = value
    return f"model.{name} is not finite"


@pytest.mark.promise("A14")
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("where", ["loss", "gradient", "norm", "weights", "data"])
def test_what_is_not_finite_stops_the_next_step(tmp_path: Path, where: str, value: str):
    """A14: training stops within a step, names step and tensor, and leaves the last finite checkpoint the newest."""
    run, _ = small_run(tmp_path)
    objective, batches = Wrong(), Batches(images(), 8, 0)
    with run:
        steps = train(run.state, batches, objective, run._settings)
        for _ in range(3):
            next(steps)
        run.save()
        named = spoil(run, where, BAD[value], objective, batches)
        with pytest.raises(DivergedError, match=f"step 4: {named}.*state is that of step 3") as caught:
            next(steps)
        assert caught.value.exit_code == 5
        if where == "weights":
            with pytest.raises(DivergedError, match=f"step 3: {named}, and is not saved"):
                run.save()
        found = checkpoint.latest(run.folder.checkpoints, pytest.fail)
    assert found is not None
    assert found.step == 3
    assert all(x.isfinite().all() for group in found.tensors.values() for x in group.values())


@pytest.mark.promise("A14")
@pytest.mark.parametrize("value", BAD)
def test_a_sampler_whose_state_is_not_finite_stops(tmp_path: Path, value: str):
    """A14: sampling stops at the step whose state is not finite, and says which."""

    class Spoilt(Euler):
        calls = 0

        def step(self, model, x, step, memory, noise):
            Spoilt.calls += 1
            found, memory = super().step(model, x, step, memory, noise)
            found[2, 0, 3, 3] += BAD[value] if Spoilt.calls == 4 else 0
            return found, memory

    run, _ = small_run(tmp_path)
    with pytest.raises(DivergedError, match=r"step 4.*1 of 5 samples.*number 2") as caught:
        sample(run.state.ema, Spoilt(), (5, 1, 8, 8), grid=Karras(9), seed=0)  # pyright: ignore[reportArgumentType]
    assert Spoilt.calls == 4
    assert caught.value.exit_code == 5


@pytest.mark.promise("A14")
def test_the_command_ends_with_5_and_goes_on_from_the_finite_checkpoint(tmp_path, monkeypatch, capsys):
    """A14: exit code 5, one message, and --resume continues from the step before the damage."""
    draw = Batches.batch
    monkeypatch.setattr(Batches, "batch", lambda self, k: draw(self, k) if k < 15 else Batch(draw(self, k).x / 0, None))
    assert main([*TINY, "--run", str(tmp_path / "run")]) == 5
    assert "step 16: the data of batch 15" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoints" / "last").read_text() == "step-00000014\n"
    monkeypatch.undo()
    assert main([*TINY, "--run", str(tmp_path / "run"), "--resume"]) == 0


# ------------------------------------------------------------------------------------------- A15: memory


@pytest.mark.promise("A15")
def test_out_of_memory_gives_advice(tmp_path: Path):
    """A15: under a real limit of address space, a batch too large ends with advice and exit 1, not as a bug."""
    errors = tmp_path / "errors"
    arguments = [*TINY, "--train.batch_size", "500000", "--run", str(tmp_path / "run")]
    child = children.Process(target=child_runs, args=(arguments, errors), kwargs={"bytes_left": 2**28})
    child.start()
    child.join(120)
    said = errors.read_text()
    assert child.exitcode == 1, said
    assert "out of memory" in said
    assert "train.batch_size" in said
    assert "Traceback" not in said


# ------------------------------------------------------------------------------------------- full disks


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free in the file system of ``folder``."""
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_costs_no_line_of_metrics(tmpfs: Path):
    """Field report 36: metrics wait for space, curves and pictures are told of, and the run goes on."""
    run, warned = small_run(tmpfs / "run", sample_every=6, steps=60)
    filler = tmpfs / "filler"
    with run:
        for record in run:
            assert record.step != 5 or fill(tmpfs) is None
            if record.step == 55:
                filler.unlink()
    assert [line["step"] for line in run.folder.read_metrics()] == list(range(1, 61))
    told = [said for said in warned if "metrics.jsonl: [Errno 28]" in said]
    assert len(told) == 1
    assert any("picture could not be drawn" in said for said in warned)
    assert newest(run) == 60


def test_a_disk_full_at_the_start_or_at_a_checkpoint(tmpfs: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Field report 36: exit 2 before a step is taken, exit 4 with the checkpoint before intact."""
    run = tmpfs / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "samples").mkdir()
    fill(tmpfs)
    assert main([*TINY, "--run", str(run)]) == 2
    assert "No space left" in capsys.readouterr().err
    (tmpfs / "filler").unlink()
    save = Run.save
    monkeypatch.setattr(Run, "save", lambda self, **how: (self.state.step == 14 and fill(tmpfs), save(self, **how)))
    assert main([*TINY, "--run", str(run)]) == 4
    assert "cannot write a checkpoint (No space left on device)" in capsys.readouterr().err
    (tmpfs / "filler").unlink()
    found = checkpoint.latest(run / "checkpoints", pytest.fail)
    assert found is not None
    assert found.step == 7


def test_a_curve_that_fails_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Field report 36: TensorBoard's writer may fail when it is made, at any number and when it is closed."""
    tensorboard = pytest.importorskip("torch.utils.tensorboard")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("__init__", "add_scalar", "close"):
        with monkeypatch.context() as patch:
            patch.setattr(tensorboard.SummaryWriter, name, refuse)
            run, warned = small_run(tmp_path / name)
            with run:
                assert len(list(run)) == 12
        assert [said for said in warned if "scalars go to metrics.jsonl only" in said] == warned
        assert len(warned) == 1
        assert newest(run) == 12


# ------------------------------------------------------------------------------------------- pictures and devices


def no_memory(patch: pytest.MonkeyPatch) -> int:
    def refuse(*_: object) -> None:
        raise MemoryError

    patch.setattr(pictures, "draw_grid", refuse)
    patch.setattr(pictures, "draw_way", refuse)
    return 1


def no_picture(_: pytest.MonkeyPatch) -> int:
    return 2


@pytest.mark.parametrize(("why", "warnings"), [(no_picture, 0), (no_memory, 3)])
def test_a_picture_that_cannot_be_drawn_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: Callable[[pytest.MonkeyPatch], int], warnings: int
):
    """Field reports 11 and 29: two channels are no picture, and whatever stands in the way of one is a warning."""
    run, warned = small_run(tmp_path, images(why(monkeypatch)), sample_every=4)
    with run:
        assert len(list(run)) == 12
    assert newest(run) == 12
    assert [said.split(" (")[0] for said in warned] == [
        f"step {k}: the picture could not be drawn" for k in (4, 8, 12)
    ][:warnings]


@pytest.mark.promise("B6")
def test_auto_says_what_it_fell_back_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """B6: without a GPU, auto says so in a line and cuda is refused with exit 2."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = [*(word for word in TINY if word not in ("--device", "cpu")), "--fast-dev-run"]
    assert main([*arguments, "--run", str(tmp_path / "run")]) == 0
    assert "no CUDA device: computing on the CPU" in capsys.readouterr().err
    assert main(["sample", str(tmp_path / "run"), "-n", "1", "--steps", "1", "--out", str(tmp_path / "s.npz")]) == 0
    assert "no CUDA device: computing on the CPU" in capsys.readouterr().err
    assert main([*arguments, "--run", str(tmp_path / "other"), "--device", "cuda"]) == 2
    assert "no CUDA device; use cpu" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


class Recorded(OneProcess):
    """One process that counts how often it parted from the others."""

    left = 0

    def leave(self) -> None:
        self.left += 1


def test_processes_part_when_the_work_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Field report 34: the command waits for all processes and closes their group, after the last picture."""
    alone = Recorded()
    monkeypatch.setattr("scorefield.training.processes", lambda *_: alone)
    assert main([*TINY, "--fast-dev-run", "--run", str(tmp_path / "run")]) == 0
    assert alone.left == 1


@pytest.mark.promise("B5")
def test_a_batch_smaller_than_the_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """B5: exit 2, one sentence, nothing written."""
    two = OneProcess()
    two.world = 2
    monkeypatch.setattr("scorefield.training.processes", lambda *_: two)
    assert main([*TINY, "--train.batch_size", "1", "--run", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "train.batch_size 1 is less than the 2 processes" in said
    assert not (tmp_path / "run").exists()
