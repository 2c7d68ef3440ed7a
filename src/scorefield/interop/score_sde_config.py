"""Configurations of score_sde_pytorch: its Python files read as data, and what they mean as settings of ours.

A file of its is a function that assigns numbers and words to ``config.SECTION.KEY``. Those assignments are read and nothing is run; what
is left out has the values of the defaults that the file imports, for CIFAR-10, CelebA or LSUN. The published ones for CIFAR-10, and that
of FFHQ, are known by name.
"""

import ast
from pathlib import Path
from typing import Any, TypeGuard

from scorefield.errors import ConfigError
from scorefield.interop.score_sde import settings_of_score_sde

Sections = dict[str, dict[str, Any]]
_DEFAULTS: Sections = {
    "training": {"sde": "vesde", "continuous": True, "likelihood_weighting": False, "batch_size": 128},
    "sampling": {
        "method": "pc",
        "snr": 0.16,
        "n_steps_each": 1,
        "predictor": "reverse_diffusion",
        "corrector": "langevin",
        "probability_flow": False,
        "noise_removal": True,
    },
    "data": {"image_size": 32, "num_channels": 3, "centered": False, "random_flip": True},
    "model": {
        "sigma_min": 0.01,
        "sigma_max": 50.0,
        "num_scales": 1000,
        "beta_min": 0.1,
        "beta_max": 20.0,
        "dropout": 0.1,
    },
    "optim": {
        "optimizer": "Adam",
        "lr": 2e-4,
        "beta1": 0.9,
        "eps": 1e-8,
        "weight_decay": 0,
        "warmup": 5000,
        "grad_clip": 1.0,
    },
}
_ONLY = (("sampling", "probability_flow"), ("sampling", "noise_removal"))
_ONLY += (("optim", "optimizer"), ("optim", "eps"), ("optim", "weight_decay"))
"""Settings of which we have the default alone."""

_OTHERS: dict[str, Sections] = {
    "default_celeba_configs": {
        "sampling": {"snr": 0.17},
        "data": {"image_size": 64},
        "model": {"sigma_max": 90.0},
    },
    "default_lsun_configs": {
        "sampling": {"snr": 0.075},
        "data": {"image_size": 256},
        "model": {"sigma_max": 378.0, "num_scales": 2000, "dropout": 0.0},
    },
}
"""What the defaults of other data sets have other than those of CIFAR-10."""


def _over(*layers: Sections) -> Sections:
    """Return the defaults, overridden by the settings of each layer in turn."""
    return {
        name: {k: v for layer in (_DEFAULTS, *layers) for k, v in layer.get(name, {}).items()} for name in _DEFAULTS
    }


