"""`python -m benchmarks.mutants`: is there a test for every mistake?

A suite that never fails proves nothing. So the mistakes of `mutants.txt` are put into a copy of the program, one at a
time, and the tests of that part run until one fails. A mistake that no test notices is printed and wants a test.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
MISTAKES = Path(__file__).with_name("mutants.txt")
ALLOWED_SURVIVORS = 1 / 30
"""58 of 60 must be noticed."""
LONGEST_S = 300.0
"""A mistake that makes the tests hang is noticed as well."""

_TRANSFER = ("tests/transfer",)
_DISK = ("tests/crash/test_power_cut.py", "tests/transfer/test_disk_faults.py")
_PROOF = ("tests/proof/test_prove.py", "tests/proof/test_inside.py")
_ORDERS = ("tests/orders", "tests/whole/test_orders.py")
TESTS: dict[str, tuple[str, ...]] = {
    "transfer/resume.py": ("tests/transfer/test_resume.py", "tests/disk/test_damaged_ledgers.py", *_TRANSFER),
    "disk/checkpoint.py": ("tests/disk/test_checkpoint.py", "tests/disk/test_damaged_ledgers.py"),
    "transfer/window_answers.py": ("tests/transfer/test_window_answers.py",),
    "transfer/window_fetch.py": (
        "tests/transfer/test_window_fetch.py",
        "tests/transfer/test_window_joins.py",
        "tests/transfer/test_window_links.py",
    ),
    "raster": ("tests/raster",),
    "transfer/retry.py": ("tests/transfer/test_retry.py", *_TRANSFER),
    "transfer/headers.py": ("tests/transfer/test_headers.py",),
    "run/host_health.py": ("tests/run/test_host_health.py", "tests/whole/test_troubles.py"),
    "rules/waiting.py": ("tests/rules/test_waiting.py", "tests/whole/test_waits.py"),
    "m2m/api_retry.py": ("tests/m2m/test_api_retry.py", "tests/whole/test_tidying.py"),
    "rules/lifecycle.py": ("tests/rules/test_lifecycle.py", "tests/disk/test_ledger.py", *_ORDERS),
    "rules/naming.py": ("tests/rules/test_naming.py",),
    "rules/select_type.py": ("tests/rules/test_select_type.py",),
    "run/products.py": ("tests/run/test_products.py",),
    "run/hooks.py": ("tests/whole/test_hooks.py",),
    "run/hook_rules.py": ("tests/run/test_hook_rules.py",),
    "disk/output_files.py": ("tests/crash/test_sync_power_cut.py", "tests/whole/test_outputs.py"),
    "run/outputs.py": ("tests/crash/test_sync_power_cut.py", "tests/whole/test_outputs.py"),
    "stac/": ("tests/stac",),
    "run/selection.py": ("tests/run/test_selection.py",),
    "disk/leftovers.py": ("tests/disk/test_leftovers.py",),
    "rules/area_formats.py": ("tests/rules/test_area_formats.py",),
    "disk/foresee.py": ("tests/disk/test_foresee.py",),
    "run/offers.py": ("tests/run/test_gaps.py",),
    "run/plan.py": ("tests/show/test_plan_and_status.py", "tests/run/test_plan_code.py"),
    "run/requester.py": ("tests/run/test_product_requests.py", *_ORDERS),
    "show/doctor_page.py": ("tests/show/test_doctor.py",),
    "show/doctor.py": ("tests/show/test_doctor.py",),
    "run/scene_filter.py": ("tests/run/test_scene_filter.py",),
    "run/search_walk.py": ("tests/run/test_search_walk.py",),
    "run/search_bounds.py": ("tests/run/test_search_bounds.py",),
    "run/lookup_plan.py": ("tests/run/test_search_of_millions.py",),
    "rules/scene_ids.py": ("tests/rules/test_scene_ids.py",),
    "rules/aoi.py": ("tests/rules/test_aoi.py",),
    "m2m/response.py": ("tests/m2m/test_client.py",),
    "show/formatting.py": ("tests/show/test_formatting.py",),
    "proof/tar.py": ("tests/proof/test_tar.py", *_PROOF),
    "proof/tiff.py": ("tests/proof/test_tiff.py", *_PROOF),
    "proof/tiles.py": ("tests/proof/test_tiff.py", *_PROOF),
    "proof/text.py": ("tests/proof/test_text.py", *_PROOF),
    "proof/prove.py": (*_PROOF, "tests/proof/test_tiff.py"),
    "proof/bundle.py": _PROOF,
    "proof/inside.py": _PROOF,
    "proof/jpeg.py": ("tests/proof/test_jpeg.py",),
    "proof/jpeg_scan.py": ("tests/proof/test_jpeg.py",),
    "rules/identity.py": ("tests/rules/test_identity.py",),
    "proof/kinds.py": ("tests/proof/test_kinds.py",),
    "run/matching.py": ("tests/run/test_matching.py", "tests/run/test_product_requests.py"),
    "disk/local_target.py": ("tests/disk/test_local_target.py", *_DISK),
    "disk/part.py": ("tests/disk/test_part.py", "tests/crash/test_one_writer.py", *_DISK),
    "disk/open_part.py": ("tests/disk/test_part.py", "tests/crash/test_one_writer.py", *_DISK),
    "disk/posix_lock.py": ("tests/disk/test_lock.py",),
    "disk/fs_posix.py": ("tests/disk/test_fs.py", "tests/disk/test_lock.py", "tests/security"),
    "disk/lock.py": ("tests/disk/test_lock.py",),
    "disk/inspect.py": (
        "tests/disk/test_inspect.py",
        "tests/disk/test_local_target.py",
        "tests/run",
        "tests/whole/test_strangers.py",
    ),
    "disk/ledger_rows.py": ("tests/disk/test_ledger.py", "tests/crash/test_one_writer.py", *_ORDERS),
    "disk/ledger_files.py": ("tests/disk/test_ledger.py", "tests/disk/test_ledger_names.py", *_ORDERS),
    "disk/ledger.py": ("tests/disk/test_ledger.py", *_ORDERS),
    "disk/acquire.py": ("tests/disk/test_acquire.py", "tests/run/test_early_ends.py"),
    "disk/io_threads.py": ("tests/disk/test_io_threads.py",),
    "disk/ledger_writer.py": ("tests/disk/test_ledger_writer.py", "tests/crash/test_one_writer.py"),
    "run/sync.py": ("tests/whole/test_sync.py", "tests/whole/test_sync_days.py", "tests/store/test_sync.py"),
    "run/sync_plan.py": ("tests/run/test_sync_plan.py", "tests/whole/test_sync.py"),
    "run/bus.py": ("tests/run/test_bus.py",),
    "run/link_stream.py": ("tests/orders/test_claims.py", "tests/run/test_link_stream.py"),
    "run/recorder.py": ("tests/orders/test_recorder.py",),
    "rules/redact.py": ("tests/rules/test_redact.py",),
    "errors.py": ("tests/test_exit_codes.py",),
    "user_files.py": ("tests/test_user_files.py",),
    "run/poller.py": _ORDERS,
    "run/inventory.py": ("tests/run", "tests/whole/test_strangers.py", "tests/crash/test_recovery.py"),
    "rules/joins.py": ("tests/rules/test_joins.py",),
    "rules/links.py": ("tests/rules/test_links.py", "tests/security", *_TRANSFER),
    "transfer/session.py": ("tests/transfer/test_identity.py", *_TRANSFER),
    "store/": (
        "tests/store/test_cut_off.py",
        "tests/store/test_claim.py",
        "tests/store/test_killed.py",
        "tests/store/test_target.py",
    ),
    "transfer/": _TRANSFER,
}
"""Tests by file or folder of the program, the quickest first."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake."""

    file: str
    """Below `landsat_async`."""
    what: str
    old: str
    new: str

    @property
    def tests(self) -> tuple[str, ...]:
        return next(tests for prefix, tests in TESTS.items() if self.file.startswith(prefix))

    def source(self) -> str:
        """Return the file with the mistake in it. Raises ValueError when the entry does not fit the program."""
        file = PROJECT / "landsat_async" / self.file
        text = file.read_text() if file.exists() else ""
        if text.count(self.old) != 1:
            raise ValueError(f"{self}: its text stands {text.count(self.old)} times in the file; mend mutants.txt")
        mutated = text.replace(self.old, self.new)
        compile(mutated, self.file, "exec")
        return mutated

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def read_mutants() -> Iterator[Mutant]:
    """Read `mutants.txt`."""
    for block in MISTAKES.read_text().split("\n[")[1:]:
        head, *lines = block.rstrip("\n").split("\n")
        file, _, what = head.partition("] ")
        old, new = ("\n".join(line[2:] for line in lines if line.startswith(sign)) for sign in "-+")
        yield Mutant(file, what, old, new)


