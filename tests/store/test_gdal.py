"""What GDAL is told of a store, and a cube of files that lie in one."""

from __future__ import annotations

import pickle
import warnings

import anyio
import numpy as np
import pytest
import rasterio

from landsat_async import Config, Credentials, download
from landsat_async.config_store import StoreConfig
from landsat_async.errors import ConfigError, ServiceDown
from landsat_async.rules.store_url import StoreUrl
from landsat_async.sim.server import open_simulator
from landsat_async.store.gdal import gdal_options
from tests.store.test_outputs import FIRST, gdal_of
from tests.store.test_runs import tables
from tests.support.moto_server import SECRET

S3, GS, AZ = (StoreUrl(scheme, "lake", "p") for scheme in ("s3", "gs", "az"))
KNOWN = {"AZURE_STORAGE_ACCOUNT_NAME": "ana", "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0"}
AWS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
PATHS = {"AWS_VIRTUAL_HOSTING": "FALSE"}


@pytest.mark.parametrize(
    ("url", "config", "environ", "options"),
    [
        (S3, {}, AWS, {}),
        (S3, {"region": "us-west-2"}, AWS, {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-2"}),
        (S3, {"endpoint": "https://s.org"}, AWS, {"AWS_S3_ENDPOINT": "s.org"} | PATHS),
        (S3, {"endpoint": "http://[::1]:9"}, AWS, {"AWS_S3_ENDPOINT": "[::1]:9", "AWS_HTTPS": "NO"} | PATHS),
        (GS, {}, {}, {}),
        (GS, {"endpoint": "https://s.org"}, {}, "from Google alone"),
        (AZ, {}, KNOWN, "Set AZURE_STORAGE_ACCESS_KEY"),
        (AZ, {}, KNOWN | {"AZURE_STORAGE_ACCESS_KEY": "x"}, {"AZURE_STORAGE_ACCOUNT": "ana"}),
        (AZ, {}, {"AZURE_STORAGE_ACCOUNT": "bo", "AZURE_STORAGE_SAS_TOKEN": "x"}, {"AZURE_STORAGE_ACCOUNT": "bo"}),
        (AZ, {"endpoint": "http://127.0.0.1:1/ana"}, KNOWN, "BlobEndpoint=http://127.0.0.1:1/ana"),
        (AZ, {"endpoint": "http://127.0.0.1:1/ana"}, {"AZURE_STORAGE_CONNECTION_STRING": "x"}, {}),
    ],
)
@pytest.mark.faults("V72", "V75")
def test_V72_gdal_is_told_where_and_never_a_secret(url, config, environ, options):
    if isinstance(options, dict):
        assert gdal_options(url, StoreConfig(**config), environ) == options
        return
    with pytest.raises(ConfigError) as caught:
        gdal_options(url, StoreConfig(**config), environ)
    assert options in f"{caught.value} {caught.value.hint}"
    assert not any(secret in f"{caught.value} {caught.value.hint}" for secret in environ.values() if secret != "ana")


@pytest.fixture
def _odc():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("odc.stac", reason="odc-stac is not installed: the extra cube")
        yield


@pytest.mark.usefixtures("_odc")
@pytest.mark.faults("V72")
def test_V72_a_run_into_a_bucket_gives_a_cube(s3, url, tmp_path, monkeypatch):
    async def run():
        async with open_simulator() as sim:
            values = tables(sim, s3, url) | {"select": {"bands": ["red", "qa_pixel"], "metadata": True}}
            values["search"] = {"scenes": [FIRST]}
            config = Config.from_dict(values, base_dir=tmp_path)
            return await download(config, credentials=Credentials(sim.username, sim.token))

    summary = anyio.run(run)
    assert summary.exit_code == 0
    cube = pickle.loads(pickle.dumps(summary)).to_xarray(["red"])
    assert SECRET not in repr(pickle.dumps(cube.__dask_graph__()))
    loaded = cube.red.isel(time=0).compute()
    with gdal_of(s3), rasterio.open(f"/vsis3/lake/{url.key(FIRST)}_SR_B4.TIF") as band:
        by_hand = np.where(band.read(1) == 0, np.nan, band.read(1) * 2.75e-05 - 0.2)
        rows, columns = band.shape
    ours = loaded.values[:rows, :columns]
    np.testing.assert_allclose(np.nansum(ours), np.nansum(by_hand), rtol=1e-4)
    assert summary.to_xarray(["red"], mask=("cloud",)).red.shape == cube.red.shape

    s3.ranges = False
    with pytest.raises(ConfigError, match="GDAL cannot read there"):
        summary.to_xarray(["red"])
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    s3.fail = lambda method, path: 503
    with pytest.raises(ServiceDown):
        summary.to_xarray(["red"])
