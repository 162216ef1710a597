"""The cases file: what is wrong is said with file, case and key."""

import pytest

from copilot.evaluation.cases import load_cases
from domain.errors import InputError

ONE = '[[case]]\nname = "a"\nimages = "ct"\nreference = "mask.nrrd"\n'


def written(tmp_path, text):
    path = tmp_path / "cases.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path):
    (case,) = load_cases(written(tmp_path, ONE + "box = [3, 1, 2, 5, 6]\nslices = [2, 5]\n"))
    assert case.images == tmp_path / "ct"
    assert case.reference == tmp_path / "mask.nrrd"
    assert (case.box, case.slices) == ((3, 1, 2, 5, 6), (2, 5))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE + 'lable = "x"\n', r"\[\[case\]\] 1 \(a\): unknown key 'lable': use one of name"),
        (ONE + "[settings]\n", "unknown key 'settings': only"),
        (ONE + 'gesture = "lasso"\n', r"1 \(a\): gesture = 'lasso'"),
        (ONE + "point = [1, 2]\n", r"1 \(a\): point has too few numbers"),
        (ONE + "slices = [-1, 2]\n", r"slices.0 = -1"),
        (ONE + 'gesture = "text"\n', "give the concept"),
        (ONE + 'gesture = "box"\npoint = [1, 2, 3]\n', "leave one out"),
        (ONE + "label = 1\nsegment = 1\n", "leave one out"),
        (ONE + ONE, "two cases are called 'a'"),
        ('[[case]]\nname = "a"\nimages = "ct"\n', "lacks 'reference': add it"),
        ("case = []", "add at least one"),
        ("case = [1]", r"\[\[case\]\] 1"),
        ("[[case", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        load_cases(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.toml does not exist"):
        load_cases(tmp_path / "none.toml")