def copy_of_project(folder: Path) -> None:
    """Copy what the tests need."""
    for name in ("landsat_async", "tests", "benchmarks", "docs"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".ci").mkdir()
    for name in ("pyproject.toml", "README.md", ".ci/run"):
        shutil.copy(PROJECT / name, folder / name)


def noticed_by(folder: Path, tests: Sequence[str]) -> str | None:
    """Run tests until one fails; returns it, or None when all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return "they hang"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED tests/", "ERROR tests/"))]
    return (
        failed[0].partition(" - ")[0].partition(" ")[2]
        if failed
        else f"exit code {done.returncode}: {done.stdout[-500:]}"
    )


class Bench:
    """A copy of the project, and which of its tests are known to pass without any mistake."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: dict[str, bool] = {}
        self._number = 0

    def try_out(self, mutant: Mutant) -> str | None:
        """Return the test that notices the mistake; None when there is none."""
        file = self._folder / "landsat_async" / mutant.file
        right, at = file.read_text(), file.stat()
        file.write_text(mutant.source())
        self._number += 1
        os.utime(file, (self._number, self._number))  # compiled files go by time and size
        test = noticed_by(self._folder, mutant.tests)
        file.write_text(right)
        os.utime(file, (at.st_atime, at.st_mtime))
        if test is not None and not self._is_sound(test):
            return None
        return test

    def _is_sound(self, test: str) -> bool:
        if test.startswith("tests/") and test not in self._sound:
            self._sound[test] = noticed_by(self._folder, [test]) is None
            if not self._sound[test]:
                print(f"fails without any mistake as well: {test}")
        return self._sound.get(test, True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="mistakes whose file or description holds it")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    given = parser.parse_args()
    mutants = [mutant for mutant in read_mutants() if given.only in str(mutant)]
    for mutant in mutants:
        mutant.source()
    survivors, begun_s = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=given.directory) as name:
        copy_of_project(Path(name))
        bench = Bench(Path(name))
        for mutant in mutants:
            test = bench.try_out(mutant)
            print(f"{'SURVIVED' if test is None else 'noticed '}  {mutant}  {test or ''}", flush=True)
            survivors += test is None
    print(f"{len(mutants) - survivors} of {len(mutants)} noticed, {time.monotonic() - begun_s:.0f} s")
    return int(survivors > ALLOWED_SURVIVORS * len(mutants))


if __name__ == "__main__":
    sys.exit(main())
