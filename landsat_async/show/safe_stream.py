"""A stream that writing to never fails; alone, because `--help` and `--version` need no more than this."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TextIO

_PLAINER = str.maketrans(
    {
        "·": "-", "…": "...", "━": "=", "╸": "=", "─": "-", "²": "2", "°": " deg", "✓": "ok", "✗": "x", "→": "->",
        "–": "-", "×": "x", "’": "'",
    }
)  # fmt: skip
"""What is written in place of signs that a stream has no code for."""


def fitting(text: str, encoding: str) -> str:
    """Return `text` as it can be written in `encoding`: signs by plainer ones, other letters by "?"."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.translate(_PLAINER).encode("ascii", "replace").decode("ascii")
    return text


class SafeStream:
    """A text stream that cannot fail; `failed` keeps the first reason why nothing is written any more."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.failed: OSError | None = None

    def write(self, text: str) -> int:
        """Write `text`, with "?" for letters that the other end cannot show."""
        try:
            self._write(text)
        except OSError as error:
            self._fail(error)
        except ValueError:  # the stream was closed
            self._stream = None
        return len(text)

    def flush(self) -> None:
        """Push what is buffered."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            self._fail(error)
        except ValueError:
            self._stream = None

    def isatty(self) -> bool:
        """Tell whether a person is at the other end."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """Return the file descriptor; raises OSError when there is none."""
        if self._stream is None:
            raise OSError(errno.EBADF, "the stream is closed")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The encoding of the other end; decides which signs can be written."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text if text.isascii() else fitting(text, self.encoding))

    def _fail(self, error: OSError) -> None:
        """Go quiet. The descriptor is pointed at the null device, or Python's own flush at exit would complain."""
        self.failed = self.failed or error
        with contextlib.suppress(OSError, ValueError):
            if self._stream is not None:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
        self._stream = None
