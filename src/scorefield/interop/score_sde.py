"""The weights of score_sde_pytorch's networks, under its names and under ours.

Its NCSN++ and DDPM keep all parts in one list, ``all_modules``, in the order in which they are called. Ours has the same parts in the
same order, under names that say what a part is for: so names are translated by counting, and the translation is exact both ways.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from scorefield.errors import CheckpointError, ConfigError
from scorefield.networks.ncsnpp import NCSNpp
from scorefield.networks.resampling import BlurredConv, Filtered, StridedConv
from scorefield.networks.residual import Attention, Block, Fourier

_BLOCK = {
    "norm_in": "GroupNorm_0",
    "conv_in": "Conv_0",
    "condition": "Dense_0",
    "norm_out": "GroupNorm_1",
    "conv_out": "Conv_1",
}
_ATTENTION = {"norm": "GroupNorm_0", "query": "NIN_0", "key": "NIN_1", "value": "NIN_2", "out": "NIN_3"}

_CHOICES: dict[str, dict[str, Any]] = {
    "progressive": {"none": "standard", "output_skip": "skip", "residual": "residual"},
    "progressive_input": {"none": "standard", "input_skip": "skip", "residual": "residual"},
    "progressive_combine": {"sum": "sum", "cat": "cat"},
    "embedding_type": {"fourier": "fourier", "positional": "positional"},
    "resblock_type": {"biggan": "block", "ddpm": "conv"},
    "nonlinearity": {"swish": "silu", "elu": "elu", "relu": "relu", "lrelu": "leaky_relu"},
    "name": {"ncsnpp": False, "ddpm": True},
}
"""Its words, in letters of any size as it takes them, and ours."""
_TOLD_BY_WEIGHTS = ("ncsn", "ncsnv2_64", "ncsnv2_128", "ncsnv2_256")  # `scorefield.interop.recognition`


def settings_of_score_sde(model: Mapping[str, Any], *, centered: bool) -> dict[str, Any]:
    """Return the settings of `NCSNpp` that a model section of score_sde_pytorch's configurations stands for.

    Args:
        model: its keys and values: name, nf, ch_mult, num_res_blocks, …; those left out have the values of NCSN++ on CIFAR-10.
        centered: whether data were brought to [−1, 1] before the network saw them.
    """
    if model.get("name") in _TOLD_BY_WEIGHTS:
        raise ConfigError(
            f"model.name: weights of {model['name']} say what network they are of: read them without a configuration, given the size of "
            "their images"
        )
    plain = _chosen(model, "name", "ncsnpp")
    if plain and not model.get("conditional", True):
        raise ConfigError("model.conditional: expected True for ddpm, which cannot be built otherwise; received False")
    resampling = "conv" if plain else _chosen(model, "resblock_type", "biggan")
    if resampling == "conv" and not model.get("resamp_with_conv", True):
        resampling = "filter"
    shared = {
        "width": model.get("nf", 128),
        "multipliers": tuple(model.get("ch_mult", (1, 2, 2, 2))),
        "depth": model.get("num_res_blocks", 4),
        "attention": tuple(model.get("attn_resolutions", (16,))),
        "dropout": model.get("dropout", 0.1),
        "unit_range": not centered,
        "resampling": resampling,
        "activation": _chosen(model, "nonlinearity", "swish"),
    }
    if plain:
        return shared | {"rescale": False, "per_group": 1}
    return shared | {
        "embedding": _chosen(model, "embedding_type", "fourier"),
        "fourier_scale": model.get("fourier_scale", 16.0),
        "taps": filter_of("model.fir_kernel", model.get("fir_kernel", (1, 3, 3, 1)))
        if model.get("fir", True)
        else (1, 1),
        "encoder": _chosen(model, "progressive_input", "residual"),
        "decoder": _chosen(model, "progressive", "none"),
        "join": _chosen(model, "progressive_combine", "sum"),
        "rescale": model.get("skip_rescale", True),
        "conditional": model.get("conditional", True),
    }


def _chosen(model: Mapping[str, Any], key: str, default: str) -> Any:  # noqa: ANN401 a word or a truth
    """Return what a word of theirs means."""
    value, known = model.get(key, default), _CHOICES[key]
    if not isinstance(value, str) or value.lower() not in known:
        raise ConfigError(f"model.{key}: expected one of {', '.join(known)}; received {value!r}")
    return known[value.lower()]


def filter_of(name: str, kernel: object) -> tuple[int, ...]:
    """Return the taps of a filter in a form that convolutions are blurred by: of an even number, at least four.

    Zeros change no filter. With two taps our convolutions that change the grid are DDPM's, which are not blurred.
    """
    taps = tuple(kernel) if isinstance(kernel, list | tuple) else ()
    if not taps or not all(isinstance(tap, int | float) and tap == int(tap) for tap in taps):
        raise ConfigError(f"{name}: expected whole numbers, such as [1, 3, 3, 1]; received {kernel!r}")
    whole = (0,) * (len(taps) % 2) + tuple(int(tap) for tap in taps)
    return (0, *whole, 0) if len(whole) == 2 else whole


class Name(NamedTuple):
    """One tensor's two names; matrices of 1×1 convolutions are stored the other way round there."""

    ours: str
    theirs: str
    matrix: bool = False


