"""Where transfers run: an interface for the runs of this machine, and for what runs them elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import Outcome, TransferHooks, TransferJob

if TYPE_CHECKING:  # who uses transfers alone has no config
    from contextlib import AbstractAsyncContextManager

    from landsat_async.config import Config
    from landsat_async.disk.folder import OutputFolder
    from landsat_async.events import Notice, Retrying


class TransferPool(Protocol):
    """Runs transfers. What concerns one file is an `Outcome`; what concerns the whole run is raised by `fetch`."""

    @property
    def slots(self) -> int:
        """How many transfers it can run at a time."""

    def fetch(self, job: TransferJob, hooks: TransferHooks) -> Awaitable[Outcome]:
        """Transfer one file; see `transfer.transfer`. For tasks that only a task group cancels, see `cancel_soon`."""

    def cancel_soon(self) -> None:
        """Let all transfers end, also those that are only beginning; called as soon as their tasks are cancelled."""

    async def aclose(self) -> None:
        """Give back what the pool itself has made."""


@runtime_checkable
class ClusterPool(TransferPool, Protocol):
    """A pool of other processes, which have to be there and fit before anything is asked of the service."""

    def serving(
        self, config: Config, folder: OutputFolder, file_mode: int, tell: Callable[[Notice | Retrying], None]
    ) -> AbstractAsyncContextManager[None]:
        """Work for one run, until the block is left; `tell` hears of waits, and of what its user should be warned of.

        Raises:
            ConfigError: its processes cannot do what the config asks for.
            SchedulerGone: nobody is there.
        """

    def host_changed(self, host: str, wait_s: float) -> None:
        """Have what is under way ask a host nothing for so long, 0 = it may again; what begins asks its hooks."""


class LocalPool:
    """Transfers in this process, over one session."""

    def __init__(self, session: TransferSession, slots: int) -> None:
        self.slots = slots
        self._session = session

    def fetch(self, job: TransferJob, hooks: TransferHooks) -> Awaitable[Outcome]:
        """Transfer one file."""
        return Transfer(job, self._session, hooks).run()

    def cancel_soon(self) -> None:
        """Let all transfers end: threads have the grace period, and no more."""
        self._session.cancel_soon()

    async def aclose(self) -> None:
        """Do nothing: the session belongs to those who opened it."""
