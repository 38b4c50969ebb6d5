"""Single instructions of a GPU that numba.cuda has no name for: device.intrinsics on a GPU.

Each has its twin of the same name in emulator.intrinsics, which says what it does. The text of an
instruction is PTX, as https://docs.nvidia.com/cuda/parallel-thread-execution has it; of the
constraints, r is a register of 32 bits, f one for float32, l one of 64 bits.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.extending import intrinsic

INT32, INT64, FLOAT, VOID = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.VoidType()
ALIGNMENT = 16  # bytes
GLOBAL, SHARED = 1, 3  # memory spaces, as https://docs.nvidia.com/cuda/nvvm-ir-spec numbers them
PAIRS = types.UniTuple(types.uint32, 4)  # registers of two numbers of 16 bits


def _address(context: Any, builder: Any, kinds: Any, args: Any, bits: Any = INT64) -> Any:
    """A pointer to an element of a C-contiguous array; kinds, args: the array, and its index.

    bits: how many its place is reckoned in.
    """
    array, index = kinds
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypeError(f"an access of 128 bits needs a C-contiguous array, not {array}")
    made = cgutils.create_struct_proxy(array)(context, builder, args[0])
    is_tuple = isinstance(index, types.BaseTuple)
    parts = cgutils.unpack_tuple(builder, args[1]) if is_tuple else [args[1]]
    sizes = cgutils.unpack_tuple(builder, made.shape, array.ndim)
    place = ir.Constant(bits, 0)
    for kind, part, size in zip(index if is_tuple else [index], parts, sizes, strict=True):
        along = context.cast(builder, part, kind, types.int64 if bits is INT64 else types.uint32)
        size = size if bits is INT64 else builder.trunc(size, bits)
        place = builder.add(builder.mul(place, size), along)
    return builder.gep(made.data, [builder.zext(place, INT64) if bits is INT32 else place])


def _within(builder: Any, pointer: Any, space: int) -> Any:
    """Where in a memory space a pointer points to, as instructions of that space expect it."""
    own = builder.addrspacecast(pointer, ir.PointerType(pointer.type.pointee, space))
    return builder.ptrtoint(own, INT32 if space == SHARED else INT64)


def _several(context: Any, array: Any, count: int = 4) -> Any:
    """The type of a pointer to so many elements."""
    return ir.VectorType(context.get_data_type(array.dtype), count).as_pointer()


@intrinsic
def load4(typing_context, array, index):
    """Four neighbours along the last dim, the first of them at index."""
    result = types.UniTuple(array.dtype, 4)

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature.args, args)
        size = min(4 * array.dtype.bitwidth // 8, ALIGNMENT)
        loaded = builder.load(builder.bitcast(pointer, _several(context, array)), align=size)
        parts = [builder.extract_element(loaded, ir.Constant(INT32, k)) for k in range(4)]
        return context.make_tuple(builder, result, parts)

    return result(array, index), generate


@intrinsic
def store4(typing_context, array, index, first, second, third, fourth):
    """Write four neighbours along the last dim, the first of them at index."""

    return types.void(array, index, first, second, third, fourth), _store


@intrinsic
def store2(typing_context, array, index, first, second):
    """Write two neighbours along the last dim, the first of them at index."""
    return types.void(array, index, first, second), _store


def _store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write neighbours at once, 16 bytes of them at most."""
    array, values = signature.args[0], args[2:]
    pointer = _address(context, builder, signature.args[:2], args)
    kind = _several(context, array, len(values))
    several = ir.Constant(kind.pointee, ir.Undefined)
    for k, (value, of) in enumerate(zip(values, signature.args[2:], strict=True)):
        part = context.cast(builder, value, of, array.dtype)
        several = builder.insert_element(several, part, ir.Constant(INT32, k))
    size = len(values) * array.dtype.bitwidth // 8
    builder.store(several, builder.bitcast(pointer, kind), align=min(size, ALIGNMENT))
    return context.get_dummy_value()


COPY = "cp.async.cg.shared.global [$0], [$1], 16, $2;"


@intrinsic
def copy_async4(typing_context, to, index, source, at, inside):
    """Begin to copy four neighbours of float32 from global to shared memory; capability 8.0.

    Unless inside, they are zeros, and nothing is read.
    """
    return types.void(to, index, source, at, inside), _copying(types.float32, to, source)


@intrinsic
def copy_async8(typing_context, to, index, source, at, inside):
    """Begin to copy eight neighbours of uint16, as copy_async4."""
    return types.void(to, index, source, at, inside), _copying(types.uint16, to, source)


def _copying(kind: Any, to: Any, source: Any) -> Any:
    """What generates a copy of 16 bytes of a kind of numbers."""
    if kind != to.dtype or kind != source.dtype:
        raise TypeError(f"what is copied is {kind}, not {source.dtype} to {to.dtype}")

    def generate(context, builder, signature, args):
        kinds = signature.args
        # In shared memory, whose sizes are constants, the instruction adds what is constant to a
        # place of 64 bits. Of global memory no array is too long for 32 (see arrays.empty), and a
        # product of 64 takes several instructions, as many as the copy is worth.
        to_place = _address(context, builder, kinds[:2], args[:2])
        from_place = _address(context, builder, kinds[2:4], args[2:4], INT32)
        read = context.cast(builder, args[4], kinds[4], types.boolean)
        size = builder.select(read, ir.Constant(INT32, ALIGNMENT), ir.Constant(INT32, 0))
        given = [_within(builder, to_place, SHARED), _within(builder, from_place, GLOBAL), size]
        _emit(builder, COPY, "r,l,r,~{memory}", VOID, given, acts=True)
        return context.get_dummy_value()

    return generate


