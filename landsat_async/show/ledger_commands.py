"""`status` and `verify`: what the ledger of an output folder knows, and whether it is still true. Both offline."""

from __future__ import annotations

from landsat_async.config import Config
from landsat_async.show.output import Output
from landsat_async.show.render import follow
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import failed_lines, proven_lines, width_of
from landsat_async.show.words import count_text


def verify(path: str, overrides: tuple[str, ...], output: Output) -> int:
    """Check every finished file against the ledger; 4 if one is missing or changed."""
    config = Config.load(path, overrides=overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.run import verify as check_files

        recap = await follow(check_files(config), output)
        if recap.finished is None:
            return 1
        if output.manner.json:
            return recap.finished.exit_code
        for text in failed_lines(recap.failures, recap, width_of(output.err)):
            output.talk(text, urgent=True)
        if not output.manner.quiet:
            for text in proven_lines(recap.verified, recap.verified_count, width_of(output.out)):
                output.data(text)
            wrong = f", {recap.failed_count:,} missing or changed" if recap.failed_count else ""
            output.data(
                f"{count_text(recap.finished.files_total, 'file')} checked: {recap.verified_count:,} unchanged{wrong}"
            )
        return recap.finished.exit_code

    return run_async(output, work)
