"""Keys of measurements for programs."""

from typing import Final

from domain.codes import (
    AREA,
    ATTENUATION,
    LONG_AXIS,
    MAXIMUM,
    MAXIMUM_3D_DIAMETER,
    MEAN,
    MEDIAN,
    MESH_VOLUME,
    MINIMUM,
    PEAK,
    SHORT_AXIS,
    STANDARD_DEVIATION,
    SURFACE_AREA,
    SUV_BODY_WEIGHT_VALUE,
    VOLUME,
)
from domain.measurement import Measurement

_NAMES: Final = {
    VOLUME: "volume",
    LONG_AXIS: "long_axis",
    SHORT_AXIS: "short_axis",
    ATTENUATION: "attenuation",
    SUV_BODY_WEIGHT_VALUE: "suv",
    AREA: "area",
    MAXIMUM_3D_DIAMETER: "maximum_3d_diameter",
    SURFACE_AREA: "surface_area",
    MESH_VOLUME: "mesh_volume",
}
_STATISTICS: Final = {
    MEAN: "mean",
    STANDARD_DEVIATION: "standard_deviation",
    MINIMUM: "minimum",
    MAXIMUM: "maximum",
    MEDIAN: "median",
    PEAK: "peak",
}


def measurement_name(measurement: Measurement) -> str:
    """Return a key for programs: "volume", "long_axis", "mean_attenuation"."""
    name = _NAMES.get(measurement.concept, measurement.concept.meaning.lower().replace(" ", "_"))
    if measurement.derivation is None:
        return name
    statistic = _STATISTICS.get(measurement.derivation, measurement.derivation.value)
    return f"{statistic}_{name}"
