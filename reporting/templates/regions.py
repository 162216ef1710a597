"""Which organ a finding belongs to, as a template names organs."""

from domain.codes import MORPHOLOGICALLY_ABNORMAL
from domain.concepts import ConceptTable
from domain.measurement import Finding


def belongs(finding: Finding, wording: str, table: ConceptTable) -> bool:
    """Tell whether a finding lies in an organ, or is of the kind that is named.

    By codes: the finding's own, or its anatomic site; and "mediastinal lymph node" is a "lymph
    node" by its last words.
    """
    concept = table.find(wording)
    if concept is None:
        return False
    if finding.concept is not None:
        own = table.find(finding.concept)
        phrase = own.phrase if own else finding.concept
        if phrase == concept.phrase or phrase.endswith(f" {concept.phrase}"):
            return True
    if concept.site is not None:  # a lesion of an organ: only findings of that very name
        return False
    own = table.find(finding.concept) if finding.concept else None
    return concept.code in {finding.code, finding.site, own.site if own else None}


def contradicts(finding: Finding, wording: str, table: ConceptTable) -> bool:
    """Tell whether a finding may stand against a normal of an organ or of a kind of finding.

    Wider than ``belongs``: a lung metastasis stands against "no nodule" of the lung.
    """
    if belongs(finding, wording, table):
        return True
    concept = table.find(wording)
    own = table.find(finding.concept) if finding.concept else None
    places = {finding.code, finding.site, own.site if own else None} - {None}
    return concept is not None and concept.site is not None and concept.site in places


def is_unplaced(finding: Finding, table: ConceptTable) -> bool:
    """Tell whether nobody has said which organ a finding lies in."""
    if finding.site is not None:
        return False
    concept = table.find(finding.concept) if finding.concept else None
    if concept is None:
        return True
    return concept.category == MORPHOLOGICALLY_ABNORMAL and concept.site is None
