"""Stations that speak at once, each over a socket of its own, to one real server."""

from bench.stations import measured


def test_no_command_of_four_stations_is_lost_or_misheard_dangerously(models_folder, tool):
    for voice in ("espeak-ng", "flite"):
        tool(voice)
    answers, cpu_s = measured(4, 8)
    assert len(answers) == 8
    assert not [each.lost for each in answers if each.lost]
    assert all(each.result != "dangerous" for each in answers)
    assert sum(each.result == "right" for each in answers) >= 6
    assert cpu_s > 0
