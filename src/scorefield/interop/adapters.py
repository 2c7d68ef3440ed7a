"""Objects of other libraries as score models, in one line each: every sampler, guidance method, likelihood and metric runs on them.

Nothing is copied: the model shares the parameters of what it was made of.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scorefield.config.rooms import MODEL, NETWORK, PROCESS, ModelKind
from scorefield.interop.diffusers import read_pipeline, settings_of_pipeline
from scorefield.models import ScoreModel, State, Time, same_shape
from scorefield.preconditioning import denoised_by_flow
from scorefield.processes import EDM, Process
from scorefield.training import load_weights
from scorefield.units import Moments, Units


class _Pipeline(Protocol):
    """A pipeline of diffusers for pixels: a UNet2DModel and a scheduler."""

    unet: Any
    scheduler: Any


class _Posterior(Protocol):
    """What a denoiser of azula returns."""

    mean: Tensor


class _AzulaDenoiser(Protocol):
    """A denoiser of azula: its schedule t ↦ (α, σ) on [0, 1], and a call that returns a posterior."""

    schedule: Any

    def __call__(self, x_t: Tensor, t: Tensor) -> _Posterior: ...


class _VectorFieldPosterior(Protocol):
    """A posterior of sbi whose ``vector_field_estimator`` is a ConditionalVectorFieldEstimator."""

    vector_field_estimator: Any


def from_diffusers(pipeline: str | Path | _Pipeline) -> ScoreModel:
    """Return the model of a pipeline of diffusers: of images in [0, 1], or, for a latent pipeline, of latents that its autoencoder decodes.

    Args:
        pipeline: an object with ``unet`` and ``scheduler``, such as a DDPMPipeline, or the folder of one.

    Raises:
        ConfigError: a scheduler or a network that is not supported, or diffusers is not installed.
        CheckpointError: a folder that cannot be read.
    """
    if isinstance(pipeline, str | Path):
        found = read_pipeline(Path(pipeline))
        model = _built(found.settings, NETWORK.read(found.settings["network"]).build(event=found.event))
        load_weights(model, found.weights)
        return model.eval()
    unet, scheduler = (
        {**part.config, "_class_name": type(part).__name__} for part in (pipeline.unet, pipeline.scheduler)
    )
    latent = any(getattr(pipeline, part, None) is not None for part in ("vqvae", "vae"))
    settings, event = settings_of_pipeline(type(pipeline).__name__, unet, scheduler, latent=latent)
    with torch.device("meta"):  # the weights are there already
        net = NETWORK.read(settings["network"]).build(event=event)
    net.unet = pipeline.unet
    return _built(settings, net)


def _built(settings: Mapping[str, Any], net: nn.Module) -> ScoreModel:
    """Return the model of a configuration's sections around a network."""
    kind: ModelKind = MODEL.read(settings["model"])  # pyright: ignore[reportAssignmentType]  as its room says
    model = kind.placed(kind.build(net=net, process=PROCESS.read(settings["process"]).build()))
    assert isinstance(model, ScoreModel)  # noqa: S101 for the type checker: of these kinds all are
    return model


def from_denoiser(
    denoiser: Callable[[State, Float[Tensor, " b"]], State], sigma_min: float = 0.002, sigma_max: float = 80.0
) -> ScoreModel:
    """Return the model of a function (x, σ) ↦ E[x_0 | x_0 + σ z = x], the convention of k-diffusion and ComfyUI.

    Args:
        denoiser: the function, or module; σ has the shape (b,) and the dtype of x.
        sigma_min: least noise level it knows.
        sigma_max: largest noise level it knows.
    """
    return _Denoised(lambda x, t: denoiser(x, t.expand(len(x))), EDM(sigma_min, sigma_max), denoiser)


def from_azula(denoiser: _AzulaDenoiser) -> ScoreModel:
    """Return the model of a denoiser of azula; its process is the denoiser's schedule.

    Args:
        denoiser: called as ``denoiser(x_t, t).mean``, t of shape () or (b,) in the dtype of x; row by row where it takes no (b,).
    """

    def denoise(x: State, t: Tensor) -> State:
        try:
            return denoiser(x, t).mean
        except RuntimeError as error:
            # Its Gaussians in closed form take one time for all rows: times a mean, or reshaped to (), others do not fit.
            if not re.search(r"must match the size|shape '\[\]' is invalid", str(error)):
                raise
        return torch.cat([denoiser(x[k : k + 1], t[k]).mean for k in range(len(x))])

    return _Denoised(denoise, Scheduled(denoiser.schedule), denoiser)


def from_sbi(posterior: _VectorFieldPosterior, x: Tensor) -> ScoreModel:
    """Return the model of p(θ | x) of a posterior of sbi that was learned by its NPSE or FMPE, x fixed.

    sbi also rejects samples outside the prior, and renormalises the density; that is left out here.

    Args:
        posterior: a VectorFieldPosterior; its estimator provides scales, velocity and where sampling starts.
        x: one observation, of the shape that the estimator was trained on, with or without a first axis of one.

    Raises:
        ValueError: an observation of another shape, or more than one.
    """
    estimator = posterior.vector_field_estimator
    if x.numel() != estimator.condition_shape.numel():
        raise ValueError(
            f"x must be one observation of shape {tuple(estimator.condition_shape)}; received {tuple(x.shape)}"
        )
    observed = x.reshape(1, *estimator.condition_shape)

    def schedule(t: Tensor) -> tuple[Tensor, Tensor]:
        rows = t.reshape(-1)
        return estimator.mean_t_fn(rows).reshape(t.shape), estimator.std_fn(rows).reshape(t.shape)

    def denoiser(theta: State, t: Tensor) -> State:
        velocity = estimator.ode_fn(theta, observed.to(theta), t.expand(len(theta)))
        return denoised_by_flow(process, theta, t.double(), velocity)

    process = Scheduled(schedule, float(estimator.t_min), float(estimator.t_max))
    model = _Denoised(denoiser, process, estimator)
    alpha, sigma = process.alpha_sigma(torch.tensor(process.t_max, dtype=torch.float64))
    spread = (estimator.std_base[0].double() ** 2 - sigma**2).clamp(min=0).sqrt()  # √(s²α² + σ²) is where sbi starts
    model.moments = Moments(estimator.mean_base[0].double() / alpha, spread / alpha)
    if not estimator.compose_enabled:
        return model
    low, high = (estimator.from_z(torch.full_like(estimator.mean_base, z))[0] for z in (0.0, 1.0))
    return model.in_units(Units(low, high - low))


class _Denoised(ScoreModel):
    """A model from a function (x, t) ↦ E[x_0 | x_t = x]; ``source`` is what it was made of, whose parameters are the model's."""

    def __init__(self, function: Callable[[State, Tensor], State], process: Process, source: object) -> None:
        super().__init__()
        self.function, self.process, self.source = function, process, source

    def denoise(self, x: State, t: Time) -> State:
        """Return the function's value."""
        return same_shape(self.function(x, self.process.at(t).to(x)), x, self.function)


@dataclass(frozen=True)
class Scheduled(Process):
    """A process of which α and σ are given as a function of t.

    Args:
        schedule: t ↦ (α, σ), of torch operations that can be differentiated; σ/α increases.
        t_min: where data are.
        t_max: where noise is.
    """

    schedule: Callable[[Tensor], tuple[Tensor, Tensor]]
    t_min: float = 0.0
    t_max: float = 1.0

    def alpha_sigma(self, t: Time) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"]]:
        """Return the schedule's α and σ."""
        return self.schedule(self.at(t))
