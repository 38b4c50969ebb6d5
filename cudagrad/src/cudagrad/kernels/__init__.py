"""Kernels, one file per access pattern or family. They know arrays, not Tensors or gradients.

Every kernel takes C-contiguous arrays. A kernel that needs shared memory or constants is made by
a factory for one dtype, `real`, so that float32 arrays meet no float64 arithmetic. Blocks add in
a fixed order and no kernel uses atomics, so the same input always gives the same bits.

A module's docstring says what its kernels compute, how the work is divided among blocks and threads
(Decomposition), the bytes they read and write, their operations, and which of all that limits their
speed. The kernels share these words:

    real, stored        the dtype a kernel computes in, and the dtype of its arrays; they differ
                        for bfloat16 alone, which is computed in float32
    load, store         the functions from stored to real and back: see `storage`
    owns                the thread or block that owns an element computes it; nobody else writes it
    (outer, n, inner)   an array as seen from one dim: that dim has n elements, outer counts all
                        dims before it and inner all dims after it, either may be 1
    ·                   a length that may be any

Read `map` and `reduction` first, then `softmax`, and `matmul` rung by rung.
"""
