r"""Linear measurements A: what a camera, a mask or a projection does to an image, with the two operations that guidance needs.

    apply    x ↦ A x
    adjoint  v ↦ Aᵀ v
    solve    v ↦ (r² A Aᵀ + ς² I)⁻¹ v

Rows are independent: x has shape (b, *d), v has shape (b, *m). Here A Aᵀ is diagonal in a basis that is known (of pixels, of blocks, of
frequencies, of singular vectors), so that `solve` is a division; `MatrixFree` solves by conjugate gradients.
"""

import abc
import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield._checks import booleans, called, numbers, positive, whole
from scorefield._tensors import flatten, like, promoted, sum_event, there
from scorefield.errors import ConfigError, DivergedError
from scorefield.models import State

Measurement = Float[Tensor, "b *m"]
Variance = Float[Tensor, "*b"]


class LinearOperator(abc.ABC):
    """A linear map A of events, with its adjoint."""

    @abc.abstractmethod
    def apply(self, x: State) -> Measurement:
        """Return A x."""

    @abc.abstractmethod
    def adjoint(self, v: Measurement) -> State:
        """Return Aᵀ v."""

    @abc.abstractmethod
    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return (prior A Aᵀ + noise I)⁻¹ v; ``prior`` and ``noise`` are variances, prior of shape () or (b,)."""


class Mask(LinearOperator):
    """The known coordinates, as a vector: A Aᵀ = I.

    Args:
        mask: true where a coordinate is measured, shape d; the same for all rows.
    """

    def __init__(self, mask: Bool[Tensor, "*d"]) -> None:
        self.mask = booleans(mask, "mask", "where a coordinate is measured")
        if not self.mask.any():
            raise ConfigError("a mask must be boolean with something true, what is measured; received 0 true")

    def apply(self, x: State) -> Measurement:
        """Return the coordinates where the mask is true."""
        _fit("an event", x, self.mask.shape)
        return x[:, there(self.mask, x, torch.bool)]

    def adjoint(self, v: Measurement) -> State:
        """Return an event with v where the mask is true, zero elsewhere."""
        _fit("the measurement", v, (int(self.mask.sum()),))
        x = v.new_zeros(len(v), *self.mask.shape)
        x[:, there(self.mask, v, torch.bool)] = v
        return x

    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return v / (prior + noise)."""
        return v / like(prior + noise, v)


