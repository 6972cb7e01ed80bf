"""Many whole numbers out of a table at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, String, cast, func, select

from querist.store.ledger import Tx


def positions(tx: Tx, column: Any, *where: ColumnElement[bool]) -> NDArray[np.int64]:  # Any: a column of a table
    """(n,) the values of a column of whole numbers, in no order.

    They come as one text: a row for each, of which there may be millions, takes several times as long.
    """
    joined = select(func.aggregate_strings(cast(column, String), ",")).where(*where)
    text: str = tx.execute(joined).scalar_one() or ""
    return np.fromstring(text, dtype=np.int64, sep=",") if text else np.empty(0, dtype=np.int64)
