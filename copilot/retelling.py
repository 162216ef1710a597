"""Findings of a stored result: read back from its JSON, so that they can be worded anew.

A result keeps its sentences in English; a template in another language wants the finding itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from copilot.keys import measurement_name
from domain.codes import (
    LESION,
    MAXIMUM,
    MEAN,
    MEDIAN,
    MINIMUM,
    PEAK,
    STANDARD_DEVIATION,
    Code,
)
from domain.concepts import ConceptTable
from domain.errors import InputError
from domain.measurement import Evidence, Finding, Measurement
from domain.segment import AlgorithmType, Provenance
from domain.uids import InstanceUID

_DERIVATIONS: Final = (None, MEAN, MAXIMUM, MINIMUM, MEDIAN, PEAK, STANDARD_DEVIATION)


def findings_of(document: Mapping[str, Any], table: ConceptTable) -> tuple[Finding, ...]:
    """Return the findings of a result's document, as ``copilot.printing`` wrote them.

    Each is confirmed: this is for results that a person accepted. The method of a measurement is
    not printed and stays unknown: an SR is made from the finding itself.

    Raises
    ------
    InputError
        If the document lacks what a finding needs, naming it.
    """
    try:
        return tuple(
            _finding(mask, document.get("measurements", ()), table) for mask in document["masks"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"a stored result cannot be read back ({error}): run it again") from error


def _finding(
    mask: Mapping[str, Any], measurements: Sequence[Mapping[str, Any]], table: ConceptTable
) -> Finding:
    concept = table.find(mask["concept"]) if mask["concept"] else None
    made_by = mask["made_by"]
    return Finding(
        tracking_id=str(mask["tracking_id"]),
        tracking_uid=InstanceUID(mask["tracking_uid"]),
        concept=mask["concept"],
        code=concept.code if concept else LESION,
        site=concept.site if concept else None,
        side=mask["side"],
        measurements=tuple(
            _measurement(each) for each in measurements if each["segment"] == mask["segment"]
        ),
        evidence=Evidence(
            segment_number=int(mask["segment"]), key_slice_index=int(mask["key_slice"])
        ),
        provenance=Provenance(
            engine=made_by["engine"],
            version=made_by["version"],
            algorithm_type=AlgorithmType(made_by["algorithm_type"]),
            weights_sha256=made_by["weights_sha256"],
            prompt=made_by["prompt"],
            directed_by=made_by["directed_by"],
        ),
        warnings=tuple(mask.get("warnings", ())),
        absent=tuple(mask.get("not_measured", ())),
    )


def _measurement(printed: Mapping[str, Any]) -> Measurement:
    code = printed["code"]
    unit = str(printed["unit"])
    plain = Measurement(
        concept=Code(value=code["value"], scheme=code["scheme"], meaning=code["meaning"]),
        value=float(printed["value"]),
        unit=Code(value=unit, scheme="UCUM", meaning=unit),
        slice_index=printed.get("slice"),
        points_lps_mm=tuple(
            (float(x), float(y), float(z)) for x, y, z in printed.get("points_lps_mm", ())
        ),
        uncertainty=printed.get("uncertainty_95"),
        rule=printed.get("rule"),
    )
    for derivation in _DERIVATIONS:  # it is printed in the name alone: "mean_attenuation"
        derived = replace(plain, derivation=derivation)
        if measurement_name(derived) == printed["name"]:
            return derived
    raise InputError(
        f"a stored result has a measurement {printed['name']!r} that is not known here: run the "
        "command again"
    )
