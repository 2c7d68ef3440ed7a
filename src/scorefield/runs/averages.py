"""What the averaged weights of a run make: the model that it draws from, and the decoder by which samples end as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

import torch

from scorefield.config import RunConfig
from scorefield.data import Dataset
from scorefield.likelihood import ByteDecoder
from scorefield.models import ScoreModel
from scorefield.training import Parallel, TrainState, load_weights
from scorefield.training.posthoc import Weights

_LEARNT = 2000  # images that the decoder learns from
_REST = 50  # steps of its network between two waits of the other processes


@dataclass(frozen=True)
class Averages:
    """The averages in a run's state. Where they are in shares, models are built of the weights that were gathered."""

    config: RunConfig
    data: Dataset
    state: TrainState
    device: torch.device

    def model(self, ema: Weights) -> ScoreModel | None:
        """Return the averaged model; None where nothing can be drawn from it, as from a classifier."""
        if not isinstance(self.state.ema, ScoreModel):
            return None
        return self._built(ema) if self.state.sharded else self.state.ema

    def guided(self, ema: Weights, guide: Weights) -> ScoreModel | None:
        """Return the averaged model, guided by the weights of an early step where there are any and the configuration says so."""
        model = self.model(ema)
        if model is None or not guide or self.config.guide.weight <= 0:
            return model
        return self.config.guide.build(model, self._built(guide))

    def fitted(self, ema: Weights, guide: Weights, warn: Callable[[str], None]) -> RunConfig:
        """Return the configuration, its grid fitted to the model where it waits for that; what fails ends no training, and is warned of."""
        model = self.guided(ema, guide) if self.config.sampling.unfitted else None
        if model is None:
            return self.config
        try:
            return self.config.model_copy(update={"sampling": self.config.sampling.fitted(model, self.data.event)})
        except Exception as error:
            warn(
                f"sampling.grid could not be fitted ({type(error).__name__}: {error}); it is tried again when the run is loaded"
            )
            return self.config

    def decoder(self, ema: Weights, warn: Callable[[str], None]) -> ByteDecoder | None:
        """Return the decoder by counts that makes bytes of samples of 8-bit images; None of other data and, with a warning, where it fails.

        A distilled model was not taught to denoise at its level, but it started from a teacher that does, and the decoder counts what
        this very model makes of real images there (results/mnist-fast).
        """
        if len(self.data.event) != 3 or self.data.x.dtype != torch.uint8:
            return None
        model = self.model(ema)
        if model is None:
            return None
        try:
            return ByteDecoder(model, self.data.x[:_LEARNT].to(self.device))
        except Exception as error:
            warn(f"the decoder of bytes could not be made ({type(error).__name__}: {error}); samples end between bytes")
            return None

    def stored(self, tensors: Mapping[str, Weights]) -> ByteDecoder | None:
        """Return the decoder of a checkpoint, if it has one with a network."""
        model = self.model(tensors["ema"]) if "decoder" in tensors else None
        decoder = None if model is None else ByteDecoder.stored(model, tensors["decoder"])
        return None if decoder is None or decoder.network is None else decoder

    def learned(
        self,
        decoder: ByteDecoder | None,
        parallel: Parallel,
        on_step: Callable[[], object],
        stopping: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> ByteDecoder | None:
        """Return the decoder with the network that the configuration asks for; None if it has one, is broken off or, warned of, fails.

        The first of the processes trains it. The others wait in many parts: a wait of minutes is taken for a process that hangs.
        """
        steps = self.config.train.decoder_steps
        taken, rests = count(1), iter(range(steps // _REST))

        def after() -> None:
            on_step()
            if stopping():
                raise InterruptedError
            if next(taken) % _REST == 0:
                next(rests)
                parallel.wait()

        found = None
        if steps and decoder is not None and decoder.network is None and not stopping():
            try:
                found = decoder.with_network(self.data.x, steps=steps, on_step=after)
            except InterruptedError:
                pass
            except Exception as error:
                warn(f"the decoder's network could not be trained ({type(error).__name__}: {error}); counts decode")
        for _ in rests:
            parallel.wait()
        return found

    def _built(self, weights: Weights) -> ScoreModel:
        """Return the run's model with weights of its own."""
        model = self.config.build_model(self.data.event)
        load_weights(model, weights)
        assert isinstance(model, ScoreModel)  # noqa: S101 for the type checker: whoever asks has looked
        assert isinstance(self.state.ema, ScoreModel)  # noqa: S101
        model.moments = self.state.ema.moments
        return model.to(self.device).eval()
