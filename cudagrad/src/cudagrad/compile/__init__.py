"""What is launched: kernels, by name, and the types of their arguments."""

from .table import Launch, launches, warm_up

__all__ = ["Launch", "launches", "warm_up"]
