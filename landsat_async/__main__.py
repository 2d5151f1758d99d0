"""`python -m landsat_async`."""

import sys

from landsat_async.show.cli import main

if __name__ == "__main__":
    sys.exit(main())
