"""Sends one call until it has an answer or the patience ends.

The service serves one call per account at a time, forgets a key after two idle hours, goes down for maintenance, and
says so in ten different ways. The naive client logs in once and exits on the first errorCode. This one

- takes turns at a `Gate` of width one and logs in when it has no key, inside its turn: fifty callers that find the key
  expired cause exactly one login;
- asks `api_retry` about every failure and waits for all callers together, up to `patience_s`;
- never repeats a download-request whose answer got lost, because it may have acted: OutcomeUnknown tells the caller to
  look under its label;
- keeps a refused login in mind: a token that was refused is not sent again, nobody knows when USGS locks an account.

Knowingly not done: keys are not stored between runs (a login costs one call), and nothing keeps a key alive during long
transfers (a new login is cheaper than asking for hours).
"""

from __future__ import annotations

import functools
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import msgspec

from landsat_async.errors import (
    BadReply,
    CredentialsError,
    LandsatError,
    RateLimited,
    ServiceDown,
    ServiceError,
    SessionExpired,
)
from landsat_async.m2m import api_errors, payloads
from landsat_async.m2m.answer_facts import facts_of_answer
from landsat_async.m2m.api_retry import (
    BareRefusal,
    History,
    Outage,
    Verdict,
    after_failure,
    bare_refusal,
    judge,
    may_wait,
)
from landsat_async.m2m.payloads import LOGIN, PERMISSIONS, Call
from landsat_async.m2m.response import outcome_unknown, understand
from landsat_async.m2m.tolerant import NULL, FailedItem
from landsat_async.m2m.transport import ApiReply, Transport, Unanswered
from landsat_async.rules.observed import Fact
from landsat_async.rules.slow_start import SlowStart
from landsat_async.value import Value

if TYPE_CHECKING:
    from landsat_async.credentials import Credentials

logger = logging.getLogger(__name__)

T = TypeVar("T")
LOGOUT_AGAIN_S = 1.0
KEY_LIFE_S = 7200.0
"""A key dies after so long without a call."""
TIDY_LIMIT_S = 3.0
TIDY_AGAIN_S = 60.0
SMALL_BYTES = 32 * 1024
LARGE_ANSWERS_SEEN = 4
THREAD_ABOVE_BYTES = 2**20
"""Larger answers are read in a thread, so that the event loop stays responsive."""


class ApiWait(Value, frozen=True):
    """A call is about to wait."""

    endpoint: str
    reason: str
    attempt: int
    """Failures in a row so far."""
    wait_s: float


class CallUnderWay(msgspec.Struct, frozen=True):
    """A request that has no answer yet; times are monotonic."""

    endpoint: str
    begun_s: float
    limit_s: float


class Gate:
    """What all callers of one account know about the service; shared by all clients of it in one event loop.

    M2M refuses a second call of an account while the first is running, so a call holds `turn` while it is under way.
    While the service is down all callers together send one probe per interval, and calls start slowly after a long
    outage: `slow_start` is shared with whatever else comes back then.
    """

    def __init__(self, slow_start: SlowStart | None = None) -> None:
        self.turn = anyio.Lock(fast_acquire=True)
        """Held by the one call that is under way."""
        self.slow_start = slow_start or SlowStart()
        """Before a request: `slow_start.turn` tells how long to wait, in the time after a long outage."""
        self.outage: Outage | None = None
        self.under_way: CallUnderWay | None = None
        self.calls = 0
        """Requests that have ended, one way or the other."""

    def is_closed(self) -> bool:
        """Tell whether nobody may ask now; False also when a probe is due."""
        return self.outage is not None and self.outage.closed_until_s > anyio.current_time()

    def reopen(self) -> None:
        """The service answered: the outage is over for everybody."""
        if self.outage is not None:
            now_s = anyio.current_time()
            self.slow_start.outage_ended(now_s - self.outage.since_s, now_s)
        self.outage = None

    def close(self, error: ServiceError, patience_s: float) -> None:
        """The service is down or busy; the caller that has found that out waits for `patience_s` at most."""
        now_s = anyio.current_time()
        self.outage = after_failure(self.outage, error, now_s, random.random(), patience_s=patience_s)


