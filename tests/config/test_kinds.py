"""Configurations are made from the classes: everything public can be said, nothing is said twice, and a class's own checks speak."""

import json
import shlex
from importlib import import_module
from inspect import isabstract, isclass
from pathlib import Path

import pytest
import torch
from tools import kinds as written
from torch import nn

import scorefield as sf
from scorefield import guidance
from scorefield.cli import main
from scorefield.config import RunConfig, describe, load_plugins, register, validate
from scorefield.config.kind import Itself
from scorefield.config.rooms import MODEL, NETWORK, OBJECTIVE, ROOMS
from scorefield.models import NoisyModel

NOUNS = {
    "processes": sf.Process,
    "grids": sf.Grid,
    "samplers": sf.Sampler,
    "densities": sf.Density,
    "guidance": (sf.Sampler, NoisyModel),
    "models": NoisyModel,
    "preconditioning": NoisyModel,
    "energy": NoisyModel,
    "classifier": NoisyModel,
    "networks": nn.Module,
}
OBSERVATION = "its observation comes from the command line (inpaint, solve) or from Python, not from a run"
UNREACHED = {
    "Exact": "the model of a density needs no training",
    "FromScore": "a function is not written in YAML: register a network of your own",
    "AutoGuided": "the section `guide` of a run is its settings",
    "ClassifierFree": "the class is said when samples are drawn",
    "ClassifierGuided": "the class and its classifier come from Python",
}
"""Public classes without a kind, and why."""
UNREACHED |= {
    name: OBSERVATION
    for name in guidance.__all__
    if name not in UNREACHED
    and isclass(value := getattr(guidance, name))
    and issubclass(value, NOUNS["guidance"])
    and value.__name__ == name  # PiGDM, TwistedDiffusion: another name of a class
}


def public() -> list[type]:
    """Return every concrete public class of a noun, and every objective and law of its times."""
    found = [
        value
        for room, noun in NOUNS.items()
        for name in import_module(f"scorefield.{room}").__all__
        if isclass(value := getattr(import_module(f"scorefield.{room}"), name)) and issubclass(value, noun)
    ]
    objectives = import_module("scorefield.objectives")
    found += [value for name in objectives.__all__ if isclass(value := getattr(objectives, name))]
    bases = {sf.Process, sf.Grid, sf.Sampler, sf.Density, sf.Objective, NoisyModel}
    return [value for value in dict.fromkeys(found) if not isabstract(value) and value not in bases]


REACHED = {maker for room in ROOMS.values() for maker in room.makers.values() if not isinstance(maker, Itself)}


@pytest.mark.parametrize("value", public(), ids=lambda value: value.__name__)
def test_every_public_class_has_a_kind_or_a_stated_reason(value: type) -> None:
    assert (value in REACHED) != (value.__name__ in UNREACHED), (
        f"{value.__name__}: put it into a room of config/rooms.py, or say in UNREACHED, here, why a configuration cannot name it"
    )


def test_reasons_are_of_classes_that_exist() -> None:
    assert set(UNREACHED) <= {value.__name__ for value in public()}


def test_the_torch_free_table_is_the_one_that_the_kinds_make() -> None:
    assert written.FILE.read_text(encoding="utf-8") == written.text(), "python -m tools.kinds writes it anew"


@pytest.mark.parametrize(
    ("noun", "value"),
    [
        ("process", sf.VE(0.02, 30.0)),
        ("process", sf.VP(t_min=1e-4)),
        ("grid", sf.Karras(12, rho=3.0)),
        ("grid", sf.Uniform(7)),
        ("sampler", sf.DDIM(0.3)),
        ("sampler", sf.PredictorCorrector(sf.Ancestral("forward"), sf.LangevinCorrector(0.1, 2))),
        ("sampler", sf.Langevin(0.1, convention="code")),
        ("objective", sf.DSM(sf.LogNormal(-0.5, 1.0), sf.edm_weight(0.3))),
        ("objective", sf.SSM(0.5, "sphere")),
        ("objective", sf.SSMVR(times=sf.LogNormal(-0.5, 1.0), weight=sf.edm_weight(0.3))),
    ],
    ids=str,
)
def test_an_object_is_described_and_built_again(noun: str, value: object) -> None:
    section = describe(value)
    assert json.loads(json.dumps(section)) == section
    assert ROOMS[noun].read(section).build() == value


