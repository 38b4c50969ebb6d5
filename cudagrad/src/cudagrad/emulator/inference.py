"""Functions that kernels call, as numba compiles them; kinds, and numba's types for them.

A function that numba's own jit has made is compiled by itself, as soon as the types of a call are
known: optimized, turned into machine code, and then once more as a part of what calls it. Here the
types come first, which is all that the search for slots needs, and code is made in the place of the
call only.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from numba.core import compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.imputils import lower_constant
from numba.core.targetconfig import ConfigStack
from numba.core.typed_passes import NopythonTypeInference
from numba.core.typing import signature
from numba.extending import models, register_model
from numba.np.numpy_support import from_dtype

from . import refusals, runtime

Kind = Any  # of an argument: (dtype, ndim) of an array, else a type, or a tuple of such


@register_pass(mutates_CFG=False, analysis_only=True)
class Pause(FunctionPass):
    """Ends the first half: its result is the compiler itself, to go on with."""

    _name = "cudagrad_pause"

    def __init__(self) -> None:
        pass  # numba's is abstract

    def run_pass(self, state: Any) -> bool:
        state.cr = state.pipeline
        return False


class Inference(compiler.CompilerBase):
    """numba's compiler in two halves: what finds types, and what makes code."""

    def define_pipelines(self) -> list[Any]:
        passes = compiler.DefaultPassBuilder.define_untyped_pipeline(self.state)
        passes.add_pass(NopythonTypeInference, "nopython frontend")
        passes.add_pass(Pause, "pause")
        passes.finalize()
        return [passes]

    def lower(self, library: Any) -> Any:
        """Make code in a library, whose own functions can then call it; its descriptor."""
        self.state.library, self.state.pipeline = library, self
        builder = compiler.DefaultPassBuilder
        passes = PassManager("second half")
        passes.add_pass(refusals.Refuse, "refuse")
        passes.passes += builder.define_typed_pipeline(self.state).passes[1:]  # without inference
        lowering = builder.define_nopython_lowering_pipeline(self.state).passes
        passes.passes += refusals.without_validation(lowering)
        passes.finalize()
        with ConfigStack().enter(self.state.flags.copy()):
            passes.run(self.state)
        return self.state.cr.fndesc


class Function:
    """A function that kernels, and others like it, may call.

    checked: whether numba checks its indices.
    """

    def __init__(self, function: Callable[..., Any], *, checked: bool = False) -> None:
        self.jitted = (runtime.slicing if checked else runtime.compiled)(function)
        self._numba_type_ = Called(self)  # where numba looks for it
        # numba asks for the same again and again.
        self._inferred: dict[Any, Inference] = {}
        self._returned: dict[Any, types.Type] = {}
        self._made: weakref.WeakKeyDictionary[Any, dict[Any, object]] = weakref.WeakKeyDictionary()

    def infer(self, arguments: tuple[types.Type, ...]) -> Inference:
        """The first half of a compilation, for arguments of some types.

        Raises numba's TypingError where compiling the function would.
        """
        if arguments not in self._inferred:
            target, flags = self.jitted.targetdescr, compiler.Flags()
            target.options.parse_as_flags(flags, self.jitted.targetoptions)
            flags.no_compile = True  # by itself
            with global_compiler_lock:
                self._inferred[arguments] = compiler.compile_extra(
                    target.typing_context,
                    target.target_context,
                    self.jitted.py_func,
                    arguments,
                    None,
                    flags,
                    {},
                    pipeline_class=Inference,
                )
        return self._inferred[arguments]

    def returned(self, arguments: tuple[types.Type, ...]) -> types.Type:
        if arguments not in self._returned:
            self._returned[arguments] = self.infer(arguments).state.return_type
        return self._returned[arguments]

    def implementation(self, arguments: tuple[types.Type, ...]) -> object:
        """What numba finds the code by, which is in the library that is being made."""
        context = self.jitted.targetdescr.target_context
        library = context.active_code_library
        made = self._made.setdefault(library, {})
        if arguments not in made:
            made[arguments] = key = object()
            compiling = self.infer(arguments)
            del self._inferred[arguments]  # it is large, and the second half changes it
            context.insert_user_function(key, compiling.lower(library))
            weakref.finalize(library, context.remove_user_function, key)
        return made[arguments]


def slicing(function: Callable[..., Any]) -> Function:
    return Function(function, checked=True)


class Called(types.Callable):
    """The type of a Function, for numba."""

    def __init__(self, function: Function) -> None:
        self.function = function
        super().__init__(f"Function({function.jitted}, {id(function)})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        parameters, arguments = self.function.jitted.fold_argument_types(args, kws)
        returned = self.function.returned(tuple(arguments))
        return signature(returned, *arguments).replace(pysig=parameters)

    def get_call_signatures(self) -> Any:
        return (), True

    def get_impl_key(self, sig: Any) -> Any:
        return self.function.implementation(sig.args)


register_model(Called)(models.OpaqueModel)


@lower_constant(Called)
def _no_value(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


def types_of(function: Function, arguments: Sequence[types.Type]) -> dict[str, set[types.Type]]:
    """Each name of a function, with every type that it has somewhere; raises as infer does."""
    names = function.infer(tuple(arguments)).state.typemap
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


def holds_arrays(kind: types.Type) -> bool:
    """Whether this is the type of an array, or of a tuple with some in it."""
    if isinstance(kind, types.BaseTuple):
        return any(map(holds_arrays, kind))
    return isinstance(kind, types.Array)