_VE: Sections = {"training": {"sde": "vesde"}, "model": {"ema_rate": 0.999, "embedding_type": "fourier"}}
_ON_CENTRED: Sections = {
    "sampling": {"predictor": "euler_maruyama", "corrector": "none"},
    "data": {"centered": True},
    "model": {"ema_rate": 0.9999, "embedding_type": "positional"},
}
_SDES: dict[str, Sections] = {
    "ve": _VE,
    "vp": {**_ON_CENTRED, "training": {"sde": "vpsde"}},
    "subvp": {**_ON_CENTRED, "training": {"sde": "subvpsde"}},
}
_NETS: dict[str, dict[str, Any]] = {
    "ncsnpp": {"name": "ncsnpp", "fir": True, "progressive_input": "residual"},
    "ddpmpp": {"name": "ncsnpp", "fir": False, "progressive_input": "none"},
}
_ON_LEVELS: dict[str, Sections] = {
    "ve": {"training": {"continuous": False}, "model": {"embedding_type": "positional"}},
    "vp": {"training": {"continuous": False}, "sampling": {"predictor": "ancestral_sampling"}},
}
_DDPM: dict[str, Any] = {"name": "ddpm", "num_res_blocks": 2}
_OF_LEVELS: tuple[tuple[str, str, Sections], ...] = (
    ("ve", "cifar10_ncsnpp", {"model": _NETS["ncsnpp"]}),
    ("ve", "cifar10_ddpm", {"model": _DDPM}),
    ("vp", "cifar10_ncsnpp", {"model": _NETS["ncsnpp"], "sampling": {"predictor": "reverse_diffusion"}}),
    ("vp", "cifar10_ddpmpp", {"model": _NETS["ddpmpp"]}),
    ("vp", "ddpm/cifar10", {"model": _DDPM}),
)
_FFHQ: dict[str, Any] = {
    "sigma_max": 348.0,
    "ch_mult": (1, 1, 2, 2, 2, 2, 2),
    "num_res_blocks": 2,
    "progressive": "output_skip",
    "progressive_input": "input_skip",
}
PUBLISHED: dict[str, Sections] = {
    f"{sde}/cifar10_{net}{deep}_continuous": _over(
        _SDES[sde], {"model": {**_NETS[net], "num_res_blocks": 8 if deep else 4}}
    )
    for sde in _SDES
    for net in _NETS
    for deep in ("", "_deep")
    if (sde, net) != ("ve", "ddpmpp")
} | {
    "vp/ddpm/cifar10_continuous": _over(_SDES["vp"], {"model": _DDPM}),
    "ve/ffhq_256_ncsnpp_continuous": _over(_OTHERS["default_lsun_configs"], _VE, {"model": _FFHQ}),
    **{f"{sde}/{name}": _over(_SDES[sde], _ON_LEVELS[sde], more) for sde, name, more in _OF_LEVELS},
}
"""The configurations of the published checkpoints, by the names of their files."""


