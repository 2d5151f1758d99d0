"""What `download-options` offers, as plain values: the input of `rules.selection`.

A portion of 500 scenes has 22,000 of them, so they carry the service's names of their fields: an answer that is as it
should be is decoded straight into them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

_Text = Annotated[str, Meta(min_length=1)]
_Size = Annotated[int, Meta(gt=0, lt=2**50)]


class SecondaryFile(Struct, frozen=True, gc=False):
    """One single file of a scene, as one storage system offers it."""

    entity_id: _Text = field(name="entityId")
    """Identifier of the file (L2SR_<product id>_SR_B3_TIF), for `download-request`."""
    display_id: _Text = field(name="displayId")
    """File name (<product id>_SR_B3.TIF)."""
    product_id: _Text = field(name="id")
    system: str = field(name="downloadSystem")
    """downloadSystem: ls_s3, dds ...; "" when not told."""
    available: bool
    bytes_nominal: _Size | None = field(name="filesize")
    """Size as listed, often rounded; None when absent."""
    dataset_id: _Text | None = field(name="datasetId")
    """Secondary dataset; None when not told."""
    file_groups: tuple[_Text, ...] | None = field(name="fileGroups", default=None)
    """Groups that list the file; None unless asked for."""


class ProductOption(Struct, frozen=True, gc=False):
    """One product row of a scene: a bundle, a folder or a browse image."""

    entity_id: str
    display_id: str
    product_id: str
    product_name: str
    system: str
    """downloadSystem: ls_zip, dds_ms, folder, ls_frb, wms ...; "" when not told."""
    available: bool
    bytes_nominal: int | None
    dataset_id: str | None
    secondary: tuple[SecondaryFile, ...] = ()
    """The service hangs the same list under every row of a scene."""
