"""Identity, linear, embedding, convolution and pooling layers, flatten and dropout."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..arguments import margins, option, probability, whole, wholes
from ..engine import Tensor
from . import init
from .module import Module, Parameter

Lengths = int | Sequence[int]


class Identity(Module):
    """Its input, unchanged: it stands in for a layer that is not needed."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Linear(Module):
    """x weightᵀ + bias: (..., in_features) -> (..., out_features)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = whole("Linear", "in_features", in_features, 0)
        self.out_features = whole("Linear", "out_features", out_features, 0)
        self.weight, self.bias = _weight_and_bias((self.out_features, self.in_features), bias)

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class Embedding(Module):
    """A vector for each integer id: (...) -> (..., embedding_dim)."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        self.num_embeddings = whole("Embedding", "num_embeddings", num_embeddings, 0)
        self.embedding_dim = whole("Embedding", "embedding_dim", embedding_dim, 0)
        shape = self.num_embeddings, self.embedding_dim
        self.weight = init.normal_(Parameter(ops.zeros(shape)))

    def forward(self, x: Any) -> Tensor:
        return ops.embedding(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Flatten(Module):
    """The dims from start_dim to end_dim as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """In training, each element 0 with probability p, else divided by 1 - p."""

    def __init__(self, p: float = 0.5) -> None:
        probability("Dropout", "p", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.p) if self.training and self.p else x

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace=False"


class _ConvNd(Module):
    """What convolutions over any number of dims have in common.

    padding_mode: what is put around the input: "zeros"; or "reflect", which mirrors it at its first
    and last element, "replicate", which repeats these, or "circular", which wraps around.
    """

    dims: int
    convolution: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths | str = 0,
        dilation: Lengths = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        name, n = type(self).__name__, self.dims
        self.in_channels = whole(name, "in_channels", in_channels, 0)
        self.out_channels = whole(name, "out_channels", out_channels, 0)
        self.groups = whole(name, "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: {in_channels} and {out_channels} channels, {groups} groups")
        option(name, "padding_mode", padding_mode, ("zeros", "reflect", "replicate", "circular"))
        self.kernel_size = wholes(name, "kernel_size", kernel_size, n, 1)
        self.stride = wholes(name, "stride", stride, n, 1)
        self.dilation = wholes(name, "dilation", dilation, n, 1)
        self.padding_mode = padding_mode
        self._margins = margins(name, padding, self.kernel_size, self.stride, self.dilation)
        # The same before and after, unless it is a word.
        self.padding = padding if isinstance(padding, str) else tuple(n for n, _ in self._margins)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight, self.bias = _weight_and_bias(shape, bias)

    def forward(self, x: Tensor) -> Tensor:
        padding: Lengths | str = self.padding
        if self.padding_mode != "zeros":
            x, padding = self._surrounded(x), 0
        return self.convolution(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        for name, usual in (("padding", 0), ("dilation", 1)):
            if getattr(self, name) != (usual,) * self.dims:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def _surrounded(self, x: Tensor) -> Tensor:
        """x padded with its own elements instead of zeros, as padding_mode says."""
        name = type(self).__name__
        if x.ndim not in (self.dims + 1, self.dims + 2):
            dims = f"{self.dims + 1} or {self.dims + 2} dims"
            raise ValueError(f"{name}: expected {dims}, not shape {x.shape}")
        for dim, (before, after) in enumerate(self._margins, -self.dims):
            if before or after:
                x = _between(name, self.padding_mode, x, dim, before, after)
        return x


class Conv1d(_ConvNd):
    """Weighted sums of the windows of a signal: (N, C, L) -> (N, out_channels, L')."""

    dims = 1
    convolution = staticmethod(ops.conv1d)


class Conv2d(_ConvNd):
    """Weighted sums of the windows of an image: (N, C, H, W) -> (N, out_channels, H', W')."""

    dims = 2
    convolution = staticmethod(ops.conv2d)


class MaxPool2d(Module):
    """The largest element of each window: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        dilation: Lengths = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Tensor) -> Any:
        return ops.max_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        return ops.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The means of H' · W' windows of about equal size: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return ops.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


def _weight_and_bias(shape: tuple[int, ...], bias: bool) -> tuple[Parameter, Parameter | None]:
    """A weight (out, in, ...) and a bias (out), uniform in ±1/√fan_in.

    That is torch's kaiming_uniform_ with a = √5: its gain of √(1/3) and the √3 of a uniform
    distribution cancel. Without inputs the bias is 0.
    """
    fan_in = math.prod(shape[1:])
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    weight = init.uniform_(Parameter(ops.zeros(shape)), -bound, bound)
    return weight, init.uniform_(Parameter(ops.zeros(shape[:1])), -bound, bound) if bias else None


def _between(name: str, mode: str, x: Tensor, dim: int, before: int, after: int) -> Tensor:
    """x padded along a dim with its own elements; mode: a padding_mode of _ConvNd's but "zeros"."""
    n = x.shape[dim]
    most = {"reflect": n - 1, "replicate": math.inf, "circular": n}[mode]
    if not n or max(before, after) > most:
        raise ValueError(f"{name}: no {mode} padding of {before} and {after} for {n}")
    if mode == "replicate":
        ends = [ops.narrow(x, dim, 0, 1)] * before, [ops.narrow(x, dim, n - 1, 1)] * after
        return ops.cat([*ends[0], x, *ends[1]], dim)
    if mode == "circular":
        first, last = ops.narrow(x, dim, n - before, before), ops.narrow(x, dim, 0, after)
    else:
        first = ops.flip(ops.narrow(x, dim, 1, before), dim)
        last = ops.flip(ops.narrow(x, dim, n - 1 - after, after), dim)
    return ops.cat([first, x, last], dim)
