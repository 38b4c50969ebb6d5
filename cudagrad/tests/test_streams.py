"""Launches are counted; streams and events mean what they mean in torch, as far as the CPU can."""

from __future__ import annotations

import time

import numpy as np
import pytest

import cudagrad
from cudagrad import device, launches, ops, streams


def test_launches_and_copies_are_counted() -> None:
    x = cudagrad.tensor(np.ones((3, 5), np.float32))
    ops.add(x, x)
    with device.counting() as counts:
        y = ops.add(x, x)
    assert (counts.launches, counts.bytes) == (1, 3 * 15 * 4)
    assert (counts.uploads, counts.downloads) == (0, 0)

    with device.counting() as counts:
        y.numpy()
        cudagrad.tensor(np.zeros(4))
    assert (counts.launches, counts.downloaded, counts.uploaded) == (0, 60, 32)
    assert str(counts) == (
        "0 launches of kernels given 0 bytes; 1 upload of 32 bytes, 1 download of 60 bytes"
    )
    assert str(launches.Counts(launches=1, bytes=1, replays=1)).startswith(
        "1 launch (1 graph replayed) of kernels given 1 byte; 0 uploads"
    )


def test_bytes_are_those_of_arrays_in_tuples_too() -> None:
    @device.jit
    def first(arrays, out):
        out[0] = arrays[0][0]

    x, out = cudagrad.tensor([1.0, 2.0]), cudagrad.tensor([0.0])
    with device.counting() as counts:
        first[1, 1]((x.data, x.data), out.data)

    assert counts.bytes == 8 + 8 + 4


def test_a_new_number_is_filled_in_once_for_each_stream() -> None:
    x = cudagrad.tensor([1.0])
    for stream in (None, streams.Stream()):
        for filled in (1, 0):
            with streams.stream(stream), device.counting() as counts:
                assert ops.mul(x, 0.828125).item() == 0.828125
            assert (counts.launches, counts.uploads) == (1 + filled, 0)


def test_a_launch_names_no_stream() -> None:
    @device.jit
    def kernel(x):
        x[0] = 1.0

    x = cudagrad.tensor([0.0])
    with pytest.raises(TypeError, match=r"runs in the stream of `with cudagrad.stream"):
        kernel[1, 1, streams.Stream()](x.data)
    kernel[1, 1, 0](x.data)

    assert x.tolist() == [1.0]


def test_counts_nest_and_end() -> None:
    x = cudagrad.tensor([1.0])
    with device.counting() as outer:
        ops.exp(x)
        with device.counting() as inner:
            ops.exp(x)
    ops.exp(x)

    assert (outer.launches, inner.launches) == (2, 1)
    assert not launches.watchers


def test_a_launcher_is_made_once() -> None:
    @device.jit
    def fill(x):
        x[device.cuda.grid(1)] = 1

    assert fill[1, 4] is fill[1, 4]
    assert fill[1, 4] is not fill[2, 4]
    assert fill.__name__ == "fill"


def test_events_tell_the_time_between() -> None:
    start, end = (streams.Event(enable_timing=True) for _ in range(2))
    start.record()
    time.sleep(0.02)
    end.record()
    end.synchronize()

    assert start.query()
    assert start.elapsed_time(end) >= 19
    assert end.elapsed_time(start) <= -19


def test_events_that_cannot_tell() -> None:
    plain, timed = streams.Event(), streams.Event(enable_timing=True)

    assert plain.query()
    with pytest.raises(ValueError, match="need enable_timing=True"):
        plain.elapsed_time(timed)
    with pytest.raises(RuntimeError, match="must be recorded"):
        timed.elapsed_time(timed)


def test_a_number_is_no_stream() -> None:
    with pytest.raises(TypeError, match="expected a Stream, not int"), streams.stream(3):  # type: ignore[arg-type]
        pass


def test_a_stream_is_where_kernels_are_launched() -> None:
    stream, before = streams.Stream(), streams.current_stream()
    with streams.stream(stream):
        assert streams.current_stream() == stream
        with streams.stream(None):
            assert streams.current_stream() == stream
        y = ops.exp(cudagrad.tensor([0.0]))
    assert streams.current_stream() == before == streams.default_stream()
    streams.current_stream().wait_stream(stream)
    event = stream.record_event()
    event.wait()
    stream.synchronize()
    streams.synchronize()

    assert y.tolist() == [1.0]
    assert stream.query()
    assert event.query()
    assert len({stream, streams.default_stream(), streams.current_stream()}) == 2


def test_memory_belongs_to_the_stream_it_was_made_on() -> None:
    def address(x: cudagrad.Tensor) -> int:
        found: int = device.executor.address(x.data)
        return found

    x = cudagrad.tensor(np.zeros(777))
    where = address(x)
    del x
    with streams.stream(streams.Stream()):
        other = cudagrad.tensor(np.zeros(777))
    assert address(other) != where
    again = cudagrad.tensor(np.zeros(777))
    assert address(again) == where
    streams.record_stream(again, streams.Stream())
    del again
    streams.synchronize()
    assert address(cudagrad.tensor(np.zeros(777))) == where