MATRICES = "ldmatrix.sync.aligned.m8n8.x4{}.shared.b16 {{$0,$1,$2,$3}}, [$4];"


@intrinsic
def load_matrices(typing_context, tiles, index):
    """Four matrices of 8 x 8 uint16 from shared memory for a warp; capability 7.5."""
    return PAIRS(tiles, index), _matrices(tiles, "")


@intrinsic
def load_transposed(typing_context, tiles, index):
    """As load_matrices, but each matrix is transposed."""
    return PAIRS(tiles, index), _matrices(tiles, ".trans")


def _matrices(tiles: Any, how: str) -> Any:
    """What generates a load of matrices, whose rows the lanes of a warp name."""
    if tiles.dtype != types.uint16:
        raise TypeError(f"matrices are of uint16, not {tiles.dtype}")

    def generate(context, builder, signature, args):
        place = _within(builder, _address(context, builder, signature.args, args), SHARED)
        four = ir.LiteralStructType([INT32] * 4)
        registers = "=r,=r,=r,=r,r,~{memory}"
        loaded = _emit(builder, MATRICES.format(how), registers, four, [place], acts=True)
        parts = [builder.extract_value(loaded, k) for k in range(4)]
        return context.make_tuple(builder, PAIRS, parts)

    return generate


@intrinsic
def commit_copies(typing_context):
    """Close a group of copies: those that the thread began since the last one."""

    def generate(context, builder, signature, args):
        _emit(builder, "cp.async.commit_group;", "~{memory}", VOID, [], acts=True)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def wait_but_latest(typing_context):
    """Wait until all groups of the thread's copies but the latest one have arrived."""

    def generate(context, builder, signature, args):
        _emit(builder, "cp.async.wait_group 1;", "~{memory}", VOID, [], acts=True)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def to_tf32(typing_context, x):
    """x rounded to TF32's 10 bits behind the point, ties away from zero; capability 8.0."""

    def generate(context, builder, signature, args):
        x = context.cast(builder, args[0], signature.args[0], types.float32)
        bits = _emit(builder, "cvt.rna.tf32.f32 $0, $1;", "=r,f", INT32, [x])
        return builder.bitcast(bits, FLOAT)

    return types.float32(x), generate


@intrinsic
def pack_bfloat16(typing_context, low, high):
    """Two numbers rounded to bfloat16 in one uint32, the first in its lower half; capability 8.0"""

    def generate(context, builder, signature, args):
        numbers = zip(args, signature.args, strict=True)
        both = [context.cast(builder, x, of, types.float32) for x, of in numbers]
        return _emit(builder, "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f", INT32, both)

    return types.uint32(low, high), generate


@intrinsic
def from_bfloat16(typing_context, bits):
    """The float32 of which a uint16 is the upper half."""

    def generate(context, builder, signature, args):
        upper = builder.shl(builder.zext(args[0], INT32), ir.Constant(INT32, 16))
        return builder.bitcast(upper, FLOAT)

    return types.float32(types.uint16), generate


@intrinsic
def to_bfloat16(typing_context, x):
    """The upper half of a float32 rounded to it, ties to even; for GPUs of any capability."""

    def generate(context, builder, signature, args):
        number, of_bits = args[0], functools.partial(ir.Constant, INT32)
        bits = builder.bitcast(number, INT32)
        odd = builder.and_(builder.lshr(bits, of_bits(16)), of_bits(1))
        whole = builder.add(bits, builder.add(odd, of_bits(0x7FFF)))
        is_nan = builder.fcmp_unordered("uno", number, number)
        upper = builder.select(is_nan, of_bits(0x7FFF), builder.lshr(whole, of_bits(16)))
        return builder.trunc(upper, ir.IntType(16))

    return types.uint16(types.float32), generate


MULTIPLY = "mma.sync.aligned.{} {{$0,$1,$2,$3}}, {{$4,$5,$6,$7}}, {{$8,$9}}, {{$10,$11,$12,$13}};"
REGISTERS = "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f"
FOUR = types.UniTuple(types.float32, 4)


def _multiply(name: str) -> Any:
    """What generates a product of fragments, which a whole warp makes together."""

    def generate(context, builder, signature, args):
        fragments = [builder.bitcast(x, INT32) for x in args[:6]]
        sums = [
            context.cast(builder, x, of, types.float32)
            for x, of in zip(args[6:], signature.args[6:], strict=True)
        ]
        four = ir.LiteralStructType([FLOAT] * 4)
        text = MULTIPLY.format(name)
        # Not for its memory, of which it has none, but so that it stays where its warp is whole.
        done = _emit(builder, text, REGISTERS, four, [*fragments, *sums], acts=True)
        parts = [builder.extract_value(done, k) for k in range(4)]
        return context.make_tuple(builder, FOUR, parts)

    return generate


@intrinsic
def mma_tf32(typing_context, a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """a b + c of a warp: a (16, 8) and b (8, 8) of float32 as TF32; capability 8.0."""
    signature = FOUR(*[types.float32] * 6, c0, c1, c2, c3)
    return signature, _multiply("m16n8k8.row.col.f32.tf32.tf32.f32")


@intrinsic
def mma_bfloat16(typing_context, a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """a b + c of a warp: a (16, 16) and b (16, 8) of pairs of bfloat16; capability 8.0."""
    signature = FOUR(*[types.uint32] * 6, c0, c1, c2, c3)
    return signature, _multiply("m16n8k16.row.col.f32.bf16.bf16.f32")


def _emit(
    builder: Any, text: str, registers: str, result: Any, args: list[Any], acts: bool = False
) -> Any:
    """Put an instruction there. acts: whether it does more than what its result is used for."""
    kind = ir.FunctionType(result, [value.type for value in args])
    return builder.call(ir.InlineAsm(kind, text, registers, side_effect=acts), args)
