"""What GDAL has to be told so that it finds the objects of a store: never a secret, which it reads where we do."""

from __future__ import annotations

from collections.abc import Mapping

from landsat_async.config_store import StoreConfig
from landsat_async.errors import ConfigError
from landsat_async.rules.store_url import StoreUrl

_AZURE_KEYS = ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_ACCESS_TOKEN", "AZURE_CLIENT_ID")
_AZURE_WHOLE = "AZURE_STORAGE_CONNECTION_STRING"


def gdal_options(url: StoreUrl, config: StoreConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration options of GDAL for a store.

    Raises:
        ConfigError: GDAL wants variables that are not set.
    """
    if url.scheme == "s3":
        return _of_s3(config)
    if url.scheme == "az":
        return _of_azure(url, config, environ)
    if config.endpoint:
        raise ConfigError(
            f"GDAL reads {url} from Google alone, and not from {config.endpoint}.",
            hint="Open the files by other means: summary.paths() has their addresses.",
        )
    return {}


def _of_s3(config: StoreConfig) -> dict[str, str]:
    # the second is preferred by GDAL, and may be set for something else in the environment
    options = {"AWS_REGION": config.region, "AWS_DEFAULT_REGION": config.region} if config.region else {}
    if config.endpoint:
        scheme, _, host = config.endpoint.partition("://")
        options |= {"AWS_S3_ENDPOINT": host, "AWS_VIRTUAL_HOSTING": "FALSE"}
        options |= {"AWS_HTTPS": "NO"} if scheme == "http" else {}
    return options


def _of_azure(url: StoreUrl, config: StoreConfig, environ: Mapping[str, str]) -> dict[str, str]:
    if environ.get(_AZURE_WHOLE):
        return {}
    if config.endpoint:
        lacking = f"Set {_AZURE_WHOLE}, with BlobEndpoint={config.endpoint} in it."
    elif not any(map(environ.get, _AZURE_KEYS)):
        lacking = f"Set {_AZURE_KEYS[0]} to what AZURE_STORAGE_ACCOUNT_KEY has, or {_AZURE_WHOLE}."
    else:
        account = environ.get("AZURE_STORAGE_ACCOUNT") or environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        return {"AZURE_STORAGE_ACCOUNT": account} if account else {}
    raise ConfigError(f"GDAL has no credentials for {url}: it asks for variables of its own.", hint=lacking)
