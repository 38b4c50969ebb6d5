"""The contract and the judge: what every op means, and whether an engine agrees with torch.

spec says what must hold, engines adapts each engine to one interface, checks compares them.
"""

__version__ = "0.1.0"
