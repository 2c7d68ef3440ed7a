"""Every call of the library that the golden tests make. Whoever moves the library's walls adapts this file, and no other.

Each function returns what the library computes today, as plain arrays, numbers and strings. `first_edition/make.py` wrote them down
once; `test_first_edition.py` compares. Of the golden files only the stored runs and the table they learned are read here.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import scorefield as sf
from scorefield.cli import main
from scorefield.config import RunConfig, merge, read_yaml, validate
from scorefield.config.base import Section
from scorefield.config.sampling import SamplingConfig
from scorefield.data import Batches, Dataset, digits, from_path
from scorefield.grids import ends, times_of
from scorefield.pretrained import load_trained
from scorefield.training import StepRecord, TrainState, train

from .files import FOLDER

CONFIGS = Path(__file__).parents[2] / "configs"

PROCESSES: dict[str, sf.Process] = {
    "ve": sf.VE(0.02, 20.0),
    "edm": sf.EDM(0.02, 20.0),
    "vp": sf.VP(),
    "subvp": sf.SubVP(),
    "power_ve": sf.PowerVE(),
}
PLANAR = (*PROCESSES, "ladder", "noise", "score")
"""Stored runs on points of the plane: a denoiser of each process, and the three other parameterisations."""
IMAGES = ("unet", "unet-class", "classifier", "cond_refinenet", "ncsnv2")
"""Stored runs on 8×8 digits."""
DRAWN = ("digits", "mnist", "mnist-class", "mnist-ladder")
"""Shipped score models."""

GRIDS = ("down", "stay", "rungs")

Numbers = dict[str, np.ndarray]
Times = Mapping[str, Tensor]


def groups(times: Times) -> dict[str, Callable[[], Numbers]]:
    """Return everything that is compared number by number, by name; samplers follow the ``times`` that `all_times` made once."""
    found: dict[str, Callable[[], Numbers]] = {
        f"exact-{name}/init": partial(draw_planar, partial(exact, name), times, name, "init") for name in PROCESSES
    }
    for name in PLANAR:
        for variant, load in {"seed": stored, "seeds": stored, "init": stored_double}.items():
            found[f"{name}/{variant}"] = partial(draw_planar, partial(load, name), times, name, variant)
    found |= {f"images/{variant}": partial(draw_images, times, variant) for variant in ("seed", "init")}
    found |= {f"shipped/{name}": partial(draw_shipped, name) for name in DRAWN}
    found |= {f"likelihood/{name}": partial(likelihood, name) for name in (*PLANAR, "unet")}
    found |= {f"first-steps/{name}": partial(first_steps, name) for name in (*PLANAR, *IMAGES)}
    return found | {"grids": grids, "objectives": more_steps}


# --- grids ---------------------------------------------------------------------------------------------------------------------------


def grids() -> Numbers:
    """Return a short grid of every grid function, for every process that it takes."""
    found = {
        "geometric": sf.geometric(10.0, 0.01, 6),
        "geometric-one": sf.geometric(10.0, 0.01, 1),
        "linear": sf.linear(10.0, 0.01, 6),
        "cosine": sf.cosine(10.0, 0.01, 6),
        "sigmoid": sf.sigmoid(10.0, 0.01, 6),
    }
    for name, process in PROCESSES.items():
        found[f"uniform/{name}"] = sf.Uniform(5).times(process)
        found[f"log_snr/{name}"] = sf.LogSNR(5).times(process)
        found[f"karras/{name}"] = sf.Karras(5).times(process)
        found[f"karras-own/{name}"] = sf.Karras(5, rho=3.0, sigma_min=0.1, sigma_max=5.0).times(process)
        found[f"ladder/{name}"] = sf.Ladder(sf.geometric(5.0, 0.5, 4)).times(process)
        found[f"constant/{name}"] = sf.Constant(_at_ratio_one(process), 5).times(process)
    return {name: grid.numpy() for name, grid in found.items()}


def all_times() -> dict[str, Tensor]:
    """Return the grids that samplers follow, down the whole process, resting at σ/α = 1, and down a ladder; and where to start."""
    found = {"images": sf.Karras(8).times(PROCESSES["edm"])}
    found["images/start"] = _start(PROCESSES["edm"], found["images"], (4, 1, 8, 8))
    for name in PLANAR:
        process = stored(name).process
        # None of them half-way between two levels of the stored ladder, where rounding decides.
        found[f"{name}/down"] = sf.LogSNR(11).times(process)
        found[f"{name}/stay"] = sf.Constant(_at_ratio_one(process), 6).times(process)
        found[f"{name}/rungs"] = sf.Ladder(sf.geometric(5.0, 0.5, 4)).times(process)
        found |= {f"{name}/{grid}/start": _start(process, found[f"{name}/{grid}"], (8, 2)) for grid in GRIDS}
    return found


def _start(process: sf.Process, times: Tensor, shape: tuple[int, ...]) -> Tensor:
    z = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return process.prior_std(times[0]) * z


def _at_ratio_one(process: sf.Process) -> float:
    return process.time(torch.tensor(1.0, dtype=torch.float64)).item()


# --- samples -------------------------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A sampler, and what it draws from and follows."""

    sampler: sf.Sampler
    grid: str = "down"
    problem: str = "plain"


