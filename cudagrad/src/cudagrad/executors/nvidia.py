"""Device memory and launches on a GPU, by calls of its driver.

numba-cuda compiles the kernels. It could launch them, too, but takes 15 µs of Python for three
arrays, where a small kernel runs for 3. Here an array's parameters are computed once, and a launch
is one struct.pack_into and one cuLaunchKernel.

A kernel's parameters are 64-bit words: an array of d dims takes 5 + 2 d (see `Array.words`), a
number one, a complex one two, a tuple those of its parts. This is what numba-cuda's
_Kernel._prepare_args passes.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .. import dlpack
from ..allocator import Block, Lease
from ..signatures import type_of

Shape = tuple[int, ...]

DEFAULT_STREAM = 0  # the legacy one, which torch's and CuPy's default is too …
LEGACY = 1  # … and its number in DLPack and __cuda_array_interface__
CODES = {bool: "?7x", int: "q", float: "d"}  # of a Python number, in a word of its own
PLAIN = {"?": "?7x", "b": "b7x", "B": "B7x", "h": "h6x", "H": "H6x", "i": "i4x", "I": "I4x"}
PLAIN |= {"f": "f4x", "d": "d", "F": "f4xf4x", "D": "dd"}  # a complex number is passed as two


@functools.lru_cache(maxsize=4096)
def _layout(shape: Shape, dtype: np.dtype[Any]) -> tuple[int, tuple[str, int], Shape]:
    """The size of an array, what a kernel is compiled for, and its lengths and strides."""
    strides = [dtype.itemsize * math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return math.prod(shape), (dtype.char, len(shape)), (*shape, *strides)


class Array:
    """A C-contiguous array in a GPU's memory, whose elements only kernels and copies see.

    keep: keeps the memory alive: a lease, or the array of another package.
    """

    __slots__ = ("dtype", "keep", "kind", "ndim", "pointer", "shape", "size", "words")

    def __init__(self, pointer: int, shape: Shape, dtype: np.dtype[Any], keep: Any) -> None:
        self.pointer = pointer
        self.shape = shape
        self.dtype = dtype
        self.keep = keep
        self.ndim = len(shape)
        # kind: what a kernel is compiled for; words: what it is given.
        self.size, self.kind, lengths = _layout(shape, dtype)
        self.words = (0, 0, self.size, dtype.itemsize, pointer, *lengths)

    def reshape(self, shape: Shape) -> Array:
        """The same elements in another shape, not a copy."""
        if shape == self.shape:
            return self
        view = Array(self.pointer, tuple(shape), self.dtype, self.keep)
        if view.size != self.size:
            raise ValueError(f"cannot reshape an array of shape {self.shape} into {shape}")
        return view

    def __repr__(self) -> str:
        return f"Array(shape={self.shape}, dtype={self.dtype}, pointer={self.pointer:#x})"


class Nvidia:
    """The executor with a GPU.

    numba_cuda: NVIDIA's numba.cuda, which has made its context the current one. driver: the module
    cuda.bindings.driver.
    """

    def __init__(self, numba_cuda: Any, driver: Any) -> None:
        numba_cuda.current_context()
        self.driver = driver
        self.stream = DEFAULT_STREAM
        self.idle_streams: list[int] = []

    def call(self, name: str, *args: Any) -> Any:
        """What a function of the driver returns; raises MemoryError, or RuntimeError that says why.

        A kernel's error is reported by a later call, which need not have anything to do with it.
        """
        error, *values = getattr(self.driver, name)(*args)
        if error:
            self.refuse(name, error)
        return values[0] if len(values) == 1 else values

    def refuse(self, name: str, error: Any) -> NoReturn:
        """Raise what an error of a call of the driver means."""
        _, text = self.driver.cuGetErrorString(error)
        message = text.decode() if isinstance(text, bytes) else str(text)
        if error == self.driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            raise MemoryError(message)
        raise RuntimeError(f"{name}: {message} ({error})")

    # Memory

    def reserve(self, size: int) -> int:
        return int(self.call("cuMemAlloc", size))

    def release(self, memory: int) -> None:
        self.call("cuMemFree", memory)  # waits for what uses it

    def total_memory(self) -> int:
        _, total = self.call("cuMemGetInfo")
        return int(total)

    def array(self, shape: Shape, dtype: np.dtype[Any], lease: Lease) -> Array:
        """An array at the start of a leased block."""
        block = lease.block
        return Array(block.segment.memory + block.offset, tuple(shape), dtype, lease)

    def without_memory(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """An array without elements."""
        return Array(0, tuple(shape), dtype, None)

    def borrowed(self, array: Array, block: Block) -> Array:
        """The same array, without a hold on its block."""
        return Array(array.pointer, array.shape, array.dtype, None)

    def lease(self, array: Array) -> Lease | None:
        """That of the block in which an array lies; None for memory of others."""
        return array.keep if isinstance(array.keep, Lease) else None

    def part(self, array: Array, start: int, shape: Shape) -> Array:
        """The elements of a one-dimensional array from start on, in a shape, not a copy."""
        pointer = array.pointer + start * array.dtype.itemsize
        return Array(pointer, tuple(shape), array.dtype, array.keep)

    def address(self, array: Array) -> int:
        return array.pointer

    def upload(self, host: np.ndarray[Any, Any], array: Array) -> None:
        """Copy a C-contiguous array; done when this returns."""
        self.call("cuMemcpyHtoDAsync", array.pointer, host.ctypes.data, host.nbytes, self.stream)
        self.synchronize(self.stream)

    def download(self, array: Array) -> np.ndarray[Any, Any]:
        host = np.empty(array.shape, array.dtype)
        if array.size:
            pointer = array.pointer
            self.call("cuMemcpyDtoHAsync", host.ctypes.data, pointer, host.nbytes, self.stream)
            self.synchronize(self.stream)
        return host

    # Arrays of other packages

    def interface(self, array: Array) -> dict[str, Any]:
        """Version 3 of https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html"""
        return {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.pointer, False),
            "strides": None,  # even right ones would make numba compile for any layout
            "stream": self.stream or LEGACY,
            "version": 3,
        }

    def device(self) -> tuple[int, int]:
        """This GPU, in DLPack's numbers."""
        return dlpack.CUDA, int(self.call("cuCtxGetDevice"))

    def capsule(self, array: Array, stream: int | None, max_version: Any = None) -> Any:
        """DLPack's capsule for a reader on a stream, in DLPack's numbers, where -1 is none.

        max_version is ignored: the capsule has the form from before versions, which all know.
        """
        reader = DEFAULT_STREAM if stream is None or stream == LEGACY else stream
        if reader not in (-1, self.stream):
            self.wait_for(reader, self.record_event(self.stream))
        lease = self.lease(array)
        if lease is not None and reader != -1:
            lease.allocator.record(lease.block, reader)
        return dlpack.capsule(array.pointer, array.shape, array.dtype, self.device(), array.keep)

    def from_dlpack(self, x: Any) -> tuple[Array, Any]:
        """The array of an object that gives DLPack's capsule, not a copy, and a tensor's dtype."""
        if tuple(map(int, x.__dlpack_device__())) != self.device():
            raise BufferError(f"the array is not on this GPU, but on {x.__dlpack_device__()}")
        found = dlpack.opened(x.__dlpack__(stream=self.stream or LEGACY))
        array = Array(found.pointer, found.shape, np.dtype(found.dtype), found.keep)
        return array, found.dtype

    def adopt(self, x: Any) -> Array | None:
        """The array of an object with a __cuda_array_interface__, not a copy; None without one."""
        interface = getattr(x, "__cuda_array_interface__", None)
        if interface is None:
            return None
        dtype, shape = np.dtype(interface["typestr"]), tuple(interface["shape"])
        pointer, is_read_only = interface["data"]
        if is_read_only:  # as in torch: optimizers, nn.init and others write in place
            raise BufferError("a read-only array is not shared: copy it")
        if interface.get("mask") is not None:
            raise BufferError("a masked array is not shared: fill in what is masked")
        array = Array(pointer or 0, shape, dtype, x)
        strides = interface.get("strides")
        if strides is not None and array.size and tuple(strides) != array.words[5 + array.ndim :]:
            raise BufferError(f"an array of strides {tuple(strides)} is not C-contiguous: copy it")
        if array.size:
            ordinal = self.driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
            number = int(self.call("cuPointerGetAttribute", ordinal, pointer))
            if number != self.device()[1]:
                raise BufferError(f"the array is not on this GPU, but on GPU {number}")
        writer = interface.get("stream")
        if writer not in (None, self.stream or LEGACY):
            self.synchronize(writer)
        return array

    # Launches

    def launcher(self, kernel: Any, configuration: Any) -> Launch:
        return Launch(self, kernel, configuration)

    def graph(self, launches: Sequence[tuple[Launch, tuple[Any, ...]]]) -> Graph:
        return Graph(self, launches)

    # Streams and events

    def create_stream(self) -> int:
        if self.idle_streams:
            return self.idle_streams.pop()
        flag = self.driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        return int(self.call("cuStreamCreate", flag))

    def destroy_stream(self, stream: int) -> None:
        # It is kept for the next create_stream(): events and memory that know it may outlive it.
        self.idle_streams.append(stream)

    def synchronize(self, stream: int | None = None) -> None:
        """Wait for a stream; None: for all of them."""
        if stream is None:
            self.call("cuCtxSynchronize")
        else:
            self.call("cuStreamSynchronize", stream)

    def stream_is_done(self, stream: int) -> bool:
        return self._is_over("cuStreamQuery", stream)

    def wait_for(self, stream: int, event: Any) -> None:
        """Let what is launched on a stream from now on wait for an event."""
        self.call("cuStreamWaitEvent", stream, event.handle, 0)

    def record_event(self, stream: int) -> Event:
        event = Event(self)
        self.call("cuEventRecord", event.handle, stream)
        return event

    def event_is_over(self, event: Event) -> bool:
        return self._is_over("cuEventQuery", event.handle)

    def wait_for_event(self, event: Event) -> None:
        self.call("cuEventSynchronize", event.handle)

    def milliseconds(self, start: Event, end: Event) -> float:
        return float(self.call("cuEventElapsedTime", start.handle, end.handle))

    def _is_over(self, query: str, handle: Any) -> bool:
        error, *_ = getattr(self.driver, query)(handle)
        if error == self.driver.CUresult.CUDA_ERROR_NOT_READY:
            return False
        self.call(query, handle)
        return True


