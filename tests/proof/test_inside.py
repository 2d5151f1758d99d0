"""What a file says of itself is held against its name: rows 2, 3 and 5."""

import hashlib

import pytest

from landsat_async.model import Identity, Proof
from landsat_async.proof.prove import Damaged, Proved
from tests.disk.whole_files import ANG, MTL_JSON, MTL_XML, OTHER_PRODUCT, PRODUCT, judge, mtl, product_files, tar, tiff

SCENE, OTHER_SCENE = "LC80040532024187LGN00", "LC90100652022029LGN00"


def ang(scene: str) -> bytes:
    return ANG.replace(b"GROUP = FILE_HEADER\n", f'GROUP = FILE_HEADER\n  LANDSAT_SCENE_ID = "{scene}"\n'.encode(), 1)


def xml(product: str) -> bytes:
    own = f"<LANDSAT_PRODUCT_ID>{product}</LANDSAT_PRODUCT_ID>"
    made_of = "<LANDSAT_PRODUCT_ID>LC08_L1TP_004053_20240705_20240712_02_T1</LANDSAT_PRODUCT_ID>"
    return MTL_XML.replace(b"    <COLL", f"    {own}\n    <COLL".encode()).replace(
        b"</LANDSAT_METADATA_FILE>", f"<LEVEL1>{made_of}</LEVEL1></LANDSAT_METADATA_FILE>".encode()
    )


def json(product: str) -> bytes:
    return MTL_JSON.replace(b'{"COLL', f'{{"LANDSAT_PRODUCT_ID": "{product}", "COLL'.encode())


def stac(product: str) -> bytes:
    return f'{{"stac_version": "1.0.0", "id": "{product}", "assets": {{}}}}'.encode()


KINDS = {
    "_MTL.txt": (mtl, PRODUCT, OTHER_PRODUCT),
    "_MTL.xml": (xml, PRODUCT, OTHER_PRODUCT),
    "_MTL.json": (json, PRODUCT, OTHER_PRODUCT),
    "_SR_stac.json": (stac, PRODUCT, OTHER_PRODUCT),
    "_ANG.txt": (ang, SCENE, OTHER_SCENE),
}


def reason(verdict) -> str:
    assert isinstance(verdict, Damaged), verdict
    assert verdict.reason.isprintable()
    return verdict.reason


@pytest.mark.faults("K24")
@pytest.mark.parametrize("level", [Proof.STRUCTURE, Proof.CONTENT, Proof.PUBLISHED])
@pytest.mark.parametrize("suffix", KINDS)
def test_K24_a_file_that_names_another_product_inside_is_refused(suffix, level):
    make, own, other = KINDS[suffix]
    name = PRODUCT + suffix
    assert judge(make(own), name, level=level) == Proved(Proof.STRUCTURE, identity=Identity.CONTENT)
    assert other in reason(judge(make(other), name, level=level))
    reprocessed = PRODUCT.replace("20240714", "20240801")
    if suffix != "_ANG.txt":
        assert reprocessed in reason(judge(make(reprocessed), name, level=level))


def test_line_ends_of_another_system_hide_no_name():
    name = f"{PRODUCT}_MTL.txt"
    assert judge(mtl().replace(b"\n", b"\r\n"), name).identity is Identity.CONTENT
    assert OTHER_PRODUCT in reason(judge(mtl(OTHER_PRODUCT).replace(b"\n", b"\r\n"), name))


def test_a_line_that_never_ends_is_read():
    """In a second for ten million bytes: `benchmarks.decisions` measures it."""
    long = b"GROUP = A\nLANDSAT_SCENE_ID = " + b" " * 100_000 + b"\nEND_GROUP = A\nEND\n"
    assert judge(long, f"{PRODUCT}_ANG.txt") is not None


@pytest.mark.parametrize("text", ["", "anything", "LC08", "x" * 90])
def test_what_names_no_product_is_not_refused_for_it(text):
    for suffix, (make, _, _) in KINDS.items():
        assert judge(make(text), PRODUCT + suffix) == Proved(Proof.STRUCTURE)


def test_pixels_name_nothing():
    assert judge(tiff(), f"{PRODUCT}_SR_B3.TIF", level=Proof.CONTENT) == Proved(Proof.CONTENT)


def in_bundle(files: dict[str, bytes], name: str = f"{PRODUCT}.tar", **how):
    return judge(tar(files), name, **how)


def test_a_bundle_is_known_by_its_metadata_file():
    assert in_bundle(product_files()).identity is Identity.CONTENT
    files = product_files()
    spoilt = files[f"{PRODUCT}_MTL.txt"].replace(
        b'PRODUCT_ID = "' + PRODUCT.encode(), b'PRODUCT_ID = "' + OTHER_PRODUCT.encode(), 1
    )
    assert OTHER_PRODUCT in reason(in_bundle(files | {f"{PRODUCT}_MTL.txt": spoilt}))
    assert OTHER_SCENE in reason(in_bundle(files | {f"{PRODUCT}_ANG.txt": ang(OTHER_SCENE)}))


def test_a_bundle_of_a_tile_is_known_by_the_names_of_its_images():
    tile, other = "LC08_CU_008001_20231101_20231116_02", "LC08_CU_008002_20231101_20231116_02"
    own = {f"{tile}_SR_B1.TIF": tiff(), f"{tile}.xml": b"<tile/>"}
    assert in_bundle(own, f"{tile}_SR.tar").identity is Identity.CONTENT
    assert in_bundle({"SR_B1.TIF": tiff()}, f"{tile}_SR.tar").identity is Identity.NONE
    assert "another product" in reason(in_bundle(own | {f"{other}_SR_B2.TIF": tiff()}, f"{tile}_SR.tar"))
    assert in_bundle({f"{tile}_META.xml": b"<tile/>"}, f"{tile}_META.tar").identity is Identity.NONE