def samplers(model: sf.ScoreModel) -> dict[str, Case]:
    """Return every public sampler by name.

    MALA only where the log-density is known. Measurements only of closed forms and denoisers: with a tiny network of noise or scores,
    guidance overshoots to 1e12, and such numbers tell nothing.
    """
    ancestral = sf.Ancestral()
    cases = {
        "Euler": Case(sf.Euler()),
        "Heun": Case(sf.Heun()),
        "HeunChurned": Case(sf.Heun(churn=4.0, churn_min=0.05, churn_max=10.0, churn_noise=1.003)),
        "DPMpp2M": Case(sf.DPMpp2M()),
        "AdaptiveODE": Case(sf.AdaptiveODE(1e-3, 1e-3)),
        "EulerMaruyama": Case(sf.EulerMaruyama()),
        "ReverseDiffusion": Case(sf.ReverseDiffusion()),
        "Ancestral": Case(ancestral),
        "AncestralForward": Case(sf.Ancestral("forward")),
        "DDIM-0": Case(sf.DDIM(0.0)),
        "DDIM-0.5": Case(sf.DDIM(0.5)),
        "DDIM-1": Case(sf.DDIM(1.0)),
        "PredictorCorrector": Case(sf.PredictorCorrector(sf.ReverseDiffusion(), sf.LangevinCorrector(0.16))),
        "PredictorCorrector-2": Case(sf.PredictorCorrector(sf.Heun(), sf.LangevinCorrector(0.1, 2))),
        "Langevin": Case(sf.Langevin(0.1), "stay"),
        "LangevinCode": Case(sf.Langevin(0.04, convention="code"), "stay"),
        "LangevinCorrector": Case(sf.LangevinCorrector(0.2, 2), "stay"),
        "AnnealedLangevin": Case(sf.AnnealedLangevin(0.05, 3), "rungs"),
        "AnnealedLangevinCode": Case(sf.AnnealedLangevin(0.02, 3, convention="code"), "rungs"),
        "InpaintHeun": Case(sf.Heun(), problem="inpaint"),
        "InpaintAncestral": Case(ancestral, problem="inpaint"),
        "RePaint": Case(sf.RePaint(ancestral, 3), problem="inpaint"),
    }
    if isinstance(model, sf.Exact | sf.Denoiser):
        cases["LinearGaussian"] = Case(ancestral, problem="measurement")
        cases["DPS"] = Case(sf.DPS(ancestral, 0.5), problem="measurement")
        cases["Particles"] = Case(sf.Particles(4), problem="measurement")
    if isinstance(model, sf.Exact):
        cases["MALA"] = Case(sf.MALA(0.3), "stay")
    return cases


def _posed(model: sf.ScoreModel, problem: str) -> sf.ScoreModel:
    """Return the model of a point of the plane: as it is, with its first coordinate known, or with the mean of the two measured."""
    if problem == "inpaint":
        return sf.Inpaint(model, torch.tensor([[0.8, 0.0]]), torch.tensor([True, False]))
    if problem == "measurement":
        mean = sf.Project(torch.tensor([[0.5, 0.5]]))
        return sf.LinearGaussian(model, mean, torch.tensor([[0.4]]), noise=0.3, sigma_data=1.2)
    return model


