"""Is a wrong call refused, on purpose, with the right kind of error, in the op's name?

A TypeError may also come of a crash, such as None + 1. A refusal is raised by a raise statement.
"""

from __future__ import annotations

import dis

from ..engines import Adapter
from ..spec.case import Op, Reject
from .calling import call
from .measure import Measured, MismatchError


def rejects(engine: Adapter, op: Op, case: Reject, dtype: str) -> Measured:
    kind = case.error.__name__
    try:
        call(engine, op, case, dtype)
    except case.error as error:
        if not str(error).startswith(f"{op.name}: "):
            message = f"the {kind} does not begin with {op.name}: {str(error)!r}"
            raise MismatchError(message) from error
        if not raised(error):
            raise MismatchError(f"a crash is no refusal: {kind}: {error}") from error
        return Measured()
    except Exception as error:
        raise MismatchError(
            f"should raise {kind}, raised {type(error).__name__}: {error}"
        ) from error
    raise MismatchError(f"should raise {kind}, was accepted")


def raised(error: BaseException) -> bool:
    """Whether an error, or the one that it was made from, comes from a raise statement."""
    while error.__cause__ is not None:
        error = error.__cause__
    place = error.__traceback__
    assert place is not None
    while place.tb_next is not None:
        place = place.tb_next
    return place.tb_frame.f_code.co_code[place.tb_lasti] == dis.opmap["RAISE_VARARGS"]
