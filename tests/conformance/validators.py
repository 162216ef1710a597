"""What independent validators say of an object."""

import subprocess

KNOWN_WARNINGS = (
    "Device UID",  # our addition to Contributing Equipment, asked for by IHE AIR
    "Standard Extended SOP Class",  # which makes it one
    'different code meaning ("Source Series for Segmentation")',  # the case of a word
    "attribute <Laterality>",  # empty: the source does not say whether its body part is paired
    "Content Item not in template",  # TID 1411 is extensible: algorithm, and ends of diameters
)


def complaints(text):
    lines = [line for line in text.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not any(known in line for known in KNOWN_WARNINGS)]


def dciodvfy(path, tool):
    run = subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return complaints(run.stderr + run.stdout)


def pixelmed(path, tool):
    limits = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("TotalOp", "ExprOp", "ExprGrp")]
    run = subprocess.run(
        [
            tool("java"),
            *limits,
            "-cp",
            "/usr/share/java/pixelmed.jar",
            "com.pixelmed.validate.DicomSRValidator",
            str(path),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return run.stdout + run.stderr