def draw(
    model: sf.ScoreModel,
    sampler: sf.Sampler,
    times: Tensor,
    shape: tuple[int, ...],
    *,
    seeds: Sequence[int] | None = None,
    init: Tensor | None = None,
) -> Numbers:
    """Return three states of every sample, the first and the last among them, and the evaluations that each cost.

    Times are explicit; seed 0 unless every sample has its own, as many then as there are seeds.
    """
    shape = shape if seeds is None else (len(seeds), *shape[1:])
    drawn = sf.sample(model, sampler, shape, grid=times, seed=0, seeds=seeds, init=init, frames=3)
    assert drawn.trajectory is not None
    assert torch.equal(drawn.trajectory[-1], drawn.x)
    return {"": drawn.trajectory.numpy(), ".evaluations": np.array(round(drawn.evaluations))}  # then a whole number


def _named(drawn: Mapping[str, Numbers]) -> Numbers:
    return {name + part: value for name, parts in drawn.items() for part, value in parts.items()}


def draw_planar(load: Callable[[], sf.ScoreModel], times: Times, name: str, variant: str) -> Numbers:
    """Return what every sampler draws of a model of the plane, on the ``times`` of the run ``name``.

    Variants are "seed" (0 for the whole draw) and "seeds" (one per sample), both in float32 and begun at the prior, and "init", begun at
    given states in float64, of a model in float64.
    """
    model, found = load(), {}
    for sampler, case in samplers(model).items():
        grid = times[f"{name}/{case.grid}"]
        given = {"seed": {}, "seeds": {"seeds": [3, 1, 4]}, "init": {"init": times[f"{name}/{case.grid}/start"]}}
        found[sampler] = draw(_posed(model, case.problem), case.sampler, grid, (8, 2), **given[variant])
    return _named(found)


def exact(process: str) -> sf.ScoreModel:
    """Return the closed form: the ring of eight modes."""
    return sf.Exact(sf.GaussianMixture.ring(), PROCESSES[process])


def stored(name: str) -> sf.ScoreModel:
    """Return the network of a stored run."""
    return sf.load_model(str(FOLDER / "stored" / name)).model


def stored_double(name: str) -> sf.ScoreModel:
    """Return it in float64."""
    return stored(name).double()


def draw_images(times: Times, variant: str) -> Numbers:
    """Return what the stored networks draw of digits: guided in every way, and by the ladders of the RefineNets.

    Variants are "seed" and "init", as in `draw_planar`.
    """
    dtype = {"seed": torch.float32, "init": torch.float64}[variant]
    unet, labelled, *refinenets = (
        sf.load_model(str(FOLDER / "stored" / name)) for name in ("unet", "unet-class", "cond_refinenet", "ncsnv2")
    )
    classifier = sf.load_classifier(str(FOLDER / "stored" / "classifier")).model
    for module in (unet.model, unet.weak, labelled.model, classifier, *(loaded.model for loaded in refinenets)):
        assert module is not None
        module.to(dtype)
    labels, truth = torch.tensor([0, 1, 2, 3]), digits(train=False).scaled(slice(1)).to(dtype)
    smaller, ancestral, heun = sf.Downsample(2), sf.Ancestral(), sf.Heun(churn=4.0)
    grid = times["images"]
    cases: dict[str, tuple[sf.ScoreModel, sf.Sampler, Tensor]] = {
        "plain": (unet.model, heun, grid),
        "guided": (unet.steered(), heun, grid),
        "classifier-guided": (sf.ClassifierGuided(unet.model, classifier, labels, 2.0), ancestral, grid),
        "class": (labelled.model.condition(labels), heun, grid),
        "class-free": (sf.ClassifierFree(labelled.model, labels, 1.5), heun, grid),
        "repaint": (sf.Inpaint(unet.model, truth, torch.arange(8) < 4), sf.RePaint(ancestral, 2), grid),
        "downsample": (sf.LinearGaussian(unet.model, smaller, smaller.apply(truth), 0.1, 0.4), ancestral, grid),
    }
    for loaded in refinenets:
        sampler, cut = loaded.config.sampling.build(loaded.model.process)
        cases[loaded.config.network.kind] = (loaded.model, sampler, times_of(cut, loaded.model.process))
    init = None if variant == "seed" else times["images/start"]
    return _named({name: draw(*case, (4, 1, 8, 8), init=init) for name, case in cases.items()})


def draw_shipped(name: str) -> Numbers:
    """Return the first four samples of seed 0 as ``scorefield sample NAME -n 4 --precision fp32`` draws them, before they are written."""
    loaded = sf.load_model(name)
    return {"x": loaded.sample(4, seed=0, precision="fp32", decode="none").x.numpy()}


