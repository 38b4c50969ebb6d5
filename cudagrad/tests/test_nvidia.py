"""What the driver of a GPU is asked for, with a made-up one that does it on the host."""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up_driver import Driver

from cudagrad.allocator import Allocator, OutOfMemoryError
from cudagrad.executors.nvidia import Array, Launch, Nvidia, Packer, unpacked
from cudagrad.signatures import type_of

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda"
)


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def gpu(driver: Driver) -> Nvidia:
    return Nvidia(SimpleNamespace(current_context=lambda: None), driver)


@pytest.fixture
def allocator(gpu: Nvidia) -> Allocator:
    return Allocator(gpu)


def on(gpu: Nvidia, allocator: Allocator, data: Any) -> Array:
    data = np.asarray(data)
    array = gpu.array(data.shape, data.dtype, allocator.allocate(data.nbytes))
    gpu.upload(data, array)
    return array


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
def test_memory_there_and_back(
    gpu: Nvidia, allocator: Allocator, shape: tuple[int, ...], dtype: str
) -> None:
    data = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    array = on(gpu, allocator, data)
    back = gpu.download(array)

    assert (array.shape, array.dtype, array.ndim, array.size) == (
        shape,
        data.dtype,
        data.ndim,
        data.size,
    )
    assert back.dtype == data.dtype
    assert (back == data).all()
    assert gpu.download(gpu.without_memory((0, 3), data.dtype)).shape == (0, 3)


def test_a_view_keeps_the_block(gpu: Nvidia, allocator: Allocator) -> None:
    array = on(gpu, allocator, np.zeros((2, 3)))
    view = array.reshape((6,))
    del array
    assert allocator.statistics.live == 1
    lease = gpu.lease(view)
    assert lease is not None
    borrowed = gpu.borrowed(view, lease.block)
    del view, lease

    assert allocator.statistics.live == 0
    assert borrowed.shape == (6,)
    with pytest.raises(ValueError, match=r"cannot reshape an array of shape \(6,\) into \(4,\)"):
        borrowed.reshape((4,))


def test_a_part_lies_within(gpu: Nvidia, allocator: Allocator) -> None:
    array = on(gpu, allocator, np.arange(10, dtype=np.float32))
    part = gpu.part(array, 3, (2, 2))
    del array

    assert gpu.download(part).tolist() == [[3, 4], [5, 6]]
    assert allocator.statistics.live == 1


def test_a_launch_passes_every_kind_of_argument(
    gpu: Nvidia, allocator: Allocator, driver: Driver
) -> None:
    seen: list[Any] = []
    kernel = driver.kernel(lambda *args: seen.extend(args))
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4)
    numbers = (
        1.5,
        -2,
        True,
        np.float32(0.25),
        np.uint64(2**63),
        np.int32(-7),
        (3, 4),
        np.uint16(9),
    )
    launch = gpu.launcher(kernel, (5, (8, 2)))
    launch(on(gpu, allocator, a), *numbers, on(gpu, allocator, b))

    assert list(kernel.compiled) == [
        "void(float32[:,::1], float64, int64, boolean, float32, uint64, int32, "
        "UniTuple(int64, 2), uint16, int64[::1])"
    ]
    assert (seen[0] == a).all()
    assert tuple(seen[1:-1]) == numbers
    assert (seen[-1] == b).all()
    assert (launch.grid, launch.block) == ((5, 1, 1), (8, 2, 1))


def test_a_kernel_is_compiled_once_for_each_kind(
    gpu: Nvidia, allocator: Allocator, driver: Driver
) -> None:
    kernel = driver.kernel(lambda x: x.fill(1))
    x, y = (on(gpu, allocator, np.zeros(3, dtype)) for dtype in (np.float32, np.float64))
    launch = gpu.launcher(kernel, (1, 32))
    for array in (x, y, x, y):
        launch(array)
    gpu.launcher(kernel, (2, 32))(x)

    assert list(kernel.compiled) == ["void(float32[::1])", "void(float64[::1])"]
    assert gpu.download(y).tolist() == [1, 1, 1]


