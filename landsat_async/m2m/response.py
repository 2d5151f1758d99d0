"""From the bytes of an answer to a typed value or an error. Pure, so that it can run in a thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from landsat_async.errors import BadReply, LandsatError, OutcomeUnknown, ServiceDown
from landsat_async.m2m.api_errors import from_answer, from_code
from landsat_async.m2m.api_shapes import misfit
from landsat_async.m2m.envelope import open_envelope
from landsat_async.m2m.payloads import LOGOUT, Call
from landsat_async.m2m.replies import FailedItem
from landsat_async.m2m.tolerant import NULL, is_blank
from landsat_async.m2m.transport import Reply

T = TypeVar("T")
_NOT_ACTED_STATUS = {404, 408, 425, 429, 503}
"""Statuses with which a server says that it did not take the request on."""


def understand(call: Call[T], reply: Reply, secrets: Sequence[str]) -> tuple[T, list[FailedItem]]:
    """Read an answer: the value, and the rows that cannot be used.

    Raises:
        LandsatError: what the answer says, or that it says nothing. No text of it holds one of the `secrets`.
    """
    try:
        return _read(call, reply)
    except LandsatError as error:
        error.args = (_masked(str(error), secrets),)
        if call.effects and _may_have_acted(error):
            raise outcome_unknown(call.endpoint, str(error)) from None
        raise


def _read(call: Call[T], reply: Reply) -> tuple[T, list[FailedItem]]:
    unusable: list[FailedItem] = []
    envelope = open_envelope(reply.body)
    if envelope is not None and envelope.code is not None:
        raise from_code(call.endpoint, envelope, status=reply.status, retry_after_s=reply.retry_after_s)
    if envelope is not None and (reply.status < 400 or not is_blank(envelope.data)):
        came = misfit(call.endpoint, envelope.data)
        if came is not None:
            raise BadReply(f"{call.endpoint}: {came} came, which is no answer to this call")
        return call.read(envelope.data, unusable), unusable
    if call.endpoint == LOGOUT and reply.status == 200 and not reply.body:
        return call.read(NULL, unusable), unusable
    raise from_answer(
        call.endpoint,
        status=reply.status,
        content_type=reply.content_type,
        body=reply.body,
        retry_after_s=reply.retry_after_s,
        location=reply.location,
    )


def _may_have_acted(error: LandsatError) -> bool:
    if isinstance(error, ServiceDown):
        status = error.http_status or 0
        return not error.maintenance and not 300 <= status < 400 and status not in _NOT_ACTED_STATUS
    return isinstance(error, BadReply) and error.reference != "endpoint-gone"


def outcome_unknown(endpoint: str, why: str) -> OutcomeUnknown:
    """The answer of a call with effects got lost."""
    return OutcomeUnknown(
        f"{endpoint} was sent, but its answer was lost ({why})",
        hint="Look under the label what the service did before asking again.",
    )


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if len(secret) >= 3:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
