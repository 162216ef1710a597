"""The speed bench runs, on a CPU with a small network: so it will where there is a GPU."""

from importlib.util import find_spec

import pytest

for package in ("torch", "torchvision", "transformers", "safetensors", "sam3", "psutil"):
    if find_spec(package) is None:
        pytest.skip("needs the extra [medsam3]: " + package, allow_module_level=True)
speed = pytest.importorskip("bench.medsam3_speed")


def test_every_batch_precision_and_number_of_concepts_is_timed_for_ours_and_the_package(capsys):
    assert speed.main(["--tiny", "--device", "cpu", "--slices", "2"]) == 0
    printed = capsys.readouterr().out
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    named = {row[0].removeprefix("| "): row[1:] for row in rows}
    for precision in ("fp32", "bf16", "fp16"):
        assert [cell.rstrip(" |")[-2:] for cell in named[precision]] == ["/s"] * 4
    for precision in ("fp32", "bf16"):
        for who in (f"ours, {precision}, 1 at once", f"sam3, {precision}, one at a time"):
            assert all(float(cell.rstrip(" |")) > 0 for cell in named[who])
    assert "device: " in printed