def from_score_sde(net: NCSNpp, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of score_sde_pytorch under our names; errors name the first tensor that differs from those of ``net``."""
    own, found = net.state_dict(), {}
    left = dict(state)
    for name in _names(net):
        expected = own[name.ours]
        shape = tuple(_as_theirs(name, expected).shape)
        if (value := left.pop(name.theirs, None)) is None:
            raise CheckpointError(f"the weights have no {name.theirs}, expected of {shape}: {_other(net)}")
        if value.shape != shape:
            raise CheckpointError(f"{name.theirs} has shape {tuple(value.shape)} instead of {shape}: {_other(net)}")
        found[name.ours] = value.T.reshape(expected.shape) if name.matrix else value
    if left:
        raise CheckpointError(f"the weights have an unknown {next(iter(left))}: {_other(net)}")
    return found


def to_score_sde(net: NCSNpp, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of ``net`` under the names of score_sde_pytorch."""
    return {name.theirs: _as_theirs(name, state[name.ours]) for name in _names(net)}


def _as_theirs(name: Name, value: Tensor) -> Tensor:
    """Return a tensor as it is stored there."""
    return value.flatten(1).T.contiguous() if name.matrix else value


def names_in_score_sde(net: NCSNpp) -> dict[str, str]:
    """Return their names of our tensors, in the order of their parameters."""
    return {name.ours: name.theirs for name in _names(net)}


def _other(net: NCSNpp) -> str:
    return f"they are of another network than NCSNpp(width={net.width}, multipliers={net.multipliers}, depth={net.depth}, …)"


def _names(net: NCSNpp) -> Iterator[Name]:
    """Yield the names of all tensors, in the order in which the parts are called."""
    for index, (path, part) in enumerate(_parts(net)):
        for ours, theirs, matrix in _inside(part, net):
            yield Name(f"{path}.{ours}", f"all_modules.{index}.{theirs}", matrix)


def _parts(net: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts that are called one after another; the attention of a block is one of its own."""
    for name, child in net.named_children():
        inner = f"{path}.{name}" if path else name
        if isinstance(child, Block):
            yield inner, child
            if child.attention is not None:
                yield f"{inner}.attention", child.attention
        elif isinstance(child, Attention | Fourier | Filtered | nn.Linear | nn.Conv2d | nn.GroupNorm):
            yield inner, child
        else:
            yield from _parts(child, inner)


def _inside(part: nn.Module, net: NCSNpp) -> Iterator[Name]:
    """Yield the names within a part."""
    match part:
        case Block():
            for ours, theirs in _BLOCK.items():
                yield from _pair(ours, theirs)
            if isinstance(part.shortcut, nn.Conv2d):
                yield from _pair("shortcut", "Conv_2") if net.resampling == "block" else _matrix("shortcut", "NIN_0")
        case Attention():
            yield from _pair("norm", _ATTENTION["norm"])
            for ours in ("query", "key", "value", "out"):
                yield from _matrix(ours, _ATTENTION[ours])
        case Fourier():
            yield Name("W", "W")
        case Filtered():  # it is counted, and holds nothing
            return
        case BlurredConv():
            yield from _pair("", "Conv2d_0")
        case StridedConv():
            yield from _pair("", "Conv_0")
        case nn.Conv2d(kernel_size=(1, 1)):  # what joins the input that is handed down
            yield from _pair("", "Conv_0")
        case _:
            yield from _pair("", "")


def _pair(ours: str, theirs: str) -> Iterator[Name]:
    for leaf in ("weight", "bias"):
        yield Name(f"{ours}.{leaf}".removeprefix("."), f"{theirs}.{leaf}".removeprefix("."))


def _matrix(ours: str, theirs: str) -> Iterator[Name]:
    yield Name(f"{ours}.weight", f"{theirs}.W", matrix=True)
    yield Name(f"{ours}.bias", f"{theirs}.b")
