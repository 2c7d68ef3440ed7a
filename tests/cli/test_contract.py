"""The contract of the command line: exit codes, one-line errors, quiet pipes, fast help, round trips."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from forked import Beside, Forked
from scorefield.cli import main
from scorefield.cli.drawing import parse_seeds
from scorefield.cli.main import COMMANDS
from scorefield.config import RunConfig, parse_yaml, validate
from scorefield.config.rooms import ROOMS
from scorefield.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    MissingExtraError,
    ScorefieldError,
)
from scorefield.plotting import loss_curve
from scorefield.pretrained import load_model

TINY = ["--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, short_ends: None) -> Path:
    """A run folder made by the command line itself, the curve of its losses drawn."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    # A small largest noise: at σ = 80 float32 itself rounds states by more than the 1e-6 that C1 allows.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scorefield.runs.pictures.loss_curve", loss_curve)
        assert main(["train", *TINY, "--process.sigma_max", "2", "--run", str(path), "--fast-dev-run"]) == 0
    return path


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, *words: str, lines: int = 1) -> None:
    """The command ends with ``code`` and one line on stderr (or a few) that has all of ``words``."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert 1 <= err.count("\n") <= lines, err
    assert "Traceback" not in err + out
    for word in words:
        assert word in err, err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no command", "quickstart"]),
        (["trian"], ["trian", "did you mean train?"]),
        (["sample"], ["required: RUN "]),
        (["inpaint"], ["required: RUN, --image, --mask "]),
        (["train", "--bogus", "1"], ["--bogus"]),
        (["train", "configs/mnist.yaml"], ["configs/mnist.yaml", "--config"]),
        (["train", "--seed", "abc"], ["seed", "abc"]),
        (["train", "--train.steps", "0"], ["train.steps", "greater than or equal to 1", "0"]),
        (["train", "--train.stepz", "5"], ["train.stepz", "no such setting"]),
        (["train", "--train.learning_rate", "nan"], ["train.learning_rate"]),
        (["train", "--process.kind", "vx"], ["process", "vx"]),
        (
            ["train", "--process.kind", "ve", "--process.sigma_min", "60", "--data.kind", "digits", "--dry-run"],
            ["sigma_min", "60"],
        ),
        (
            ["train", "--process.sigma_max", "20", "--sampling.grid.sigma_max", "500", "--data.kind", "digits"],
            ["begins at", "500", "ends at 20"],
        ),
        (["train", "--network.kind", "ncsnv2", "--data.kind", "digits", "--dry-run"], ["ncsnv2", "model.kind=ladder"]),
        (["train", "--config", "/no/such.yaml"], ["/no/such.yaml"]),
        (["train", "--name", "../escape"], ["name", "../escape"]),
        (["train", "--data.kind", "digits", "--run", "/proc/nowhere"], ["/proc/nowhere"]),
        (["train", "--device", "tpu"], ["--device", "expected auto, cpu, cuda, cuda:N or mps", "tpu"]),
        (["train", "--train.device", "gpu"], ["train.device", "expected auto, cpu, cuda, cuda:N or mps", "gpu"]),
        (["sample", "no-such-model"], ["no-such-model", "shipped"]),
        (["sample", "x", "--out", "x.bmp"], ["x.bmp", ".png"]),
        (
            ["sample", "x", "--options", "churn=5"],
            ["--options: expected {KEY: VALUE}", "--options.KEY VALUE", "churn=5"],
        ),
        (["sample", "digits", "--sampler", "mala"], ["scorefield: --options.step_size: field required"]),
        (["sample", "digits", "--options.churns", "5"], ["scorefield: --options.churns: no such setting"]),
        (["sample", "x", "-n", "0"], ["-n: expected a whole number, at least 1; received 0"]),
        (["sample", "x", "-n", "64", "--seeds", "0-63"], ["--seeds: not allowed with", "-n"]),  # 64 is the default, too
        (["sample", "x", "--seed", "1", "--seeds", "0-63"], ["--seeds 0-63 names", "leave out --seed"]),
        (["evaluate", "x", "-n", "20", "--from-samples", "x.npz"], ["--from-samples: not allowed with", "-n"]),
        (["likelihood", "x", "-n", "2", "--image", "3"], ["--image: not allowed with", "-n"]),
        (["compress", "x", "--images", "x.npy", "--decode", "x.bits"], ["--decode: not allowed with", "--images"]),
        (["sample", "x", "--out", "/no/such/x.png"], ["/no/such"]),
    ],
)
@pytest.mark.promise("G1")
def test_bad_usage_is_exit_2_and_one_line(capsys, arguments: list[str], words: list[str]):
    refused(capsys, arguments, 2, *words)


@pytest.mark.promise("G1")
def test_missing_data_is_exit_3(capsys, tmp_path: Path):
    refused(
        capsys, ["train", "--data.kind", "mnist", "--data-dir", str(tmp_path), "--dry-run"], 3, str(tmp_path), lines=3
    )


@pytest.mark.promise("G1")
def test_a_damaged_checkpoint_is_exit_4(capsys, run: Path, tmp_path: Path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run / "checkpoints" / "step-00000004", copy)
    weights = copy / "ema.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    refused(capsys, ["sample", str(copy), "--out", str(tmp_path / "x.png")], 4, "ema.safetensors")


@pytest.mark.promise("G1")
def test_divergence_is_exit_5(capsys, tmp_path: Path):
    arguments = ["train", *TINY, "--run", str(tmp_path / "run"), "--train.steps", "50", "--train.learning_rate", "1e30"]
    refused(capsys, [*arguments, "--train.warmup", "0", "--sampling.steps", "2"], 5, "diverged at step", lines=3)


TORCH_CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


@pytest.mark.promise("G1")
@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (ScorefieldError("a run failed"), 1, ["a run failed"]),
        (MemoryError(), 1, ["out of memory", "batch"]),
        (RuntimeError(TORCH_CPU), 1, ["out of memory", "batch"]),
        (torch.OutOfMemoryError("no memory"), 1, ["out of memory", "batch"]),
        (ConfigError("a setting"), 2, ["a setting"]),
        (MissingExtraError("an extra"), 2, ["an extra"]),
        (DataError("a file"), 3, ["a file"]),
        (CheckpointError("a checkpoint"), 4, ["a checkpoint"]),
        (DivergedError("infinite"), 5, ["infinite"]),
        (RuntimeError("nobody expects"), 70, ["Traceback", "nobody expects", "bug in scorefield", "report"]),
        (KeyError("x"), 70, ["Traceback", "KeyError", "bug in scorefield", "report"]),
        (KeyboardInterrupt(), 130, ["interrupted"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_the_table_of_exit_codes(
    capsys, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, words: list[str]
):
    """What a command raises decides; 143, of SIGTERM, and 130 with a checkpoint are tested in tests/training/test_runs.py."""

    def fail(_: object) -> int:
        raise raised

    monkeypatch.setattr("scorefield.cli.doctor.run", fail)
    assert main(["doctor"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    for word in words:
        assert word in err
    assert ("Traceback" in err) == (code == 70)
    assert code == 70 or err.count("\n") == 1


def test_an_existing_run_is_not_overwritten(capsys, run: Path):
    refused(capsys, ["train", *TINY, "--run", str(run), "--fast-dev-run"], 2, "--resume")


def test_cuda_without_a_gpu_is_exit_2(capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    refused(capsys, ["train", "--data.kind", "digits", "--device", "cuda", "--dry-run"], 2, "use cpu")


def test_the_run_folder_holds_what_it_should(run: Path):
    assert {p.name for p in run.iterdir()} >= {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "checkpoints",
        "samples",
        "loss.png",
    }
    environment = json.loads((run / "environment.json").read_text())
    assert environment["torch"]
    assert (run / "samples" / "step-00000004.png").stat().st_size > 0
    with Image.open(run / "loss.png") as curve:
        assert min(curve.size) > 300


def settings_of(noun: str) -> st.SearchStrategy[dict[str, object]]:
    """Sections of any kind of a noun, some of its settings other than usual; not all of them are accepted."""
    numbers = st.sampled_from([None, True, 0, 1, 2, 7, 0.1, 0.25, 0.9, 3.5, 1e-5])

    def of_kind(kind: str) -> st.SearchStrategy[dict[str, object]]:
        names = sorted(name for name, field in ROOMS[noun].model(kind).model_fields.items() if name != "kind")
        some = st.dictionaries(st.sampled_from(names), numbers, max_size=2) if names else st.just({})
        return some.map(lambda found: {"kind": kind, **found})

    return st.sampled_from(sorted(ROOMS[noun].makers)).flatmap(of_kind)


CHOICES = st.fixed_dictionaries(
    {},
    optional={
        **{noun: settings_of(noun) for noun in ("process", "network", "model", "objective")},
        "sampling": st.fixed_dictionaries({"sampler": settings_of("sampler")}, optional={"grid": settings_of("grid")}),
        "data": st.fixed_dictionaries({"kind": st.just("density"), "density": settings_of("density")}),
        "train": st.fixed_dictionaries(
            {}, optional={"steps": st.integers(1, 10**9), "learning_rate": st.floats(1e-9, 1)}
        ),
        "guide": st.fixed_dictionaries({"step": st.integers(1, 99), "weight": st.floats(0, 1e9)}),
        "seed": st.integers(0, 2**63 - 1),
        "comment": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    },
)


def accepted(values: dict[str, object]) -> bool:
    try:
        RunConfig.model_validate(values)
    except ValidationError:
        return False
    return True


@pytest.mark.promise("G3")
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_print_config_round_trips(capsys, monkeypatch: pytest.MonkeyPatch, count: int):
    read_back: list[str] = []

    health = [HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow]

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=health,
    )
    @given(CHOICES)
    def there_and_back(values: dict[str, object]) -> None:
        assume(accepted(values))
        given_in = [
            f"--{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()
        ]
        assert main(["train", *given_in, "--print_config"]) == 0, capsys.readouterr().err
        first = capsys.readouterr().out
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(first.encode())))
        assert main(["train", "--config", "-", "--print_config"]) == 0, first
        assert capsys.readouterr().out == first
        assert validate(RunConfig, parse_yaml(first, "print"), "print") == RunConfig.model_validate(values)
        read_back.append(first)

    there_and_back()
    assert len(read_back) >= count
    assert len(set(read_back)) > count / 2


def test_every_shipped_configuration_is_valid(capsys):
    folder = Path(__file__).parents[2] / "configs"
    files = sorted(folder.glob("*.yaml"))
    assert files
    for path in files:
        assert main(["train", "--config", str(path), "--print_config"]) == 0


def test_a_dry_run_writes_nothing(capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "--dry-run"]) == 0
    assert "parameters" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


KINDS = ["heun", "euler", "dpmpp2m", "ode", "em", "reverse_diffusion", "ancestral", "pc", "ald"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_sampler_samples_from_the_command_line(capsys, run: Path, tmp_path: Path, kind: str):
    out = tmp_path / "x.npz"
    assert main(["sample", str(run), "--sampler", kind, "--steps", "3", "-n", "5", "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sampler"]["kind"] == kind
    import numpy as np

    x = np.load(out)["x"]
    assert x.shape == (5, 1, 8, 8)
    assert np.isfinite(x).all()


@pytest.mark.parametrize(
    ("sampler", "steps", "advised"),
    [
        ("heun", "3", ["--evaluations 8"]),
        ("heun", "7", ["--evaluations 16"]),
        ("heun", "8", []),
        ("euler", "7", []),
    ],
)
def test_too_few_steps_for_heun_are_advised_against(
    capsys, run: Path, tmp_path: Path, sampler: str, steps: str, advised: list[str]
):
    drawn = ["-n", "1", "--out", str(tmp_path / "x.npz")]
    assert main(["sample", str(run), "--sampler", sampler, "--steps", steps, *drawn]) == 0
    assert re.findall(r"--evaluations \d+", capsys.readouterr().err) == advised


@pytest.mark.promise("C2")
@pytest.mark.parametrize("name", ["grid.png", "film.gif", "film.mp4"])
def test_the_same_command_writes_the_same_bytes(run: Path, tmp_path: Path, name: str):
    files = [tmp_path / f"{k}-{name}" for k in range(2)]
    for path in files:
        assert main(["sample", str(run), "-n", "4", "--steps", "3", "--frames", "3", "--out", str(path)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.promise("C1")
def test_an_image_depends_on_its_seed_alone(run: Path, tmp_path: Path):
    import numpy as np

    def draw(seeds: str, batch: int) -> np.ndarray:
        out = tmp_path / "x.npz"
        assert (
            main(["sample", str(run), "--seeds", seeds, "--batch-size", str(batch), "--steps", "4", "--out", str(out)])
            == 0
        )
        return np.load(out)["x"]

    together = draw("0-6", 7)
    np.testing.assert_allclose(draw("5,2", 1), together[[5, 2]], atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-2


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("7", [7]), ("3,5,8-9", [3, 5, 8, 9])])
def test_seeds_are_ranges_and_lists(text: str, seeds: list[int]):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "5-2", "1,,2", "0-99999999999", "-1"])
def test_bad_seeds_are_refused(capsys, run: Path, text: str):
    refused(capsys, ["sample", str(run), f"--seeds={text}"], 2, "--seeds")


def test_doctor_reports_json(capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["torch"]
    assert "extra tensorboard" in report


def shell(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scorefield", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


HELPING = """
import sys
from scorefield.cli import main
for command in ([], *([name] for name in sys.argv[1:])):
    try: main([*command, "--help"])
    except SystemExit as stop: assert not stop.code, command
    assert "torch" not in sys.modules and "numpy" not in sys.modules, command
