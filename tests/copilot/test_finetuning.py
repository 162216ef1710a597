"""Cases for a site's own adapter: split by patient."""

import pytest

from copilot.cli.main import run
from copilot.evaluation.cases import CaseEntry
from copilot.finetuning import patient_of, split
from domain.errors import InputError
from tests.phantoms import ct, ellipsoid, grid, series


def cases(patients):
    return tuple(
        CaseEntry(name=f"case {place}", images="a.nrrd", reference="b.nrrd", patient=patient)
        for place, patient in enumerate(patients)
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_on_both_sides(seed):
    training, held_out = split(cases("aabbbcdde"), 0.25, seed)
    ours, others = ({patient_of(case) for case in group} for group in (training, held_out))
    assert not ours & others
    assert len(training) + len(held_out) == 9
    assert len(others) == 1


def test_one_patient_alone_is_refused():
    with pytest.raises(InputError, match="all 3 cases are of one patient"):
        split(cases("aaa"), 0.25, 0)


def test_someone_is_always_left_to_train_on():
    training, held_out = split(cases("ab"), 0.9, 0)
    assert len(training) == len(held_out) == 1


def test_dicom_says_whose_images_they_are(tmp_path):
    on = grid((4, 24, 20))
    volume = ct(on, ellipsoid(on, (3, 6, 5)))
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        series(folder, volume)
    entries = [CaseEntry(name=f.name, images=f, reference=f) for f in folders]
    assert patient_of(entries[0]) == patient_of(entries[1])
    assert "PHANTOM" not in patient_of(entries[0])


def test_without_the_extra_or_the_model_it_says_what_to_install(tmp_path, capfd):
    config = tmp_path / "site.toml"
    config.write_text(f'[storage]\nmodels_folder = "{tmp_path}"\n', encoding="utf-8")
    status = run(["finetune", "none.toml", "--output", str(tmp_path), "--config", str(config)])
    assert status == 1
    assert "medsam3" in capfd.readouterr().err.lower()
