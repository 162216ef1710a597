"""Which template a study gets, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.concepts import ConceptTable
from domain.errors import InputError
from domain.measurement import Finding
from reporting.templates.template import Template


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A template and the reason for it.

    Attributes
    ----------
    others
        What else fits, the next best first: a person may name one.
    """

    template: Template
    reason: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Fit:
    template: Template
    described: str
    covered: int
    has_modality: bool

    @property
    def order(self) -> tuple[int, int, bool, int, int, str]:
        """The most specific first; ties go by priority, then by name."""
        size = len(self.template.concepts) or 10_000
        return (
            -len(self.described),
            -self.covered,
            not self.has_modality,
            size if self.covered else 0,
            -self.template.priority,
            self.template.name,
        )

    @property
    def reason(self) -> str:
        parts = []
        if self.described:
            parts.append(f"the study description says {self.described!r}")
        if self.covered:
            parts.append(f"it is for {self.covered} of the findings' concepts")
        if self.has_modality:
            parts.append(f"it is for {', '.join(self.template.modalities)}")
        return "; ".join(parts) or "it is for any study"


def chosen(
    templates: Sequence[Template],
    *,
    language: str,
    modality: str,
    description: str,
    findings: Sequence[Finding],
    table: ConceptTable,
    named: str = "",
) -> Choice:
    """Return the template for a study: what its description says, then its findings, then any.

    Of those that fit, the one whose longest word is in the description wins, then the one that
    covers more findings, with the modality named, with fewer concepts; ties go by priority.

    Parameters
    ----------
    named
        The template that a person wants.

    Raises
    ------
    InputError
        If there is none of that name, or none that fits.
    """
    own = [each for each in templates if each.language == language]
    if named:
        for each in own:
            if each.name == named:
                return Choice(template=each, reason="a person named it", others=_names(own, each))
        raise InputError(
            f"there is no template {named!r} in {language!r}: use one of "
            f"{', '.join(sorted(each.name for each in own))}"
        )
    phrases = {_phrase(each, table) for each in findings if each.concept}
    fits = [
        _Fit(
            template=each,
            described=_described(each, description),
            covered=len(phrases & set(each.concepts)),
            has_modality=modality in each.modalities,
        )
        for each in own
        if not each.modalities or modality in each.modalities
    ]
    is_general = {id(each): not (each.body_parts or each.concepts) for each in own}
    fits = [
        each for each in fits if each.described or each.covered or is_general[id(each.template)]
    ]
    if not fits:
        raise InputError(
            f"no template in {language!r} is for {modality or 'this modality'}: add one without "
            "modalities, or name one"
        )
    best, *rest = sorted(fits, key=lambda each: each.order)
    return Choice(
        template=best.template,
        reason=best.reason,
        others=tuple(each.template.name for each in rest),
    )


def _names(templates: Sequence[Template], but: Template) -> tuple[str, ...]:
    return tuple(each.name for each in templates if each is not but)


def _phrase(finding: Finding, table: ConceptTable) -> str:
    concept = table.find(finding.concept or "")
    return concept.phrase if concept else finding.concept or ""


def _described(template: Template, description: str) -> str:
    """Return the longest of a template's words that stands in the description as a whole word."""
    found = [
        word
        for word in template.body_parts
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", description.lower())
    ]
    return max(found, key=len, default="")