def sample_command(name: str, out: Path) -> np.ndarray:
    """Return what that command writes."""
    as_before = ["--precision", "fp32", "--device", "cpu", "--decode", "none"]
    assert main(["sample", name, "-n", "4", *as_before, "--out", str(out)]) == 0
    with np.load(out) as file:
        return file["x"]


# --- configurations ------------------------------------------------------------------------------------------------------------------


class Sampling(NamedTuple):
    """What a configuration of sampling builds."""

    kind: str
    sampler: str
    times: list[float]


class _Choice(Section):
    sampling: SamplingConfig


SAMPLING_KINDS = ("heun", "euler", "dpmpp2m", "ode", "em", "reverse_diffusion", "ancestral", "pc", "ald")
KINDS = {
    "data": ("digits", "mnist", "fashion_mnist", "kmnist", "path"),
    "process": ("ve", "edm", "vp", "subvp", "power_ve"),
    "network": ("unet", "mlp", "cond_refinenet", "ncsnv2", "noisy_classifier"),
    "model": ("denoiser", "classifier", "noise", "score", "ladder"),
    "objective": ("dsm", "multilevel_dsm", "cross_entropy"),
    "sampling": SAMPLING_KINDS,
}


def resolved_configs() -> dict[str, dict]:
    """Return every recipe of the repository, whole."""
    return {
        path.stem: resolved(merge(RunConfig().model_dump(mode="json"), read_yaml(path)))
        for path in sorted(CONFIGS.glob("*.yaml"))
    }


def resolved(values: dict) -> dict:
    """Return the configuration that ``values`` describe, whole."""
    return _said_out(validate(RunConfig, values, "golden").model_dump(mode="json"))


def _said_out(values: dict) -> dict:
    """Return a configuration in which what may be left to the process, or be without bounds, is a number as in the first edition."""
    process = validate(RunConfig, values, "golden").process.build()
    sampler, objective = values["sampling"]["sampler"], values["objective"]
    if sampler["kind"] == "heun" and sampler["churn_max"] is None:
        sampler["churn_max"] = 1e9
    high, low = ends(process)
    for levels in (objective.get("levels"), values["sampling"]["grid"].get("levels")):
        if isinstance(levels, dict):
            levels["sigma_1"] = round(levels["sigma_1"] or high, 12)
            levels["sigma_L"] = round(levels["sigma_L"] or low, 12)
    return values


def completed(name: str, values: dict) -> dict:
    """Return values of the first edition, of a whole configuration or of one section, in this edition's form."""
    part = name.partition("/")[0]
    return resolved(values) if part == "whole" else resolved({part: values})[part]


def defaults() -> dict[str, dict]:
    """Return the configuration without a word, and every kind of section with the settings it has by default."""
    found = {
        f"{part}/{kind}": resolved({part: {"kind": kind}})[part] for part, kinds in KINDS.items() for kind in kinds
    }
    return {"whole": resolved({}), **found}


def sampling_of(values: dict) -> Sampling:
    """Return the sampling of a whole configuration."""
    config = validate(RunConfig, values, "golden")
    process = config.process.build()
    return _built(config.sampling, process)


def _built(section: SamplingConfig, process: sf.Process) -> Sampling:
    """Return what a section builds; annealed Langevin dynamics as it was shown then, by the step size of its last level."""
    sampler, grid = section.build(process)
    times = times_of(grid, process)
    if isinstance(sampler, sf.AnnealedLangevin) and sampler.relative_step is not None:
        _, sigma = process.alpha_sigma(times[-1])
        sampler = replace(sampler, step_size=sampler.relative_step * sigma.item() ** 2, relative_step=None)
    return Sampling(section.sampler.kind, _shown(sampler), times.tolist())


def _shown(sampler: sf.Sampler) -> str:
    """Return how a sampler shows itself, numbers to nine digits: processors differ in the last."""
    shown = (
        repr(sampler)
        .replace("repeats=", "steps=")
        .replace(", relative_step=None", "")
        .replace("churn_max=inf", "churn_max=1000000000.0")
    )  # as it was then
    return re.sub(r"\d+\.\d+(e[-+]\d+)?", lambda number: f"{float(number[0]):.9g}", shown)


def sampling_kinds() -> dict[str, Sampling]:
    """Return what every kind of sampling builds for every process, with six steps and its own defaults."""
    found = {}
    for kind, (name, process) in itertools.product(SAMPLING_KINDS, PROCESSES.items()):
        section = validate(_Choice, {"sampling": {"kind": kind, "steps": 6}}, "golden").sampling
        found[f"{kind}/{name}"] = _built(section, process)
    return found


