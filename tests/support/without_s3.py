"""A plugin for tests that need no S3: rasterio imports boto3 where it can, a quarter of a second for nothing."""

import sys

sys.modules.setdefault("boto3", None)  # type: ignore[arg-type]
