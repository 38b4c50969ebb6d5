"""Executors: the device memory, launches and streams of each kind of device, behind one interface.

    emulated  the CPU: NumPy's memory, and streams on which nothing ever waits
    checked   the same under the checker, which is told what has been written
    nvidia    a GPU, by calls of its driver

device chooses one; all other modules reach it through device.executor.
"""