_TURN = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
_LAWS = {
    "one variance": sf.GaussianMixture([[0.0, 1.0], [2.0, -1.0]], 0.3, [0.3, 0.7]),
    "a variance each": sf.GaussianMixture([[0.0, 1.0], [2.0, -1.0], [0.0, 0.0]], [0.3, 0.5, 1.0]),
    "variances": sf.GaussianMixture([[0.0, 1.0]], [[0.3, 0.5]]),
    "matrices": sf.GaussianMixture([[0.0, 1.0]], [[[1.0, 0.4], [0.4, 0.5]]]),
    "gaussian": sf.Gaussian([0.5, 1.0], [[1.0, 0.4], [0.4, 0.5]]),
    "round": sf.Gaussian([0.5, 1.0], 0.3),
    "product": sf.Product(sf.Gaussian([0.5], 0.3), sf.Gaussian([1.0], 2.0)),
    "similarity": sf.Similarity(sf.Gaussian([0.5, 1.0], 0.3), 2.0, _TURN, torch.tensor([1.0, -3.0])),
}


@pytest.mark.parametrize("name", _LAWS)
def test_a_density_is_described_with_its_noise_and_built_again(name: str) -> None:
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for density in (_LAWS[name], _LAWS[name].diffuse(0.7, 0.4), _LAWS[name].diffuse(0.7, 0.4).diffuse(0.5, 1.0)):
        built = ROOMS["density"].read(describe(density)).build()
        torch.testing.assert_close(built.log_prob(x), density.log_prob(x), rtol=1e-9, atol=1e-9)


def test_a_density_of_a_level_per_row_and_one_that_keeps_its_noise_apart_are_not_described() -> None:
    levels = torch.tensor([0.1, 0.2])
    for density, words in (
        (_LAWS["matrices"].diffuse(1.0, levels), "a level per row"),
        (_LAWS["similarity"].diffuse(levels, levels), "a level per row"),
        (sf.Ring().diffuse(1.0, 0.5), "cannot say its 'alpha'"),
    ):
        with pytest.raises(sf.ConfigError, match=words):
            describe(density)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"process": {"kind": "ve", "sigma_min": -1}}, ["process", "sigma_min", "positive"]),
        ({"process": {"kind": "vx"}}, ["process", "no kind 'vx'", "subvp"]),
        ({"sampling": {"sampler": {"kind": "ddim", "eta": 2}}}, ["eta must lie in [0, 1]"]),
        ({"sampling": {"sampler": {"kind": "heun", "chrun": 2}}}, ["chrun", "no such setting"]),
        ({"sampling": {"grid": {"kind": "karras", "steps": 0}}}, ["steps"]),
        ({"objective": {"kind": "dae", "sigma": 0}}, ["sigma must be a finite positive"]),
        ({"objective": {"kind": "ssm", "projection": "cubic"}}, ["projection"]),
        ({"objective": {"kind": "ssm", "ratio": 0.5, "times": "uniform"}}, ["ratio", "times", "give one"]),
    ],
)
def test_a_class_refuses_its_settings_in_one_line_that_names_them(values: dict, words: list[str]) -> None:
    with pytest.raises(sf.ConfigError) as refused:
        validate(RunConfig, values, "here.yaml")
    message = str(refused.value)
    assert message.count("\n") == 0
    assert message.startswith("here.yaml")
    assert all(word in message for word in words), message


def test_a_kind_without_settings_may_be_its_name_alone() -> None:
    assert OBJECTIVE.read({"kind": "dsm", "times": "uniform", "weight": "unit"}).build().times == sf.UniformTime()


PLUGIN = """
import torch
import scorefield as sf
from torch import nn


class Plain(nn.Module):
    def __init__(self, dim: int, width: int = 8) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.layers = nn.Sequential(nn.Linear(dim + 1, width), nn.Tanh(), nn.Linear(width, dim))

    def forward(self, x, noise):
        return self.layers(torch.cat([x, noise[:, None].to(x)], dim=1))


sf.register("network", plain_of_a_test=Plain)
"""


@pytest.mark.usefixtures("kinds_of_this_test")
def test_a_network_of_ones_own_is_trained_and_drawn_from_by_a_plugin(tmp_path: Path, capsys) -> None:
    plugin, run = tmp_path / "mine.py", tmp_path / "run"
    plugin.write_text(PLUGIN)
    density = ["--data.kind", "density", "--data.density", "{kind: ring, radius: 2.0}", "--data.examples", "200"]
    train = [
        "train",
        *density,
        "--network.kind",
        "plain_of_a_test",
        "--fast-dev-run",
        "--run",
        str(run),
        "--device",
        "cpu",
    ]
    assert main([*train, "--plugin", str(plugin)]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if "scorefield sample" in line)
    _, *words, name = shlex.split(said)
    assert words[:4] == ["sample", str(run), "--plugin", str(plugin)]
    assert main([*words, str(tmp_path / name)]) == 0
    capsys.readouterr()


