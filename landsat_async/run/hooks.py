"""Hooks: what the user wants done with each complete scene, one at a time, beside the downloads.

For a scene whose chosen files are all proven: its line in the queue of FORCE, then the function of the caller, then the
program. When all have ended well, that is recorded; a hook that failed, timed out or was cut off is called again by the
next run, also where no file is fetched any more. So each is called at least once. A failure never undoes a download.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread

from landsat_async.beside import beside
from landsat_async.config import Config
from landsat_async.config_store import place_below
from landsat_async.disk.fs import NEW, READ, WRITE, Fs, local_fs
from landsat_async.disk.ledger import Item
from landsat_async.disk.ledger_hooks import DueScene
from landsat_async.errors import ConfigError
from landsat_async.events import Failed, HookEnded, Notice
from landsat_async.model import Unavailable
from landsat_async.public import publish
from landsat_async.rules.quantities import count_text
from landsat_async.rules.redact import said_by_program
from landsat_async.rules.store_url import is_store_url
from landsat_async.run.context import RunContext
from landsat_async.run.hook_process import run_program
from landsat_async.run.hook_rules import command_of, environment_of, queue_addition, queue_has, why_failed
from landsat_async.value import Value

AGAIN = "The files are safe. Mend it and run the same command again: the hook is called then."
_QUEUE_BYTES_MAX = 256 * 1024**2
_QUEUE_TRIES = 5
TELL_EVERY_S = 1.0


class CompleteScene(Value, frozen=True):
    """A scene of which all chosen files are here and proven.

    Attributes:
        display_id: Its display id.
        entity_id: Its entity id.
        dataset: Alias of the dataset that it was found in.
        folder: Absolute path of the folder that holds its files; in a store its address, as text (s3://...).
        files: Absolute paths of its files; in a store their addresses, as text.
    """

    display_id: str
    entity_id: str
    dataset: str
    folder: Path | str
    files: tuple[Path | str, ...]


OnScene = Callable[[CompleteScene], Awaitable[object]]


class Hooks:
    """Calls the hooks of one run."""

    def __init__(self, context: RunContext, on_scene: OnScene | None, secrets: tuple[str, ...]) -> None:
        self._context = context
        self._config = context.config.hooks
        self._on_scene, self._secrets = on_scene, secrets
        directory = context.config.download.directory
        self._in_store = is_store_url(directory)
        self._directory = directory if self._in_store else os.path.abspath(directory)
        self._cwd = folder_of(context.config)
        self._news = anyio.Event()
        self._closed = False
        self._fs = local_fs()
        self.wanted = bool(self._config.on_scene or self._config.force_queue or self._on_scene is not None)
        """Whether anything is to be done with complete scenes; if not, nothing but `after_run` is to be called."""

    async def begin(self) -> None:
        """List what is complete already: scenes of earlier runs whose hook did not end are among it."""
        await self._context.ledger.hooks.begin(self._context.run_id, self._context.states.now())

    async def file_done(self, item: Item) -> None:
        """A file was proven; it may be the last of its scene."""
        context = self._context
        now = context.states.now()
        if await context.ledger.hooks.file_done(item.scene_display_id, context.run_id, now):
            self._news.set()

    def close(self) -> None:
        """No scene will become complete any more; `run` ends after the last one that waits."""
        self._closed = True
        self._news.set()

    async def run(self) -> None:
        """Call the hooks of complete scenes, until `close` and none waits."""
        if self.wanted:
            async with self._telling():
                await self._call_all()

    async def _call_all(self) -> None:
        while True:
            self._news = anyio.Event()
            closing = self._closed
            if closing and (waiting := await self._context.ledger.hooks.waiting()):
                text = f"the files are here; still to end: hooks of {count_text(waiting, 'scene')}"
                self._context.bus.tell(Notice(text))
            while (scene := await self._context.ledger.hooks.next(self._context.run_id)) is not None:
                await self._call(scene)
            if closing:
                return
            if not self._closed:
                await self._news.wait()

    async def after_run(self, numbers: dict[str, str]) -> None:
        """Call the hook of the whole run."""
        if self._config.on_run:
            started_s = anyio.current_time()
            values = {"directory": self._directory, **numbers}
            async with self._telling():
                with self._at_work("on_run"):
                    rc, reason = await self._program(self._config.on_run, values)
            await self._ended(None, "on_run", rc, started_s, reason)

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        """Inside, progress goes on being told after the pipeline, which tells it before, has ended."""

        async def tell() -> None:
            context = self._context
            while True:
                await anyio.sleep(TELL_EVERY_S)
                if self._closed:
                    context.bus.tell(context.counts.progress(context.states.loop_time()))

        async with beside(tell):
            yield

    @contextmanager
    def _at_work(self, name: str) -> Iterator[None]:
        """Inside, who asks what the run waits for is told of this hook."""
        wakeups = self._context.wakeups
        wakeups.hook, wakeups.hook_since_s = name, self._context.states.loop_time()
        try:
            yield
        finally:
            wakeups.hook = ""

    async def _call(self, scene: DueScene) -> None:
        """Do everything for one scene, and write down how it ended."""
        started_s, context = anyio.current_time(), self._context
        below = scene.files[0].rpartition("/")[0] if scene.files else ""
        folder = place_below(self._directory, below)
        values = {
            "display_id": scene.display_id, "entity_id": scene.entity_id, "dataset": scene.dataset,
            "folder": folder, "directory": self._directory,
        }  # fmt: skip
        with self._at_work(f"on_scene of {scene.display_id}"):
            rc, reason = await self._queue(scene, folder)
            if not reason:
                rc, reason = await self._function(scene, folder)
            if not reason and self._config.on_scene:
                files = "\n".join(place_below(self._directory, file) for file in scene.files)
                rc, reason = await self._program(self._config.on_scene, values, {"files": files})
        if reason:
            await context.ledger.hooks.put_off(scene)
        else:
            await context.ledger.hooks.ended(scene, context.states.now())
        await self._ended(scene.display_id, "on_scene", rc, started_s, reason)

    async def _ended(self, scene: str | None, name: str, rc: int | None, started_s: float, reason: str) -> None:
        """Say how a hook ended; a failure counts, and leaves the files alone."""
        context = self._context
        await context.bus.emit(HookEnded(scene, rc, anyio.current_time() - started_s))
        if reason:
            failure = Unavailable(scene or name, f"its hook {name} {reason}" if scene else f"the hook {reason}", AGAIN)
            context.counts.unlisted += 1
            context.counts.failed(failure)
            await context.bus.emit(Failed(failure.file, failure.reason, failure.hint))

    async def _function(self, scene: DueScene, folder: str) -> tuple[int | None, str]:
        """Call the function of who has opened the run."""
        if self._on_scene is None:
            return 0, ""
        as_named: Callable[[str], Path | str] = str if self._in_store else Path
        files = tuple(as_named(place_below(self._directory, file)) for file in scene.files)
        complete = CompleteScene(scene.display_id, scene.entity_id, scene.dataset, as_named(folder), files)
        try:
            with anyio.fail_after(self._config.timeout_s):
                if not inspect.isawaitable(called := self._on_scene(complete)):
                    return 1, f"is not an `async def`: it gave back {type(called).__name__}, which nobody can await"
                await called
        except TimeoutError:
            return None, why_failed(None, self._config.timeout_s, "")
        except Exception as error:
            return 1, f"raised {type(error).__name__}: {said_by_program(str(error), self._secrets)[:200]}"
        return 0, ""

    async def _program(
        self, command: tuple[str, ...], values: dict[str, str], more: dict[str, str] | None = None
    ) -> tuple[int | None, str]:
        env = environment_of(os.environ, values | (more or {}), self._secrets)
        limit_s = self._config.timeout_s
        try:
            rc, said = await run_program(command_of(command, values), env, self._cwd, limit_s)
        except OSError as error:
            return 127, f"could not be started: {command[0]}: {error.strerror}"
        return rc, "" if rc == 0 else why_failed(rc, limit_s, said, self._secrets)

    async def _queue(self, scene: DueScene, folder: str) -> tuple[int | None, str]:
        """Put a scene into the queue of FORCE: its bundle, or the folder of its files."""
        if not self._config.force_queue:
            return 0, ""
        path = place_below(self._directory, scene.bundle) if scene.bundle else folder
        try:
            await anyio.to_thread.run_sync(add_to_queue, self._fs, self._config.force_queue, path)
        except OSError as error:
            return 1, f"could not write {self._config.force_queue}: {error.strerror}"
        return 0, ""


def check_hooks(config: Config) -> None:
    """Raise ConfigError for what would make every hook fail, before anything is asked of the service."""
    hooks = config.hooks
    for name, command in (("on_scene", hooks.on_scene), ("on_run", hooks.on_run)):
        if command and shutil.which(_program_path(config, command[0])) is None:
            raise ConfigError(
                f"hooks.{name}: there is no program {command[0]}.", hint="Give its whole path, or install it."
            )
    if hooks.force_queue and is_store_url(config.download.directory):
        raise ConfigError(
            f"hooks.force_queue: FORCE reads files of this machine, not those in {config.download.directory}.",
            hint="Leave it out, or download into a folder.",
        )
    single = config.select.type not in ("bundle", "all") or config.select.cuts_bundles
    if hooks.force_queue and single and not re.search(r"\{(display|entity)_id\}", config.download.layout):
        raise ConfigError(
            "hooks.force_queue: FORCE wants a folder of its own for each scene, or its bundle.",
            hint='Set [download] layout = "{display_id}", or [select] type = "bundle".',
        )


def _program_path(config: Config, program: str) -> str:
    """Return a program as it is looked for: with a folder in its name, from where the config lies."""
    return os.path.join(folder_of(config), program) if os.path.dirname(program) else program


def folder_of(config: Config) -> str:
    """Return where programs of the user are run: beside the config, where their relative paths are meant."""
    return os.path.dirname(config.path) if config.path else os.getcwd()


def add_to_queue(fs: Fs, queue: str, path: str) -> None:
    """Add a line to a queue that FORCE reads and changes at any time, exactly once.

    It is the one file that is not replaced as a whole: a line of FORCE could get lost. FORCE may replace it while we
    write, so it is read again by its name, until the line is there.
    """
    for _ in range(_QUEUE_TRIES):
        with suppress(FileExistsError):
            fs.close(fs.open(queue, NEW, 0o644))
        fd = fs.open(queue, WRITE)
        try:
            size = fs.fstat(fd).st_size
            addition = queue_addition(_text(fs, fd, size), path).encode()
            if not addition:
                return
            fs.pwrite_all(fd, memoryview(addition), size)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fd = fs.open(queue, READ)
        try:
            if queue_has(_text(fs, fd, fs.fstat(fd).st_size), path):
                return
        finally:
            fs.close(fd)
    raise OSError(16, "another program replaces it again and again", queue)


def _text(fs: Fs, fd: int, size: int) -> str:
    pieces, at = [], 0
    while at < min(size, _QUEUE_BYTES_MAX) and (piece := fs.pread(fd, size - at, at)):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces).decode("utf-8", "surrogateescape")


publish(CompleteScene)
