"""The frame round every answer: `{requestId, version, data, errorCode, errorMessage}`."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from landsat_async.m2m.tolerant import NULL, relaxed, text, whole


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer whose frame has been read; `data` has not."""

    data: msgspec.Raw
    code: str | None
    """errorCode as sent; None means success."""
    message: str
    request_id: int | None


class _Frame(msgspec.Struct, rename="camel"):
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error_code: object = msgspec.UNSET
    error_message: object = None
    request_id: object = None


def open_envelope(body: bytes | bytearray) -> Envelope | None:
    """Read the frame; None when the body is no envelope at all.

    The code decides, not the message: successes carry null or "" as message, and both kinds come with any HTTP status.
    """
    frame = _read(body)
    if frame is None or (frame.data is msgspec.UNSET and frame.error_code is msgspec.UNSET):
        return None
    code = None if frame.error_code is msgspec.UNSET else frame.error_code
    return Envelope(
        data=NULL if isinstance(frame.data, msgspec.UnsetType) else frame.data,
        code=None if code is None or code == "" else text(code) or "UNKNOWN",
        message=text(frame.error_message) or "",
        request_id=whole(frame.request_id),
    )


def _read(body: bytes | bytearray) -> _Frame | None:
    try:
        return msgspec.json.decode(body, type=_Frame)
    except RecursionError:
        return None
    except (msgspec.MsgspecError, ValueError):
        pass
    try:
        return msgspec.json.decode(relaxed(body), type=_Frame)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
