"""Is a wrong call refused with the right error? ValueError and IndexError must name the op."""

from __future__ import annotations

import re

from ..engines import Adapter
from ..spec.case import Op, Reject
from .calling import call
from .measure import Measured, MismatchError


def rejects(engine: Adapter, op: Op, case: Reject, dtype: str) -> Measured:
    kind = case.error.__name__
    try:
        call(engine, op, case, dtype)
    except case.error as error:
        named = issubclass(case.error, ValueError | IndexError)
        if named and not re.match(rf"{op.name}\b", str(error)):
            message = f"the {kind} does not begin with {op.name}: {str(error)!r}"
            raise MismatchError(message) from error
        return Measured()
    except Exception as error:
        raise MismatchError(
            f"should raise {kind}, raised {type(error).__name__}: {error}"
        ) from error
    raise MismatchError(f"should raise {kind}, was accepted")
