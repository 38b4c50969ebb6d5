"""Kernels, one file per access pattern or family; they know arrays, not Tensors or gradients.

Every kernel takes C-contiguous arrays. A kernel that needs shared memory or constants is made by
a factory for one dtype, `real`, so that float32 arrays meet no float64 arithmetic. Blocks add in
a fixed order and no kernel uses atomics: the same input gives the same bits.
"""
