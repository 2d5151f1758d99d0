from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.rules.scene_list_text import read_scene_list

A, B = "LC08_L2SP_004053_20240705_20240714_02_T1", "LC09_L2SP_004053_20240713_20240722_02_T1"
L1 = "LC08_L1TP_004053_20240705_20240714_02_T1"
ENTITY = "LC80040532024187LGN00"
EXPORT = (
    '"Ordering ID","Landsat Product Identifier L2","Landsat Product Identifier L1","Landsat Scene Identifier",'
    '"Date Acquired","Station Identifier"\r\n'
    f'"{ENTITY}","{A}","{L1}","{ENTITY}","2024/07/05","Kiruna, Suède"\r\n'
    f'"{ENTITY}","{B}","{L1}","{ENTITY}","2024/07/13",""\r\n\r\n'
)


@pytest.mark.faults("P06")
@pytest.mark.parametrize(
    ("text", "ids", "dataset"),
    [
        (f"{A}\n{B}\n", [A, B], None),
        (f"\ufeff{A}\r\n\r\n  {B}  # the second\n", [A, B], None),
        (f"{A}, {B};{A}\t{ENTITY}", [A, B, ENTITY], None),
        (f'"{A}"\n', [A], None),
        (f"# mine\n#dataset=landsat_ot_c2_l2\n{ENTITY}\n", [ENTITY], "landsat_ot_c2_l2"),
        (f"landsat_ot_c2_l2|displayId\n{A}\n", [A], "landsat_ot_c2_l2"),
        (f"landsat_ot_c2_l2|entityId\r\n{ENTITY}\r\n", [ENTITY], "landsat_ot_c2_l2"),
        (EXPORT, [A, B], None),
        (EXPORT.replace(",", ";").replace("Kiruna;", "Kiruna"), [A, B], None),
        (f"Landsat Scene Identifier\n{ENTITY}\n", [ENTITY], None),
        (f"entity_id\tcloud\n{ENTITY}\t3\n", [ENTITY], None),
        (f"cloud,display_id\n3,{A}\n", [A], None),
        (json.dumps([A, B]), [A, B], None),
        (json.dumps({"features": [{"id": "x", "properties": {"display_id": A}}]}), [A], None),
        (json.dumps({"type": "Feature", "id": A, "properties": {}}), [A], None),
        (
            json.dumps({"event": "scene", "display_id": A, "entity_id": ENTITY})
            + "\n" + json.dumps({"event": "dropped", "display_id": B}) + "\n" + json.dumps({"event": "found"}) + "\n",
            [A],
            None,
        ),
    ],
)  # fmt: skip
def test_P06_ids_are_read_out_of_every_form_that_people_have(text, ids, dataset):
    found = read_scene_list(text)
    assert (list(found.ids), found.dataset) == (ids, dataset)


@pytest.mark.faults("P06")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no scene id"),
        ("# nothing\n", "holds no scene id"),
        ("[]", "holds no scene id"),
        (f"{A}\nab\n", "line 2: 'ab' is not an entity or display id"),
        ("a/b\nc/d\ne/f\ng/h\ni/j\n", "and 2 more"),
        ("name,cloud\nx,3\n", "has no column with ids"),
        (f"display_id,cloud\n{A},1\n,2\n", "line 3: '' is not"),
        ('{"a": 1\n', "line 1 is not JSON"),
        ("<html>\n<body>\n", "is not an entity or display id"),
        (json.dumps([{"cloud": 1}]), "an entry without an id"),
        (f"#dataset=ä ö\n#dataset=x!y\n{A}", "is not the name of a dataset"),
    ],
)
def test_P06_what_holds_no_ids_is_told_with_its_place(text, said):
    with pytest.raises(ValueError) as refused:
        read_scene_list(text)
    assert said in str(refused.value)


@given(st.text(max_size=300) | st.text(alphabet='[]{}",:;\n#|LCabc_0123', max_size=120))
def test_any_text_is_read_or_refused(text):
    try:
        found = read_scene_list(text)
    except ValueError:
        return
    assert found.ids
    assert len(set(found.ids)) == len(found.ids)
