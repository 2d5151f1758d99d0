"""Holds a ledger's database to the table of states, whatever SQL changes it.

Triggers that last as long as the connection see every change of a state, not only those of the one place that is to
write them: a change that is not in the table ends the statement.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

from landsat_async.rules.lifecycle import TRANSITIONS

Changes = Counter[tuple[str, str]]
"""(state before, state after) -> how often."""


def hold_to_table(connection: sqlite3.Connection) -> Changes:
    """Refuse changes of state that are not in the table from now on; returns those that happen, as they do."""
    seen = Changes()
    legal = ",".join(
        f"('{before}','{after}')" for before, steps in TRANSITIONS.items() for after in set(steps.values())
    )

    def note(before: str, after: str) -> None:
        seen[before, after] += 1

    connection.create_function("note_change", 2, note)
    for sql in (
        "BEFORE INSERT ON main.item WHEN NEW.state<>'planned' BEGIN SELECT RAISE(ABORT, 'born in the midst'); END",
        "BEFORE UPDATE OF state ON main.item"
        f" WHEN OLD.state<>NEW.state AND (OLD.state, NEW.state) NOT IN(VALUES{legal})"
        " BEGIN SELECT RAISE(ABORT, 'a change of state that is not in the table'); END",
        "AFTER UPDATE OF state ON main.item WHEN OLD.state<>NEW.state"
        " BEGIN SELECT note_change(OLD.state, NEW.state); END",
    ):
        connection.execute(f"CREATE TEMP TRIGGER law_{sql.split(' ON')[0].replace(' ', '_').lower()} {sql}")
    return seen