class Caller:
    """Calls of one account over one transport."""

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        gate: Gate,
        *,
        patience_s: float,
        on_wait: Callable[[ApiWait], None] | None,
        on_unusable: Callable[[FailedItem], None] | None,
        observe: Callable[[Iterable[Fact]], None] | None = None,
    ) -> None:
        self._transport = transport
        self._username = credentials.username
        self._token = credentials.token
        self._gate = gate
        self._patience_s = patience_s
        self._on_wait = on_wait
        self._on_unusable = on_unusable
        self._observe = observe
        self._looked_at: Counter[str] = Counter()
        """Large answers of each endpoint that were looked at for what they show of the service."""
        self._key: str | None = None
        self._refused: CredentialsError | None = None
        self._may_download: bool | None = None
        """What `permissions` has said; None = nothing yet."""
        self._key_since_s = 0.0
        self._tidy_after_s = 0.0
        self._announced_until_s = 0.0
        self._reader = anyio.CapacityLimiter(1)

    async def call(self, call: Call[T]) -> T:
        """Send `call`, wait and log in as needed, return what it brought.

        Raises:
            CredentialsError: the account cannot do this.
            ServiceError: the service refuses, or was down for longer than the patience.
        """
        history, own = History(), None
        while True:
            if own is not None or self._gate.outage is not None:
                await self._wait_until_open(call.endpoint, history, own)
            async with self._gate.turn:
                if self._gate.outage is not None and self._gate.is_closed():
                    continue
                try:
                    value = await self._ask(call)
                except ServiceError as error:
                    history, own = await self._after_failure(error, call, history, own)
                else:
                    if self._gate.outage is not None:
                        self._gate.reopen()
                    if call.endpoint == PERMISSIONS and isinstance(value, tuple) and value:
                        self._may_download = "download" in value
                    return value

    async def try_once(self, call: Call[T], limit_s: float = TIDY_LIMIT_S) -> T:
        """Send a call that only tidies up: once, for `limit_s`, and only where it costs no other call anything.

        After a failure none is sent for TIDY_AGAIN_S, but for one that has more time. Raises LandsatError, also when
        nothing was sent.
        """
        async with self._gate.turn:
            now_s = anyio.current_time()
            if (
                self._key is None
                or self._gate.outage is not None
                or (now_s < self._tidy_after_s and limit_s <= TIDY_LIMIT_S)
            ):
                raise ServiceDown(f"{call.endpoint} is put off", reference="put-off")
            self._tidy_after_s = now_s + TIDY_AGAIN_S  # also when it is cancelled
            try:
                value = await self._send(msgspec.structs.replace(call, limit_s=min(call.limit_s, limit_s)), self._key)
            except SessionExpired:
                self._key = None
                raise
            self._tidy_after_s = 0.0
            return value

    async def log_out(self) -> None:
        """End the key, if there is one. It dies by itself after two hours, so little is tried."""
        if self._key is None:
            return
        async with self._gate.turn:
            key, self._key = self._key, None
            try:
                await self._send(payloads.logout(), key)
            except RateLimited:
                await anyio.sleep(LOGOUT_AGAIN_S)  # a call that was cancelled here still runs there
                await self._send(payloads.logout(), key)

    # -- one try

    async def _ask(self, call: Call[T]) -> T:
        if self._refused is not None:
            raise self._refused.with_traceback(None)
        if self._key is None:
            self._key = await self._new_key()
            self._key_since_s = anyio.current_time()
        if call.endpoint == LOGIN:
            return call.read(NULL, [])
        return await self._send(call, self._key)

    async def _new_key(self) -> str:
        """Log in. The request carries no X-Auth-Token: an old one makes the login fail."""
        try:
            key = await self._send(payloads.login_token(self._username, self._token), None)
            if not key or not (key.isascii() and key.isprintable()) or " " in key:
                raise CredentialsError(
                    "USGS accepted the login but sent no usable key",
                    hint=api_errors.TOKEN_STEPS,
                    reference="no-key",
                )
        except CredentialsError as error:
            self._refused = api_errors.with_doubts(error, self._username, self._token)
            raise self._refused from None
        return key

    async def _send(self, call: Call[T], key: str | None) -> T:
        gate, begun_s = self._gate, anyio.current_time()
        if begun_s < gate.slow_start.until_s:
            await anyio.sleep(gate.slow_start.turn(begun_s))
            begun_s = anyio.current_time()
        gate.under_way = CallUnderWay(call.endpoint, begun_s, call.limit_s)
        try:
            reply = await self._transport.post(
                call.endpoint,
                msgspec.json.encode(call.payload),
                key=key,
                limit_s=call.limit_s,
                max_bytes=call.max_bytes,
            )
        except Unanswered as failure:
            if call.effects and failure.sent:
                raise outcome_unknown(call.endpoint, str(failure)) from None
            raise failure.error from None
        finally:
            gate.under_way = None
            gate.calls += 1
        self._note_answer(call, reply, anyio.current_time() - begun_s)
        read = functools.partial(_value_of, call, reply, (key or "", self._token, self._username))
        if len(reply.body) > THREAD_ABOVE_BYTES:
            value, unusable = await anyio.to_thread.run_sync(read, limiter=self._reader)
        else:
            value, unusable = read()
        for item in unusable:
            if self._on_unusable is not None:
                self._on_unusable(item)
            else:
                logger.warning("an answer of the service has a row that cannot be used: %s", item.message)
        return value

    def _note_answer(self, call: Call[T], reply: ApiReply, took_s: float) -> None:
        """Hand on what an answer shows of the service; of large ones only the first few are read, and at once."""
        if self._observe is None:
            return
        facts: Iterable[Fact] = facts_of_answer(
            call.endpoint, call.payload, status=reply.status, content_type=reply.content_type, body=reply.body,
            retry_after_s=reply.retry_after_s, took_s=took_s,
        )  # fmt: skip
        if len(reply.body) > SMALL_BYTES:
            self._looked_at[call.endpoint] += 1
            if self._looked_at[call.endpoint] > LARGE_ANSWERS_SEEN:
                return
            facts = list(facts)  # small answers may be kept until somebody has time
        self._observe(facts)

    # -- after a failure

    async def _after_failure(
        self, error: ServiceError, call: Call[T], history: History, own: Outage | None
    ) -> tuple[History, Outage | None]:
        """Decide what follows from a failure; raises when nothing does."""
        if isinstance(error, SessionExpired):
            if self._observe is not None:
                self._observe(
                    [Fact("session", "a key was refused at this age", anyio.current_time() - self._key_since_s)]
                )
            error = self._refused_by(error, history)
        if not isinstance(error, SessionExpired):
            history = history.after(error)
        verdict = judge(error, history, input_matters=call.input_matters)
        if verdict is Verdict.SUSPECT_INPUT and await self._service_lives():
            self._gate.reopen()
            raise api_errors.blame_input(call.endpoint, error) from None
        if verdict in (Verdict.CLOSE_FOR_ALL, Verdict.SUSPECT_INPUT):
            self._gate.close(error, self._patience_s)
            return history, own
        if verdict is Verdict.REPEAT:
            now_s = anyio.current_time()
            return history, after_failure(own, error, now_s, random.random(), patience_s=self._patience_s)
        self._gate.reopen()  # a refusal is an answer
        if verdict is Verdict.LOGIN_AGAIN:
            return replace(history, logins=history.logins + 1), own
        raise self._final(error, call) from None

    def _refused_by(self, error: SessionExpired, history: History) -> ServiceError:
        """Forget the key, unless it is young and the service refuses everybody: then no login would help."""
        bare = error.code.startswith("HTTP_")
        refusal = bare_refusal(logins=history.logins, may_download=self._may_download) if bare else BareRefusal.OLD_KEY
        if refusal is not BareRefusal.SERVICE or anyio.current_time() - self._key_since_s > KEY_LIFE_S:
            self._key = None
        return api_errors.refused_by_the_service(error) if refusal is BareRefusal.SERVICE else error

    async def _service_lives(self) -> bool:
        """Ask something harmless that has no input."""
        try:
            await self._ask(payloads.permissions())
        except ServiceError:
            return False
        except CredentialsError:
            return True
        return True

    async def _wait_until_open(self, endpoint: str, history: History, own: Outage | None) -> None:
        """Sleep as long as the gate is closed, or this call has to wait for itself."""
        while True:
            now_s = anyio.current_time()
            shared = self._gate.outage
            outage = own if own and (shared is None or own.closed_until_s > shared.closed_until_s) else shared
            if outage is None or outage.closed_until_s <= now_s:
                return
            wait_s = outage.closed_until_s - now_s
            if not may_wait(outage, wait_s=wait_s, now_s=now_s, tries=history.failures, patience_s=self._patience_s):
                raise outage.error.with_traceback(None)
            if outage is not shared or outage.closed_until_s != self._announced_until_s:
                self._announced_until_s = outage.closed_until_s  # fifty callers that wait for one thing tell it once
                if self._on_wait is not None:
                    self._on_wait(ApiWait(endpoint, outage.reason, outage.failures, wait_s))
            await anyio.sleep(wait_s)

    def _final(self, error: ServiceError, call: Call[T]) -> LandsatError:
        """The error that a caller gets."""
        if isinstance(error, SessionExpired):
            refused = api_errors.key_refused(error)
            if refused.reference == "key-refused":
                self._refused = refused
            return refused
        if error.reference == "endpoint-gone" and isinstance(error, BadReply):
            return api_errors.not_there(call.endpoint, call.payload or {})
        return error


def _value_of(call: Call[T], reply: ApiReply, secrets: Sequence[str]) -> tuple[T, list[FailedItem]]:
    """Read an answer, in one pass where all is as promised; `understand` for any other. Runs in a thread, too."""
    if call.usual is not None and (usual := call.usual(reply.body)) is not None:
        return usual, []
    return understand(call, reply, secrets)
