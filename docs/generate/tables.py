"""Tables of choosing: what samplers declare, what a budget buys on an exact score, and what was measured on MNIST."""

import json
import math
from pathlib import Path
from typing import Any

import torch

from generate.drawing import save_table
from scorefield import (
    DSM,
    MLP,
    VE,
    AdaptiveODE,
    AnnealedLangevin,
    Denoiser,
    Exact,
    GaussianMixture,
    Karras,
    Ladder,
    LogNormal,
    LogSNR,
    Sampler,
    ScoreModel,
    edm_weight,
    energy_distance,
    fit,
    geometric,
    sample,
)
from scorefield.config.rooms import SAMPLER
from scorefield.config.sampling import SamplingConfig
from scorefield.grids import steps_of
from scorefield.metrics import Estimate
from scorefield.pretrained import load_trained, shipped_models
from scorefield.samplers import AdaptiveSDE
from scorefield_claims.wording import plain

RESULTS = Path(__file__).parents[2] / "results"
RING = GaussianMixture.ring()
PROCESS = VE(0.01, 20.0)
DRAWS = 3000
BUDGETS = (4, 8, 16, 32, 64)
_SPACE = "\N{NO-BREAK SPACE}"
_CLASSES = {
    "method": "method",
    "evaluations": "evaluations",
    "obtained": "share read as the digit asked for",
    "obtained_error": "± one standard error",
    "confidence": "judge's confidence",
    "diversity": "diversity, of test digits'",
}
_INPAINTING = {
    "digits": "digits",
    "mask": "hidden",
    "method": "method",
    "evaluations": "evaluations",
    "masked_mse": "masked MSE",
    "agreement": "read as the original",
    "agreement_error": "± one standard error",
    "diversity": "diversity",
}


def write(folder: Path) -> None:
    """Measure and write."""
    _declared(folder)
    _budget(folder)
    _race(folder)
    _mnist(folder)
    _shipped(folder)
    _minutes(folder)
    _compressed(folder)
    _gpus(folder)
    _claim(folder, "mnist-classes", _CLASSES)
    _claim(folder, "mnist-inpainting", _INPAINTING)


_NEEDED = {"ddim": {"eta": 0.5}, "langevin": {"step_size": 0.01}, "mala": {"step_size": 0.01}}
"""Settings of samplers that need some, or of which more is to be seen than by default."""


def _everyone() -> list[tuple[Sampler, str]]:
    """Return a sampler of every kind, and the kind of grid that is usual for it."""
    usual = [SamplingConfig(sampler={"kind": kind, **_NEEDED.get(kind, {})}) for kind in SAMPLER.makers]  # pyright: ignore[reportArgumentType, reportCallIssue]
    return [(chosen.sampler.build(), chosen.grid.kind) for chosen in usual]


class _Counting:
    """Noise that counts how often it is asked."""

    asked, event, device = 0, (2,), torch.device("cpu")

    def normal(self) -> torch.Tensor:
        self.asked += 1
        return torch.zeros(1, 2)

    def uniform(self) -> torch.Tensor:
        self.asked += 1
        return torch.full((1,), 0.5)


def _declared(folder: Path) -> None:
    """Evaluations and order as the classes state them, and whether a step draws noise."""
    rows = []
    for sampler, _ in _everyone():
        noise: Any = _Counting()
        exact, times = Exact(RING, PROCESS), LogSNR(2).times(PROCESS)
        memory, x = None, torch.ones(1, 2)
        for step in steps_of(times, PROCESS):
            x, memory = sampler.step(exact, x, step, memory, noise)
        cost = "to the tolerance" if isinstance(sampler, AdaptiveODE | AdaptiveSDE) else f"{sampler.evaluations:g}"
        order = (
            "to the tolerance"
            if isinstance(sampler, AdaptiveODE | AdaptiveSDE)
            else str(sampler.order or "none declared")
        )
        rows.append([f"`{_name(sampler)}`", cost, order, "yes" if noise.asked else "no"])
    save_table(folder, "samplers", ["sampler", "evaluations per transition", "order", "draws noise"], rows)


