"""The types that numba infers of the local names of a function, without compiling it.

Kinds, for which a kernel is compiled, and numba's types for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from numba.core import compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.core.typing import signature
from numba.np.numpy_support import from_dtype

from .runtime import compiled

Kind = Any  # of an argument: (dtype, ndim) of an array, else a type, or a tuple of such


@register_pass(mutates_CFG=False, analysis_only=True)
class KeepTypes(FunctionPass):
    """Ends a compilation: its result is the type of each name, and of what is returned."""

    _name = "cudagrad_keep_types"

    def __init__(self) -> None:
        pass  # numba's is abstract

    def run_pass(self, state: Any) -> bool:
        state.cr = state.typemap, state.return_type
        return False


class Inference(compiler.CompilerBase):
    """The first half of numba's compiler."""

    def define_pipelines(self) -> list[Any]:
        passes = compiler.DefaultPassBuilder.define_untyped_pipeline(self.state)
        passes.add_pass(NopythonTypeInference, "nopython frontend")
        passes.add_pass(KeepTypes, "keep types")
        passes.finalize()
        return [passes]


class typed:  # noqa: N801 -- a decorator
    """A function that numba infers the types of, but makes no machine code of.

    Others that are typed may call it. To compile what a kernel calls would take most of the time
    that it takes to infer the kernel's types.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = compiled(function)
        self._numba_type_ = Typed(self)  # where numba looks for it
        self._inferred: dict[Any, Any] = {}  # numba asks for the same again and again

    def infer(self, arguments: tuple[types.Type, ...]) -> tuple[dict[str, types.Type], types.Type]:
        """The types of the function's names and of what it returns, for arguments of some types.

        Raises numba's TypingError where compiling the function would.
        """
        if arguments not in self._inferred:
            target, flags = self.function.targetdescr, compiler.Flags()
            target.options.parse_as_flags(flags, self.function.targetoptions)
            with global_compiler_lock:
                self._inferred[arguments] = compiler.compile_extra(
                    target.typing_context,
                    target.target_context,
                    self.function.py_func,
                    arguments,
                    None,
                    flags,
                    {},
                    pipeline_class=Inference,
                )
        inferred: tuple[dict[str, types.Type], types.Type] = self._inferred[arguments]
        return inferred


class Typed(types.Callable):
    """What a typed function is for numba where another one calls it."""

    def __init__(self, function: typed) -> None:
        self.function = function
        super().__init__(f"typed({function.function}, {id(function)})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        parameters, arguments = self.function.function.fold_argument_types(args, kws)
        _, returned = self.function.infer(tuple(arguments))
        return signature(returned, *arguments).replace(pysig=parameters)

    def get_call_signatures(self) -> Any:
        return (), True

    def get_impl_key(self, sig: Any) -> Any:
        raise NotImplementedError(f"{self} has no machine code")


def types_of(function: typed, arguments: Sequence[types.Type]) -> dict[str, set[types.Type]]:
    """Each name of a function, with every type that it has somewhere; raises as infer does."""
    names, _ = function.infer(tuple(arguments))
    found: dict[str, set[types.Type]] = {}
    for version, kind in names.items():  # numba calls a name that is given two values x and x.1
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
