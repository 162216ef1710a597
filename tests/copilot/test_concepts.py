from pathlib import Path
from typing import Any

import pytest
from pydicom.sr import _concepts_dict

from copilot.concepts import load_concepts
from domain.codes import Code
from domain.errors import SettingsError

TABLE = load_concepts()
# One code has several keywords and meanings in DICOM's tables.
KNOWN: dict[str, set[str]] = {}
SNOMED: Any = _concepts_dict.concepts["SCT"]
for several in SNOMED.values():
    for value, (meaning, _) in several.items():
        KNOWN.setdefault(value, set()).add(meaning)

NEEDED = (
    "lung", "lung lesion", "lung nodule", "body", "liver", "spleen", "kidney", "pancreas",
    "brain tumor", "soft tissue tumor", "ischemic stroke lesion", "pleural effusion", "renal mass",
    "adrenal nodule", "urinary bladder",
)  # fmt: skip

GOOD = """
[[concept]]
phrase = "liver"
synonyms = ["hepar"]
category = ["91723000", "Anatomical Structure"]
code = ["10200004", "Liver"]
window = [60, 160]
route = "box"
plausible_ml = [500, 4000]
"""


def test_what_a_radiologist_names_is_there() -> None:
    assert len(TABLE.concepts) >= 80
    for phrase in NEEDED:
        found = TABLE.find(phrase)
        assert found is not None
        assert found.phrase == phrase


@pytest.mark.parametrize("concept", TABLE.concepts, ids=lambda each: each.phrase)
def test_every_code_is_one_of_dicoms(concept: object) -> None:
    codes = [getattr(concept, name) for name in ("category", "code", "site")]
    for code in codes:
        if code is not None:
            assert isinstance(code, Code)
            assert code.scheme == "SCT"
            assert code.meaning in KNOWN.get(code.value, set()), code


def test_lesions_of_an_organ_name_it() -> None:
    for phrase, site in (("renal mass", "Kidney"), ("liver cyst", "Liver"), ("lung mass", "Lung")):
        concept = TABLE.find(phrase)
        assert concept is not None
        assert concept.site is not None
        assert concept.site.meaning == site


def test_routes_windows_and_limits() -> None:
    routes = {concept.phrase: concept.route for concept in TABLE.concepts}
    assert routes["lung"] == "lungs"
    assert routes["body"] == "body"
    assert routes["lung lesion"] == routes["lung mass"] == "solid-lung-lesion"
    assert routes["lung nodule"] == routes["nodule"] == "lung-nodules"
    assert routes["kidney"] == "kidneys"
    assert routes["renal mass"] == routes["pancreas"] == "box"
    nodule = TABLE.find("pulmonary nodule")
    assert nodule is not None
    assert nodule.window is not None
    assert (nodule.window.center, nodule.window.width) == (-600, 1500)
    for concept in TABLE.concepts:
        assert concept.smallest_ml is not None
        assert concept.largest_ml is not None
        assert 0 < concept.smallest_ml < concept.largest_ml


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "concepts.toml"
    path.write_text(GOOD, encoding="utf-8")
    liver = load_concepts(path).find("hepar")
    assert liver is not None
    assert (liver.phrase, liver.largest_ml, liver.paired) == ("liver", 4000, False)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("synonyms", "synonym", "unknown key 'synonym'"),
        ('route = "box"', 'route = "magic"', "route 'magic' is none of"),
        ('route = "box"\n', "", "lacks 'route'"),
        ("[60, 160]", "[60]", "window .* must be two numbers"),
        ("[60, 160]", "[60, 0]", "window width 0"),
        ('["10200004", "Liver"]', '"10200004"', "code .* must be a list"),
        ('"liver"', '"Liver"', "must be lower-case"),
        ('["hepar"]', '["hepar", "liver"]', "'liver' means both"),
        ("[[concept]]", "[[concepts]]", "unknown key 'concepts'"),
        ("[[concept]]", "[[concept", "readable TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "site-concepts.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"site-concepts\.toml.*{named}"):
        load_concepts(path)
