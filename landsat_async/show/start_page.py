"""What is shown without arguments: the pages stand in `help_pages`, what is here is looked at here."""

from __future__ import annotations

import os
import sys

from landsat_async.kept_login import logins_path
from landsat_async.show.command_table import CONFIG_FILE
from landsat_async.show.help_pages import start_page
from landsat_async.show.page_width import page_width
from landsat_async.show.safe_stream import SafeStream


def show_start_page() -> None:
    """Print the start page on stdout."""
    out = SafeStream(sys.stdout)
    logged_in = bool(os.environ.get("USGS_TOKEN")) or os.path.exists(logins_path(os.environ))
    out.write(start_page(page_width(), config_here=os.path.exists(CONFIG_FILE), logged_in=logged_in))
    out.flush()
