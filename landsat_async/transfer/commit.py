"""What becomes of a complete part: proof and final name, in one trip to a thread."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from landsat_async.disk.finalise import Committed, Landing, finalise
from landsat_async.disk.part import PartFile
from landsat_async.model import Proof
from landsat_async.proof.kinds import needs_content
from landsat_async.proof.prove import Damaged, Proved, Stopped
from landsat_async.proof.tiles import sums_inside
from landsat_async.rules.joins import Stretch, without_sums
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import TransferJob


@dataclass(frozen=True, slots=True)
class Joined:
    """The proof is right, but the bytes came with several answers, and no sum covers these stretches of them."""

    proof: Proof
    stretches: list[Stretch]


class Committer:
    """Proves the complete part and gives it its final name."""

    def __init__(self, job: TransferJob, net: TransferSession, part: PartFile) -> None:
        self.part = part
        self.length_known = True
        """The server has told how long the file is, or marked its end."""
        self.landing: Landing | Proved | Joined | OSError | Stopped | None = None
        """What came out."""
        self.stretches: list[Stretch] = []
        """What is still to be compared with the server before the file may have its name."""
        self.joins_settled = False
        """That the bytes came with several answers does not matter any more."""
        self._proved: Proved | None = None
        self._job, self._net = job, net
        self._stopped = False

    @property
    def _several_answers(self) -> bool:
        facts = self.part.facts
        return bool(facts.joined or facts.joined_weakly) and not self.joins_settled

    @property
    def needed(self) -> Proof:
        """What it takes to believe these bytes."""
        if self._several_answers:
            return Proof.PUBLISHED  # whatever else is reached, there is something to be done before it is named
        if needs_content(self._job.name, self.part.length, self._job.bytes_nominal):
            return Proof.CONTENT
        return Proof.LENGTH if self.length_known else Proof.STRUCTURE

    def forget(self) -> None:
        """The part has other bytes from now on."""
        self.stretches, self.joins_settled, self._proved = [], False, None

    def land(self) -> None:
        """Do it, and keep what came out; for threads, does not raise."""
        job, part, policy = self._job, self.part, self._job.policy
        try:
            part.check_syncs()
            self.landing = finalise(
                self._net.fs, part.fd, part.path, job.final_path,
                size_bytes=part.length, prove=self._prove, needed=self.needed, overwrite=policy.overwrite,
                mode=policy.file_mode,
            )  # fmt: skip
            if isinstance(self.landing, Committed):
                part.shut()
                self._note_time(self.landing)
            elif isinstance(self.landing, Proved) and self._several_answers:
                self._proved = self.landing
                self.landing = Joined(self.landing.proof, self._without_sums())
        except (OSError, Stopped) as error:
            self.landing = error

    def _note_time(self, committed: Committed) -> None:
        """Look at the time of change once more where closing a file may set it (NTFS)."""
        fs = self._net.fs
        if fs.closing_sets_times:
            with suppress(OSError):
                self.landing = replace(committed, mtime_ns=fs.lstat(self._job.final_path).st_mtime_ns)

    def _prove(self) -> Proved | Damaged:
        if self._proved is not None:
            return self._proved  # of the same bytes: content takes a second for each 100 MB
        job, part = self._job, self.part
        least = Proof.CONTENT if self._several_answers else self.needed
        level = max(least, job.policy.proof, key=lambda proof: proof.rank)
        return self._net.prove(
            part.read, part.length, job.name, level=level, published=job.published, stop=lambda: self._stopped
        )

    def _without_sums(self) -> list[Stretch]:
        part = self.part
        below = min(part.facts.joined, part.length) or part.length  # joined by a version that did not say where
        sums = sums_inside(part.read, part.length, self._job.name, stop=lambda: self._stopped)
        return without_sums(sums, below)

    def stop(self) -> None:
        """Let a proof that is under way end soon."""
        self._stopped = True
