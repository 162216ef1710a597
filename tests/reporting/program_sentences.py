"""The sentences that our code can put into a report, read from its source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import reporting

ROOT = Path(reporting.__file__).parents[1]
MODULES = (
    "dicom_node/context.py",
    "dicom_node/pixels.py",
    "dicom_node/suv.py",
    "dicom_node/ultrasound.py",
    "reporting/volumetry.py",
    "reporting/diameters.py",
    "reporting/uptake.py",
    "reporting/shape.py",
    "reporting/over_time.py",
    "reporting/scale.py",
    "reporting/findings.py",
    "reporting/disagreement.py",
    "reporting/priors/change.py",
    "reporting/priors/difference.py",
    "reporting/priors/presence.py",
    "reporting/exports/fhir.py",
    "reporting/exports/hl7.py",
    "copilot/reviewer.py",
    "copilot/plausibility.py",
    "copilot/doubt.py",
    "copilot/agent/workbench.py",
    "copilot/comparing/pairing.py",
    "copilot/comparing/questions.py",
    "copilot/comparing/seeking.py",
    "copilot/comparing/outlines.py",
    "segmentation/slicewise/segmenter.py",
    "segmentation/slicewise/targets.py",
    "segmentation/medsam3/segmenter.py",
    "segmentation/medsam3/following.py",
    "segmentation/organs/segmenter.py",
    "segmentation/organs/kidneys.py",
    "segmentation/organs/liver.py",
    "segmentation/organs/spleen.py",
    "segmentation/lung/half_maximum.py",
    "segmentation/lung/clicked.py",
    "segmentation/rules/lungs_and_body.py",
    "segmentation/rules/tissues.py",
)
NO_SENTENCE_OF_THEIR_OWN = frozenset(
    {
        "reporting/sr_findings.py",
        "copilot/retelling.py",
        "copilot/cli/measure.py",
        "copilot/comparing/comparer.py",  # adds numbers of the alignment behind the reason told of
        "copilot/comparing/reading_back.py",
    }
)
"""They pass on what others said."""
SAID = frozenset({"CannotDoError", "UncalibratedError"})  # these are caught, and told of
WORDS = 3
_PLACE = "{}"
ELSEWHERE = frozenset(
    {
        # codes, and what programs read
        "Philips PET Private Group",
        "Diagnostic imaging study",
        "Medical record number",
        "Current Procedure Descriptions",
        "Tracking Unique Identifier",
        "http://snomed.info/sct",
        "http://loinc.org",
        "http://dicom.nema.org/resources/ontology/DCM",
        "http://unitsofmeasure.org",
        "http://terminology.hl7.org/CodeSystem/v2-",
        "http://terminology.hl7.org/CodeSystem/observation-category",
        "urn:dicom:uid",
        "urn:ietf:rfc:3986",
        "YYYY-MM-DD",
        "not stated by the images",
        # rules of measurement: the method of a number in messages
        "mean of a 1 mL sphere centred on a voxel of the segment",
        "{} of the highest SUV, joined to its voxel",
        # an answer to a command alone: it is refused, and leads to no finding
        "these images follow one another in space, not in time",
        (
            "Subtraction of the prior, proposed for confirmation: {} mL became brighter in "
            "{} places "
            "({} mL with its blurred edge), {} mL darker in {}; {} mL were searched, "
            "likeness of the "
            "series {}."
        ),
        (
            "the two series are too unlike to be subtracted (likeness {}, at least {} is needed; "
            "alignment: {}): mark the lesions on both, or choose a prior series of the same kind"
        ),
        (
            "{} places are brighter and {} darker than on the prior, more than {}: the "
            "series differ "
            "in more than lesions (likeness {}, alignment: {}); mark the lesions on both"
        ),
        "no tissue is seen on both series: choose a prior of the same region",
        # why a verdict was given: in the comparison, while the report has its numbers in a sentence
        "volume {} mL then {} mL, {} %, {} the limits {} % to {} %",
        # the signals of an outline, on the page
        "not calibrated: too few cases with such signals were measured",
        "no signal speaks against the outline",
        (
            "{}; {} things in {} patients outlined with such signals agreed with their "
            "reference by "
            "Dice {} on average, {} at worst, on one slice"
        ),
        # between the agent and its model, and its answer where it found nothing
        "pictures are not shown here",
        "{}: go by measure",
        "ratio_of_volumes",
        "distance_of_centres_mm",
        "what the engine marked on {} was judged not to be it",
        "searched: {}{}; the agent says: {}",
        "it lies on the patient's {}, and the {} was asked for",
        "it is a {}, and a {} was asked for",
        "none yet, call segment first",
        "the spacing of these images is not known",
        # names of states, parts of sentences that stand here whole, and progress
        "out of field",
        "the current study",
        "not found on the {}, which shows its place: {}, and {}",
        "not clear on the {}: {}, but {}",
        "a thing of its own",
        "box or line",
        "click or scribble",
        "the half-maximum rule",
        "looking at slice {}",
        "reading the marks",
        "finding the spine, wall and lungs",
        "finding the organ",
        "finding what is solid",
        "finding the half-maximum",
        "freeing it of vessels",
        "finding the body",
        "refining the outline",
        "finding air in the body",
        "telling right from left",
        "closing over vessels",
        "taking the fat",
        "telling air from lung",
        "taking the air",
    }
)


def sentences() -> Iterator[tuple[str, str, re.Pattern[str]]]:
    """Yield module, text, and a pattern for each text of three words or more."""
    for module in MODULES:
        for node in _texts(ast.parse((ROOT / module).read_text())):
            text = _with_places(node).strip(" ,;")
            if "(?" in text:  # a pattern of what others write
                continue
            fixed = text.split(_PLACE)
            if len(re.findall(r"[a-zA-Z]+", " ".join(fixed))) >= WORDS and text not in ELSEWHERE:
                yield module, text, re.compile(".*".join(re.escape(each) for each in fixed))


def _with_places(node: ast.Constant | ast.JoinedStr) -> str:
    """Return a text with one mark for each place, of an f-string or of ``format``."""
    if isinstance(node, ast.Constant):
        return re.sub(r"\{[^}]*\}", _PLACE, str(node.value))
    return "".join(
        str(each.value) if isinstance(each, ast.Constant) else _PLACE for each in node.values
    )


def _texts(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Yield the texts below a node but docstrings, dictionary keys, asserts and other errors."""
    if isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    ):
        yield node
        return
    if isinstance(node, ast.Raise) and not _is_said(node):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def _is_said(node: ast.Raise) -> bool:
    made = node.exc
    return isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in SAID
