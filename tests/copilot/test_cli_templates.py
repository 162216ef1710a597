import json

from tests.reporting.templates.test_mrrt import page


def test_templates_are_listed_shown_checked_and_brought_in(radcopilot, tmp_path):
    listed = json.loads(radcopilot("templates", "list", "--json").stdout)
    assert {"chest-ct", "liver"} <= {each["name"] for each in listed}

    shown = radcopilot("templates", "show", "liver")
    assert "Parenchyma: [to be reviewed: No focal lesion.]" in shown.stdout

    (tmp_path / "theirs.html").write_text(page())
    made = radcopilot("templates", "import", "theirs.html", "--output", "ours.md")
    assert made.returncode == 0
    assert "no use for the codes SCT 12345" in made.stderr
    checked = radcopilot("templates", "check", "ours.md")
    assert checked.returncode == 0
    assert "template 'ct-kidneys-structured' (en) can be used" in checked.stdout
    again = radcopilot("templates", "import", "theirs.html", "--output", "ours.md")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)


def test_a_wrong_template_is_one_line_with_file_and_line(radcopilot, tmp_path):
    (tmp_path / "mine.md").write_text(
        '+++\nname = "mine"\ntitle = "Mine"\nlanguage = "en"\n+++\n## Findings {#findings}\n'
        '{{ findings("levir") }}\n'
    )
    found = radcopilot("templates", "check", "mine.md")
    assert found.returncode == 2
    assert found.stderr.startswith("radcopilot: mine.md:7: 'levir' is not in the concept table")
    assert len(found.stderr.splitlines()) == 1


def test_a_site_has_its_own_folder_and_language(radcopilot, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "knie.md").write_text(
        '+++\nname = "knie-mr"\ntitle = "Knie"\nlanguage = "de"\nmodalities = ["MR"]\n+++\n'
        "## Befund {#findings}\n{{ findings() }}\n"
    )
    (tmp_path / "site.toml").write_text('[reporting]\ntemplates = "own"\nlanguage = "de"\n')
    shown = radcopilot("templates", "show", "knie-mr", "--config", "site.toml")
    assert shown.stdout.startswith("## Befund")
    ours = radcopilot("templates", "show", "liver", "--config", "site.toml")
    assert "Parenchym: [zu prüfen: Keine fokale Läsion.]" in ours.stdout
