"""Drawing, measuring and likelihoods in parts: by any number of processes, killed and gone on with, the result is that of one."""

import copy
import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forked import command, several
from scorefield.cli.main import main
from scorefield.cli.shared import shared
from scorefield.pretrained import load_model
from scorefield.training import OneProcess

TINY = ["--network.width", "8", "--network.depth", "1", "--device", "cpu", "--fast-dev-run"]
GUIDED = ["--guide.step", "1", "--guide.weight", "2"]  # so that there is something to tune
CPU = ["--device", "cpu"]
DRAWN = ["-n", "44", "--batch-size", "8", "--steps", "3", "--device", "cpu"]  # six parts, the last of four samples


def call(number: int, *arguments: str, where: Path) -> tuple[int, str, str]:
    """Run a command in that many processes; return the first exit code that is not 0, and all that is printed."""
    with several(number) as environments:
        started = [command(*arguments, cwd=where, **environment) for environment in environments]
        printed = [process.communicate() for process in started]
    codes = [process.returncode for process in started]
    out, err = ("".join(texts) for texts in zip(*printed, strict=True))
    return next(filter(None, codes), 0), out, err


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", "--data.kind", "digits", *GUIDED, *TINY, "--run", str(folder)]) == 0
    return str(folder)


def close(ours: Any, theirs: Any) -> None:
    """Compare reports to 1e-6, but for what clocks say."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours.keys() - {"seconds", "environment"}:
            close(ours[key], theirs[key])
    elif isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            close(one, other)
    else:
        assert ours == theirs if isinstance(ours, str | None) else ours == pytest.approx(theirs, abs=1e-6, rel=1e-6)


@pytest.mark.promise("C1")
def test_two_processes_draw_and_measure_what_one_does(run: str, tmp_path: Path):
    """C1: the same file and the same numbers; one process writes, and nothing else is left."""
    hardly = tmp_path / "hardly.py"  # networks that tell samples from data are hardly trained
    hardly.write_text("from scorefield.metrics import classifier_test\nclassifier_test._PASSES = 2\n")
    reports = []
    for name, number in (("one", 1), ("two", 2)):
        asked = ["evaluate", run, *DRAWN, "--likelihood", "20", "--out", name, "--json", "--plugin", str(hardly)]
        code, out, err = call(number, *asked, where=tmp_path)
        assert code == 0, err[-3000:]
        assert out.count("\n") == 1
        reports.append(json.loads(out))
    close(*reports)
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert files[0] == files[1] == {"samples.npz", "evaluation.json", "grid.png", "recognised.png", "README.md"}
    assert (tmp_path / "one" / "samples.npz").read_bytes() == (tmp_path / "two" / "samples.npz").read_bytes()
    assert np.load(tmp_path / "two" / "samples.npz")["x"].shape == (44, 1, 8, 8)


PLUGIN = """
import os, signal
from scorefield.training import parts
write, written = parts._write, []
def once(path, result):
    if len(written) == {count} and os.environ.get("RANK", "{rank}") == "{rank}":
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(path)
    write(path, result)
