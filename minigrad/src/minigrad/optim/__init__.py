"""Optimizers and learning rate schedulers, under torch's names.

https://docs.pytorch.org/docs/stable/optim.html
"""

from . import lr_scheduler
from .optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

__all__ = [
    "Optimizer",
    "SGD",
    "Adagrad",
    "RMSprop",
    "Adam",
    "AdamW",
    "lr_scheduler",
]