class Downsample(LinearOperator):
    """Means over blocks of ``factor`` along each of the last ``axes`` axes: super-resolution. A Aᵀ = factor^−axes I.

    Args:
        factor: width of a block.
        axes: 2 for images, 1 for signals.
    """

    def __init__(self, factor: int, axes: int = 2) -> None:
        self.factor = whole(factor, "factor", 2)
        self.axes = whole(axes, "axes", 1)

    def apply(self, x: State) -> Measurement:
        """Return the mean of each block."""
        sizes = x.shape[1:][-self.axes :]
        if len(sizes) < self.axes or any(size % self.factor for size in sizes):
            raise ConfigError(
                f"blocks of {self.factor} along the last {self.axes} axes must tile an event; received shape {tuple(x.shape[1:])}"
            )
        for axis in range(-self.axes, 0):
            x = x.unflatten(axis, (-1, self.factor)).mean(axis)
        return x

    def adjoint(self, v: Measurement) -> State:
        """Return v spread evenly over its blocks."""
        for axis in range(-self.axes, 0):
            v = v.repeat_interleave(self.factor, dim=axis) / self.factor
        return v

    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return v / (prior factor^−axes + noise)."""
        return v / like(prior / self.factor**self.axes + noise, v)


class Blur(LinearOperator):
    """Convolution with a kernel along the last axes, edges wrapped around: A is diagonal in the Fourier basis.

    Args:
        kernel: as many axes as are blurred, 2 for images, 1 for signals; its middle stays in place.
    """

    def __init__(self, kernel: Float[Tensor, "..."]) -> None:
        kernel = numbers(kernel, "kernel")
        if kernel.ndim < 1 or not kernel.is_floating_point() or not torch.isfinite(kernel).all():
            raise ConfigError(
                f"kernel must be a finite floating-point array; received {kernel.dtype} of shape {tuple(kernel.shape)}"
            )
        self.kernel = kernel

    @classmethod
    def gaussian(cls, std: float, axes: int = 2) -> "Blur":
        """Return a normalised Gaussian kernel, cut at three standard deviations.

        Args:
            std: in pixels.
            axes: 2 for images, 1 for signals.
        """
        positive(std=std)
        whole(axes, "axes", 1)
        reach = math.ceil(3 * std)
        line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / std) ** 2)
        kernel = line
        for _ in range(axes - 1):
            kernel = kernel[..., None] * line
        return cls(kernel / kernel.sum())

    def apply(self, x: State) -> Measurement:
        """Return kernel * x."""
        return self._filter(x, lambda response: response)

    def adjoint(self, v: Measurement) -> State:
        """Return v convolved with the mirrored kernel."""
        return self._filter(v, torch.conj)

    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return v with each frequency divided by prior k̂ k̂* + noise."""
        return self._filter(v, lambda response: 1 / (like(prior, v) * response.abs() ** 2 + noise))

    def _filter(self, x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Return x with its spectrum multiplied by a function of the kernel's."""
        axes = tuple(range(-self.kernel.ndim, 0))
        sizes = x.shape[1:][-self.kernel.ndim :]
        if len(sizes) < self.kernel.ndim or any(k > n for k, n in zip(self.kernel.shape, sizes, strict=True)):
            raise ConfigError(
                f"a kernel of shape {tuple(self.kernel.shape)} must fit the last axes of an event; received {tuple(x.shape[1:])}"
            )
        given, x = x, promoted(x, tuple(x.shape[1:]))  # of half precision there is no transform
        padded = x.new_zeros(sizes)
        padded[tuple(slice(k) for k in self.kernel.shape)] = self.kernel.to(x)
        response = torch.fft.fftn(padded.roll([-(k // 2) for k in self.kernel.shape], axes))
        return torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * change(response), dim=axes).real.to(given)


class Project(LinearOperator):
    """A matrix over the flattened event: grey from colours, moments, a line of sight.

    Args:
        matrix: shape (m, D).
        event: the shape d of an event, D numbers; a vector when absent.
    """

    def __init__(self, matrix: Float[Tensor, "m D"], event: Sequence[int] | None = None) -> None:
        matrix = numbers(matrix, "matrix")
        self.event = tuple(matrix.shape[1:] if event is None else event)
        if matrix.ndim != 2 or matrix.shape[1] != math.prod(self.event) or not torch.isfinite(matrix).all():
            raise ConfigError(
                f"matrix must be finite of shape (m, D), D = {math.prod(self.event)} numbers of an event {self.event}; "
                f"received shape {tuple(matrix.shape)}"
            )
        self.matrix = matrix.double()
        self.variances, self.basis = torch.linalg.eigh(self.matrix @ self.matrix.T)

    def apply(self, x: State) -> Measurement:
        """Return the matrix times the flattened event."""
        _fit("an event", x, self.event)
        return flatten(x) @ there(self.matrix, x).T

    def adjoint(self, v: Measurement) -> State:
        """Return the transposed matrix times v, in the shape of an event."""
        _fit("the measurement", v, self.matrix.shape[:1])
        return (v @ there(self.matrix, v)).reshape(len(v), *self.event)

    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return Q (prior Λ + noise)⁻¹ Qᵀ v with A Aᵀ = Q Λ Qᵀ."""
        precise = v.double()
        basis = there(self.basis, precise)
        shrink = like(prior, precise) * there(self.variances, precise).clamp_min(0) + noise
        return ((precise @ basis / shrink) @ basis.T).to(v)


class MatrixFree(LinearOperator):
    """Any linear map given by two functions of your own.

    Args:
        apply: x ↦ A x, shape (b, *d) to (b, *m).
        adjoint: v ↦ Aᵀ v, back again.

    Cost: `solve` takes one call of each per iteration of conjugate gradients, at most ``most``.
    """

    def __init__(self, apply: Callable[[State], Measurement], adjoint: Callable[[Measurement], State]) -> None:
        called(apply, "apply", "lambda x: x[:, :2]")
        called(adjoint, "adjoint", "its transpose, lambda v: torch.nn.functional.pad(v, (0, 1))")
        self._apply = apply
        self._adjoint = adjoint

    def apply(self, x: State) -> Measurement:
        """Return the first function's value."""
        return self._apply(x)

    def adjoint(self, v: Measurement) -> State:
        """Return the second function's value."""
        return self._adjoint(v)

    def solve(self, v: Measurement, prior: Variance, noise: float) -> Measurement:
        """Return the solution by conjugate gradients, to nearly the precision of v.

        Raises:
            DivergedError: the matrix is too badly conditioned, or not symmetric: the adjoint is not A's.
        """
        scale = like(prior, v)
        return conjugate_gradients(lambda p: scale * self.apply(self.adjoint(p)) + noise * p, v)


def conjugate_gradients(matrix: Callable[[Tensor], Tensor], b: Measurement, most: int = 1000) -> Measurement:
    """Return the solution of matrix(x) = b for every row (Hestenes & Stiefel 1952); matrix is symmetric and positive definite."""
    tolerance = 50 * torch.finfo(b.dtype).eps
    x, residual = torch.zeros_like(b), b
    direction, square = b, sum_event(b**2)
    goal = tolerance**2 * square
    for _ in range(most):
        if (square <= goal).all():
            return x
        image = matrix(direction)
        # A row that is done divides zero by zero, and stands still.
        length = torch.nan_to_num(square / sum_event(direction * image), posinf=0.0, neginf=0.0)
        x = x + like(length, x) * direction
        residual = residual - like(length, x) * image
        former, square = square, sum_event(residual**2)
        direction = residual + like(torch.nan_to_num(square / former, posinf=0.0), x) * direction
    raise DivergedError(
        f"conjugate gradients did not solve for the measurement in {most} iterations: A Aᵀ is too badly conditioned for this noise. "
        "Give a larger noise, or check that the adjoint is A's."
    )


def _fit(what: str, x: Tensor, shape: Sequence[int]) -> None:
    """Refuse rows of another shape than the operator was built for."""
    if tuple(x.shape[1:]) != tuple(shape):
        raise ConfigError(f"the operator was built for {what} of shape {tuple(shape)}; received {tuple(x.shape[1:])}")
