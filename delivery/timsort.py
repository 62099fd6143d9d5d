"""Timsort, asking exactly the questions that V8's `Array.prototype.sort` asks.

Any sort gives the same answer to a consistent order. The reference's order of
commits is not one: between a commit with a scope and one without it says "after"
both ways round, so that the result depends on which pairs get compared. This
follows the published description of the algorithm (Tim Peters, listsort.txt)
with its original rule for merging runs; Python's own sort has left that rule.

At most n log n comparisons; more than half of the texts that people sort are
runs already, which it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Compare = Callable[[T, T], int]

_GALLOP_AFTER: Final = 7
_SHORTEST_MERGED: Final = 64


def timsort(items: Sequence[T], compare: Compare[T]) -> list[T]:
    """`items` in order; `compare` is negative if its first argument comes before its second."""
    return _Timsort(list(items), lambda one, other: compare(one, other) < 0).sorted()


class _Timsort(Generic[T]):
    """One sort: the list, the runs found so far, and how soon to gallop."""

    def __init__(self, items: list[T], before: Callable[[T, T], bool]) -> None:
        self._items = items
        self._before = before
        self._runs: list[tuple[int, int]] = []
        self._gallop_after = _GALLOP_AFTER

    def sorted(self) -> list[T]:
        start, total = 0, len(self._items)
        shortest = _shortest_run(total)
        while start < total:
            end = self._extend_run(start, min(start + shortest, total))
            self._runs.append((start, end - start))
            self._merge_while_uneven()
            start = end
        while len(self._runs) > 1:
            self._merge_at(self._smaller_neighbour(len(self._runs) - 2))
        return self._items

    def _extend_run(self, start: int, least: int) -> int:
        """The end of the run at `start`, made to reach `least` by binary insertion."""
        end = self._natural_run(start)
        for place in range(end, least):
            self._insert(start, place)
        return max(end, least)

    def _natural_run(self, start: int) -> int:
        """The end of what is in order already; what is strictly backwards is reversed."""
        items, end = self._items, start + 1
        if end == len(items):
            return end
        backwards = self._before(items[end], items[start])
        end += 1
        while end < len(items) and self._before(items[end], items[end - 1]) == backwards:
            end += 1
        if backwards:
            items[start:end] = items[start:end][::-1]
        return end

    def _insert(self, left: int, place: int) -> None:
        item, right = self._items[place], place
        while left < right:
            middle = left + (right - left) // 2
            if self._before(item, self._items[middle]):
                right = middle
            else:
                left = middle + 1
        self._items.insert(left, self._items.pop(place))

    def _merge_while_uneven(self) -> None:
        """Keep each run longer than the two after it together, and than the next."""
        while len(self._runs) > 1:
            last = len(self._runs) - 2
            size = [length for _, length in self._runs]
            uneven = last > 0 and size[last - 1] <= size[last] + size[last + 1]
            uneven = uneven or (last > 1 and size[last - 2] <= size[last - 1] + size[last])
            if uneven:
                self._merge_at(self._smaller_neighbour(last))
            elif size[last] <= size[last + 1]:
                self._merge_at(last)
            else:
                return

    def _smaller_neighbour(self, last: int) -> int:
        """Where to merge: the middle run of three joins the shorter of its neighbours."""
        if last > 0 and self._runs[last - 1][1] < self._runs[last + 1][1]:
            return last - 1
        return last

    def _merge_at(self, place: int) -> None:
        """Merge two neighbouring runs, less what already lies right at either end."""
        (start, one), (middle, other) = self._runs[place : place + 2]
        self._runs[place : place + 2] = [(start, one + other)]
        left = _Window(self._items[start:middle])
        right = _Window(self._items[middle : middle + other])
        settled = self._after_equals(right.items[0], left, 0)
        left.low += settled
        if len(left):
            right.high = self._before_equals(left.items[-1], right, right.high - 1)
        end = middle + right.high
        if len(left) and len(right):
            self._items[start + settled : end] = self._merge(left, right)

    def _merge(self, left: _Window[T], right: _Window[T]) -> list[T]:
        """Both runs in one, from the front if the left is the shorter, else from the back."""
        ends = _Ends(left, right, forward=len(left) <= len(right))
        while not ends.is_over():
            self._one_by_one(ends)
            if not ends.is_over():
                self._gallop(ends)
        return ends.merged()

    def _one_by_one(self, ends: _Ends[T]) -> None:
        """Compare the two ends until one run has won often enough in a row."""
        from_left = from_right = 0
        while max(from_left, from_right) < self._gallop_after and not ends.is_over():
            if self._before(ends.of(ends.right), ends.of(ends.left)) != ends.forward:
                ends.take(ends.left, 1)
                from_left, from_right = from_left + 1, 0
            else:
                ends.take(ends.right, 1)
                from_left, from_right = 0, from_right + 1

    def _gallop(self, ends: _Ends[T]) -> None:
        """Take whole stretches from each run in turn while they stay long."""
        left, right, longest = ends.left, ends.right, _GALLOP_AFTER
        self._gallop_after += 1
        while longest >= _GALLOP_AFTER:
            self._gallop_after -= self._gallop_after > 1
            cut = self._after_equals(ends.of(right), left, ends.hint(left))
            from_left = ends.distance(left, cut)
            if ends.take(left, from_left) or ends.take(right, 1):
                return
            cut = self._before_equals(ends.of(left), right, ends.hint(right))
            from_right = ends.distance(right, cut)
            if ends.take(right, from_right) or ends.take(left, 1):
                return
            longest = max(from_left, from_right)
        self._gallop_after += 1

    def _before_equals(self, item: T, run: _Window[T], hint: int) -> int:
        """Where `item` belongs, before what is equal to it; looked for outwards from `hint`."""
        items, before = run.items, self._before
        if before(items[hint], item):
            near, far = _widen(lambda step: before(items[hint + step], item), run.high - hint)
            low, high = hint + near + 1, hint + far
        else:
            near, far = _widen(
                lambda step: not before(items[hint - step], item), hint - run.low + 1
            )
            low, high = hint - far + 1, hint - near
        return _bisect(lambda middle: before(items[middle], item), low, high)

    def _after_equals(self, item: T, run: _Window[T], hint: int) -> int:
        """Where `item` belongs, after what is equal to it; looked for outwards from `hint`."""
        items, before = run.items, self._before
        if before(item, items[hint]):
            near, far = _widen(lambda step: before(item, items[hint - step]), hint - run.low + 1)
            low, high = hint - far + 1, hint - near
        else:
            near, far = _widen(lambda step: not before(item, items[hint + step]), run.high - hint)
            low, high = hint + near + 1, hint + far
        return _bisect(lambda middle: not before(item, items[middle]), low, high)


class _Window(Generic[T]):
    """The part of a run that is still to be merged."""

    def __init__(self, items: list[T]) -> None:
        self.items = items
        self.low, self.high = 0, len(items)

    def __len__(self) -> int:
        return self.high - self.low

    @property
    def rest(self) -> list[T]:
        return self.items[self.low : self.high]


class _Ends(Generic[T]):
    """Two runs and what has been taken off them, all from the front or all from the back."""

    def __init__(self, left: _Window[T], right: _Window[T], *, forward: bool) -> None:
        self.left, self.right, self.forward = left, right, forward
        self._taken: list[T] = []
        self.take(right if forward else left, 1)

    def is_over(self) -> bool:
        """Whether the rest needs no comparing: the run to keep one of has but one left."""
        if self.forward:
            return not len(self.right) or len(self.left) < 2
        return not len(self.left) or len(self.right) < 2

    def hint(self, run: _Window[T]) -> int:
        """Where the end of `run` is."""
        return run.low if self.forward else run.high - 1

    def of(self, run: _Window[T]) -> T:
        """The item at the end of `run`."""
        return run.items[self.hint(run)]

    def distance(self, run: _Window[T], cut: int) -> int:
        """How many items lie between the end of `run` and `cut`."""
        return cut - run.low if self.forward else run.high - cut

    def take(self, run: _Window[T], count: int) -> bool:
        """Take `count` items off the end of `run`; whether that was the last move."""
        if self.forward:
            self._taken += run.items[run.low : run.low + count]
            run.low += count
        else:
            self._taken += run.items[run.high - count : run.high][::-1]
            run.high -= count
        return self.is_over()

    def merged(self) -> list[T]:
        """Everything in order, once it is over."""
        rest = [*self.right.rest, *self.left.rest]
        return [*self._taken, *rest] if self.forward else [*rest, *reversed(self._taken)]


def _shortest_run(total: int) -> int:
    """The least length of a run: `total` over a power of two, between 32 and 64."""
    odd = 0
    while total >= _SHORTEST_MERGED:
        odd |= total & 1
        total >>= 1
    return total + odd


def _widen(holds: Callable[[int], bool], limit: int) -> tuple[int, int]:
    """The last step of 0, 1, 3, 7 ... for which `holds`, and the next, at most `limit`."""
    near, far = 0, 1
    while far < limit and holds(far):
        near, far = far, 2 * far + 1
    return near, min(far, limit)


def _bisect(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first place from `low` to `high` where `holds` fails, if it fails from there on."""
    while low < high:
        middle = low + (high - low) // 2
        if holds(middle):
            low = middle + 1
        else:
            high = middle
    return low
