"""A trained model, ready to use: one line from a name to pictures, measures and likelihoods.

    sf.load_model("mnist").sample(16, seed=0).x

Its methods know the right parts: the classes asked for, guidance as its run says, a precision that suits the machine, its grid.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Unpack

import torch
from torch import Tensor
from typing_extensions import TypeVar

from scorefield._checks import reals, title, whole
from scorefield._endings import Decode, Drawing, Steering, ending, in_bytes, in_pixels, suited
from scorefield._noise import Stream
from scorefield._tensors import home
from scorefield.config import RunConfig
from scorefield.config.sampling import SamplingConfig, changed
from scorefield.errors import ConfigError
from scorefield.evaluation import LEAST, ImageJudge, evaluate_samples, real_data
from scorefield.grids import Grid, times_of
from scorefield.guidance import ClassifierFree
from scorefield.interop.diffusers_latent import LatentDecoder
from scorefield.likelihood import ByteDecoder, LogLikelihood, log_likelihood
from scorefield.likelihood.flow import FlowSettings
from scorefield.models import Labels, NoisyModel, ScoreModel, label_rows
from scorefield.networks.precision import LowPrecision, Precision, uses_bf16
from scorefield.preconditioning import Networked
from scorefield.sampling import Sampler, Samples, Transition, sample, seeding

__all__ = ["LoadedModel", "lowered"]

Model = TypeVar("Model", bound=NoisyModel, covariant=True, default=ScoreModel)


@dataclass(frozen=True)
class LoadedModel(Generic[Model]):
    """A trained model: averaged weights, in evaluation mode, with its configuration.

    Attributes:
        model: a `scorefield.ScoreModel`, or the `scorefield.Classifier` of `scorefield.pretrained.load_classifier`.
        config: of its run.
        event: the shape of one sample.
        source: the folder it was read from.
        weak: the same model with the weights of an early step, where the run kept them (``guide.step``), for `scorefield.AutoGuided`.
        step: optimiser steps behind the weights.
        seconds: how long training took, where the run recorded it.
        decoder: turns the latents that the model draws into images; None where it draws images itself. Likelihoods are of latents.
        byte_decoder: turns samples of 8-bit images into bytes; None where the run kept none.
        seen: the classes that its training had examples of, where the run recorded them.
    """

    model: Model
    config: RunConfig
    event: tuple[int, ...]
    source: Path
    weak: Model | None = None
    step: int = 0
    seconds: float | None = None
    decoder: LatentDecoder | None = None
    byte_decoder: ByteDecoder | None = None
    seen: tuple[int, ...] | None = None

    @property
    def drawn(self) -> tuple[int, ...]:
        """The shape of what `sample` draws."""
        return self.event if self.decoder is None else self.decoder.shape(self.event)

    @property
    def parameters(self) -> int:
        """Parameters of the model."""
        return sum(p.numel() for p in self.model.parameters())

    def sampling(
        self: "LoadedModel",
        kind: str | None = None,
        steps: int | None = None,
        options: Mapping[str, Any] = MappingProxyType({}),
        source: str = "command line",
    ) -> SamplingConfig:
        """Return its configuration of sampling, changed as asked; a grid to be fitted is fitted to the model, guided as configured."""
        return changed(self.config.sampling, kind, steps, options, source).fitted(self.steered(), self.event)

    def within(
        self: "LoadedModel", evaluations: int, decode: Decode | None = None, **how: Unpack[Steering]
    ) -> SamplingConfig:
        """Return its configuration of sampling with what `scorefield.samplers.within` chooses; a distilled model keeps its own."""
        return self.config.sampling.within(
            evaluations,
            self.steered(**how),
            self.event,
            fitted_to=self.model if how.get("weight") else self.steered(guide=how.get("guide")),
            beside=int(ending(decode, self.byte_decoder, self.source) != "none"),
            keep=self.config.teacher is not None,
        )

    def steered(
        self: "LoadedModel",
        *,
        labels: Labels | None = None,
        weight: float = 0.0,
        guide: float | None = None,
        precision: Precision = "fp32",
    ) -> ScoreModel:
        """Return the model to draw from.

        Args:
            labels: the class of all samples, or one per sample; None draws from all classes, or from a model that knows none.
            weight: w of classifier-free guidance.
            guide: weight of the guidance by the model's weaker version; the run's own when absent.
            precision: of the networks.

        Raises:
            ConfigError: a guide that was not kept, a weight without labels or beside a guide, or labels that the model does not know.
        """
        if guide and self.weak is None:
            raise ConfigError(f"guide {guide}: {title(self.source)} keeps no weaker version; train one with guide.step")
        if guide and weight != 0:
            raise ConfigError(
                f"guide {guide} and weight {weight} are two ways to strengthen guidance; choose one, and leave the other out"
            )
        loaded = lowered(self) if uses_bf16(precision, home(self.model)) else self
        model, weak = loaded.model, loaded.weak
        if weight != 0:
            if labels is None:
                raise ConfigError(f"weight {weight} strengthens the condition on a class; give labels")
            return ClassifierFree(model, self._known(labels), weight)
        if labels is not None:
            rows = self._known(labels)
            model, weak = model.condition(rows), None if weak is None else weak.condition(rows)
        guiding = self.config.guide if guide is None else self.config.guide.model_copy(update={"weight": guide})
        return model if weak is None or guiding.weight == 0 else guiding.build(model, weak)

    def sample(
        self: "LoadedModel",
        n: int = 1,
        *,
        seed: int = 0,
        seeds: Sequence[int] | Tensor | None = None,
        labels: Labels | None = None,
        weight: float = 0.0,
        guide: float | None = None,
        sampler: Sampler | None = None,
        grid: Grid | Tensor | None = None,
        steps: int | None = None,
        evaluations: int | None = None,
        precision: Precision = "auto",
        decode: Decode | None = None,
        batch_size: int = 250,
        frames: int = 0,
        rows: range | None = None,
        generator: Stream | None = None,
        on_step: Callable[[Transition], object] | None = None,
    ) -> Samples:
        """Draw n samples, by the sampler of the model's configuration unless another is given.

        Sample i depends on its seed alone: on one machine it is the same to 1e-6 in a batch of any size, in float32 and in bfloat16, where
        the network is a `scorefield.networks.UNet` (`scorefield.networks.rows` says why). With other networks the last digit of float32
        depends on the batch, and a sampler can amplify it.

        Args:
            n: how many; with ``seeds``, their number.
            seed: names the whole draw.
            seeds: one per sample, instead of ``seed``.
            labels: the class of all samples, or one per sample.
            weight: w of classifier-free guidance.
            guide: weight of the guidance by the model's weaker version; the run's own when absent.
            sampler: another than the configuration's.
            grid: another than the configuration's.
            steps: transitions of the configuration's grid.
            evaluations: the most to spend on a sample; sampler and grid are then those of `within`.
            precision: of the networks; "auto" is bfloat16 where the device is faster in it, except under adaptive solvers, whose error
                estimate rounding would disturb.
            decode: how samples of 8-bit data end: "draw" (by default with a decoder), "counts" and "mode" as bytes, by one evaluation more
                (`ByteDecoder.finish`), at values low + (high − low) byte/255 between the ends of the model; "none" as the sampler ends.
            batch_size: samples drawn at a time.
            frames: states to keep along the way.
            rows: which of the n samples to draw; all when absent.
            generator: of noise, another than the configuration's.
            on_step: called after every transition.

        Raises:
            ConfigError: bytes asked of a model without a decoder, or what `steered` refuses.
        """
        how = ending(decode, self.byte_decoder, self.source)
        own, cut = self.config.sampling.build(self.model.process)
        if evaluations is not None:
            if not sampler is grid is steps is None:
                raise ConfigError(f"evaluations={evaluations} chooses sampler, grid and steps; leave those out, or it")
            way = self.within(evaluations, decode, labels=labels, weight=weight, guide=guide)
            sampler, grid = way.build(self.model.process)
        sampler = sampler or own
        if grid is None:
            grid = cut if steps is None else self.sampling(steps=steps).build(self.model.process)[1]
        n = n if seeds is None else len(seeds)
        if self.config.teacher is not None and (sampler, list(times_of(grid, self.model.process))) != (
            own,
            list(times_of(cut, self.model.process)),
        ):
            raise ConfigError(
                f"{title(self.source)} was distilled to draw along its own grid with its own sampler; leave both out, and steps too"
            )
        model = self.steered(labels=labels, weight=weight, guide=guide, precision=suited(precision, sampler))
        made = sample(
            model,
            sampler,
            (n, *self.event),
            grid=grid,
            seed=seed,
            seeds=seeds,
            frames=frames,
            batch_size=batch_size,
            rows=rows,
            generator=generator or self.config.sampling.generator,
            on_step=on_step,
        )
        if self.decoder is not None:
            made = in_pixels(made, self.decoder, batch_size)
        if self.byte_decoder is None or how == "none":
            return made
        stream, names = seeding(n, seed, seeds)
        return in_bytes(
            made, self.byte_decoder, how, stream=stream, rows=names if rows is None else [names[k] for k in rows]
        )

    def log_likelihood(self: "LoadedModel", x: Tensor, **settings: Unpack[FlowSettings]) -> LogLikelihood:
        """Return log p(x) of data, in nats; settings are those of `scorefield.log_likelihood`."""
        self.require_score("its likelihood")
        return log_likelihood(self.model, reals(x, "x").to(home(self.model)), **settings)

    def evaluate(
        self: "LoadedModel",
        x: Tensor | None = None,
        *,
        n: int = 10_000,
        seed: int = 0,
        judge: ImageJudge | None = None,
        classes: Sequence[int] | None = None,
        data_dir: str | None = None,
        test: str | None = None,
        on_measure: Callable[[str], object] | None = None,
        **drawing: Unpack[Drawing],
    ) -> dict[str, Any]:
        """Measure samples against held-out data, and training data in the same way (`scorefield.evaluation.evaluate_samples`).

        Args:
            x: samples, in the data's units; n are drawn when absent, as ``drawing`` says (see `sample`).
            n: how many to draw.
            seed: of the samples, and of the choice of data.
            judge: reads features and classes of images; without one they are compared as vectors.
            classes: the classes of the samples, which take turns; all of the data when absent.
            data_dir: where data files are.
            test: where examples are that data of your own are tested with; those of the configuration when absent.
            on_measure: called with the name of every measure when it is done.
            drawing: settings of `sample`.
        """
        x = None if x is None else reals(x, "x").detach().cpu().float()
        if x is not None and x.shape[1:] != self.drawn:
            raise ConfigError(f"x must be samples, each of shape {self.drawn}; received {tuple(x.shape)}")
        n = whole(n if x is None else len(x), "the number of samples", LEAST)
        data = real_data(self.config.data.at(data_dir, test), self.drawn, n, classes=classes, seed=seed, least=LEAST)
        if x is None:
            labels = None if classes is None else torch.tensor(classes)[torch.arange(n) % len(classes)]
            x = self.sample(n, seed=seed, labels=labels, **drawing).x.cpu()
        ends = None if self.model.units is None else self.model.units.ends
        return evaluate_samples(x, data, judge=judge, classes=classes, ends=ends, seed=seed, on_measure=on_measure)

    def require_score(self, what: str) -> None:
        """Refuse ``what`` of a distilled model, which does not know its score (`scorefield.Distillation`)."""
        if self.config.teacher is not None:
            raise ConfigError(
                f"{title(self.source)} was distilled: it jumps along the flow and knows no score, which {what} needs; "
                f"ask its teacher, {self.config.teacher}"
            )

    def _known(self, labels: Labels) -> Tensor:
        """Return labels that the model knows; 'no label' is not among them. Of classes without an example in training it warns."""
        rows = label_rows(labels)
        asked, knows = set(rows.tolist()), self.model.classes
        if knows is not None and max(asked) >= knows:
            raise ConfigError(f"{title(self.source)} knows the classes 0 to {knows - 1}; received {max(asked)}")
        if self.seen is not None and (unseen := asked - set(self.seen)):
            what = f"no example of class {min(unseen)} in training, and does not know what it looks like"
            warnings.warn(f"{title(self.source)} saw {what}", stacklevel=2)
        return rows


def lowered(loaded: LoadedModel) -> LoadedModel:
    """Return the model with its networks in bfloat16 (`scorefield.networks.precision.LowPrecision`); the one given stays as it is."""
    models = {"model": loaded.model, "weak": loaded.weak}
    low = {name: one._with(net=LowPrecision(one.net)) for name, one in models.items() if isinstance(one, Networked)}
    return replace(loaded, **low)