parts._write = once
"""


@pytest.mark.promise("B4")
@pytest.mark.parametrize("number", [1, 2], ids=["one", "two"])
def test_what_was_drawn_before_a_kill_is_not_drawn_again(run: str, tmp_path: Path, number: int):
    """B4: a killed process ends the job within a minute; the next goes on from the parts there are, however many processes it has.

    It is a minute of the clock, from the first part that was written.
    """
    dying = tmp_path / "dying.py"
    dying.write_text(PLUGIN.format(count=2, rank=number - 1))
    code, _, _ = call(number, "sample", run, *DRAWN, "--out", "x.npz", "--plugin", str(dying), where=tmp_path)
    ended = time.time()
    assert code not in (0, 2)
    (folder,) = tmp_path.glob("x.npz.parts-*")
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("drawn-*")}
    assert 2 <= len(kept) < 6
    assert ended - min(kept.values()) / 1e9 < 60
    assert not (tmp_path / "x.npz").exists()
    other = [*DRAWN, "--seed", "1", "--out", "x.npz"]  # another draw has parts of its own
    assert main(["sample", run, *other[:-1], str(tmp_path / "x.npz")]) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.glob("drawn-*")} == kept
    counted = tmp_path / "counted.py"
    counted.write_text(PLUGIN.format(count=6 - len(kept), rank=0))  # one part too many would be fatal
    code, _, err = call(1, "sample", run, *DRAWN, "--out", "x.npz", "--plugin", str(counted), where=tmp_path)
    assert code == 0, err[-3000:]
    assert not folder.exists()
    assert main(["sample", run, *DRAWN, "--out", str(tmp_path / "y.npz")]) == 0
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


@pytest.mark.slow  # as drawing is, which is quick
def test_likelihoods_are_gone_on_with_too(run: str, tmp_path: Path):
    dying = tmp_path / "dying.py"
    dying.write_text(PLUGIN.format(count=3, rank=0))
    asked = ["likelihood", run, "-n", "60", "--device", "cpu", "--json"]
    assert call(1, *asked, "--plugin", str(dying), where=tmp_path)[0] == -signal.SIGKILL
    (folder,) = tmp_path.glob("likelihood-run.parts-*")
    assert len(list(folder.glob("*.safetensors"))) == 3
    ended = [call(number, *asked, where=tmp_path) for number in (2, 1)]
    assert [code for code, _, _ in ended] == [0, 0], ended
    close(*(json.loads(out) for _, out, _ in ended))
    assert not list(tmp_path.glob("likelihood*"))


QUICK = """
from scorefield.cli import race
race._MANY, race._PATHS = race._MANY[:3], 2
"""
LATER = """
import importlib, os, signal
importlib.import_module("{module}").{function} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
"""


LATER_STAGES = {
    "evaluate": ([*DRAWN, "--likelihood", "20"], "scorefield.evaluation", "evaluate_samples"),
    "evaluate in one part": (["-n", "30", "--steps", "3", *CPU], "scorefield.cli.evaluate", "write_text"),
    "likelihood": (["-n", "20", *CPU], "scorefield.training", "environment"),
    "compress": (["-n", "3", "--steps", "4", *CPU], "scorefield.cli.compress", "_of_others"),
    "race": (["-n", "2", "--grid", "fitted", *CPU], "scorefield.plotting", "race_curves"),
    "tune": (["-n", "100", *CPU], "scorefield.cli.tune", "write_text"),
}
"""Options of a command, and what it calls when all is drawn and nothing of it is reported."""
EACH = [pytest.param(name, marks=pytest.mark.slow if name != "compress" else ()) for name in LATER_STAGES]


@pytest.mark.promise("A1")
@pytest.mark.parametrize("stage", EACH)
def test_a_finished_stage_survives_a_kill_in_a_later_one(run: str, tmp_path: Path, stage: str):
    """A1: killed when all is drawn and nothing of it is reported; then nothing is drawn again, and the result is that of one go."""
    name, (options, module, function) = stage.partition(" ")[0], LATER_STAGES[stage]
    out = [] if name == "likelihood" else ["--out", "out"]
    plugins = {"dying": LATER.format(module=module, function=function), "counted": PLUGIN.format(count=0, rank=0)}
    results, told = [], []
    for place, plugin in (("killed", "dying"), ("killed", "counted"), ("whole", "quick")):
        (tmp_path / place).mkdir(exist_ok=True)
        file = tmp_path / f"{plugin}.py"
        file.write_text(QUICK + plugins.get(plugin, ""))
        given = [run, *options, *out, "--json", "--plugin", str(file)]
        code, printed, err = call(1, name, *given, where=tmp_path / place)
        assert code == (-signal.SIGKILL if plugin == "dying" else 0), err[-3000:]
        if plugin != "dying":
            told.append(json.loads(printed))
            files = filter(Path.is_file, (tmp_path / place).rglob("*.*"))
            results.append({path.name: path.read_bytes() for path in files if path.suffix not in (".json", ".md")})
    close(*told)
    assert results[0] == results[1]
    assert not list(tmp_path.rglob("*.parts-*"))


def test_a_file_in_parts_is_the_one_numpy_writes(run: str, tmp_path: Path):
    """And memory holds a part of it at a time, whatever the number of samples."""
    for name, batch in (("parts", "8"), ("whole", "44")):
        arguments = [*DRAWN[:2], "--batch-size", batch, *DRAWN[4:], "--out", str(tmp_path / f"{name}.npz")]
        assert main(["sample", run, *arguments]) == 0
    parts, whole = (np.load(tmp_path / f"{name}.npz")["x"] for name in ("parts", "whole"))
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    np.savez_compressed(tmp_path / "numpy.npz", x=whole)
    assert (tmp_path / "numpy.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_parts_are_named_by_all_that_decides_them(tmp_path: Path):
    """Another guide, decoder of bytes or interval of the guidance makes another folder; the same model, read again, the same."""
    loaded = load_model("mnist")
    assert loaded.weak is not None
    assert loaded.byte_decoder is not None
    weaker = copy.deepcopy(loaded.weak)
    next(weaker.parameters()).data.mul_(2)
    interval = loaded.config.guide.model_copy(update={"interval": (0.1, 1.0)})
    others = [
        replace(loaded, weak=weaker),
        replace(loaded, byte_decoder=None),
        replace(loaded, config=loaded.config.model_copy(update={"guide": interval})),
    ]
    names = []
    for each in (loaded, load_model("mnist"), *others):
        with shared(OneProcess(torch.device("cpu")), tmp_path / "x.npz", each, {"n": 4}) as compute:
            compute("samples", 2, lambda k: (torch.tensor(k),))
            names.append(next(tmp_path.iterdir()).name)
    assert names[0] == names[1]
    assert len(set(names)) == 4


def test_the_same_work_twice_at_once_is_done_twice(run: str, tmp_path: Path) -> None:
    """Whoever ends first takes nothing from the other; what a killed one left is gone on with as before."""
    loaded, done = load_model(run), []

    def work(k: int) -> tuple[torch.Tensor]:
        done.append(k)
        return (torch.tensor([k]),)

    with shared(OneProcess(), tmp_path / "x", loaded, {}) as first:
        kept = first("part", 3, work)
        with shared(OneProcess(), tmp_path / "x", loaded, {}) as second:
            assert [int(part[0]) for part in second("part", 3, work)] == [0, 1, 2]
        assert [int(part[0]) for part in kept] == [0, 1, 2]
    assert done == [0, 1, 2, 0, 1, 2]
    assert not list(tmp_path.iterdir())
    broken = shared(OneProcess(), tmp_path / "x", loaded, {})
    broken.__enter__()("part", 3, work)
    with pytest.raises(KeyboardInterrupt):
        broken.gen.throw(KeyboardInterrupt())
    with shared(OneProcess(), tmp_path / "x", loaded, {}) as again:
        again("part", 3, work)
    assert done == [0, 1, 2] * 3
