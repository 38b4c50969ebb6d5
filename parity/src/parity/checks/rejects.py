"""Is a wrong call refused, with the right kind of error, a ValueError naming the op?"""

from __future__ import annotations

from ..engines import Adapter
from ..spec.case import Op, Reject
from .calling import call
from .measure import Measured, MismatchError


def rejects(engine: Adapter, op: Op, case: Reject, dtype: str) -> Measured:
    kind = case.error.__name__
    try:
        call(engine, op, case, dtype)
    except case.error as error:
        if case.error is ValueError and op.name not in str(error):
            raise MismatchError(f"the {kind} does not name {op.name}: {str(error)!r}") from error
        return Measured()
    except Exception as error:
        raise MismatchError(
            f"should raise {kind}, raised {type(error).__name__}: {error}"
        ) from error
    raise MismatchError(f"should raise {kind}, was accepted")
