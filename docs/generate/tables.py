"""Tables of what is stored in results/: race, MNIST and its models, training times, other images, compressed files, GPUs, two claims."""

import json
from pathlib import Path
from typing import Any

from generate.drawing import save_table
from scorefield import (
    ScoreModel,
)
from scorefield.pretrained import load_trained, shipped_models
from scorefield_claims.wording import plain

RESULTS = Path(__file__).parents[2] / "results"
_SPACE = "\N{NO-BREAK SPACE}"
_ERROR = f"{_SPACE}±{_SPACE}"
_OWN = "as configured"
_RACERS = {
    "dpmpp2m": "`DPMpp2M`",
    **{rule: f'`Multistep("{rule}")`' for rule in ("dpmpp3m", "unipc", "ipndm")},
    "Karras": "`Karras`",
    **{of: f'`Grid.fit(..., of="{of}")`' for of in ("noise", "data")},
}
_CLASSES = {
    "method": "method",
    "evaluations": "evaluations",
    "obtained": "share read as the digit asked for",
    "obtained_error": "± one standard error",
    "confidence": "judge's confidence",
    "diversity": "diversity (test digits: 1)",
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
    """Read and write."""
    _race(folder)
    _mnist(folder)
    _shipped(folder)
    _minutes(folder)
    _elsewhere(folder)
    _of_your_own(folder)
    _compressed(folder)
    _gpus(folder)
    _claim(folder, "mnist-classes", _CLASSES)
    _claim(folder, "mnist-inpainting", _INPAINTING)


def _race(folder: Path) -> None:
    """What results/race.json holds: Euler–Maruyama's evaluations for the adaptive SDE's error, and digits in few evaluations."""
    found = json.loads((RESULTS / "race.json").read_text())
    rows = []
    for target, part in found["exact"].items():
        plain = [row for row in part["rows"] if row["sampler"] == "EulerMaruyama"]
        for row in (row for row in part["rows"] if row not in plain):
            reached = [e["evaluations"] for e in plain if e["error"] <= row["error"]]
            many = (
                f"{min(reached):.0f}, which is {min(reached) / row['evaluations']:.1f} times as many"
                if reached
                else "more than measured"
            )
            if row["error"] < 2 * row["standard error"]:
                many = "cannot be told: the error is within two standard errors of zero"
            spread = f"{1e5 * row['error']:.1f}{_ERROR}{1e5 * row['standard error']:.1f}"
            rows.append([target, row["setting"], f"{row['evaluations']:.0f}", spread, many])
    save_table(
        folder, "race_sde", ["target", "`AdaptiveSDE`", "evaluations", "error · 10⁵", "`EulerMaruyama` needs"], rows
    )
    rows = []
    for chosen, row in sorted(found["mnist"].items(), key=lambda item: item[1]["FID"]):
        way = [chosen, ""] if chosen == _OWN else [_RACERS[word] for word in chosen.split()]
        rows.append([*way, f"{row['evaluations']:.0f}", f"{row['FID']:.3f}{_ERROR}{row['error']:.3f}"])
    save_table(folder, "race_mnist", ["sampler", "grid", "evaluations", "FID"], rows)


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
                f"`{' '.join(f'--{name} {value}' for name, value in options.items())}`",
                f"{best['seconds'] / 60:.0f}",
                f"{fid['times_floor']:.1f}{_ERROR}{fid['error'] / fid['real']:.1f}",
                *(f"{best[name]['samples']:.3f} ({best[name]['real']:.3f})" for name in ("confidence", "coverage")),
            ]
        )
    head = ["`scorefield train --config mnist` and", "minutes", "FID / floor"]
    save_table(folder, "minutes", [*head, "confidence (test digits)", "coverage (training digits)"], rows)


def _elsewhere(folder: Path) -> None:
    """What results/elsewhere.json holds: the small recipe's run on clothes beside that on digits, drawn in several ways."""
    found = json.loads((RESULTS / "elsewhere.json").read_text())
    rows = []
    for e in sorted(
        found, key=lambda e: (e["data"], -e["steps"], e["mean"], e["n"], e["draw"]["FID by judge"]["value"])
    ):
        ratios = _over_floor(e)
        told = [f"{e[how]['told apart']['value']:.3f}" for how in ("draw", "mode")]
        energy = e["draw"]["energy distance"]
        near = f"{energy['value']:.3f}{_ERROR}{energy['error']:.3f}"
        way = e["way"] + ("" if e["mean"] == _USUAL else f", ln σ around {e['mean']:g}")
        rows.append(
            [_PICTURES[e["data"]], f"{e['steps']}", way, f"{e['n']}", f"{e['evaluations']:g}", *ratios, near, *told]
        )
    head = [
        "data",
        "steps",
        "drawn",
        "n",
        "evalu\N{SOFT HYPHEN}ations",
        "FID / floor: judge",
        "FID / floor: plain network",
        "energy distance",
    ]
    save_table(folder, "elsewhere", [*head, "distin\N{SOFT HYPHEN}guished", "likeliest bytes"], rows)


def _over_floor(entry: dict[str, Any]) -> list[str]:
    """FID / floor by either judge, with its standard error."""
    by = [entry["draw"][f"FID by {judge}"] for judge in ("judge", "plain")]
    return [f"{fid['value'] / fid['floor']:.1f}{_ERROR}{fid['error'] / fid['floor']:.1f}" for fid in by]


def _of_your_own(folder: Path) -> None:
    """What the small recipe as it is drew of data that it was not made for."""
    found = json.loads((RESULTS / "elsewhere.json").read_text())
    whole = {e["data"]: e for e in found if e["steps"] == _WHOLE and e["way"] == _NOW}
    rows = [[words, *_over_floor(whole[data])] for data, words in _DESCRIBED.items()]
    save_table(folder, "of_your_own", ["trained on", "FID / floor by one judge", "by another"], rows)


_WHOLE, _NOW = 4500, "fitted grid, half the guide"
_DESCRIBED = {
    "mnist": "digits, grey",
    "fashion_mnist": "clothes, grey",
    "shapes": "one shape before a background, in colour",
    "textures": "stripes, checks, spots or grain, in colour",
}
_PICTURES = {"mnist": "digits", "fashion_mnist": "clothes", "shapes": "shapes", "textures": "textures"}
_USUAL = -0.7  # mean of ln σ in the recipe


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
    """Return a number to three decimals, a count without, anything else as it is."""
    if not isinstance(value, float):
        return plain(str(value))
    return f"{value:.0f}" if value > 1 and value.is_integer() else f"{value:.3f}"
