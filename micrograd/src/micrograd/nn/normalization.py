"""Layers that normalize, then scale and shift by parameters."""

from __future__ import annotations

from collections.abc import Sequence

from .. import lists, ops
from ..arguments import sizes, whole
from ..lists import Tensor
from .module import Module, Parameter


class _BatchNorm(Module):
    """Each channel normalized by the batch's mean and variance in training, else the running ones.

    momentum: how far the running statistics move towards those of a batch; None: they are the
    means of all batches so far. Without track_running_stats there are none, and the batch's serve
    in evaluation, too.
    """

    dims: tuple[int, ...]  # how many dims the input may have
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        self.num_features = whole(type(self).__name__, "num_features", num_features, 0)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight, self.bias = _weight_and_bias((num_features,), affine, bias)
        tracked = track_running_stats
        self.register_buffer("running_mean", ops.zeros(num_features) if tracked else None)
        self.register_buffer("running_var", ops.ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", ops.zeros((), dtype=int) if tracked else None)

    def forward(self, x: Tensor) -> Tensor:
        shape = lists.shape(x)
        if len(shape) not in self.dims:
            dims = " or ".join(map(str, self.dims))
            raise ValueError(f"{type(self).__name__}: expected {dims} dims, not shape {shape}")
        mean, variance, momentum = self.running_mean, self.running_var, self.momentum
        if self.training and not self.track_running_stats:
            mean = variance = None
        elif self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked = ops.add(self.num_batches_tracked, 1)
            if momentum is None:
                momentum = 1 / int(self.num_batches_tracked)
        of_batch = self.training or mean is None
        return ops.batch_norm(
            x, mean, variance, self.weight, self.bias, of_batch, momentum or 0.0, self.eps
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Each channel of (N, C) or (N, C, L) normalized, as _BatchNorm says."""

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) normalized, as _BatchNorm says."""

    dims = (4,)


class LayerNorm(Module):
    """The last dims, of shape normalized_shape, normalized to mean 0 and variance 1."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-05,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = sizes("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight, self.bias = _weight_and_bias(self.normalized_shape, elementwise_affine, bias)

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """The last dims, of shape normalized_shape, normalized to a mean square of 1."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
    ) -> None:
        self.normalized_shape = sizes("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight, _ = _weight_and_bias(self.normalized_shape, elementwise_affine, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Each of num_groups groups of channels normalized to mean 0 and variance 1: (N, C, ...)."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-05,
        affine: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        self.num_groups = whole("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = whole("GroupNorm", "num_channels", num_channels, 0)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels, {num_groups} groups")
        self.eps, self.affine = eps, affine
        self.weight, self.bias = _weight_and_bias((num_channels,), affine, bias)

    def forward(self, x: Tensor) -> Tensor:
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _weight_and_bias(
    shape: tuple[int, ...], affine: bool, bias: bool
) -> tuple[Parameter | None, Parameter | None]:
    """A scale of ones and a shift of zeros, or None for what is not wanted."""
    return (
        Parameter(ops.ones(shape)) if affine else None,
        Parameter(ops.zeros(shape)) if affine and bias else None,
    )
