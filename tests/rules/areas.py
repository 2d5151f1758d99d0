"""Areas and footprints for the tests of the rules."""

import json

import numpy as np
import pytest
import shapely
from hypothesis import strategies as st
from shapely.geometry import box, mapping, shape

from landsat_async.errors import ConfigError
from landsat_async.rules.aoi import parse_aoi, spatial_filters

VALENCIA = [[-68.01, 9.99], [-67.49, 9.99], [-67.49, 10.34], [-68.01, 10.34], [-68.01, 9.99]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [list(ring) for ring in rings]}


def feature(geometry):
    return {"type": "Feature", "properties": {}, "geometry": geometry}


def collection(*features, **more):
    return {"type": "FeatureCollection", "features": list(features), **more}


def parse(document):
    return parse_aoi(document if isinstance(document, str) else json.dumps(document), source="aoi.geojson")


def refused(document):
    with pytest.raises(ConfigError) as caught:
        parse(document)
    assert str(caught.value).startswith("aoi.geojson: ")
    assert caught.value.reference == "aoi"
    return f"{caught.value} | {caught.value.hint}"


def square(west, south, size):
    return [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]


def coast(vertices, *, wiggle=0.02, west=-67.0, south=10.0):
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    radius = 2 + 0.3 * np.sin(5 * angle) + 0.1 * np.sin(57 * angle) + wiggle * np.sin(1333 * angle)
    return np.c_[west + radius * np.cos(angle), south + radius * np.sin(angle)].tolist()


def footprint(west, south, east, north):
    return json.dumps(mapping(box(west, south, east, north)))


def covered(filters, geometry):
    """Whether the filters together contain the geometry."""
    areas = []
    for one in filters:
        if one["filterType"] == "mbr":
            low, high = one["lowerLeft"], one["upperRight"]
            areas.append(box(low["longitude"], low["latitude"], high["longitude"], high["latitude"]))
        else:
            areas.append(shape(one["geoJson"]))
    return shapely.union_all(areas).buffer(1e-9).covers(geometry)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-400, 400) | st.floats(-400, 400) | st.sampled_from(["Polygon", "Feature"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "features", "geometry", "geometries", "crs"]), inner)
    ),
    max_leaves=20,
)


RINGS = st.lists(st.lists(st.tuples(st.floats(-400, 400), st.floats(-100, 100)), max_size=7), max_size=3)


def usable_or_refused(text):
    try:
        aoi = parse_aoi(text, source="f")
    except ConfigError:
        return
    assert aoi.geometry.is_valid
    west, south, east, north = aoi.geometry.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert spatial_filters(aoi)
