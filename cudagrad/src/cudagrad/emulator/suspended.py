"""Threads that wait at a barrier: generators, whose states lie side by side in a buffer of bytes.

A generator remembers its local variables and where it stopped. numba can make one, but has no
array of them; here each is stored as the bare struct that it is, and resumed where it lies.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

from numba.core import cgutils, types
from numba.core.imputils import call_iternext
from numba.extending import intrinsic

from .runtime import FINISHED


@intrinsic
def state_size(typing_context, generator):
    """The bytes that a suspended thread takes."""

    def generate(context, builder, signature, args):
        size = context.get_abi_sizeof(context.get_data_type(generator))
        return context.get_constant(types.int64, size)

    return types.int64(generator), generate


def _state(context, builder, generator, buffer, args):
    """A pointer to the args[1]-th thread in the buffer args[0]."""
    array = context.make_array(buffer)(context, builder, args[0])
    states = builder.bitcast(array.data, context.get_data_type(generator).as_pointer())
    return builder.gep(states, [args[1]])


@intrinsic
def suspend(typing_context, buffer, i, generator):
    """Put a thread that has not begun into the buffer."""

    def generate(context, builder, signature, args):
        state = _state(context, builder, generator, buffer, args)
        builder.store(builder.load(args[2]), state)
        return context.get_dummy_value()

    return types.void(buffer, types.int64, generator), generate


@intrinsic
def resume(typing_context, buffer, i, generator):
    """Run a thread of the buffer to its next barrier, whose number is returned, or FINISHED."""

    def generate(context, builder, signature, args):
        state = _state(context, builder, generator, buffer, args)
        step = call_iternext(context, builder, generator, state)
        finished = context.get_constant(types.int64, FINISHED)
        barrier = cgutils.alloca_once_value(builder, finished)
        with builder.if_then(step.is_valid()):
            builder.store(step.yielded_value(), barrier)
        return builder.load(barrier)

    return types.int64(buffer, types.int64, generator), generate
