"""Other packages' arrays and ours are the same memory, for as long as anyone needs it."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up_driver import Driver

import cudagrad
from cudagrad import device, dlpack, ops
from cudagrad.allocator import Allocator
from cudagrad.executors.nvidia import Array, Nvidia

needs_emulator = pytest.mark.skipif(device.EXECUTOR == "gpu", reason="needs memory of the host")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


@needs_emulator
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (1, 1), (0, 2)])
def test_numpy_reads_a_tensor_where_it_lies(shape: tuple[int, ...], dtype: str) -> None:
    data = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    x = cudagrad.tensor(data)
    shared = np.from_dlpack(x)

    assert shared.dtype == data.dtype
    assert shared.shape == shape
    assert (shared == data).all()
    assert x.__dlpack_device__() == (1, 0)
    assert not data.size or shared.__array_interface__["data"][0] == device.executor.address(x.data)


@needs_emulator
@pytest.mark.usefixtures("collector_off")
def test_memory_stays_while_another_package_has_it() -> None:
    x = cudagrad.tensor(np.arange(1000.0))
    before = cudagrad.memory_allocated()
    shared = np.from_dlpack(x)
    del x
    assert cudagrad.memory_allocated() == before
    cudagrad.tensor(np.zeros(1000))  # would take the block if it were free
    assert (shared == np.arange(1000)).all()

    del shared
    assert cudagrad.memory_allocated() < before


@needs_emulator
def test_numpy_arrays_become_tensors_where_they_lie() -> None:
    data = np.arange(6.0).reshape(2, 3)
    for x in (cudagrad.from_dlpack(data), cudagrad.as_tensor(data)):
        data[0, 0] += 1
        assert x.numpy()[0, 0] == data[0, 0]
        assert ops.add(x, 1.0).tolist() == (data + 1).tolist()
    assert device.executor.lease(x.data) is None
    shared = cudagrad.from_dlpack(cudagrad.tensor(data))
    assert shared.tolist() == data.tolist()


@needs_emulator
def test_what_cannot_be_shared_is_copied_or_refused() -> None:
    data = np.arange(6.0).reshape(2, 3)
    for awkward in (data.T, data[:, ::2], data.astype(">f8")):
        x = cudagrad.as_tensor(awkward)
        assert x.tolist() == awkward.tolist()
        assert not np.shares_memory(np.from_dlpack(x), data)
    fixed = data.copy()
    fixed.flags.writeable = False
    cudagrad.nn.init.zeros_(cudagrad.as_tensor(fixed))
    assert (fixed == data).all()
    late = np.zeros(9, np.float32)[1:]  # begins in the midst of 16 bytes
    assert not np.shares_memory(np.from_dlpack(cudagrad.as_tensor(late)), late)
    with pytest.raises(BufferError, match="does not begin at a multiple of 16 bytes"):
        cudagrad.from_dlpack(late)
    narrow = cudagrad.as_tensor(data, np.float32)
    assert narrow.dtype == np.float32
    assert cudagrad.as_tensor(narrow) is narrow
    assert cudagrad.as_tensor([1, 2]).tolist() == [1, 2]

    with pytest.raises(BufferError, match="is not C-contiguous: copy it first"):
        cudagrad.from_dlpack(data.T)
    data.flags.writeable = False
    with pytest.raises(BufferError, match="readonly"):
        cudagrad.from_dlpack(data)
    with pytest.raises(TypeError, match="a list has no __dlpack__"):
        cudagrad.from_dlpack([1.0])
    with pytest.raises(TypeError, match="no dtype float16"):
        cudagrad.from_dlpack(np.zeros(3, np.float16))
    with pytest.raises(TypeError, match="is 1 x 128 bits of DLPack's type code 5"):
        cudagrad.from_dlpack(np.zeros(3, complex))


@needs_emulator
def test_gradients_do_not_leave_unseen() -> None:
    x = cudagrad.tensor([1.0], requires_grad=True)

    with pytest.raises(BufferError, match=r"not shared: detach\(\) it"):
        np.from_dlpack(x)
    assert np.from_dlpack(x.detach()).tolist() == [1.0]
    with pytest.raises(BufferError, match=r"is on device \(1, 0\), not \(2, 0\)"):
        x.detach().__dlpack__(dl_device=(2, 0))
    assert not hasattr(x, "__cuda_array_interface__")


@needs_emulator
def test_a_copy_is_one() -> None:
    x = cudagrad.tensor([1.0, 2.0])
    shared, copied = np.from_dlpack(x), np.from_dlpack(x, copy=True)
    device.write(np.zeros(2, np.float32), x.data)

    assert shared.tolist() == [0, 0]
    assert copied.tolist() == [1, 2]


@needs_emulator
@needs_torch
def test_torch_and_a_tensor_are_the_same_memory() -> None:
    torch: Any = importlib.import_module("torch")
    x = cudagrad.tensor([[1.0, 2.0], [3.0, 4.0]])
    there = torch.from_dlpack(x)
    there += 1
    assert x.tolist() == [[2, 3], [4, 5]]

    source = torch.arange(6.0).reshape(2, 3)
    back = cudagrad.from_dlpack(source)
    source *= 2
    assert back.tolist() == source.tolist()
    assert ops.sum(back).item() == source.sum().item()


# DLPack's capsules, which on the CPU NumPy can check


def host_capsule(array: np.ndarray[Any, Any], keep: Any) -> Any:
    pointer = array.__array_interface__["data"][0]
    return dlpack.capsule(pointer, array.shape, array.dtype, (dlpack.CPU, 0), keep)


class Producer:
    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CPU, 0


class Memory:
    """Tells when it goes."""

    def __init__(self, gone: list[bool]) -> None:
        self.gone = gone

    def __del__(self) -> None:
        self.gone.append(True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_opens_our_capsules(dtype: str) -> None:
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    gone: list[bool] = []
    array = np.from_dlpack(Producer(host_capsule(data, Memory(gone))))
    assert array.dtype == data.dtype
    assert (array == data).all()
    assert np.shares_memory(array, data)

    assert not gone
    del array
    gc.collect()
    assert gone == [True]


def test_a_capsule_that_nobody_takes_lets_go() -> None:
    gone: list[bool] = []
    capsule = host_capsule(np.zeros(3), Memory(gone))
    assert not gone
    del capsule

    assert gone == [True]


@pytest.mark.parametrize("dtype", DTYPES)
def test_we_open_numpys_capsules(dtype: str) -> None:
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    found = dlpack.opened(data.__dlpack__())

    assert found.pointer == data.__array_interface__["data"][0]
    assert (found.shape, found.dtype, found.device) == ((2, 3, 4), data.dtype, (1, 0))


def test_a_taken_array_is_deleted_once() -> None:
    gone: list[bool] = []
    capsule = host_capsule(np.zeros((2, 3)), Memory(gone))
    found = dlpack.opened(capsule)
    del capsule
    gc.collect()
    assert not gone
    del found
    gc.collect()

    assert gone == [True]
    capsule = np.zeros(3).__dlpack__()
    dlpack.opened(capsule)
    with pytest.raises(ValueError, match="PyCapsule_GetPointer"):
        dlpack.opened(capsule)


def test_only_straight_arrays_are_opened() -> None:
    data = np.zeros((4, 6))
    for awkward in (data.T, data[:, ::2]):
        with pytest.raises(BufferError, match="is not C-contiguous"):
            dlpack.opened(awkward.__dlpack__())
    assert dlpack.opened(np.zeros((1, 3))[:, :].T.copy().__dlpack__()).shape == (3, 1)
    with pytest.raises(TypeError, match="no dtype of tensors"):
        dlpack.opened(np.zeros(3, complex).__dlpack__())


# A GPU, made up


@pytest.fixture
def gpu() -> Nvidia:
    return Nvidia(SimpleNamespace(current_context=lambda: None), Driver())


def foreign(array: np.ndarray[Any, Any], **changes: Any) -> Any:
    """An array of CuPy, numba or torch on the GPU."""
    interface = {
        "shape": array.shape,
        "typestr": array.dtype.str,
        "data": (array.__array_interface__["data"][0], False),
        "version": 3,
    }
    return SimpleNamespace(__cuda_array_interface__=interface | changes)


def test_arrays_of_a_gpu_say_where_they_are(gpu: Nvidia) -> None:
    array = Array(0x7000, (2, 3), np.dtype(np.float32), None)

    assert gpu.interface(array) == {
        "shape": (2, 3),
        "typestr": "<f4",
        "data": (0x7000, False),
        "strides": None,
        "stream": 1,
        "version": 3,
    }
    gpu.stream = 77
    assert gpu.interface(array)["stream"] == 77


def test_arrays_of_others_are_used_where_they_are(gpu: Nvidia) -> None:
    data = np.arange(6.0).reshape(2, 3)
    other = foreign(data)
    array = gpu.adopt(other)
    assert array is not None
    assert (gpu.download(array) == data).all()
    assert array.keep is other
    assert gpu.lease(array) is None
    assert gpu.adopt(data) is None
    assert gpu.adopt(foreign(data, strides=data.strides)) is not None
    with pytest.raises(BufferError, match=r"strides \(8, 24\) is not C-contiguous"):
        gpu.adopt(foreign(data, strides=(8, 24)))
    address, _ = foreign(data).__cuda_array_interface__["data"]
    with pytest.raises(BufferError, match="a read-only array is not shared: copy it"):
        gpu.adopt(foreign(data, data=(address, True)))
    with pytest.raises(BufferError, match="a masked array is not shared"):
        gpu.adopt(foreign(data, mask=foreign(data > 0)))
    empty = gpu.adopt(foreign(np.zeros((0, 3)), data=(None, False)))
    assert empty is not None
    assert (empty.shape, empty.pointer) == ((0, 3), 0)


def test_arrays_of_another_gpu_are_refused(gpu: Nvidia, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Driver, "cuPointerGetAttribute", lambda *args: (0, 1))

    with pytest.raises(BufferError, match="is not on this GPU, but on GPU 1"):
        gpu.adopt(foreign(np.zeros(3)))


def test_who_wrote_on_another_stream_is_waited_for(gpu: Nvidia) -> None:
    gpu.adopt(foreign(np.zeros(3), stream=1))
    gpu.adopt(foreign(np.zeros(3), stream=None))
    assert "cuStreamSynchronize" not in gpu.driver.calls
    gpu.adopt(foreign(np.zeros(3), stream=5))
    assert "cuStreamSynchronize" in gpu.driver.calls


def test_capsules_of_a_gpu(gpu: Nvidia) -> None:
    allocator = Allocator(gpu)
    array = gpu.array((2, 3), np.dtype(np.float32), allocator.allocate(24))
    pointer = array.pointer
    there = dlpack.opened(gpu.capsule(array, None))
    assert (there.pointer, there.shape, there.device) == (pointer, (2, 3), (dlpack.CUDA, 0))
    del array
    assert allocator.statistics.live == 1
    del there
    gc.collect()
    assert allocator.statistics.live == 0
    assert "cuStreamWaitEvent" not in gpu.driver.calls


def test_who_reads_on_another_stream_waits_and_is_waited_for(gpu: Nvidia) -> None:
    allocator = Allocator(gpu)
    array = gpu.array((6,), np.dtype(np.float32), allocator.allocate(24))
    pointer = array.pointer
    capsule = gpu.capsule(array, 9)
    assert [name for name in gpu.driver.calls if "Event" in name] == [
        "cuEventCreate",
        "cuEventRecord",
        "cuStreamWaitEvent",
        "cuEventDestroy",
    ]
    gpu.driver.unfinished.update(range(100))
    del array, capsule
    gc.collect()
    again = gpu.array((6,), np.dtype(np.float32), allocator.allocate(24))
    assert again.pointer != pointer  # stream 9 may still read it
    gpu.driver.unfinished.clear()
    assert gpu.array((6,), np.dtype(np.float32), allocator.allocate(24)).pointer == pointer


def test_capsules_of_others_on_a_gpu(gpu: Nvidia) -> None:
    memory = (ctypes.c_float * 4)(1, 2, 3, 4)
    gone: list[bool] = []

    def capsule(stream: int) -> Any:
        assert stream == 1
        keep = Memory(gone)
        address = ctypes.addressof(memory)
        return dlpack.capsule(address, (2, 2), np.dtype(np.float32), (dlpack.CUDA, 0), keep)

    other = SimpleNamespace(__dlpack__=capsule, __dlpack_device__=lambda: (dlpack.CUDA, 0))
    array, dtype = gpu.from_dlpack(other)
    assert dtype == np.float32
    assert gpu.download(array).tolist() == [[1, 2], [3, 4]]
    view = array.reshape((4,))
    del array
    assert not gone
    del view
    gc.collect()
    assert gone == [True]
    elsewhere = SimpleNamespace(__dlpack_device__=lambda: (dlpack.CPU, 0))
    with pytest.raises(BufferError, match="is not on this GPU"):
        gpu.from_dlpack(elsewhere)


@needs_emulator
def test_more_elements_than_kernels_count_are_refused() -> None:
    large = np.empty(2**31, np.uint8)  # of which nothing is touched

    for adopt in (cudagrad.from_dlpack, cudagrad.as_tensor, cudagrad.tensor):
        with pytest.raises(ValueError, match="kernels count in 32 bits"):
            adopt(large)