@pytest.mark.faults("K26")
@pytest.mark.parametrize("level", [Proof.STRUCTURE, Proof.CONTENT])
def test_K26_a_bundle_without_an_image_is_none(level):
    text = f"{PRODUCT}_MTL.txt"
    assert "no image" in reason(in_bundle({text: mtl(PRODUCT, (text,))}, level=level))
    assert "no image" in reason(in_bundle({text: mtl(PRODUCT)}, level=level))
    tile = "LC08_CU_008001_20231101_20231116_02"
    assert "no image" in reason(in_bundle({f"{tile}.xml": b"<tile/>"}, f"{tile}_SR.tar", level=level))
    stray = {f"{PRODUCT}_x.TIF": tiff(), text: mtl(PRODUCT)}  # not one of those that the metadata speaks of
    assert "no image" in reason(in_bundle(stray, level=level))


@pytest.mark.faults("N08")
@pytest.mark.parametrize(
    ("part", "inside", "good"),
    [("_SR", "_SR", True), ("_ST", "_ST", True), ("_ST", "", True), ("", "_SR", True), ("_SR", "_ST", False)],
)
def test_N08_the_item_of_the_temperature_is_not_that_of_the_reflectance(part, inside, good):
    item = f'{{"stac_version": "1.0.0", "id": "{PRODUCT}{inside}"}}'.encode()
    verdict = judge(item, f"{PRODUCT}{part}_stac.json")
    assert isinstance(verdict, Proved if good else Damaged)


def sums(files: dict[str, bytes], style: str = "{md5}  {name}") -> bytes:
    lines = [style.format(md5=hashlib.md5(data).hexdigest(), name=name) for name, data in files.items()]
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.faults("K28")
@pytest.mark.parametrize("style", ["{md5}  {name}", "{md5} *{name}", "{md5}  ./{name}"])
def test_K28_a_bundle_is_held_against_its_own_sums(style):
    files = product_files()
    for place in (0, len(files)):  # before and behind what it speaks of
        order = list(files.items())
        order.insert(place, (f"{PRODUCT}_MD5.txt", sums(files, style)))
        assert in_bundle(dict(order)) == Proved(Proof.CONTENT, in_bundle(dict(order)).members, Identity.CONTENT)
    for name in files:
        wrong = sums(files | {name: b"other"}, style)
        assert f"{name} in the bundle differs" in reason(in_bundle(files | {f"{PRODUCT}_MD5.txt": wrong}))


FORMS = ["MD5 ({name}) = {md5}", "{md5}  C:\\x\\{name}", "{md5}\t{name}", "{md5}  {name}\r"]
MADE_OF = {f"{PRODUCT}_MD5.txt": b"", f"{PRODUCT}.tar": b"before"}
"""A list that was written with `md5sum * > LIST` has a sum of its own beginning."""


@pytest.mark.faults("N03")
@pytest.mark.parametrize("style", FORMS)
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf", b"MD5 sums of the product\n\n"])
def test_N03_a_list_of_sums_is_read_in_every_form_that_tools_write(style, head):
    files, name = product_files(), f"{PRODUCT}_MD5.txt"
    proved = in_bundle(files | {name: head + sums(files | MADE_OF, style)})
    assert (proved.proof, proved.identity) == (Proof.CONTENT, Identity.CONTENT)
    wrong = sums(files | {f"{PRODUCT}_SR_B3.TIF": b"other"}, style)
    assert "SR_B3.TIF in the bundle differs" in reason(in_bundle(files | {name: head + wrong}))


@pytest.mark.faults("N03")
@pytest.mark.parametrize("style", ["{name}  {md5}", "{md5},{name}", "sha1:{md5}{md5:.8}  {name}"])
def test_N03_a_list_in_a_form_that_is_not_known_says_nothing(style):
    files = product_files()
    proved = in_bundle(files | {f"{PRODUCT}_MD5.txt": sums(files, style)})
    assert (proved.proof, proved.identity) == (Proof.STRUCTURE, Identity.CONTENT)


@pytest.mark.faults("K28")
def test_K28_a_list_of_sums_that_cannot_be_true_is_damage():
    files, name = product_files(), f"{PRODUCT}_MD5.txt"
    assert "lacks" in reason(in_bundle(files | {name: sums(files | {f"{PRODUCT}_SR_B4.TIF": b"x"})}))
    assert "cannot be read" in reason(in_bundle(files | {name: b"<html>\n"}))
    assert "cannot be read" in reason(in_bundle(files | {name: sums(files).replace(b"0", b"x")}))
    assert "cannot be read" in reason(in_bundle(files | {name: sums(files).replace(b"  ", b"Q ", 1)}))
    assert "no text" in reason(in_bundle(files | {name: sums(files)[:40] + bytes(60) + sums(files)[100:]}))
    assert "contradicts" in reason(in_bundle(files | {name: sums(files) + b"0" * 32 + sums(files)[32:]}))
    some = dict(list(files.items())[1:])
    plain = in_bundle(files | {name: sums(some)})  # a member that is not in the list is none of its business
    assert (plain.proof, plain.identity) == (Proof.STRUCTURE, Identity.CONTENT)
