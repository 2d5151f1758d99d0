import pytest

from landsat_async.rules.store_url import StoreUrl, is_store_url, read_store_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://lake", StoreUrl("s3", "lake", "")),
        ("s3://lake/", StoreUrl("s3", "lake", "")),
        ("gs://my-lake/a/b/", StoreUrl("gs", "my-lake", "a/b")),
        ("az://container/ümlaut/x", StoreUrl("az", "container", "ümlaut/x")),
    ],
)
def test_what_is_an_address(text, url):
    assert is_store_url(text)
    assert read_store_url(text) == url
    assert read_store_url(str(url)) == url


def test_keys():
    assert StoreUrl("s3", "lake", "").key("a/b") == "a/b"
    assert StoreUrl("s3", "lake", "p").key("a/b") == "p/a/b"


@pytest.mark.parametrize(
    "text",
    [
        "s3://", "s3:///x", "s3://A/x", "s3://lake/../x", "s3://lake//x", "s3://lake/./x", "s3://lake/a\nb", "http://x/y",
        "S3://lake", "s3://key:secret@lake/x", "s3://lake/x?y=1", "s3://lake/x#y", "file:///tmp/x", "://",
    ],
)  # fmt: skip
def test_what_is_none(text):
    assert is_store_url(text)
    with pytest.raises(ValueError):
        read_store_url(text)


@pytest.mark.parametrize("text", ["data", "/data", r"C:\data", "s3:/lake", "./s3/lake"])
def test_folders_are_no_stores(text):
    assert not is_store_url(text)
