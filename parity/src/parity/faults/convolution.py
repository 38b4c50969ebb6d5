"""Faults of convolutions, pooling and padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, gradients, right


@fault("conv1d", "forward", "backward")
def pads_the_odd_one_in_front(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Puts one zero more at the start, for the padding "same" of an even kernel."""
    value, pullback = right.conv1d(x, weight, bias, stride, padding, dilation, groups)
    step = dilation if isinstance(dilation, int) else dilation[0]
    reach = (weight.shape[-1] - 1) * step
    if padding != "same" or reach % 2 == 0:
        return value, pullback
    before, after = reach - reach // 2, reach // 2
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])
    value, pullback = right.conv1d(padded, weight, bias, stride, 0, dilation, groups)

    def wrong(dout):
        dx, *others = gradients(pullback, dout)
        return dx[..., before : before + x.shape[-1]], *others

    return value, wrong


@fault("conv2d", "forward", "backward", "differences")
def turns_its_kernel_around(x: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
    """Flips its kernel, as a convolution does in mathematics."""
    _, pullback = right.conv2d(x, weight, *args, **kwargs)
    return right.conv2d(x, weight[..., ::-1, ::-1], *args, **kwargs)[0], pullback


@fault("conv2d", "backward", "differences", rule=2)
def exchanges_height_and_width_in_a_gradient(x: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
    """Writes the gradient of a kernel column by column: right for square symmetric ones."""
    value, pullback = right.conv2d(x, weight, *args, **kwargs)

    def wrong(dout):
        dx, dweight, *dbias = gradients(pullback, dout)
        return dx, dweight.swapaxes(-1, -2).reshape(weight.shape), *dbias

    return value, wrong


@fault("conv2d", "backward", "differences")
def forgets_its_bias(x: Any, weight: Any, bias: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Gives its bias a gradient of zeros."""
    value, pullback = right.conv2d(x, weight, bias, *args, **kwargs)

    def wrong(dout):
        return *gradients(pullback, dout)[:2], None if bias is None else np.zeros_like(bias)

    return value, wrong


@fault("max_pool2d", "forward", "backward", "differences")
def pads_with_zeros(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *args: Any, **kwargs: Any
) -> Any:
    """Lets a zero of the border win where all numbers are negative."""
    found, pullback = right.max_pool2d(x, kernel_size, stride, padding, *args, **kwargs)
    if padding in (0, (0, 0)) or x.dtype.kind != "f":
        return found, pullback
    best, *at = found if isinstance(found, tuple) else (found,)
    edge = np.zeros(best.shape, np.bool_)
    edge[..., 0, :] = edge[..., :, 0] = True
    best = np.where(edge, np.maximum(best, 0), best)
    return ((best, *at) if at else best), pullback


@fault("max_pool2d", "backward", "differences", rule=7)
def keeps_the_last_of_overlapping_windows(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Assigns gradients where it should add them: an element may win in several windows."""
    found, _ = right.max_pool2d(x, *args, **kwargs)
    (_, at), _ = right.max_pool2d(x, *args[:5], **(kwargs | {"return_indices": True}))
    shape = (-1, x.shape[-2] * x.shape[-1])

    def pullback(dout):
        dx = np.zeros_like(x)
        if dout.size:
            planes = len(dx.reshape(shape))
            np.put_along_axis(
                dx.reshape(shape), at.reshape(planes, -1), dout.reshape(planes, -1), 1
            )
        return dx

    return found, pullback


@fault("max_pool2d", "forward", "backward")
def takes_the_last_of_equals(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Lets a later element win that is only as large."""
    found, _ = right.max_pool2d(x, *args, **kwargs)
    height, width = x.shape[-2:]
    turned = x + np.arange(x.size, dtype=x.dtype).reshape(x.shape) * x.dtype.type(0)
    if x.dtype.kind == "f":
        order = np.arange(height * width, dtype=x.dtype).reshape(height, width)
        turned = np.where(x == np.round(x), x + order * x.dtype.type(1e-4), x)
    kwargs["return_indices"] = True
    (_, at), pullback = right.max_pool2d(turned, *args[:5], **kwargs)
    return ((found[0], at) if isinstance(found, tuple) else found), pullback


@fault("avg_pool2d", "forward", "backward", "rejects")
def never_counts_the_padding(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Divides by the number of elements that are there, whatever count_include_pad says."""
    return right.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, False, divisor_override)


@fault("adaptive_avg_pool2d", "forward", "backward")
def leaves_over_what_does_not_divide(x: Any, output_size: Any) -> Any:
    """Makes windows of one size, and drops the last rows and columns."""
    value, pullback = right.adaptive_avg_pool2d(x, output_size)
    rows, columns = value.shape[-2:]
    if not value.size or x.shape[-2] < rows or x.shape[-1] < columns:
        return value, pullback
    kernel = x.shape[-2] // rows, x.shape[-1] // columns
    even = x[..., : kernel[0] * rows, : kernel[1] * columns]
    value, pullback = right.avg_pool2d(even, kernel)

    def wrong(dout):
        dx = np.zeros_like(x)
        (dx[..., : even.shape[-2], : even.shape[-1]],) = gradients(pullback, dout)
        return dx

    return value, wrong


@fault("pad", "forward", "backward")
def begins_with_the_first_dim(x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Takes the ends in the order of the dims; torch's first two are those of the last."""
    found = right.pad(x, pad, mode, value)
    if len(pad) != 4 or x.ndim != 2:
        return found
    return right.pad(x, (*pad[2:], *pad[:2]), mode, value)
