"""Kind to people and machines: what is said on the way, numbers out of range, cores, streams that are closed, recipes by name."""

import errno
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonargparse._common import Action

from forked import Forked
from scorefield._tensors import precise
from scorefield.cli import console, main, threads
from scorefield.cli.console import Progress
from scorefield.cli.main import COMMANDS, build_parser
from scorefield.config import read_yaml
from scorefield.errors import MissingExtraError, needing
from scorefield.training import pick_device

TINY = ["--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--device", "cpu"]
NEEDED = {
    "toy": ["circle"],
    "suggest": ["digits"],
    "convert": ["x", "--out", "y"],
    "impute": ["digits", "gaps.csv"],
    "inpaint": ["digits", "--image", "0", "--mask", "left"],
    "solve": ["digits", "--image", "0", "--problem", "downsample:2"],
    **{name: ["digits"] for name in ("sample", "evaluate", "likelihood", "compress")},
}


def numbers() -> list[tuple[str, str, list[str]]]:
    """Every option of every command that takes a number, with values out of its range."""
    wrong = {"whole": ["1.5"], "finite": ["inf"], "at least 0": ["-1"], "at least 1": ["0", "-3"], "at least 2": ["1"]}
    wrong |= {"above 0": ["0", "-1"], "number": ["nan", "x"]}
    found = []
    for name in COMMANDS:
        for action in _actions(name):
            expected = getattr(getattr(action, "_typehint", None), "__name__", "")
            if "number" in expected:
                values = [value for words, bad in wrong.items() if words in expected for value in bad]
                found.append((name, action.option_strings[0], values))
    return found


def _actions(name: str) -> list[Action]:
    from importlib import import_module

    return import_module(f"scorefield.cli.{name}").parser()._actions


@pytest.mark.parametrize(("name", "option", "values"), numbers())
def test_a_number_out_of_range_is_one_line_and_exit_2(capsys, name: str, option: str, values: list[str]):
    for value in values:
        said = f"{option}={value}" if option.startswith("--") else option + value
        assert main([name, *NEEDED.get(name, []), said]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith(f"scorefield: {option}: expected a")
        assert error.endswith(f"received {value}\n")


def test_every_number_has_a_range():
    """A seed alone may be any number: it names a draw. Those of runs are in their configurations, which have ranges of their own."""
    plain = {(name, a.option_strings[0]) for name in COMMANDS for a in _actions(name) if _plain(a)}
    assert {option for _, option in plain} == {"--seed"}


def _plain(action: Action) -> bool:
    return getattr(action, "_typehint", None) in (int, float) or action.type in (int, float)


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if any("--device" in a.option_strings for a in _actions(name))]
)
@pytest.mark.parametrize("device", ["gpu", "mps:1", "CPU", "0", "cuda:x"])
def test_a_device_that_there_is_not_is_a_sentence(capsys, name: str, device: str):
    assert main([name, *NEEDED.get(name, []), "--device", device]) == 2
    said = f"scorefield: --device: expected auto, cpu, cuda, cuda:N or mps; received {device}\n"
    assert capsys.readouterr().err == said