def test_a_kernel_with_dynamic_shared_memory_asks_for_it(
    gpu: Nvidia, allocator: Allocator, driver: Driver
) -> None:
    kernel = driver.kernel(lambda x: None)
    x = on(gpu, allocator, np.zeros(3))
    large, small = (gpu.launcher(kernel, (1, 32, 0, size)) for size in (64 << 10, 1024))
    gpu.launcher(kernel, (1, 32))(x)
    small(x)
    assert "cuFuncSetAttribute" not in driver.calls  # every function may be given 48 KiB
    large(x)
    gpu.launcher(kernel, (2, 32, 0, 50 << 10))(x)
    large(x)  # which a launcher with less has not lost its memory to

    assert driver.calls.count("cuFuncSetAttribute") == 1


def test_what_no_kernel_takes_is_refused(gpu: Nvidia, driver: Driver) -> None:
    launch = gpu.launcher(driver.kernel(lambda x: None), (1, 32))

    with pytest.raises(TypeError, match="given a ndarray; it takes device arrays"):
        launch(np.zeros(3))


def test_a_graph_repeats_launches_with_what_is_in_memory_then(
    gpu: Nvidia, allocator: Allocator, driver: Driver
) -> None:
    def add(x: Any, by: float) -> None:
        x += by

    def double(x: Any) -> None:
        x *= 2

    x = on(gpu, allocator, np.ones(3))
    launches = [
        (gpu.launcher(driver.kernel(function), (1, 32)), args)
        for function, args in ((add, (x, 1.0)), (double, (x,)))
    ]
    graph = gpu.graph(launches)
    assert gpu.download(x).tolist() == [1, 1, 1]  # nothing has run
    driver.calls.clear()
    graph.replay()
    graph.replay()
    assert driver.calls == ["cuGraphLaunch"] * 2
    assert gpu.download(x).tolist() == [10, 10, 10]
    graph.update(0, (x, -10.0))
    graph.replay()
    assert gpu.download(x).tolist() == [0, 0, 0]
    del graph
    assert driver.calls[-2:] == ["cuGraphExecDestroy", "cuGraphDestroy"]


def test_a_kernel_that_waits_for_its_grid_has_all_blocks_at_once(
    gpu: Nvidia, allocator: Allocator, driver: Driver
) -> None:
    def double(x: Any) -> None:
        x *= 2

    x, launch = on(gpu, allocator, np.ones(3)), gpu.launcher(driver.kernel(double, True), (1, 32))
    launch(x)
    assert "cuLaunchCooperativeKernel" in driver.calls
    graph = gpu.graph([(gpu.launcher(driver.kernel(double), (1, 32)), (x,)), (launch, (x,))])
    graph.replay()

    assert gpu.download(x).tolist() == [8, 8, 8]
    assert driver.calls.count("cuGraphKernelNodeSetAttribute") == 1


def test_no_memory_is_an_error_of_the_allocator(gpu: Nvidia, allocator: Allocator) -> None:
    kept = allocator.allocate(10 << 20)
    with pytest.raises(OutOfMemoryError, match=r"no 10\.00 MiB can be reserved"):
        allocator.allocate(10 << 20)
    del kept
    assert allocator.allocate(10 << 20).block.segment.memory in gpu.driver.memory


def test_errors_of_the_driver_say_what_it_says(
    gpu: Nvidia, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Driver, "cuLaunchKernel", lambda *args: (700,))
    launch = gpu.launcher(driver.kernel(lambda x: None), (1, 32))

    with pytest.raises(RuntimeError, match=r"cuLaunchKernel: error 700 \(700\)"):
        launch(1)


def test_streams_and_events(gpu: Nvidia, driver: Driver) -> None:
    stream = gpu.create_stream()
    first, second = gpu.record_event(stream), gpu.record_event(stream)
    driver.unfinished.update({second.handle, stream})

    assert gpu.event_is_over(first)
    assert not gpu.event_is_over(second)
    assert not gpu.stream_is_done(stream)
    assert gpu.milliseconds(first, second) == second.handle - first.handle
    gpu.wait_for(stream, first)
    gpu.wait_for_event(first)
    gpu.synchronize()
    assert driver.calls[-3:] == ["cuStreamWaitEvent", "cuEventSynchronize", "cuCtxSynchronize"]
    gpu.destroy_stream(stream)
    assert gpu.create_stream() == stream  # which events and memory may still know
    del first, second
    gc.collect()
    assert driver.calls[-1] == "cuEventDestroy"


