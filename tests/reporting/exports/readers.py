"""What an export says, read by somebody else's parser: sentences by section, and numbers."""

import csv
import io
import json
from html.parser import HTMLParser

import hl7
import markdown_it
import pypdf

from reporting.exports.hl7 import CODING_SYSTEMS

SCHEMES = {name: scheme for scheme, name in CODING_SYSTEMS.items()}
CODED_SIDES = {"7771000": "left", "24028007": "right", "51440002": "both"}
FHIR_SCHEMES = {
    "http://snomed.info/sct": "SCT",
    "http://loinc.org": "LN",
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
    "urn:oid:1.2.840.10008.2.16.13": "IBSI",
}


class Page(HTMLParser):
    """Sentences of the page's lists, by heading; what stands below a sentence is left out."""

    def __init__(self):
        super().__init__()
        self.depth = 0
        self.sections = []
        self.seen = []
        self.standing = []
        self.pictures = []
        self._in = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self._in = tag if tag != "br" else self._in
        if tag == "ul":
            self.depth += 1
            if self.depth == 1:
                self.sections.append([])
        if tag == "li" and self.depth == 1:
            self.sections[-1].append("")
        if tag == "br" and self.depth == 1:
            self.sections[-1][-1] += "\n"
        if tag == "img":
            self.pictures.append(dict(attrs))
        if ("role", "note") in attrs:
            self.standing.append("")
            self._in = "standing"

    def handle_endtag(self, tag):
        if tag != "br":
            self._in = ""
        if tag == "ul":
            self.depth -= 1

    def handle_data(self, data):
        if self._in == "standing":
            self.standing[-1] += data
        if self.depth == 1 and self._in in {"li", "span"}:
            self.sections[-1][-1] += data


def page(html):
    read = Page()
    read.feed(html.decode())
    read.close()
    return read


def html_sentences(html):
    return [[text.rstrip("\n") for text in section] for section in page(html).sections]


def text_sentences(text):
    found = []
    for line in text.decode().split("\n"):
        if line.startswith("----"):
            found.append([])
        elif line.startswith("- "):
            found[-1].append(line[2:])
        elif found and found[-1] and line.startswith("  ") and not line.startswith("    "):
            found[-1][-1] += "\n" + line[2:]
    return [each for each in found if each]


def markdown_sentences(markdown):
    """Return what CommonMark makes of the lists: read from the HTML that it renders."""
    rendered = markdown_it.MarkdownIt("commonmark").enable("table").render(markdown.decode())
    return [
        [text.replace("\n\n", "\n").strip("\n") for text in section]
        for section in page(rendered.encode()).sections
    ]


def csv_rows(table):
    return list(csv.DictReader(io.StringIO(table.decode(), newline="")))


def csv_numbers(table):
    return [
        (
            row["tracking_uid"],
            row["side"] or None,
            tuple(row["measurement_code"].split(" ", 1)),
            row["derivation_code"].partition(" ")[2] or None,
            float(row["uncertainty_95"]) if row["uncertainty_95"] else None,
            float(row["value"]),
            row["unit"],
        )
        for row in csv_rows(table)
        if row["value"]
    ]


def hl7_segments(message, name):
    read = hl7.parse(message.decode())
    return [segment for segment in read if str(segment[0]) == name]


def hl7_said(segment, field):
    return hl7_unescaped(str(segment[field]))


def hl7_unescaped(text):
    """Return what HL7's escapes say, by their definition (v2.5 section 2.7)."""
    for escape, char in (
        ("\\F\\", "|"),
        ("\\S\\", "^"),
        ("\\R\\", "~"),
        ("\\T\\", "&"),
        ("\\.br\\", "\n"),
        ("\\E\\", "\x00"),
    ):
        text = text.replace(escape, char)
    return text.replace("\x00", "\\")