class Event:
    """A moment on a stream, with its time."""

    def __init__(self, gpu: Nvidia) -> None:
        self.gpu = gpu
        self.handle = gpu.call("cuEventCreate", gpu.driver.CUevent_flags.CU_EVENT_DEFAULT)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.gpu.driver.cuEventDestroy(self.handle)


class Packer:
    """Puts arguments of these kinds where the driver reads a launch's parameters."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        codes = [code for kind in kinds for code in _codes(kind)]
        self.struct = struct.Struct("<" + "".join(codes))
        self.memory = ctypes.create_string_buffer(self.struct.size)
        first = ctypes.addressof(self.memory)
        count = self.struct.size // 8
        self.pointers = (ctypes.c_void_p * count)(*range(first, first + 8 * count, 8))
        self.address = ctypes.addressof(self.pointers)

    def __call__(self, words: Sequence[Any]) -> int:
        """The address of the pointers to the parameters, which stay until the next call."""
        self.struct.pack_into(self.memory, 0, *words)
        return self.address


class Function(NamedTuple):
    """A kernel compiled for arguments of some kinds; waits: whether for the whole grid."""

    handle: Any  # the driver's
    waits: bool
    pack: Packer


class Launch:
    """A kernel with a grid, a block and bytes of dynamic shared memory: [grid, block, 0, bytes].

    One that waits for its whole grid needs all blocks at once on the GPU: the driver refuses more.
    """

    def __init__(self, gpu: Nvidia, kernel: Any, configuration: Any) -> None:
        grid, block, *rest = configuration
        self.gpu = gpu
        self.kernel = kernel
        self.grid, self.block = _three(grid), _three(block)
        self.shared = rest[1] if len(rest) > 1 else 0
        self.functions: dict[Any, Function] = {}  # by kinds of arguments

    def __call__(self, *args: Any) -> None:
        function, parameters = self.prepared(args)
        gpu = self.gpu
        given = (function.handle, *self.grid, *self.block, self.shared, gpu.stream, parameters)
        if function.waits:
            gpu.call("cuLaunchCooperativeKernel", *given)
            return
        error, *_ = gpu.driver.cuLaunchKernel(*given, 0)
        if error:
            gpu.refuse("cuLaunchKernel", error)

    def prepared(self, args: Sequence[Any]) -> tuple[Function, int]:
        """The function for these arguments, compiled if need be, and where they are."""
        kinds, words = unpacked(args)
        found = self.functions.get(kinds)
        if found is None:
            pack = Packer(kinds)
            found = self.functions[kinds] = Function(*self._compiled(kinds), pack)
        return found, found.pack(words)

    def node(self, args: Sequence[Any]) -> tuple[Any, bool]:
        """What a graph's node launches, and whether that waits for its whole grid.

        The driver copies the parameters when it is given this.
        """
        function, parameters = self.prepared(args)
        node = self.gpu.driver.CUDA_KERNEL_NODE_PARAMS()
        node.func = function.handle
        node.gridDimX, node.gridDimY, node.gridDimZ = self.grid
        node.blockDimX, node.blockDimY, node.blockDimZ = self.block
        node.sharedMemBytes = self.shared
        node.kernelParams = parameters
        return node, function.waits

    def _compiled(self, kinds: Sequence[Any]) -> tuple[Any, bool]:
        compiled = self.kernel.compile(f"void({', '.join(map(type_of, kinds))})")
        compiled.bind()  # loads it
        handle = int(compiled._codelibrary.get_cufunc().kernel.handle)
        call, driver = self.gpu.call, self.gpu.driver
        function = call("cuKernelGetFunction", driver.CUkernel(handle))
        if self.shared:  # else more than 48 KiB, with what static arrays take, would be refused
            attributes = driver.CUfunction_attribute
            most = attributes.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            if self.shared > call("cuFuncGetAttribute", most, function):  # as another launcher set
                call("cuFuncSetAttribute", function, most, self.shared)
        return function, compiled.cooperative


class Graph:
    """Launches, one after the other, as one call of the driver."""

    def __init__(self, gpu: Nvidia, launches: Sequence[tuple[Launch, tuple[Any, ...]]]) -> None:
        self.gpu = gpu
        self.launches = [launch for launch, _ in launches]
        self.graph = gpu.call("cuGraphCreate", 0)
        self.nodes: list[Any] = []
        for launch, args in launches:
            before = self.nodes[-1:]
            params, waits = launch.node(args)
            node = gpu.call("cuGraphAddKernelNode", self.graph, before, len(before), params)
            self.nodes.append(node)
            if waits:
                together = gpu.driver.CUkernelNodeAttrValue()
                together.cooperative = 1
                name = gpu.driver.CUkernelNodeAttrID.CU_LAUNCH_ATTRIBUTE_COOPERATIVE
                gpu.call("cuGraphKernelNodeSetAttribute", node, name, together)
        self.executable = gpu.call("cuGraphInstantiate", self.graph, 0)

    def update(self, index: int, args: tuple[Any, ...]) -> None:
        """Let a launch have other arguments from now on."""
        params, _ = self.launches[index].node(args)
        self.gpu.call("cuGraphExecKernelNodeSetParams", self.executable, self.nodes[index], params)

    def replay(self) -> None:
        self.gpu.call("cuGraphLaunch", self.executable, self.gpu.stream)

    def __del__(self) -> None:
        driver = self.gpu.driver
        if hasattr(self, "executable"):
            driver.cuGraphExecDestroy(self.executable)
        if hasattr(self, "graph"):
            driver.cuGraphDestroy(self.graph)


def _three(sizes: Any) -> tuple[int, int, int]:
    """A grid or block as its sizes in x, y and z."""
    x, y, z = (*(sizes if isinstance(sizes, tuple | list) else (sizes,)), 1, 1)[:3]
    return int(x), int(y), int(z)


def unpacked(args: Sequence[Any]) -> tuple[tuple[Any, ...], list[Any]]:
    """The kinds of arguments, for which a kernel is compiled, and the words of them all."""
    kinds: list[Any] = []
    words: list[Any] = []
    for arg in args:
        if type(arg) is Array:
            kinds.append(arg.kind)
            words += arg.words
        elif type(arg) is tuple:
            parts, inner = unpacked(arg)
            kinds.append(parts)
            words += inner
        elif isinstance(arg, complex | np.complexfloating):
            kinds.append(type(arg))
            words += (arg.real, arg.imag)
        else:
            kinds.append(type(arg))
            words.append(arg)
    return tuple(kinds), words


def _codes(kind: Any) -> Iterator[str]:
    """How struct packs an argument of a kind."""
    if not isinstance(kind, tuple):
        if not issubclass(kind, bool | int | float | complex | np.generic):
            raise TypeError(
                f"a kernel was given a {kind.__name__}; it takes device arrays (a tensor's .data, "
                "or what device.to_device returns), numbers and tuples of these"
            )
        char = np.dtype(kind).char
        signed = "q" if np.dtype(kind).kind == "i" else "Q"
        yield CODES.get(kind) or PLAIN.get(char) or signed
    elif isinstance(kind[0], str):
        yield f"{5 + 2 * kind[1]}Q"
    else:
        for part in kind:
            yield from _codes(part)
