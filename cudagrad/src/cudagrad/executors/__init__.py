"""What the host asks of whatever runs kernels, answered for each: device memory, launches, streams.

    emulated  the CPU: NumPy's memory, and streams on which nothing ever waits
    nvidia    a GPU, by the driver's own calls

device chooses one, and is the only one to use it.
"""
