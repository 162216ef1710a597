"""``radcopilot guideline``: inputs come from what was compared."""

import json

from copilot.cli.main import run


def test_lung_rads_gets_its_inputs_from_a_comparison(tmp_path, capsys):
    def lesion(long_axis, volume):
        return {
            "label": "Finding 1",
            "tracking_uid": "1.2.3",
            "volume_ml": volume,
            "uncertainty_95_ml": None,
            "long_axis_mm": long_axis,
            "short_axis_mm": long_axis - 2.0,
            "centre_lps_mm": [0.0, 0.0, 0.0],
            "kind": "lung nodule",
            "organ": "lung",
            "side": None,
            "origin": "outlined here",
            "reported_by": None,
            "slice_spacing_mm": 1.0,
        }

    change = {
        "verdict": "larger",
        "reasons": ["volume 0.20 mL then 0.50 mL"],
        "current": lesion(10.0, 0.5),
        "prior": lesion(7.0, 0.2),
        "change_percent": 150.0,
        "limits_percent": [-25.0, 25.0],
        "doubling_time": None,
        "question": None,
        "warnings": [],
    }
    document = {
        "comparison": {
            "prior_date": "2025-01-01",
            "current_date": "2025-07-01",
            "days_between": 181,
            "lesions": [change],
            "recist": None,
            "refusal": None,
            "notes": [],
        }
    }
    path = tmp_path / "compared.json"
    path.write_text(json.dumps(document))
    asked = ["guideline", "lung-rads", str(path), "--density", "solid"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["mean_diameter_mm"], found["volume_mm3"]) == (9.0, 500.0)
    assert (found["is_new"], found["is_growing"]) == (False, True)
    assert run([*asked, "--lesion", "2"]) == 2
    assert "holds 1 lesions" in capsys.readouterr().err
    path.write_text("{}")
    assert run(asked) == 2
    assert "holds no comparison" in capsys.readouterr().err
