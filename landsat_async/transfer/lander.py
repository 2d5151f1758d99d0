"""What becomes of a complete part: proof and final name, in one trip to a thread."""

from __future__ import annotations

from landsat_async.disk.finalise import Landed, Landing, finalise
from landsat_async.disk.part import PartFile
from landsat_async.disk.proof import Damaged, Proved, Stopped
from landsat_async.model import Proof
from landsat_async.rules.sizes import needs_content
from landsat_async.transfer.net import Net
from landsat_async.transfer.outcome import TransferJob


class Lander:
    """Proves the complete part and gives it its final name."""

    def __init__(self, job: TransferJob, net: Net, part: PartFile) -> None:
        self.part = part
        self.framed = True
        """The server has told how long the file is, or marked its end."""
        self.landing: Landing | Proved | OSError | Stopped | None = None
        """What came out."""
        self._job, self._net = job, net
        self._stopped = False

    @property
    def needed(self) -> Proof:
        """What it takes to believe these bytes."""
        job, part = self._job, self.part
        if part.facts.joined_weakly or needs_content(job.name, part.length, job.bytes_nominal):
            return Proof.CONTENT
        return Proof.LENGTH if self.framed else Proof.STRUCTURE

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
            if isinstance(self.landing, Landed):
                part.shut()
        except (OSError, Stopped) as error:
            self.landing = error

    def _prove(self) -> Proved | Damaged:
        job, part = self._job, self.part
        level = max(self.needed, job.policy.proof, key=lambda proof: proof.rank)
        return self._net.prove(
            part.fd, part.length, job.name, level=level, published=job.published, stop=lambda: self._stopped
        )

    def stop(self) -> None:
        """Let a proof that is under way end soon."""
        self._stopped = True
