"""What only tests do with a ledger: any step at the one place that writes states, and a look at the request log."""

from __future__ import annotations

from collections.abc import Awaitable

from landsat_async.disk.ledger import Ledger
from landsat_async.disk.ledger_rows import move
from landsat_async.rules.lifecycle import State, Step


async def take_step(ledger: Ledger, item_id: int, step: Step, now: float, changes: str = "") -> State | None:
    """Return the state that the file came from; None when it was in no state that allows the step."""
    moves = await ledger.writer.call(lambda c: move(c, item_id, step, now, changes))
    return moves[0].before if moves else None


def request_log(ledger: Ledger, since: float) -> Awaitable[list[tuple[float, int]]]:
    """(time, downloads) of all requests since then."""
    look = "SELECT at, downloads FROM asked WHERE at>=?"
    return ledger.writer.call(lambda c: [(at, n) for at, n in c.execute(look, (since,))])
