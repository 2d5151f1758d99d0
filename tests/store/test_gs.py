"""What obstore asks of Google Cloud Storage is not what it asks of S3: conditions are generations there."""

from __future__ import annotations

import pytest
from obstore import store

from landsat_async import Config, Credentials, download
from landsat_async.config_store import StoreConfig
from landsat_async.errors import FolderBusy
from landsat_async.rules.store_url import StoreUrl
from landsat_async.run.stac import make_outputs
from landsat_async.sim.server import open_simulator
from landsat_async.store.claim import PrefixClaim
from landsat_async.store.client import StoreClient
from landsat_async.store.target import StoreTarget
from tests.store.test_claim import wait_until
from tests.store.test_outputs import ALL, RED, lead_somewhere, objects
from tests.store.test_runs import tables
from tests.support.gs_in_front import account_file


@pytest.fixture
def gs_url(s3, url, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account_file(tmp_path, s3.endpoint)))
    true = store.GCSStore

    def without_tls(bucket, **given):
        return true(bucket, **given | {"client_options": given["client_options"] | {"allow_http": True}})

    monkeypatch.setattr(store, "GCSStore", without_tls)
    return StoreUrl("gs", url.bucket, url.prefix)


@pytest.mark.faults("V60")
def test_V60_a_claim_is_renewed_and_taken_over_by_the_generation_of_its_object(gs_url):
    client, key = StoreClient(gs_url, StoreConfig()), gs_url.key("claim")
    client.probe(gs_url.key("probe"))
    assert client.is_conditional
    first = PrefixClaim(client, key, "a", beat_s=0.01)
    before = client.head(key)
    with pytest.raises(FolderBusy):
        PrefixClaim(client, key, "b")
    wait_until(lambda: client.head(key).version != before.version)
    assert not first.lost
    with pytest.raises(FileExistsError):
        client.put(key, b"{}", instead_of=before)
    first.release(lambda: False)
    second = PrefixClaim(client, key, "a")
    assert second.was_left
    second.release()
    assert client.head(key) is None


@pytest.mark.faults("V31")
def test_V31_a_store_that_cannot_be_asked_for_uploads_is_told(gs_url, tmp_path):
    target = StoreTarget(gs_url, StoreConfig(), spool=tmp_path / "spool", state_dir=tmp_path / "state")
    killed = target.prepare()
    killed.prefix.release(lambda: False)
    killed.release()
    claim = target.prepare()
    claim.release()
    assert any("lifecycle rule" in warning for warning in claim.warnings)


@pytest.mark.faults("V60")
async def test_V60_a_run_with_outputs_goes_to_gs_and_comes_once(gs_url, s3, tmp_path):
    async with open_simulator() as sim:
        values = tables(sim, s3, gs_url) | {"select": RED, "output": ALL, "store": {}}
        config = Config.from_dict(values, base_dir=tmp_path)
        credentials = Credentials(sim.username, sim.token)
        first = await download(config, credentials=credentials)
        assert first.exit_code == 0
        again = await download(config, credentials=credentials)
        assert (again.exit_code, again.bytes_received, again.files_skipped) == (0, 0, first.files_verified)
        before = await objects(s3, gs_url)
        lead_somewhere(before)
        older = before["stac/catalog.json"] + b"\n"
        s3.client.put_object(Bucket="lake", Key=gs_url.key("stac/catalog.json"), Body=older)
        assert (await make_outputs(config)).changed == 1
        assert await objects(s3, gs_url) == before