def read_score_sde_config(path: Path) -> Sections:
    """Return the sections of a configuration file of score_sde_pytorch; nothing in the file is executed."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: expected a configuration file of score_sde_pytorch; found {error}") from error
    imported = [(node.module or "").split(".")[-1] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    sections = _over(*(_OTHERS[name] for name in imported if name in _OTHERS))
    called = {name: name for name in sections}  # what a section is called in the file
    for node in ast.walk(tree):
        if _otherwise(node):
            raise ConfigError(
                f"{path}, line {node.lineno}: expected an assignment for each setting, as model.nf = 128; found {ast.unparse(node)[:60]}"
            )
        if not isinstance(node, ast.Assign):
            continue
        meant = [part.attr for part in (node.value, *node.targets) if isinstance(part, ast.Attribute)]
        for target in node.targets:
            match target:
                case ast.Name(id=name):
                    called.update((name, section) for section in meant if section in sections)
                case (
                    ast.Attribute(value=ast.Attribute(attr=name), attr=key)
                    | ast.Attribute(value=ast.Name(id=name), attr=key)
                ):
                    if name in called:
                        sections[called[name]][key] = _literal(path, node, called[name], key)
    return sections


def _otherwise(node: ast.AST) -> TypeGuard[ast.stmt | ast.expr]:
    """Whether a setting may be made here in another way than by an assignment."""
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return isinstance(node.target, ast.Attribute)
    if not isinstance(node, ast.Call) or not (node.args or node.keywords):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", "")) in ("update", "ConfigDict", "setattr")


def _literal(path: Path, node: ast.Assign, section: str, key: str) -> object:
    try:
        return ast.literal_eval(node.value)
    except ValueError as error:
        raise ConfigError(
            f"{path}, line {node.lineno}: expected a number, a word or a list as {section}.{key}; found {ast.unparse(node.value)[:60]}"
        ) from error


def run_of_score_sde(sections: Sections) -> dict[str, Any]:
    """Return the sections data, process, network, model, objective, train and sampling of a configuration of ours.

    What is left out has CIFAR-10's defaults. Images are in [0, 1] here. Networks of VE take them so and bring them to [−1, 1] themselves;
    those of VP and sub-VP live on [−1, 1], which is what ``model.location`` and ``model.scale`` say.
    """
    sections = _over(sections)
    for name, key in _ONLY:
        if (said := sections[name][key]) != (known := _DEFAULTS[name][key]):
            raise ConfigError(f"{name}.{key}: expected {known!r}, to which the file can be changed; received {said!r}")
    training, model, optim, data = (sections[name] for name in ("training", "model", "optim", "data"))
    centered = data["centered"]
    network = {"kind": "ncsnpp", **settings_of_score_sde(model, centered=centered)}
    process, formula = _noised(training, model, network)
    units = {"location": 0.5, "scale": 0.5} if centered else {"location": 0.0, "scale": 1.0}
    return {
        "data": {"kind": "path", "size": data["image_size"], "flips": data["random_flip"]},
        "process": process,
        "network": {key: list(value) if isinstance(value, tuple) else value for key, value in network.items()},
        "model": {**formula, "c_in": "raw", **units},
        "objective": {
            "kind": "dsm",
            "times": "uniform",
            "weight": "likelihood" if training["likelihood_weighting"] else "sigma",
        },
        "train": {
            **({"steps": training["n_iters"]} if "n_iters" in training else {}),
            "batch_size": training["batch_size"],
            "learning_rate": optim["lr"],
            "betas": [optim["beta1"], 0.999],
            "warmup": optim["warmup"],
            "decay": "constant",
            "clip": optim["grad_clip"],
            "ema_decay": model.get("ema_rate", 0.9999),
        },
        "sampling": {
            "sampler": _sampler(sections["sampling"]),
            "grid": {"kind": "uniform", "steps": model["num_scales"] - 1},
        },
    }


def _noised(
    training: dict[str, Any], model: dict[str, Any], network: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sections process and model; a network that knows levels alone is given their number.

    Positional embeddings are of what a network is given, σ, 999 t or the index of a level, Fourier embeddings of its logarithm.
    """
    sde, levels = training["sde"], model["num_scales"]
    if sde not in ("vesde", "vpsde", "subvpsde"):
        raise ConfigError(f"training.sde: expected vesde, vpsde or subvpsde; received {sde!r}")
    fourier = network.get("embedding") == "fourier"
    discrete = not training["continuous"] and sde != "subvpsde"  # which it has in continuous time only
    if discrete:
        network["timesteps"] = levels
        if fourier:
            raise ConfigError(
                "model.embedding_type: expected 'positional' with training.continuous=False; received 'fourier'"
            )
    scaled = model.get("scale_by_sigma", sde == "vesde")
    if scaled and (sde != "vesde" or not (fourier or discrete)):
        raise ConfigError(
            f"model.scale_by_sigma: expected False for {sde}, unless it is vesde with Fourier embeddings or on levels; received True"
        )
    if sde == "vesde":
        ends = {"sigma_min": model["sigma_min"], "sigma_max": float(model["sigma_max"])}
        told = "time_left" if discrete else "log_sigma" if fourier else "sigma"
        return {"kind": "ve", **ends}, {"kind": "score", "c_noise": told, "c_out": "unit" if scaled else "raw"}
    low, high = model["beta_min"], model["beta_max"]
    formula = {"kind": "noise", "c_noise": "log_time" if fourier else "time"}
    if discrete:
        return {"kind": "ddpm", "levels": levels, "beta_min": low / levels, "beta_max": high / levels}, formula
    return {"kind": sde.removesuffix("sde"), "beta_min": low, "beta_max": high}, formula


def _sampler(sampling: dict[str, Any]) -> dict[str, Any]:
    """Return its predictor, with its corrector where it has one; or its adaptive solver."""
    if sampling["method"] == "ode":
        return {"kind": "ode"}
    predictors = {"reverse_diffusion": "reverse_diffusion", "euler_maruyama": "em", "ancestral_sampling": "ancestral"}
    predictor = predictors.get(sampling["predictor"])
    if predictor is None:
        raise ConfigError(
            f"sampling.predictor: expected one of {', '.join(predictors)}; received {sampling['predictor']!r}"
        )
    if sampling["corrector"] == "none":
        return {"kind": predictor}
    return {
        "kind": "pc",
        "predictor": {"kind": predictor},
        "corrector": {"kind": "langevin_corrector", "snr": sampling["snr"], "repeats": sampling["n_steps_each"]},
    }