def hl7_sentences(message):
    found = {}
    for obx in hl7_segments(message, "OBX"):
        code = str(obx[3]).partition("^")[0]
        if str(obx[2]) in {"TX", "FT"} and code != "STATUS":
            found.setdefault(code, []).append(hl7_said(obx, 5))
    return list(found.values())


def interval_in(notes):
    """Return half of the 95 % interval that notes on a number tell of."""
    [*said] = (each for each in notes if each.startswith(("95 % interval", "95-%-Intervall")))
    return float(said[0].rsplit(" ", 2)[1].replace(",", ".")) if said else None


def hl7_groups(message):
    """Yield each OBX with the texts of the NTE behind it."""
    observation, notes = None, []
    for segment in hl7.parse(message.decode()):
        if str(segment[0]) == "NTE":
            notes.append(hl7_said(segment, 3))
        elif str(segment[0]) == "OBX":
            if observation is not None:
                yield observation, notes
            observation, notes = segment, []
    yield observation, notes


def hl7_numbers(message):
    groups, sides, found = {}, {}, []
    for obx, notes in hl7_groups(message):
        code, _, system = str(obx[3]).split("^")[:3]
        group, _, number = str(obx[4]).partition(".")
        if code == "112040":
            groups[group] = str(obx[5])
        if code == "272741003":
            sides[group] = CODED_SIDES[str(obx[5]).partition("^")[0]]
        if str(obx[2]) == "NM":
            assert number
            derived = [
                each.split("^")[0]
                for each in str(obx[17]).split("~")
                if len(each.split("^")) > 1 and each.split("^")[0] not in {"", "126030"}
            ]
            found.append(
                (
                    groups[group],
                    sides.get(group),
                    (SCHEMES[system], code),
                    derived[0] if derived else None,
                    interval_in(notes),
                    float(str(obx[5])),
                    str(obx[6]).partition("^")[0],
                )
            )
    return found


def resources(bundle):
    read = json.loads(bundle)
    return {each["fullUrl"]: each["resource"] for each in read["entry"]}


def fhir_report(bundle):
    [found] = [r for r in resources(bundle).values() if r["resourceType"] == "DiagnosticReport"]
    return found


def fhir_sentences(bundle):
    return html_sentences(fhir_report(bundle)["text"]["div"].encode())


def fhir_numbers(bundle):
    by_name = resources(bundle)
    found = []
    for reference in fhir_report(bundle).get("result", []):
        group = by_name[reference["reference"]]
        uid = group["identifier"][0]["value"].removeprefix("urn:oid:")
        for member in group.get("hasMember", []):
            number = by_name[member["reference"]]
            parts = {
                each["code"]["coding"][0]["code"]: each["valueCodeableConcept"]["coding"][0]["code"]
                for each in number.get("component", [])
            }
            coding = number["code"]["coding"][0]
            found.append(
                (
                    uid,
                    CODED_SIDES.get(parts.get("272741003")),
                    (FHIR_SCHEMES[coding["system"]], coding["code"]),
                    parts.get("121401"),
                    interval_in(note["text"] for note in number.get("note", [])),
                    number["valueQuantity"]["value"],
                    number["valueQuantity"]["code"],
                )
            )
    return found


def pdf_pages(pdf):
    return [each.extract_text() for each in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def pdf_elements(pdf):
    """Yield the elements of the structure tree: their type and what they hold for the blind."""

    def below(node):
        node = node.get_object()
        for each in node if isinstance(node, list) else [node]:
            found = each.get_object()
            if isinstance(found, dict) and "/S" in found:
                yield found["/S"].removeprefix("/"), found.get("/Alt")
            if isinstance(found, dict) and "/K" in found:
                yield from below(found["/K"])

    yield from below(pypdf.PdfReader(io.BytesIO(pdf)).trailer["/Root"]["/StructTreeRoot"])


def squeezed(text):
    """Return a text without what the setting of lines and pages changes."""
    return "".join(text.split())