"""


@pytest.mark.promise("G2")
def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, "-c", HELPING, *COMMANDS], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    usage = re.findall(r"^usage: scorefield (?:\[options\] )?(\w+)", done.stdout, re.MULTILINE)
    assert usage == ["COMMAND", *COMMANDS]


@pytest.mark.promise("G2")
@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_fast(command: str):
    """The fastest of five starts, in seconds that other work on the machine does not count in."""
    times = []
    for _ in range(5):
        with Beside() as beside:
            assert shell(command, "--help").returncode == 0
        times.append(beside.seconds)
    assert min(times) < 0.5


LATER = (
    "accelerate",
    "huggingface_hub",
    "imageio",
    "matplotlib",
    "pandas",
    "pooch",
    "requests",
    "scipy",
    "sklearn",
    "sympy",
)
LATER += ("diffusers", "fastapi", "ot", "tensorboard", "torch._dynamo", "torch._inductor", "torchmetrics")


@pytest.mark.promise("G2")
@pytest.mark.slow
def test_samples_need_torch_pillow_and_no_more(tmp_path: Path):
    command = ["sample", "digits", "-n", "1", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "x.png")]
    code = (
        "import sys, torch; torchs = set(sys.modules)\n"
        f"from scorefield.cli import main; assert main({command}) == 0\n"
        "import scorefield as sf; units = sf.Units(torch.ones(2), torch.ones(2))  # as those of a table\n"
        "model = sf.Exact(sf.Gaussian(torch.zeros(2)), sf.VE(0.01, 2.0)).in_units(units)\n"
        "sf.sample(model, sf.Heun(), (1, 2), grid=sf.Karras(1))\n"
        f"print([name for name in {LATER} if name in sys.modules and name not in torchs])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.promise("G4")
def test_no_colour_no_progress_when_not_a_terminal(run: Path, tmp_path: Path):
    process = Forked(main, ["sample", str(run), "-n", "2", "--steps", "8", "--out", str(tmp_path / "x.png")])
    out, err = process.communicate()
    assert process.returncode == 0
    assert "\x1b" not in out + err
    assert "\r" not in out + err
    lines = [line for line in err.splitlines() if "computing on the CPU" not in line]
    assert lines == ["scorefield: drawing 2 samples: 8 steps"]


@pytest.mark.slow
@pytest.mark.promise("G4")
def test_a_picture_needs_no_home_that_can_be_written(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)  # matplotlib names its temporary cache there for other processes
    drawn = ["--image", "0", "--mask", "left", "--steps", "2", "-n", "1", "--out", str(tmp_path / "x.png")]
    done = shell("inpaint", "digits", *drawn)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.png").exists()
    assert "cache" not in done.stderr


@pytest.mark.promise("G4")
@pytest.mark.parametrize("command", ["train --help", "reproduce --list"])
def test_a_reader_who_left_is_no_failure(command: str):
    end, begin = os.pipe()
    os.close(end)
    done = subprocess.run(
        [sys.executable, "-m", "scorefield", *command.split()],
        stdout=begin,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(begin)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.promise("G8")
def test_unicode_and_spaces_in_paths(tmp_path: Path):
    path = tmp_path / "mes données ∇"
    assert main(["train", *TINY, "--run", str(path), "--fast-dev-run"]) == 0
    assert main(["sample", str(path), "-n", "2", "--steps", "3", "--out", str(path / "é.png")]) == 0
    assert (path / "é.png").exists()


def test_a_walk_through_does_not_stand_in_the_way_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", *TINY, "--name", "mine", "--fast-dev-run"]) == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"mine-fast-dev-run", "mine-fast-dev-run-2"}


@pytest.mark.parametrize(("asked", "taken"), [(0, 0), (5000, 4)])
def test_a_walk_through_teaches_a_decoder_as_few_steps_as_a_model(tmp_path: Path, asked: int, taken: int):
    run = tmp_path / "run"
    asks = ["--train.decoder_steps", str(asked), "--fast-dev-run", "--run", str(run)]
    assert main(["train", *TINY, *asks]) == 0
    assert load_model(run).config.train.decoder_steps == taken
