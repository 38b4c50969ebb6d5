"""How LLVM optimizes a kernel: once, as a whole.

numba optimizes each function as it is added, then all of them a little, so that counts of
references meet and cancel, then all of them fully, with a search for loops and neighbours that make
vectors. Kernels count no references, and where each index is checked, hardly anything becomes a
vector. The last round alone, without that search, makes code that is as fast; a kernel's first
launch takes a fifth less time.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder


class Library(JITCodeLibrary):
    """Where numba puts the code of a kernel, and of the functions that it calls."""

    def _optimize_functions(self, module: llvmlite.binding.ModuleRef) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(
            loop_vectorize=False, slp_vectorize=False
        )
        passes.run(self._final_module, builder)


class Compiler(CompilerBase):
    """numba's compiler, which puts its code there."""

    def define_pipelines(self) -> list[Any]:
        name = self.state.func_id.func_qualname
        self.state.library = Library(self.state.targetctx.codegen(), name)
        self.state.library.enable_object_caching()  # numba does so where it makes one
        return [self.passes()]

    def passes(self) -> Any:
        """numba's, complete."""
        return DefaultPassBuilder.define_nopython_pipeline(self.state)


# Of an entry, which Python calls; its code is kept on disk.
entry = numba.njit(cache=True, no_cfunc_wrapper=True, pipeline_class=Compiler)