@pytest.mark.usefixtures("kinds_of_this_test")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("return x.nothing_of_the_kind", "line 13, in forward: AttributeError: 'Tensor' object has no attribute"),
        ("raise KeyError('absent')", "line 13, in forward: KeyError: 'absent'"),
    ],
)
def test_what_fails_in_a_plugin_is_not_our_bug(tmp_path: Path, capsys, wrong: str, said: str) -> None:
    plugin = tmp_path / f"failing{len(wrong)}.py"
    plugin.write_text(PLUGIN.replace("return self.layers(torch.cat([x, noise[:, None].to(x)], dim=1))", wrong).lstrip())
    density = ["--data.kind", "density", "--data.density.kind", "ring", "--data.examples", "200", "--device", "cpu"]
    chosen = ["--network.kind", "plain_of_a_test", "--fast-dev-run", "--run", str(tmp_path / "run")]
    assert main(["train", *density, *chosen, "--plugin", str(plugin)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"scorefield: plugin {plugin}, {said}")


@pytest.mark.parametrize("end", ["import sys; sys.exit(0)", "raise SystemExit('bye')"])
def test_a_plugin_does_not_end_the_command(tmp_path: Path, capsys, end: str) -> None:
    (tmp_path / "ending.py").write_text(end)
    command = ["sample", "digits", "--out", str(tmp_path / "x.png"), "--plugin", str(tmp_path / "ending.py")]
    assert main(command) == 2
    assert "ending.py: SystemExit: " in capsys.readouterr().err


def test_what_a_plugin_prints_is_no_result(tmp_path: Path, capsys) -> None:
    (tmp_path / "printing.py").write_text("print('reading the plugin')")
    command = ["sample", "digits", "-n", "1", "--steps", "1", "--device", "cpu", "--out", str(tmp_path / "x.png")]
    assert main([*command, "--json", "--plugin", str(tmp_path / "printing.py")]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["n"] == 1
    assert "reading the plugin" in printed.err


def test_plugins_of_one_name_do_not_take_each_others_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in ("makers", "models"):
        monkeypatch.setattr(NETWORK, kept, {**getattr(NETWORK, kept)})
    files = [tmp_path / folder / "net.py" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("import scorefield as sf\nclass Net(sf.MLP): ...\nsf.register('network', of_a_file=Net)\n")
    load_plugins(map(str, files[:1]))
    with pytest.raises(sf.ConfigError, match="of_a_file exists already"):
        load_plugins(map(str, files))


def test_a_kind_that_is_not_there_asks_for_its_plugin() -> None:
    with pytest.raises(sf.ConfigError, match="plugin"):
        validate(RunConfig, {"network": {"kind": "nobodys"}}, "state.json")


def test_a_class_that_is_defined_anew_takes_the_place_of_the_former(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in ("makers", "models"):
        monkeypatch.setattr(NETWORK, kept, {**getattr(NETWORK, kept)})
    for gain in (1.0, 2.0):  # as a cell of a notebook that is run twice

        class Mine(nn.Module):
            def __init__(self, gain: float = gain) -> None:
                super().__init__()
                self.gain = gain

        register("network", mine=Mine)
        built = NETWORK.read("mine").build()
        assert (type(built), built.gain) == (Mine, gain)


def test_registering_says_what_it_cannot_take() -> None:
    with pytest.raises(sf.ConfigError, match="exists already"):
        register("process", ve=sf.VP)
    with pytest.raises(sf.ConfigError, match="received 'noun'"):
        register("noun", x=sf.VE)
    with pytest.raises(sf.ConfigError, match="must be a class, or a function that makes one; received 5"):
        register("network", x=5)  # pyright: ignore[reportArgumentType]


def test_initial_weights_are_those_of_the_seed() -> None:
    def weights(seed: int) -> torch.Tensor:
        values = {
            "seed": seed,
            "network": {"kind": "mlp", "width": 4},
            "model": {"kind": "denoiser", "location": 0.0, "scale": 1.0, "mean_data": 0.0, "sigma_data": 1.0},
        }
        model = validate(RunConfig, values, "here").build_model((2,))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_a_model_in_the_datas_units_is_built_from_its_configuration() -> None:
    torch.manual_seed(0)
    section = {"kind": "denoiser", "sigma_data": 0.5, "mean_data": 0.0, "location": [1.0, 300.0], "scale": [2.0, 1e-3]}
    read = MODEL.read(section)
    model = read.placed(read.build(net=sf.MLP(2), process=sf.EDM()))
    assert torch.equal(model.units.location, torch.tensor([1.0, 300.0], dtype=torch.float64))
    assert model.restore(torch.zeros(1, 2)).tolist() == [[1.0, 300.0]]
