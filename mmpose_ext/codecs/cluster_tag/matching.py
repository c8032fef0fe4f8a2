# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Optimal assignment to columns that take several rows each, in pure numpy.

The codec and exported models' decoders share it. With scipy's compiled assignment instead, maps
with a network's errors take the same time to decode, within 4 %, and maps of pure noise up to 2.3
times less (docs/cluster-wise.md).
"""

from __future__ import annotations

from functools import reduce

import numpy as np

#: Cost of a row without a column. It exceeds all other costs, so as few rows as possible pay it.
UNMATCHED = 1e6
#: Among columns at one distance, those with room come first: they count as nearer by this.
TIE = 1e-10


def match_rows(cost: np.ndarray, capacity: int) -> np.ndarray:
    """Assign as many rows as possible to columns, at the least total cost.

    Each row first takes its cheapest column, which is optimal if all columns have room for their
    rows. If not, :class:`_Assignment` moves rows. The same costs always give the same assignment,
    also if several assignments have the least total.

    Args:
        cost (np.ndarray): (P, N) float, inf where a row may not take the column; otherwise far
            below 1e6.
        capacity (int): Maximum number of rows per column.

    Returns:
        np.ndarray: (P,) int64, the column of each row, or -1.
    """
    number, none = cost.shape
    costs = np.full((number, none + 1), UNMATCHED)  # the last column means "none"
    costs[:, :none] = cost
    column = costs.argmin(1)
    if np.bincount(column, minlength=none + 1)[:none].max(initial=0) > capacity:
        column = _Assignment(costs, column, capacity).columns()
    column[column == none] = -1
    return column


class _Assignment:
    """An optimal assignment, made row by row (successive shortest paths).

    It starts with the rows that are in their cheapest columns, as far as there is room. Each other
    row follows the shortest path of moves from column to column that ends at a column with room
    (Dijkstra's algorithm), which keeps the assignment optimal. The numbers of a path are in lists,
    because there are tens of columns: numpy would take three times as long.

    Args:
        cost (np.ndarray): (P, N) float; the last column has room for all rows.
        cheapest (np.ndarray): (P,) int64, the cheapest column of each row.
        capacity (int): Maximum number of rows in each other column.
    """

    def __init__(self, cost: np.ndarray, cheapest: np.ndarray, capacity: int) -> None:
        number, width = cost.shape
        self.cost = cost
        self.room = [capacity] * (width - 1) + [number]
        #: The rows in each column.
        self.rows: list[list[int]] = [[] for _ in range(width)]
        left_over = []
        for row, column in enumerate(cheapest.tolist()):
            if self.room[column]:
                self.rows[column].append(row)
                self.room[column] -= 1
            else:
                left_over.append(row)
        #: They keep each move's cost + the price of its end - the price of its start non-negative.
        self.prices = [-TIE if room else 0.0 for room in self.room]
        #: The costs of the cheapest moves from a full column to all columns.
        self.moves: dict[int, list[float]] = {}
        for row in left_over:
            self._add(row)

    def columns(self) -> np.ndarray:
        """Return the column of each row, (P,) int64."""
        column = np.empty(len(self.cost), np.int64)
        for number, rows in enumerate(self.rows):
            column[rows] = number
        return column

    def _add(self, row: int) -> None:
        column, origins = self._nearest(row)
        self.room[column] -= 1
        if not self.room[column]:
            self.prices[column] += TIE
        while origins[column] >= 0:
            origin = origins[column]
            mover = self._cheapest_mover(origin, column)
            self.rows[origin].remove(mover)
            self._put(mover, column)
            column = origin
        self._put(row, column)

    def _put(self, row: int, column: int) -> None:
        self.rows[column].append(row)
        self.moves.pop(column, None)

    def _nearest(self, row: int) -> tuple[int, list[int]]:
        """Find the nearest column with room, and the column before each one, -1 for the row itself.

        The prices of the columns that are nearer rise for the next row.
        """
        prices = self.prices.copy()
        distances = [cost + price for cost, price in zip(self.cost[row].tolist(), prices)]
        origins = [-1] * len(prices)
        passed = []
        while True:
            least = min(distances)
            column = distances.index(least)
            if self.room[column]:
                break
            passed.append((column, least))
            before = least - prices[column]
            distances[column] = prices[column] = np.inf  # not to be reached again
            for end, (move, price) in enumerate(zip(self._moves_from(column), prices)):
                distance = before + move + price
                if distance < distances[end]:
                    distances[end], origins[end] = distance, column
        for nearer, distance in passed:
            self.prices[nearer] += least - distance
        return column, origins

    def _cheapest_mover(self, origin: int, column: int) -> int:
        return min(
            self.rows[origin], key=lambda row: self.cost[row, column] - self.cost[row, origin]
        )

    def _moves_from(self, column: int) -> list[float]:
        if column not in self.moves:
            moves = (self.cost[row] - self.cost[row, column] for row in self.rows[column])
            self.moves[column] = reduce(np.minimum, moves).tolist()
        return self.moves[column]