def _name(sampler: Sampler) -> str:
    """Return a name that says what matters for the cost."""
    name = type(sampler).__name__
    return f"{name}(repeats={sampler.repeats})" if isinstance(sampler, AnnealedLangevin) else name


def _budget(folder: Path) -> None:
    """Energy distance to the truth after equal numbers of evaluations, on the exact score and on a learned one."""
    torch.manual_seed(0)
    learned = Denoiser(MLP(dim=2), PROCESS, sigma_data=2.8)
    fit(learned, RING, DSM(LogNormal(-0.7, 1.5), edm_weight(2.8)), steps=4000, learning_rate=3e-3)
    _bought(folder, "budget", Exact(RING, PROCESS))
    _bought(folder, "budget_learned", learned)


def _bought(folder: Path, file: str, model: ScoreModel) -> None:
    """Measure what each sampler makes of each budget, and say it in words."""
    truth = RING.sample(DRAWS, torch.Generator().manual_seed(1))
    alone = energy_distance(RING.sample(DRAWS, torch.Generator().manual_seed(2)), truth)
    rows = [["draws of the distribution itself", *[_thousandths(alone)] * len(BUDGETS)]]
    found: dict[str, dict[int, Estimate]] = {}
    for sampler, usual in _everyone():
        if usual == "constant" or isinstance(sampler, AdaptiveODE | AdaptiveSDE):
            continue  # it stays at its level, or takes as many evaluations as it needs
        chain = AnnealedLangevin(0.5 * 0.01**2, repeats=2) if isinstance(sampler, AnnealedLangevin) else sampler
        found[_name(chain)] = {}
        for budget in BUDGETS:
            transitions = max(1, int((budget - 1) // chain.evaluations))
            levels = geometric(20.0, 0.01, transitions)
            grid = {"karras": Karras(transitions), "log_snr": LogSNR(transitions), "ladder": Ladder(levels)}[usual]
            drawn = sample(model, chain, (DRAWS, 2), grid=grid).x
            found[_name(chain)][budget] = energy_distance(drawn, truth)
    rows += [[f"`{name}`", *map(_thousandths, by.values())] for name, by in found.items()]
    save_table(folder, file, ["evaluations:", *map(str, BUDGETS)], rows)
    (folder / f"{file}_words.inc").write_text("".join(f"- {_words(found, budget, alone)}\n" for budget in BUDGETS))


def _thousandths(found: Estimate) -> str:
    """Return a thousand times an estimate, large ones without decimals."""
    digits = 0 if found.value > 0.1 else 1
    return f"{1e3 * found.value:.{digits}f}{_SPACE}±{_SPACE}{1e3 * found.error:.{digits}f}"


def _words(found: dict[str, dict[int, Estimate]], budget: int, alone: Estimate) -> str:
    """Return which samplers equal exact sampling after so many evaluations or else which come nearest, and where the default is."""
    at = {name: by[budget] for name, by in found.items()}
    same = _within(at, alone)
    if same:
        others = [f"`{name}`" for name in at if name not in same]
        who = f"all but {', '.join(others)}" if len(others) < len(same) else ", ".join(f"`{name}`" for name in same)
        return f"After **{budget} evaluations** {who if others else 'all'} are indistinguishable from exact sampling."
    best = min(at.values(), key=lambda estimate: estimate.value)
    near = ", ".join(f"`{name}` ({_thousandths(at[name])})" for name in _within(at, best))
    heun = f"`Heun`, the default, is at {_thousandths(at['Heun'])}"
    return (
        f"After **{budget} evaluations** every sampler can still be told from exact sampling. Nearest: {near}; {heun}."
    )


def _within(at: dict[str, Estimate], best: Estimate) -> list[str]:
    """Return the names whose distance is at most two standard errors above another."""
    return [name for name, e in at.items() if e.value - best.value <= 2 * math.hypot(e.error, best.error)]


def _race(folder: Path) -> None:
    """What results/race.json holds: Euler–Maruyama's evaluations for the adaptive SDE's error."""
    found = json.loads((RESULTS / "race.json").read_text())
    rows = []
    for target, part in found["exact"].items():
        plain = [row for row in part["rows"] if row["sampler"] == "EulerMaruyama"]
        for row in (row for row in part["rows"] if row not in plain):
            reached = [e["evaluations"] for e in plain if e["error"] <= row["error"]]
            many = (
                f"{min(reached):.0f}, {min(reached) / row['evaluations']:.1f} times as many"
                if reached
                else "more than measured"
            )
            if row["error"] < 2 * row["standard error"]:
                many = "cannot be told: the error is within two standard errors of zero"
            spread = f"{1e5 * row['error']:.1f} ± {1e5 * row['standard error']:.1f}"
            rows.append([target, row["setting"], f"{row['evaluations']:.0f}", spread, many])
    save_table(
        folder, "race_sde", ["target", "`AdaptiveSDE`", "evaluations", "error · 10⁵", "`EulerMaruyama` needs"], rows
    )


def _mnist(folder: Path) -> None:
    """What results/mnist holds."""
    found = json.loads((RESULTS / "mnist" / "evaluation.json").read_text())
    training, sampler, measures, machine = (found[part] for part in ("training", "sampler", "measures", "environment"))
    distance = measures["frechet_distance"]
    rows = [
        ["training", f"{training['steps']} steps of {training['batch_size']}, {training['seconds'] / 60:.0f} minutes"],
        ["network", f"{training['parameters']:,} parameters"],
        [
            "sampler",
            f"{sampler['kind']}, {_transitions(sampler)} transitions, churn {sampler['churn']:g}, guide {found['guide']:g}",
        ],
        ["evaluations per digit", f"{found['evaluations_per_sample']:g}"],
        [
            "seconds per 64 digits",
            f"{64 * found['seconds']['sampling'] / found['n']:.1f} ({machine['device']}, threads: {machine['threads']})",
        ],
        ["judge's confidence (test digits)", _beside(measures["confidence"])],
        ["FID, MNIST features (training digits)", _beside(distance)],
        ["FID / floor", f"{distance['samples']['value'] / distance['real']['value']:.1f}"],
        [
            "accuracy of networks trained to tell them from test digits (training digits)",
            _beside(found["classifier_two_sample"]["as they are"]),
        ],
        ["bits/dim of test digits, variational bound", f"{found['bits_per_dim']['variational']['value']:.3f}"],
    ]
    save_table(folder, "mnist", ["what", "measured"], rows)


def _transitions(sampler: dict[str, Any]) -> int:
    """Return how many transitions a report's sampler makes; reports of the first edition count times instead."""
    return sampler["grid_steps"] if "grid_steps" in sampler else sampler["steps"] - 1


def _shipped(folder: Path) -> None:
    """The models of the package, as their checkpoints tell."""
    rows = []
    for name in shipped_models():
        loaded = load_trained(name)
        config = loaded.config
        trained = f"{loaded.step} steps" + (f", {loaded.seconds / 60:.0f} minutes" if loaded.seconds else "")
        what = f"{config.model.kind}, {config.network.kind}"
        drawn = config.sampling.sampler.kind if isinstance(loaded.model, ScoreModel) else "a classifier draws nothing"
        rows.append([f"`{name}`", what, f"{loaded.parameters:,}", trained, drawn])
    save_table(folder, "shipped", ["name", "what", "parameters", "trained", "draws by"], rows)


def _minutes(folder: Path) -> None:
    """What drew best after every training time of the study, of what options alone can ask for."""
    found = json.loads((RESULTS / "minutes" / "results.json").read_text())
    asked = [e for e in found if e["changes"] or e["variant"] == "recipe"]
    rows = []
    for minutes in sorted({e["minutes"] for e in asked}):
        best = min((e for e in asked if e["minutes"] == minutes), key=lambda e: e["frechet_distance"]["times_floor"])
        fid = best["frechet_distance"]
        changed = {f"{part}.{key}": value for part, values in best["changes"].items() for key, value in values.items()}
        options = {"train.steps": best["steps"], "guide.step": round(best["steps"] / 20), **changed}
        rows.append(
            [
                f"{best['seconds'] / 60:.0f}",
                f"`{' '.join(f'--{name} {value}' for name, value in options.items())}`",
                f"{fid['times_floor']:.1f} ± {fid['error'] / fid['real']:.1f}",
                *(f"{best[name]['samples']:.3f} ({best[name]['real']:.3f})" for name in ("confidence", "coverage")),
            ]
        )
    head = ["minutes", "`scorefield train --config mnist` and", "FID / floor"]
    save_table(folder, "minutes", [*head, "confidence (test digits)", "coverage (training digits)"], rows)


def _compressed(folder: Path) -> None:
    """What ``scorefield compress mnist -n 200 --json`` measured of its file, the model's bound and other formats."""
    found = json.loads((RESULTS / "compress.json").read_text())
    lengths = {"variational bound": found["bound"], f"`compress`, {found['steps']} steps": found}
    rows = [[name, f"{at['bytes_per_image']:.1f} ({at['bits_per_dim']:.3f} bits/dim)"] for name, at in lengths.items()]
    rows += [[_FORMATS[name], f"{size:.1f}"] for name, size in found["bytes_per_image_of_others"].items()]
    save_table(folder, "compressed", [f"{found['n']} test digits by `{found['model']}`", "bytes an image"], rows)


_FORMATS = {
    "xz": "xz of the bytes",
    "PNG": "PNG, a file each",
    "WebP": "lossless WebP, a file each",
    "PNG, all in one": "PNG, all in one picture",
    "WebP, all in one": "lossless WebP, all in one picture",
}
_COMPILED = {False: "", True: ", compiled", "graphs": ", CUDA graphs"}


def _gpus(folder: Path) -> None:
    """What ``python -m benchmarks.gpu`` measured of each card, of the U-Net of MNIST's recipe."""
    cards = [json.loads(path.read_text()) for path in sorted((RESULTS / "gpu").glob("*.json"))]
    trained = [
        [
            _card(found),
            f"{row['batch']}{_COMPILED[row.get('compile', False)]}",
            f"{row['images/s']:,.0f}",
            f"{row['of peak']:.1%}",
            f"{row['memory taken'] / 2**20:,.0f} ({row['memory foreseen, float32'] / 2**20:,.0f})",
        ]
        for found in cards
        for row in found["training"]
    ]
    head = ["card", "batch", "images/s", "utilisation", "MiB taken (foreseen for float32)"]
    save_table(folder, "gpus", head, trained)
    drawn = [
        [
            f"{_card(found)}, torch {found['torch']}",
            f"{found['sampling']['evaluations']:.0f}",
            *(f"{row['digits/s']:,.0f}" for row in (found["sampling"], *found.get("sampling, compiled", [])[:1])),
            *([] if "sampling, compiled" in found else ["not measured"]),
            f"{found['peak_bf16'] / 1e12:.0f} TFLOP/s",
        ]
        for found in cards
    ]
    head = [
        "card",
        "evaluations per digit",
        "digits/s",
        "compiled",
        "large matrix products in bfloat16 (utilisation 100 %)",
    ]
    save_table(folder, "gpus_drawing", head, drawn)


def _card(found: dict[str, Any]) -> str:
    """Return the short name of a device: NVIDIA H100 of NVIDIA H100 80GB HBM3."""
    return _SPACE.join(found["device"].split()[:2])


def _beside(row: dict[str, dict[str, float]]) -> str:
    """Return what samples get, and in brackets what real data get."""
    return f"{row['samples']['value']:.3f} ({row['real']['value']:.3f})"


def _claim(folder: Path, name: str, columns: dict[str, str]) -> None:
    """The columns asked for of the table of a claim's results."""
    found = json.loads((RESULTS / "reproduce" / name / "result.json").read_text())
    rows = [[_cell(row[key]) for key in columns] for row in found["rows"]]
    save_table(folder, name, list(columns.values()), rows)


def _cell(value: object) -> str:
    """Return a number to three decimals, anything else as it is."""
    return f"{value:.3f}" if isinstance(value, float) else plain(str(value))