def shipped_configs() -> dict[str, dict]:
    """Return the state.json of every shipped model."""
    folder = Path(sf.__file__).parent / "weights"
    return {name: json.loads((folder / name / "state.json").read_text()) for name in sf.shipped_models()}


# --- likelihood and training ---------------------------------------------------------------------------------------------------------


def likelihood(name: str) -> Numbers:
    """Return log p of four points, and the latents they come from, in float64."""
    model = stored_double(name)
    if name in IMAGES:
        x, probes = digits(train=False).scaled(slice(4)).double(), 2
    else:
        x, probes = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-1.0, 0.7], [2.5, 2.0]], dtype=torch.float64), None
    found = sf.log_likelihood(model, x, probes=probes, seed=0)
    return {"log_prob": found.log_prob.numpy(), "latent": found.latent.numpy()}


def objectives() -> dict[str, tuple[str, sf.Objective, Dataset | sf.Density]]:
    """Return every objective by name, with the stored run it goes on from and the data it sees."""
    ring, points = sf.GaussianMixture.ring(), from_path(FOLDER / "table.npy")
    return {
        "DSM": ("ve", sf.DSM(), points),
        "DSM-edm": ("edm", sf.DSM(sf.LogNormal(), sf.edm_weight(1.0)), points),
        "DSM-min_snr": ("subvp", sf.DSM(sf.LogNormal(-0.5, 1.0), sf.min_snr_weight(1.0)), points),
        "DSM-likelihood": ("vp", sf.DSM(sf.UniformTime(), sf.likelihood_weight), points),
        "DSM-unit": ("power_ve", sf.DSM(sf.OneLevel(0.5), sf.unit_weight), points),
        "DSM-density": ("score", sf.DSM(), ring),
        "MultiLevelDSM": ("ladder", sf.MultiLevelDSM(sf.geometric(20.0, 0.02, 10)), points),
        "DAE": ("ve", sf.DAE(0.5), points),
        "SSM": ("ve", sf.SSM(0.5), points),
        "SSM-gaussian": ("ve", sf.SSM(0.5, "gaussian"), points),
        "SSMVR": ("vp", sf.SSMVR(0.5), points),
        "SSMVR-sphere": ("vp", sf.SSMVR(0.5, "sphere"), points),
        "FiniteDifferenceSSM": ("ve", sf.FiniteDifferenceSSM(0.5), points),
        "ImplicitSM": ("noise", sf.ImplicitSM(0.5), points),
        "FisherDivergence": ("vp", sf.FisherDivergence(ring), ring),
        "CrossEntropy": ("classifier", sf.CrossEntropy(sf.LogNormal(-0.7, 1.2)), digits()),
    }


def more_steps() -> Numbers:
    """Return (loss, norm of the gradient) of five steps of `fit` with every objective, from the weights of a stored run."""
    found = {}
    for name, (run, objective, data) in objectives().items():
        model = load_trained(str(FOLDER / "stored" / run)).model
        found[name] = _numbers(sf.fit(model, data, objective, steps=5, batch_size=32, seed=0))
    return found


def first_steps(run: str) -> Numbers:
    """Return (loss, norm of the gradient) of the first five steps of a stored run, begun anew from its configuration.

    Paths in the configuration are relative to `FOLDER`.
    """
    config = load_trained(str(FOLDER / "stored" / run)).config
    dataset = config.data.load()
    settings = config.train.build(config.seed, config.guide.step)
    state = TrainState.create(config.build_model(dataset.event), settings)
    batches = Batches(dataset, config.train.batch_size, config.seed)
    return {"records": _numbers(itertools.islice(train(state, batches, config.build_objective(), settings), 5))}


def resume(run: Path) -> int:
    """Resume the training of a run folder; return the exit code."""
    return main(["train", "--config", str(run / "config.yaml"), "--run", str(run), "--resume"])


def _numbers(records: Iterable[StepRecord]) -> np.ndarray:
    return np.array(
        [(record.loss, record.grad_norm) for record in records], dtype=np.float32
    )  # what they were computed in


def records(metrics: Path) -> np.ndarray:
    """Return (loss, norm of the gradient, learning rate) of every line of a run's metrics."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return np.array([(line["loss"], line["grad_norm"], line["learning_rate"]) for line in lines], dtype=np.float32)