def test_launches_go_to_the_current_stream(
    gpu: Nvidia, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams: list[int] = []
    monkeypatch.setattr(
        Driver, "cuLaunchKernel", lambda self, *args: streams.append(args[8]) or (0,)
    )
    launch = gpu.launcher(driver.kernel(lambda x: None), (1, 32))
    launch(1)
    gpu.stream = gpu.create_stream()
    launch(1)

    assert streams == [0, gpu.stream]


# Against numba-cuda, where it is installed: tox -e kernels


@needs_numba_cuda
@pytest.mark.parametrize(
    "args",
    [
        [np.zeros((), np.float32)],
        [np.zeros((3, 5), np.float32), 1.5, np.float32(0.1), np.zeros(7, np.int64)],
        [True, np.zeros((2, 3, 4), np.bool_), np.uint64(2**64 - 1), np.int32(-1), (3, 4), -5],
        [1 - 2j, np.zeros(3, np.complex64), np.complex64(3j), np.complex128(1j), 1.5],
    ],
)
def test_parameters_are_those_that_numba_cuda_passes(args: list[Any]) -> None:
    """numba-cuda's own words, from what it would hand to cuda.core, with their sizes."""
    devicearray = importlib.import_module("numba.cuda.cudadrv.devicearray")
    numba_types = importlib.import_module("numba.cuda.types")
    sigutils = importlib.import_module("numba.cuda.core.sigutils")
    numbas: Any = importlib.import_module("numba.cuda.dispatcher")._Kernel
    assert numba_types

    ours, theirs = [], []
    for i, arg in enumerate(args):
        if isinstance(arg, np.ndarray):
            pointer = 0x7F0000000000 + 512 * i
            ours.append(Array(pointer, arg.shape, arg.dtype, None))
            memory = SimpleNamespace(
                device_pointer=pointer,
                device_pointer_value=pointer,
                device_ctypes_pointer=ctypes.c_size_t(pointer),
                size=arg.nbytes,
            )
            array = devicearray.DeviceNDArray(arg.shape, arg.strides, arg.dtype, gpu_data=memory)
            theirs.append(array)
        else:
            ours.append(arg)
            theirs.append(arg)
    kinds, own = unpacked(ours)
    signature, _ = sigutils.normalize_signature(f"void({', '.join(map(type_of, kinds))})")
    words: list[Any] = []
    kernel = SimpleNamespace(extensions=[])
    kernel._prepare_args = lambda *rest: numbas._prepare_args(kernel, *rest)
    for type_, value in zip(signature, theirs, strict=True):
        numbas._prepare_args(kernel, type_, value, 0, [], words)

    pack = Packer(kinds)
    pack(own)
    found = [_as(word).from_address(p).value for word, p in zip(words, pack.pointers, strict=True)]
    assert found == [getattr(word, "value", word) for word in words]


def _as(word: Any) -> Any:
    """The ctype of a word: cuda.core makes 64 bits of a Python number."""
    if isinstance(word, bool | int):
        return ctypes.c_bool if isinstance(word, bool) else ctypes.c_int64
    return type(word)


@needs_numba_cuda
def test_the_driver_has_what_it_is_asked_for(driver: Driver) -> None:
    bindings = importlib.import_module("cuda.bindings.driver")
    names = [name for name in dir(Driver) if name.startswith(("cu", "CU"))]
    missing = [name for name in names if not hasattr(bindings, name)]

    assert not missing
    kinds = [name for name, kind in vars(Driver).items() if isinstance(kind, SimpleNamespace)]
    for name in kinds:
        for member in vars(getattr(Driver, name)):
            assert hasattr(getattr(bindings, name), member)
    node = bindings.CUDA_KERNEL_NODE_PARAMS()
    compiled: Any = importlib.import_module("numba.cuda.dispatcher")._Kernel
    assert "cooperative" in inspect.unwrap(compiled.__init__).__code__.co_names
    made = Launch.node.__code__.co_names
    assert {"func", "gridDimX", "kernelParams", "sharedMemBytes"} <= set(made) & set(dir(node))
