"""Which known word is likely meant by one that is not known. No guess is better than a wrong one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

_ALIKE = 0.75
"""How alike two parts must be to be taken for one; "sort" and "start" have 0.67, "workres" and "workers" 0.86."""
_WORD_MIN = 3
_LETTERS_MAX = 60


def similar(typed: str, known: Iterable[str], *, alike: float = _ALIKE, by_parts: bool = True) -> str | None:
    """Return the known word that is likely meant; None when nothing comes near, or several parts do in part.

    A word is near when it is a slip of the pen, or has all the words of the other one ("start_date" and "start"),
    the latter only with `by_parts`.
    """
    import difflib  # it costs milliseconds, and is needed after a mistake only

    names = list(known)
    word = typed[:_LETTERS_MAX].lower().replace("-", "_")
    plain = {name.lower().replace("-", "_"): name for name in names}
    swapped = [one for one in _with_two_swapped(word) if one in plain]
    if len(swapped) == 1:
        return plain[swapped[0]]
    close = difflib.get_close_matches(word, plain, n=1, cutoff=alike)
    if close:
        return plain[close[0]]
    holding = _holding(word, plain) if by_parts else None
    return plain[holding] if holding is not None else None


def _with_two_swapped(word: str) -> Iterator[str]:
    """Yield a word with each two neighbouring letters swapped: the commonest slip, and in short words much of them.

    Numbers are left alone: "B01" is rather B1 than B10.
    """
    for at, pair in enumerate(pairwise(word)):
        if len(word) >= _WORD_MIN and len(set(pair)) == 2 and not all(letter.isdigit() for letter in pair):
            yield f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"


def _holding(typed: str, names: Iterable[str]) -> str | None:
    """The one name of which `typed` has all the parts, or the other way round; None when there are several."""
    typed_parts = {part for part in typed.split("_") if len(part) >= _WORD_MIN}
    of_name = {name: {part for part in name.split("_") if part} for name in names}
    found = [
        name for name, own in of_name.items() if typed_parts and own and (typed_parts <= own or own <= typed_parts)
    ]
    return found[0] if len(found) == 1 else None
