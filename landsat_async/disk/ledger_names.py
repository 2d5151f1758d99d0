"""The ledger's book of names that only servers know: products of which a tile has several."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from landsat_async.disk.ledger_rows import ITEM_COLUMNS, Item, LedgerCore, item_of


class NameBook(LedgerCore):
    """The part of the ledger that remembers what a product is called, from its first link on."""

    async def names_of(self, planned: Sequence[str]) -> dict[str, str]:
        """The names of those products, by their planned names, that a server has named."""
        return await self.call(lambda c: names_of(c, planned))

    async def learn_name(self, item_id: int, name: str, now: float) -> Item | None:
        """Give a file its name, before any byte of it is kept; None when another file here has that name.

        In one commit with the memory of it, so that later runs plan with the name.
        """

        def write(c: sqlite3.Connection) -> Item | None:
            look = f"SELECT {ITEM_COLUMNS} FROM item WHERE item_id=?"
            item = item_of(c.execute(look, (item_id,)).fetchone())
            folder = item.relpath.rpartition("/")[0]
            relpath = f"{folder}/{name}" if folder else name
            if c.execute("SELECT 1 FROM item WHERE relpath=? AND item_id<>?", (relpath, item_id)).fetchone():
                return None
            c.execute("INSERT OR REPLACE INTO named VALUES(?,?)", (item.name, name))
            c.execute("UPDATE item SET name=?, relpath=?, updated=? WHERE item_id=?", (name, relpath, now, item_id))
            return item_of(c.execute(look, (item_id,)).fetchone())

        return await self.call(write)


def names_of(connection: sqlite3.Connection, planned: Sequence[str]) -> dict[str, str]:
    """The same for a connection that only reads."""
    look = "SELECT name FROM named WHERE planned=?"
    return {one: row[0] for one in planned for row in connection.execute(look, (one,))}
