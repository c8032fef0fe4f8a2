# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Optimal assignment with numpy only."""

from __future__ import annotations

import numpy as np


def linear_sum_assignment(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Assign rows to columns at the least total cost; scipy's function of this name.

    Shortest augmenting paths (Crouse, 2016), one row after the other, with scipy's choice among
    equals: distances between tags on a line leave many.

    Args:
        cost (np.ndarray): (N, M), finite.

    Returns:
        tuple: Rows, ascending, and their columns, min(N, M) each.
    """
    cost = np.asarray(cost, np.float64)
    if cost.shape[0] > cost.shape[1]:
        columns, rows = linear_sum_assignment(cost.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    number, width = cost.shape
    of_row, of_column = np.zeros(number), np.zeros(width)
    row_of, column_of = np.full(width, -1), np.full(number, -1)
    for start in range(number):
        shortest, previous = np.full(width, np.inf), np.full(width, -1)
        remaining, taken, rows = np.arange(width)[::-1].copy(), [], []
        row, total, column = start, 0.0, -1
        while column < 0 or row_of[column] >= 0:
            row = start if column < 0 else row_of[column]
            rows.append(row)
            length = total + cost[row, remaining] - of_row[row] - of_column[remaining]
            better = length < shortest[remaining]
            shortest[remaining[better]], previous[remaining[better]] = length[better], row
            least = np.flatnonzero(shortest[remaining] == shortest[remaining].min())
            free = least[row_of[remaining[least]] < 0]
            place = free[-1] if len(free) else least[0]
            column = remaining[place]
            total = shortest[column]
            taken.append(column)
            remaining[place] = remaining[-1]
            remaining = remaining[:-1]
        of_row[start] += total
        for row in rows[1:]:
            of_row[row] += total - shortest[column_of[row]]
        of_column[taken] -= total - shortest[taken]
        while True:
            row = previous[column]
            row_of[column] = row
            column, column_of[row] = column_of[row], column
            if row == start:
                break
    return np.arange(number), column_of
