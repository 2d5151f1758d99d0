"""Says what a run waits for whenever nothing flows; the decision is rules/waiting.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from landsat_async.beside import beside
from landsat_async.disk.target import Target
from landsat_async.events import Retrying, Searching
from landsat_async.rules.lifecycle import State
from landsat_async.rules.waiting import QUIET_S, Silence, Standing, Waiting, explain, explain_store

if TYPE_CHECKING:  # `status` waits for no service, and does without all that asks one
    from landsat_async.m2m.caller import ApiWait, Gate
    from landsat_async.run.context import RunContext

TICK_S = 1.0


@asynccontextmanager
async def announced_waits(context: RunContext, gate: Gate) -> AsyncIterator[None]:
    """Inside, no wait of more than a few seconds is silent."""
    async with beside(_announce, context, gate):
        yield


async def _announce(context: RunContext, gate: Gate) -> None:
    silence, lines = Silence(context.states.loop_time()), 0
    told_far_until_s = 0.0  # what was told of a call or a host says nothing of a store

    def note(wait: Retrying) -> None:
        silence.told(context.states.loop_time(), wait.wait_s, of_file=wait.file is not None)

    context.bus.listen(note, Retrying)
    while True:
        await anyio.sleep(TICK_S)
        now_s, counts = context.states.loop_time(), context.counts
        if not context.wakeups.working:
            read, found = context.m2m.scenes_read, counts.scenes
            context.bus.tell(Searching(context.m2m.pages_read, found or read, choosing=found > 0))
        states = tuple(sorted(context.states.by_state.items()))
        # While files are waited for, a look that finds nothing new is no news, however often there is one.
        answers = 0 if context.wakeups.working else gate.calls
        is_due = silence.is_to_be_told(now_s, (counts.received(), states, counts.verified, answers))
        far, quiet_s = context.target.wait(), now_s - silence.since_s
        waiting: Waiting | None
        if far is not None and (far.is_down or min(quiet_s, far.for_s) >= QUIET_S):
            if now_s < told_far_until_s:
                continue
            waiting = explain_store(far.reason, far.left_s, is_down=far.is_down)
            told_far_until_s = now_s + waiting.wait_s
        elif is_due:
            waiting = explain(_standing(context, gate, quiet_s))
        else:
            continue
        if waiting is not None and not silence.was_told(now_s, waiting.cause):
            lines += 1
            silence.told(now_s, waiting.wait_s, of_file=False, cause=waiting.cause)
            context.bus.tell(Retrying(None, waiting.reason, lines, waiting.wait_s, waiting.topic))


def _standing(context: RunContext, gate: Gate, quiet_s: float) -> Standing:
    now_s, states = context.states.loop_time(), context.states.by_state
    call = gate.under_way
    due_s = context.deferred_wait_s() if context.states.deferred else None
    if context.wakeups.next_due_s is not None:
        planned_s = context.wakeups.next_due_s - now_s
        due_s = planned_s if due_s is None else min(due_s, planned_s)
    deferred = len(context.states.deferred)
    session = context.counts.session
    pauses = () if session is None else session.pauses.values()
    return Standing(
        call=None if call is None else call.endpoint,
        call_left_s=0.0 if call is None else call.begun_s + call.limit_s - now_s,
        working=context.wakeups.working,
        active=states[State.ACTIVE],
        stall_left_s=context.config.download.stall_timeout_s - quiet_s,
        pausing=len(pauses),
        pause_left_s=min(pauses, default=now_s) - now_s,
        quiet_s=quiet_s,
        preparing=max(0, states[State.PREPARING] - deferred),
        deferred=deferred,
        requested=states[State.REQUESTED],
        planned=states[State.PLANNED],
        look_s=None if context.wakeups.next_look_s is None else context.wakeups.next_look_s - now_s,
        due_s=due_s,
        hook=context.wakeups.hook,
        hook_left_s=context.wakeups.hook_since_s + context.config.hooks.timeout_s - now_s,
    )


@asynccontextmanager
async def told_target(target: Target, on_wait: Callable[[ApiWait], None] | None) -> AsyncIterator[None]:
    """Inside, a target that is waited for is told to `on_wait`, and who is cancelled waits for it no longer."""
    if not target.is_far:
        yield
        return
    from landsat_async.m2m.caller import ApiWait

    over = False

    async def tell() -> None:
        covered_until_s = 0.0
        try:
            while True:
                await anyio.sleep(TICK_S)
                far, now_s = target.wait(), anyio.current_time()
                if far is None or on_wait is None or now_s < covered_until_s:
                    continue
                if far.is_down or far.for_s >= QUIET_S:
                    waiting = explain_store(far.reason, far.left_s, is_down=far.is_down)
                    covered_until_s = now_s + waiting.wait_s
                    on_wait(ApiWait("store", waiting.reason, far.attempt, waiting.wait_s))
        finally:
            if not over:
                target.stop_waiting()

    async with beside(tell):
        try:
            yield
        finally:
            over = True
