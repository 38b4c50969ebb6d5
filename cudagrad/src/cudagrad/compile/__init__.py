"""What the compiler makes of every kernel, for GPUs that need not be there.

    table     what is launched: kernels, by name, and the types of their arguments
    machine   a launch, compiled and linked as numba-cuda does, and figures of its code
    limits    what these figures may be
    page      docs/kernels.md
    __main__  the command

`python -m cudagrad.compile --cc 7.5 8.0 9.0 10.0` compiles and judges the whole table;
`warm_up` compiles it for the GPU there is, so that no launch has to wait.
"""

from .table import Launch, launches, warm_up

__all__ = ["Launch", "launches", "warm_up"]
