"""Checkpoints of score_sde_pytorch: weights, their averages and Adam's moments, to and from our names of the network they are of.

The averages are a list in the order of the parameters that are trained; Adam numbers all parameters, the frequencies of a Fourier embedding
too, which are not. The levels beside the weights are of no use here, and are kept to be given back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from scorefield.errors import CheckpointError
from scorefield.interop import torch_file
from scorefield.interop.layouts import (
    PREFIX,
    Moments,
    Parts,
    Weights,
    adam_moments,
    adam_state,
    averages,
    prefixed,
    require_settings,
    state_dict,
    take_apart,
)
from scorefield.interop.recognition import BUFFER
from scorefield.interop.score_sde import from_score_sde, names_in_score_sde, to_score_sde
from scorefield.networks.ncsnpp import NCSNpp


@dataclass(frozen=True, eq=False)
class ScoreSDEFile:
    """A checkpoint of score_sde_pytorch, which does not say what network it is of; its weights under its own names."""

    path: Path
    state: dict[str, Tensor]
    parts: Parts

    @property
    def channels(self) -> int:
        """Channels of the images, as the first convolution has them."""
        found = next((value.shape[1] for value in self.state.values() if value.ndim == 4), 0)
        if found < 1:
            raise CheckpointError(
                f"{self.path}: expected a network of images; found {len(self.state)} tensors, none of them of a convolution"
            )
        return found

    def weights(self, net: NCSNpp) -> Weights:
        """Return the weights of ``net``."""

        def ours(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return from_score_sde(net, {**self.state, **state})

        try:
            model = ours({})
        except CheckpointError as error:
            raise CheckpointError(f"{self.path}: {error}; use the configuration it was trained with") from error
        names = names_in_score_sde(net)
        fixed = {theirs for name, theirs in names.items() if name not in dict(net.named_parameters())}
        parameters = {name: self.state[name] for name in names.values()}
        trained = {name: value for name, value in parameters.items() if name not in fixed}
        averaged = self.parts.ema is not None
        ema = ours(averages(self.path, self.parts.ema, trained)) if averaged else model
        back = {theirs: name for name, theirs in names.items()}
        moments = _renamed(adam_moments(self.parts.optimizer, parameters, fixed), back, ours)
        return Weights(_levels(self.parts.model), self.parts.step or 0, model, ema, averaged, moments)


def read_score_sde(path: Path) -> ScoreSDEFile:
    """Return the content of a checkpoint of score_sde_pytorch; nothing in the file is executed.

    Raises:
        CheckpointError: the file cannot be read as plain data, or has another layout.
    """
    parts = take_apart(path, "score_sde", torch_file.read(path))
    state = state_dict(path, "model", parts.model)
    state.pop(BUFFER, None)
    return ScoreSDEFile(path, state, parts)


def _levels(model: object) -> Tensor | None:
    """Return the noise levels as stored, in float64 where they are."""
    found = {str(name).removeprefix(PREFIX): value for name, value in model.items()} if isinstance(model, dict) else {}
    return found.get(BUFFER)


def _renamed(
    moments: Moments, names: Mapping[str, str], rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
) -> Moments:
    """Return moments under the names, and in the shapes, that ``rename`` gives to what it is given."""
    kinds = ("exp_avg", "exp_avg_sq")
    values = {kind: rename({name: entry[kind] for name, entry in moments.items()}) for kind in kinds}
    return {
        names[name]: {"step": entry["step"], **{kind: values[kind][names[name]] for kind in kinds}}
        for name, entry in moments.items()
    }


def require_score_sde(settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a configuration whose model score_sde_pytorch cannot have: there networks give the noise, on VE the score, of raw states."""
    require_settings(settings, {"process": {"kind": ("ve", "vp", "subvp", "ddpm")}}, "score_sde_pytorch")
    ve, network = settings["process"]["kind"] == "ve", settings["network"]
    fourier, width = network["embedding"] == "fourier", network["width"]
    told = ("time_left" if network["timesteps"] else "log_sigma" if fourier else "sigma") if ve else "time"
    low, scale = (0.0, 1.0) if network["unit_range"] else (0.5, 0.5)
    needed = {
        "network": {
            "classes": (None,),
            "encoding": (None, 2 * width if fourier else width),
            "features": (None, 4 * width),
        },
        "model": {
            "kind": ("score" if ve else "noise",),
            "c_in": ("raw",),
            "c_noise": ("log_time" if fourier and not ve else told,),
            "location": (low,),
            "scale": (scale,),
        },
    }
    require_settings(settings, needed, "score_sde_pytorch")


def write_score_sde(
    path: Path, net: NCSNpp, weights: Weights, *, learning_rate: float, betas: tuple[float, float], decay: float
) -> None:
    """Write weights under our names as a checkpoint of score_sde_pytorch.

    Raises:
        CheckpointError: the file exists or cannot be written.
    """
    names = names_in_score_sde(net)

    def theirs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return to_score_sde(net, {**weights.model, **state})

    model, trained = theirs({}), {names[name] for name, _ in net.named_parameters()}
    levels = {} if weights.sigmas is None else {BUFFER: weights.sigmas}
    optimizer = adam_state(list(model), _renamed(weights.moments, names, theirs), learning_rate, betas)
    shadow = [value for name, value in theirs(weights.ema).items() if name in trained]
    ema = {"decay": decay, "num_updates": weights.step, "shadow_params": shadow}
    value = {"optimizer": optimizer, "model": prefixed(levels | model), "ema": ema, "step": weights.step}
    torch_file.write(path, value)
