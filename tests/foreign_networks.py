"""Networks of score_sde_pytorch, EDM and NCSNv2 as plain functions of their weights, written from the papers and beside nothing of ours.

Each reads tensors by the reference's own names, and keeps count of those it has read: what is left over is a mistake of whoever wrote them.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ACTIVATIONS = {"swish": F.silu, "elu": F.elu, "relu": F.relu, "lrelu": lambda x: F.leaky_relu(x, 0.2)}


class Weights:
    """Tensors by name; ``unread`` are those that nothing asked for."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state, self.unread = state, set(state)

    def __getitem__(self, name: str) -> Tensor:
        self.unread.discard(name)
        return self.state[name]

    def linear(self, name: str, x: Tensor) -> Tensor:
        bias = self[f"{name}.bias"] if f"{name}.bias" in self.state else None
        return F.linear(x, self[f"{name}.weight"], bias)

    def conv(self, name: str, x: Tensor, stride: int = 1, padding: int | None = None) -> Tensor:
        kernel = self[f"{name}.weight"]
        bias = self[f"{name}.bias"]
        return F.conv2d(x, kernel, bias, stride, kernel.shape[-1] // 2 if padding is None else padding)

    def norm(self, name: str, x: Tensor, eps: float, per_group: int = 4) -> Tensor:
        groups = min(32, x.shape[1] // per_group)
        return F.group_norm(x, groups, self[f"{name}.weight"], self[f"{name}.bias"], eps)

    def nin(self, name: str, x: Tensor) -> Tensor:
        return torch.einsum("bchw,cd->bdhw", x, self[f"{name}.W"]) + self[f"{name}.b"][:, None, None]


def upfirdn(x: Tensor, taps: Any, up: int, down: int, before: int, after: int) -> Tensor:
    """Zeros between pixels, zeros around (or, negative, pixels cut off), a convolution with the filter, every second pixel dropped."""
    k = torch.tensor(taps, dtype=x.dtype)
    k = torch.outer(k, k) / k.sum() ** 2 * up**2
    b, c, h, w = x.shape
    spread = x.new_zeros(b, c, h, up, w, up)
    spread[:, :, :, 0, :, 0] = x
    padded = F.pad(spread.reshape(b * c, 1, h * up, w * up), (before, after, before, after))
    out = F.conv2d(padded, k.flip(0, 1)[None, None])
    return out.reshape(b, c, *out.shape[2:])[:, :, ::down, ::down]


def positional(t: Tensor, size: int) -> Tensor:
    angle = t[:, None] * 10_000.0 ** (-torch.arange(size // 2) / (size // 2 - 1))
    return F.pad(torch.cat([angle.sin(), angle.cos()], 1), (0, size % 2))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One head over all pixels."""
    weights = torch.einsum("bchw,bcij->bhwij", q, k).flatten(3).mul(q.shape[1] ** -0.5).softmax(-1)
    return torch.einsum("bhwp,bcp->bchw", weights, v.flatten(2))


class Song:
    """NCSN++, DDPM++ and DDPM of score_sde_pytorch: F(x, label) / σ, in order of its list ``all_modules``."""

    def __init__(self, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
        self.w, self.config, self.index = Weights(state), config, 0
        self.plain = config["name"] == "ddpm"
        self.act = ACTIVATIONS[config["nonlinearity"]]
        self.per_group = 1 if self.plain else 4
        self.rescale = not self.plain and config["skip_rescale"]
        self.fir = not self.plain and config["fir"]
        self.biggan = not self.plain and config["resblock_type"] == "biggan"

    def next(self) -> str:
        self.index += 1
        return f"all_modules.{self.index - 1}"

    def sum(self, a: Tensor, b: Tensor) -> Tensor:
        return (a + b) / math.sqrt(2) if self.rescale else a + b

    def resample(self, x: Tensor, up: bool) -> Tensor:
        taps = self.config["fir_kernel"] if self.fir else (1, 1)
        p = len(taps) - 2
        if up:
            return upfirdn(x, taps, 2, 1, (p + 1) // 2 + 1, p // 2)
        return upfirdn(x, taps, 1, 2, (p + 1) // 2, p // 2)

    def conv_down(self, name: str, x: Tensor) -> Tensor:
        if not self.fir:
            return self.w.conv(f"{name}.Conv_0", F.pad(x, (0, 1, 0, 1)), 2, 0)
        p = len(self.config["fir_kernel"])
        blurred = upfirdn(x, self.config["fir_kernel"], 1, 1, (p + 1) // 2, p // 2)
        return self.w.conv(f"{name}.Conv2d_0", blurred, 2, 0)

    def conv_up(self, name: str, x: Tensor) -> Tensor:
        """Only without a filter: with one, PyTorch cannot run the reference."""
        return self.w.conv(f"{name}.Conv_0", F.interpolate(x, scale_factor=2))

    def block(self, x: Tensor, told: Tensor | None, width: int, change: str | None = None) -> Tensor:
        name, w = self.next(), self.w
        h = self.act(w.norm(f"{name}.GroupNorm_0", x, 1e-6, self.per_group))
        if change:
            h, x = self.resample(h, change == "up"), self.resample(x, change == "up")
        h = w.conv(f"{name}.Conv_0", h)
        if told is None:
            w.unread -= {f"{name}.Dense_0.weight", f"{name}.Dense_0.bias"}
        else:
            h = h + w.linear(f"{name}.Dense_0", self.act(told))[:, :, None, None]
        h = w.conv(f"{name}.Conv_1", self.act(w.norm(f"{name}.GroupNorm_1", h, 1e-6, self.per_group)))
        if x.shape[1] != width or change:
            x = w.conv(f"{name}.Conv_2", x) if self.biggan else w.nin(f"{name}.NIN_0", x)
        return self.sum(x, h)

    def attention(self, x: Tensor) -> Tensor:
        name, w = self.next(), self.w
        h = w.norm(f"{name}.GroupNorm_0", x, 1e-6, self.per_group)
        q, k, v = (w.nin(f"{name}.NIN_{i}", h) for i in range(3))
        return self.sum(x, w.nin(f"{name}.NIN_3", attend(q, k, v)))

    def change(self, h: Tensor, told: Tensor | None, up: bool) -> Tensor:
        if self.biggan:
            return self.block(h, told, h.shape[1], "up" if up else "down")
        name = self.next()
        if not self.config["resamp_with_conv"]:
            return self.resample(h, up)
        return self.conv_up(name, h) if up else self.conv_down(name, h)

    def head(self, h: Tensor) -> Tensor:
        norm, conv = self.next(), self.next()
        return self.w.conv(conv, self.act(self.w.norm(norm, h, 1e-6, self.per_group)))

    def told(self, label: Tensor) -> Tensor | None:
        if not self.plain and self.config["embedding_type"] == "fourier":
            angle = 2 * math.pi * label.log()[:, None] * self.w[f"{self.next()}.W"]
            told = torch.cat([angle.sin(), angle.cos()], 1)
        else:
            told = positional(label, self.config["nf"])
        if not self.config["conditional"]:
            return None
        told = self.w.linear(self.next(), told)
        return self.w.linear(self.next(), self.act(told))

    def __call__(self, x: Tensor, label: Tensor) -> Tensor:
        c, self.index = self.config, 0
        widths = [c["nf"] * m for m in c["ch_mult"]]
        route, out = ("none", "none") if self.plain else (c["progressive_input"], c["progressive"])
        told = self.told(label)
        beside = x = x if c["centered"] else 2 * x - 1
        kept = [self.w.conv(self.next(), x)]
        for i, width in enumerate(widths):
            for _ in range(c["num_res_blocks"]):
                h = self.block(kept[-1], told, width)
                kept.append(self.attention(h) if h.shape[-1] in c["attn_resolutions"] else h)
            if i == len(widths) - 1:
                break
            h = self.change(kept[-1], told, up=False)
            if route == "input_skip":
                beside = self.resample(beside, up=False)
                given = self.w.conv(f"{self.next()}.Conv_0", beside)
                h = torch.cat([given, h], 1) if c["progressive_combine"] == "cat" else given + h
            elif route == "residual":
                h = beside = self.sum(self.conv_down(self.next(), beside), h)
            kept.append(h)
        h = self.block(kept[-1], told, widths[-1])
        h = self.block(self.attention(h), told, widths[-1])
        pyramid = None
        for i in reversed(range(len(widths))):
            for _ in range(c["num_res_blocks"] + 1):
                h = self.block(torch.cat([h, kept.pop()], 1), told, widths[i])
            if h.shape[-1] in c["attn_resolutions"]:
                h = self.attention(h)
            if pyramid is None and out != "none":
                pyramid = self.head(h)
            elif pyramid is not None and out == "output_skip":
                pyramid = self.resample(pyramid, up=True) + self.head(h)
            elif pyramid is not None:
                h = pyramid = self.sum(self.conv_up(self.next(), pyramid), h)
            if i:
                h = self.change(h, told, up=True)
        if out == "output_skip":
            assert pyramid is not None
            return pyramid
        return self.head(h)


class Karras:
    """SongUNet and DhariwalUNet of EDM: F(x, noise, one-hot labels)."""

    def __init__(self, state: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> None:
        self.w = Weights({name.removeprefix("model."): value for name, value in state.items()})
        self.a, self.adm = arguments, arguments["model_type"] == "DhariwalUNet"
        self.eps, self.scale = (1e-5, 1.0) if self.adm else (1e-6, 0.5**0.5)
        self.taps = (1, 1) if self.adm else arguments["resample_filter"]

    def resample(self, x: Tensor, how: str | None) -> Tensor:
        pad = (len(self.taps) - 1) // 2
        if how == "up":
            k = torch.tensor(self.taps, dtype=x.dtype)
            kernel = (torch.outer(k, k) / k.sum() ** 2 * 4).expand(x.shape[1], 1, -1, -1)
            return F.conv_transpose2d(x, kernel, stride=2, padding=pad, groups=x.shape[1])
        return upfirdn(x, self.taps, 1, 2, pad, pad) if how == "down" else x

    def block(self, name: str, x: Tensor, told: Tensor, attention: bool, how: str | None = None) -> Tensor:
        w = self.w
        h = w.conv(f"{name}.conv0", self.resample(F.silu(w.norm(f"{name}.norm0", x, self.eps)), how))
        told = w.linear(f"{name}.affine", told)[:, :, None, None]
        if self.adm:
            scale, shift = told.chunk(2, 1)
            h = w.norm(f"{name}.norm1", h, self.eps) * (1 + scale) + shift
        else:
            h = w.norm(f"{name}.norm1", h + told, self.eps)
        h = w.conv(f"{name}.conv1", F.silu(h))
        beside = self.resample(x, how)
        if x.shape[1] != h.shape[1] or (how and not self.adm):
            beside = w.conv(f"{name}.skip", beside)
        x = (h + beside) * self.scale
        heads = x.shape[1] // 64 if self.adm else 1
        if not attention or not heads:
            return x
        b, c, height, width = x.shape
        qkv = w.conv(f"{name}.qkv", w.norm(f"{name}.norm2", x, self.eps))
        parts = qkv.reshape(b * heads, c // heads, 3, height, width).unbind(2)
        return (w.conv(f"{name}.proj", attend(*parts).reshape(x.shape)) + x) * self.scale

    def told(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        a, w = self.a, self.w
        if self.adm or a["embedding_type"] == "positional":
            half = (a["model_channels"] * (1 if self.adm else a["channel_mult_noise"])) // 2
            angle = noise[:, None] * 10_000.0 ** (-torch.arange(half) / (half if self.adm else half - 1))
        else:
            angle = 2 * math.pi * noise[:, None] * w["map_noise.freqs"]
        told = torch.cat([angle.cos(), angle.sin()] if self.adm else [angle.sin(), angle.cos()], 1)
        if labels is not None and not self.adm:
            told = told + w.linear("map_label", labels * labels.shape[1] ** 0.5)
        told = w.linear("map_layer1", F.silu(w.linear("map_layer0", told)))
        if labels is not None and self.adm:
            told = told + w.linear("map_label", labels)
        return F.silu(told)

    def __call__(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        a, w, told = self.a, self.w, self.told(noise, labels)
        grids = [a["img_resolution"] >> i for i in range(len(a["channel_mult"]))]
        beside, kept = x, []
        for i, n in enumerate(grids):
            at, grid = n in a["attn_resolutions"], f"enc.{n}x{n}"
            h = self.block(f"{grid}_down", kept[-1], told, False, "down") if i else w.conv(f"{grid}_conv", x)
            if i and a["encoder_type"] == "skip":
                beside = self.resample(beside, "down")
                h = h + w.conv(f"{grid}_aux_skip", beside)
            elif i and a["encoder_type"] == "residual":  # convolved, then filtered: together, as both are linear
                pad = 1 + (len(self.taps) - 1) // 2
                wide = F.conv2d(beside, w[f"{grid}_aux_residual.weight"], padding=pad)
                bias = w[f"{grid}_aux_residual.bias"][:, None, None]
                h = beside = (h + upfirdn(wide, self.taps, 1, 2, 0, 0) + bias) / math.sqrt(2)
            kept.append(h)
            for k in range(a["num_blocks"]):
                kept.append(self.block(f"{grid}_block{k}", kept[-1], told, at))
        h = self.block(f"dec.{grids[-1]}x{grids[-1]}_in0", kept[-1], told, True)
        h, out = self.block(f"dec.{grids[-1]}x{grids[-1]}_in1", h, told, False), None
        for n in reversed(grids):
            at, grid = n in a["attn_resolutions"], f"dec.{n}x{n}"
            h = h if n == grids[-1] else self.block(f"{grid}_up", h, told, False, "up")
            for k in range(a["num_blocks"] + 1):
                last = self.adm or k == a["num_blocks"]
                h = self.block(f"{grid}_block{k}", torch.cat([h, kept.pop()], 1), told, at and last)
            if not self.adm and (a["decoder_type"] == "skip" or n == grids[0]):
                part = w.conv(f"{grid}_aux_conv", F.silu(w.norm(f"{grid}_aux_norm", h, 1e-6)))
                out = part if out is None else self.resample(out, "up") + part
        if out is None:
            return w.conv("out_conv", F.silu(w.norm("out_norm", h, 1e-5)))
        return out


class Refined:
    """NCSNv2 for images of any size: its score at a level, over ``stages`` as its configurations for 32, 96 and 256 pixels have them.

    A stage is (name, dilation), 1 where it halves the grid; refinements are named from the coarsest.
    """

    def __init__(self, state: Mapping[str, Tensor], stages: list[tuple[str, int]], up: list[str]) -> None:
        self.w, self.stages, self.up = Weights(state), stages, up

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        plus = (mean - mean.mean(1, keepdim=True)) / (mean.var(1, keepdim=True) + 1e-5).sqrt()
        alpha, gamma, beta = (self.w[f"{name}.{key}"][:, None, None] for key in ("alpha", "gamma", "beta"))
        return gamma * (F.instance_norm(x) + alpha * plus[:, :, None, None]) + beta

    def conv(self, name: str, x: Tensor, dilation: int = 1) -> Tensor:
        kernel, bias = self.w[f"{name}.weight"], f"{name}.bias"
        pad = kernel.shape[-1] // 2 * dilation
        return F.conv2d(x, kernel, self.w[bias] if bias in self.w.state else None, padding=pad, dilation=dilation)

    def residual(self, name: str, x: Tensor, dilation: int, first: bool) -> Tensor:
        halve = first and dilation == 1
        h = self.conv(f"{name}.conv1", F.elu(self.norm(f"{name}.normalize1", x)), dilation)
        h = F.elu(self.norm(f"{name}.normalize2", h))
        if halve:
            h, x = (F.avg_pool2d(self.conv(f"{name}.{part}.conv", y), 2) for part, y in (("conv2", h), ("shortcut", x)))
            return x + h
        h = self.conv(f"{name}.conv2", h, dilation)
        return h + (self.conv(f"{name}.shortcut", x, dilation) if first else x)

    def units(self, name: str, x: Tensor, count: int) -> Tensor:
        for k in range(count):
            h = x
            for j in (1, 2):
                h = self.conv(f"{name}.{k + 1}_{j}_conv", F.elu(h))
            x = x + h
        return x

    def refine(self, name: str, paths: list[Tensor], last: bool) -> Tensor:
        hs = [self.units(f"{name}.adapt_convs.{i}", x, 2) for i, x in enumerate(paths)]
        if len(hs) > 1:
            parts = [self.conv(f"{name}.msf.convs.{i}", h) for i, h in enumerate(hs)]
            size = paths[0].shape[2:]
            hs = [sum(F.interpolate(part, size=size, mode="bilinear", align_corners=True) for part in parts)]  # pyright: ignore
        x = path = F.elu(hs[0])
        for k in range(2):
            path = self.conv(f"{name}.crp.convs.{k}", F.max_pool2d(path, 5, 1, 2))
            x = x + path
        return self.units(f"{name}.output_convs", x, 3 if last else 1)

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        h, kept = self.conv("begin_conv", 2 * x - 1), []
        for name, dilation in [("res1", 0), *self.stages]:
            h = self.residual(f"{name}.0", h, max(dilation, 1), first=dilation > 0)
            h = self.residual(f"{name}.1", h, max(dilation, 1), first=False)
            kept.append(h)
        paths: list[Tensor] = []
        for name in self.up:
            paths = [self.refine(name, [kept.pop(), *paths], name == self.up[-1])]
        h = self.conv("end_conv", F.elu(self.norm("normalizer", paths[0])))
        return h / self.w["sigmas"][level].view(-1, 1, 1, 1)