def test_apples_gpu_is_taken_where_there_is_one_and_refused_in_a_sentence_elsewhere(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = ["train", "--data.kind", "digits", "--fast-dev-run", "--run", str(tmp_path / "run"), "--device", "mps"]
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert main(asked) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "there is no GPU of Apple's" in error
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert pick_device("mps") == torch.device("mps")
    assert precise(torch.device("mps")) == torch.float32  # it knows no float64


def test_epochs_are_as_many_steps_as_see_the_data_so_often(capsys, tmp_path: Path):
    density = ["--data.kind", "density", "--data.density.kind", "ring", "--data.examples", "100"]
    asked = [
        "train",
        *density,
        "--network.kind",
        "mlp",
        "--network.width",
        "8",
        "--device",
        "cpu",
        "--train.batch_size",
        "16",
    ]
    asked += ["--train.epochs", "2.1", "--run", str(tmp_path / "run")]
    assert main(asked) == 0
    assert "step 14" in capsys.readouterr().out  # 2.1 · 100/16 = 13.1
    written = read_yaml(tmp_path / "run" / "config.yaml")["train"]
    assert (written["steps"], written["epochs"]) == (14, None)
    assert main([*asked, "--resume"]) == 0
    assert main([*asked[:-2], "--run", str(tmp_path / "tiny"), "--fast-dev-run"]) == 0
    assert "step 4" in capsys.readouterr().out.splitlines()[-2]
    for bad in ("0", "-1", "nan", "inf"):
        assert main([*asked, "--train.epochs", bad]) == 2
        assert "train.epochs" in capsys.readouterr().err


@pytest.mark.slow
def test_what_cannot_be_compiled_is_a_sentence(tmp_path: Path):
    density = ["--data.kind", "density", "--data.density.kind", "ring", "--data.examples", "100"]
    asked = ["train", *density, "--network.kind", "mlp", "--device", "cpu", "--fast-dev-run", "--train.compile", "true"]
    without = os.environ | {"CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "scorefield", *asked, "--run", str(tmp_path / "run")]
    done = subprocess.run(command, env=without, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert all(word in last for word in ("train.compile", "C++ compiler", "train.compile=false")), last


@pytest.mark.parametrize("said", [["--name", "a/b"], ["--train.device", "gpu"]])
def test_no_regular_expression_is_shown(capsys, said: list[str]):
    assert main(["train", *said, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert "expected" in error
    assert "pattern" not in error


def test_the_display_of_a_notebook_is_no_matter(monkeypatch):
    """A command started from one has its MPLBACKEND, and perhaps not the package that it names."""
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setattr("sys.argv", ["scorefield", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ["MPLBACKEND"] == "agg"


def test_a_missing_class_names_the_model_that_would_do(capsys, tmp_path: Path):
    out = str(tmp_path / "x.png")
    assert main(["sample", "mnist", "--class", "4", "--out", out]) == 2
    assert "such as mnist-class" in (error := capsys.readouterr().err)
    assert "LowPrecision" not in error
    assert main(["sample", "mnist-judge", "--out", out]) == 2
    assert "is a classifier" in (error := capsys.readouterr().err)
    assert "Classifier" not in error


# What is said on the way


def test_a_stage_is_told_at_its_start_and_every_half_minute(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    console.speak("info")
    with Progress(100, "drawing") as progress:
        for _ in range(100):
            now[0] += 1.0
            progress.advance(loss="0.5")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "scorefield: drawing: 100 steps"
    assert lines[1:] == [f"scorefield: drawing: {k} of 100, loss 0.5" for k in (30, 60, 90)]


def test_what_takes_long_is_told_and_what_does_not_is_not(capsys, monkeypatch):
    import time

    monkeypatch.setattr(console, "_PATIENCE", 0.05)
    console.speak("info")
    with console.stage("long"):
        time.sleep(0.5)
    monkeypatch.setattr(console, "_PATIENCE", 60.0)
    with console.stage("short"):
        pass
    assert capsys.readouterr().err == "scorefield: long\n"


@pytest.mark.parametrize(("level", "said"), [("debug", 3), ("info", 2), ("warning", 1), ("critical", 0)])
def test_verbose_says_how_much_is_said(capsys, level: str, said: int):
    console.speak(level)
    console.warn("careful")
    with Progress(1, "drawing"):
        pass
    words = capsys.readouterr().err
    assert words.count("\n") == min(said, 2)
    console.speak("info")


@pytest.mark.parametrize(
    ("said", "traces"), [([], 0), (["--verbose"], 1), (["--verbose", "debug"], 1), (["--verbose", "warning"], 0)]
)
def test_tracebacks_are_for_debugging(capsys, said: list[str], traces: int):
    assert main(["sample", *said, "no-such-model"]) == 2
    assert capsys.readouterr().err.count("Traceback") == traces
    assert main(["sample", "no-such-model", *said]) == 2
    assert capsys.readouterr().err.count("Traceback") == traces


# Cores


@pytest.mark.parametrize(
    ("idle", "own", "free"), [(800, 0, 4), (600, 0, 3), (0, 200, 1), (0, 0, 1), (400, 400, 4), (790, 0, 4)]
)
def test_cores_that_others_use_are_left_to_them(idle: int, own: int, free: int):
    """800 ticks of four cores passed: those that were idle and those of this process are ours."""
    before = threads._Reading(1000, 100, 10.0)
    assert threads.idle(4, before, threads._Reading(1800, 100 + idle, 10.0 + own)) == free
    assert threads.idle(4, None, before) == 4


def test_threads_are_those_asked_for_then_those_of_the_environment(monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(threads, "idle", lambda cores, before, after: 1)
    monkeypatch.setattr(threads, "_set", told.append)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    threads.use_threads(3)
    assert told == [3]
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "2")
    monkeypatch.setitem(sys.modules, "torch", None)
    threads.use_threads(None)
    assert told == [3]
    monkeypatch.delenv("OMP_NUM_THREADS")
    threads.use_threads(None, fixed=True)  # training: the last bits depend on it
    assert told == [3]
    threads.use_threads(None)
    assert told == [3, 1]
    for said in ("0", "-1", "", "abc", "1e3", "2,1", " 02 "):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        told.clear()
        threads.use_threads(None)
        assert told == ([] if "2" in said else [1])  # what OpenMP does not take is not taken for a wish


def threads_after(command: list[str]) -> int:
    torch.set_num_threads(3)
    assert main(command) == 0
    return torch.get_num_threads()


def test_threads_reach_pytorch(tmp_path: Path):
    command = ["sample", "digits", "-n", "1", "--steps", "1", "--out", str(tmp_path / "x.png"), "--threads"]
    for asked in (1, 2):
        process = Forked(threads_after, [*command, str(asked)])
        _, errors = process.communicate()
        assert process.returncode == asked, errors


# Streams and files


ONE_CLOSED = (pytest.param(closed, marks=pytest.mark.slow) for closed in (">&-", "2>&-", "<&-", "2>/dev/full"))


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", *ONE_CLOSED])
def test_a_closed_stream_is_no_matter(tmp_path: Path, closed: str):
    out = tmp_path / "x.png"
    line = f"{sys.executable} -m scorefield sample digits -n 1 --steps 1 --out {out} {closed}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert out.read_bytes().startswith(b"\x89PNG")  # and not what was printed


def test_a_full_output_is_one_line():
    line = f"{sys.executable} -m scorefield reproduce --list >/dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "standard output: No space left" in done.stderr


def test_a_closed_standard_input_is_no_configuration(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["train", "--config", "-", "--dry-run"]) == 2
    assert "closed or empty" in capsys.readouterr().err


def drawn(*args: object, **kwargs: object) -> None:
    pytest.fail("samples were drawn before the output was checked")


@pytest.mark.parametrize(
    "command",
    [["sample", "digits"], ["inpaint", "mnist", "--image", "0", "--mask", "left"], ["suggest", "digits"]],
    ids=lambda command: command[0],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(capsys, monkeypatch, tmp_path: Path, command):
    monkeypatch.setattr("scorefield.loaded.LoadedModel.sample", drawn)
    monkeypatch.setattr("scorefield.cli.restore.sample", drawn)
    monkeypatch.setattr("scorefield.advice.suggest", drawn)
    (tmp_path / "x.png").mkdir()
    assert main([*command, "--out", str(tmp_path / "x.png")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([*command, "--out", str(tmp_path / "no" / "x.png")]) == 2


def test_what_is_there_stays_where_a_command_is_refused(tmp_path: Path):
    out = tmp_path / "x.png"
    assert main(["sample", "no-such-model", "--out", str(out)]) == 2
    assert not out.exists()
    out.write_text("mine")
    assert main(["sample", "no-such-model", "--out", str(out)]) == 2
    assert out.read_text() == "mine"


def test_a_table_is_drawn_into_an_array(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    np.save("t.npy", np.random.default_rng(0).normal(size=(64, 3)).astype("f4"))
    table = ["--data.kind", "path", "--data.path", "t.npy", "--network.kind", "mlp", "--run", "r", "--fast-dev-run"]
    assert main(["train", *table]) == 0
    assert main(["sample", "r", "-n", "2"]) == 0
    assert np.load("samples.npz")["x"].shape == (2, 3)
    monkeypatch.setattr("scorefield.loaded.LoadedModel.sample", drawn)
    assert main(["sample", "r", "--out", "x.png"]) == 2
    assert "write .npz instead" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOSPC, 1)])
def test_a_folder_that_cannot_be_written_is_no_bug(capsys, monkeypatch, tmp_path: Path, number: int, code: int):
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "hub"))

    monkeypatch.setattr("scorefield.cli.console.abandon_output", lambda: None)
    monkeypatch.setattr("scorefield.pretrained.save_pretrained", refuse)
    assert main(["convert", "digits", "--to", "hub", "--out", str(tmp_path / "hub")]) == code
    advice = "; free some space, and run the command again" if number == errno.ENOSPC else ""
    assert capsys.readouterr().err == f"scorefield: {tmp_path / 'hub'}: {os.strerror(number)}{advice}\n"


def test_a_working_folder_that_was_removed_is_no_bug(capsys, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("scorefield.cli.doctor.run", lambda args: len(os.getcwd()))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "scorefield: the working folder no longer exists: enter another\n"


def test_a_folder_without_permission_is_refused_at_once(capsys, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(["convert", "digits", "--to", "hub", "--out", str(tmp_path / "hub")]) == 2
    assert "not writable" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "words"), [(ModuleNotFoundError("ot"), "need POT: pip"), (RuntimeError("no nms"), "no nms")], ids=str
)
def test_an_extra_that_is_missing_or_broken_is_no_bug(wrong: Exception, words: str):
    with pytest.raises(MissingExtraError, match=words) as refused, needing("Wasserstein distances", "POT"):
        raise wrong
    assert refused.value.exit_code == 2
    assert "pip install 'scorefield[metrics]'" in str(refused.value)


def test_numbers_are_written_as_people_write_them(capsys):
    assert main(["train", *TINY, "--process.sigma_max", "19.999999999999996", "--dry-run"]) == 0
    assert "process edm with sigma_min 0.002, sigma_max 20\n" in capsys.readouterr().out


# Recipes, and walks through


@pytest.mark.parametrize("config", ["mnist-small", "mnist-small.yaml", "configs/mnist-small.yaml"])
def test_a_recipe_goes_by_its_name(capsys, monkeypatch, tmp_path: Path, config: str):
    monkeypatch.chdir(tmp_path)  # far from the sources
    assert main(["train", "--config", config, "--print_config"]) == 0
    assert "name: mnist-small" in capsys.readouterr().out


def test_a_file_goes_before_a_recipe_of_that_name(capsys, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    Path("mnist-small").write_text("name: mine")
    assert main(["train", "--config", "mnist-small", "--print_config"]) == 0
    assert "name: mine" in capsys.readouterr().out
    assert main(["train", "--config", "mnist-smal", "--print_config"]) == 2
    assert "mnist-small" in capsys.readouterr().err


def test_a_walk_through_warns_of_nothing_and_leaves_toys_alone(capsys, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scorefield.toys.pictures", lambda *given, **more: None)  # cli/test_toy.py looks at them
    monkeypatch.setattr("scorefield.toys.known.REPEATS", 1)
    assert main(["train", *TINY, "--guide.step", "1000", "--name", "m", "--fast-dev-run"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["toy", "mixture", "--fast-dev-run"]) == 0
    assert not Path("toy-mixture").exists()
    assert Path("toy-mixture-fast-dev-run").exists()


def test_commands_say_once_what_they_are():
    """The line of help is the module's own."""
    helped = build_parser().format_help()
    assert all(f"\n    {name} " in helped for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_prints_percent_signs_once(name: str):
    """jsonargparse's help takes a text as it is, where argparse's own would want each doubled."""
    assert "%%" not in import_module(f"scorefield.cli.{name}").parser().format_help()
