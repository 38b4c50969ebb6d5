"""The types that numba infers of the local names of a function, without compiling it.

Kinds, for which a kernel is compiled, and numba's types for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba.core import compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.np.numpy_support import from_dtype

Kind = Any  # of an argument: (dtype, ndim) of an array, else a type, or a tuple of such


@register_pass(mutates_CFG=False, analysis_only=True)
class KeepTypes(FunctionPass):
    """Ends a compilation: its result is what is known of the names."""

    _name = "cudagrad_keep_types"

    def __init__(self) -> None:
        pass  # numba's is abstract

    def run_pass(self, state: Any) -> bool:
        state.cr = state.typemap
        return False


class Inference(compiler.CompilerBase):
    """The first half of numba's compiler."""

    def define_pipelines(self) -> list[Any]:
        passes = compiler.DefaultPassBuilder.define_untyped_pipeline(self.state)
        passes.add_pass(NopythonTypeInference, "nopython frontend")
        passes.add_pass(KeepTypes, "keep types")
        passes.finalize()
        return [passes]


def types_of(function: Any, arguments: Sequence[types.Type]) -> dict[str, set[types.Type]]:
    """Each name of an njit function, with every type that it has somewhere.

    Raises numba's TypingError where compiling the function would.
    """
    target, flags = function.targetdescr, compiler.Flags()
    target.options.parse_as_flags(flags, function.targetoptions)
    with global_compiler_lock:
        known = compiler.compile_extra(
            target.typing_context,
            target.target_context,
            function.py_func,
            tuple(arguments),
            None,
            flags,
            {},
            pipeline_class=Inference,
        )
    found: dict[str, set[types.Type]] = {}
    for version, kind in known.items():  # numba calls a name that is given two values x and x.1
        name, _, number = version.partition(".")
        if number.isdecimal() or not number:
            found.setdefault(name, set()).add(types.unliteral(kind))
    return found


def is_array(kind: Kind) -> bool:
    return isinstance(kind, tuple) and bool(kind) and isinstance(kind[0], str)


def type_of(kind: Kind) -> types.Type:
    """The type of an argument in compiled code."""
    if is_array(kind):
        return types.Array(from_dtype(np.dtype(kind[0])), kind[1], "C")
    if isinstance(kind, tuple):
        return types.BaseTuple.from_types([type_of(part) for part in kind])
    return numba.typeof(kind(0))
