"""The contract and the judge: what every op means, and whether an engine agrees with torch.

spec says what must hold, engines how arrays get in and out, checks whether they agree.
"""

__version__ = "0.1.0"
