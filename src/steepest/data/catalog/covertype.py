"""Covertype: the kind of forest on 30 m × 30 m cells."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "covertype": {"object": "COVERTYPE", "what": "581,012 forest cells, 7 cover types", "groups": ["table"]}
}

_NUMBERS = (
    "Elevation",
    "Aspect",
    "Slope",
    "Horizontal_Distance_To_Hydrology",
    "Vertical_Distance_To_Hydrology",
    "Horizontal_Distance_To_Roadways",
    "Hillshade_9am",
    "Hillshade_Noon",
    "Hillshade_3pm",
    "Horizontal_Distance_To_Fire_Points",
)
_AREAS = tuple(f"Wilderness_Area_{i}" for i in range(1, 5))
_SOILS = tuple(f"Soil_Type_{i}" for i in range(1, 41))


_STEPS: list[dict[str, Any]] = [
    {"use": "decode", "columns": list(_AREAS)},
    {"use": "decode", "columns": list(_SOILS)},
]

COVERTYPE = DatasetSource(
    name="covertype",
    title="581,012 cells of forest: seven cover types from ten measurements, wilderness area and soil type",
    files=(
        DataFile(
            name="covtype.data.gz",
            folder="covtype",
            bytes=11_240_707,
            contents_md5="71df19898bd3e11db15ae0faf4159f2c",
            sha256=(
                "614360d0257557dd1792834a85a1cdebfadc3c4f30b011d56afee7ffb5b15771",
                "b22ca13b51814b12ef7fec2fc96a623903e35dab1469a4d1213fe9911d92912c",
            ),
            urls=("https://ndownloader.figshare.com/files/5976039",),
        ),
    ),
    page="https://archive.ics.uci.edu/dataset/31/covertype",
    licence="CC BY 4.0",
    citation="J. A. Blackard (1998). Covertype. UCI Machine Learning Repository.",
    options=MappingProxyType(
        {"target": "Cover_Type", "prepare": _STEPS, "categorical": ["Wilderness_Area", "Soil_Type"]}
    ),
    columns=(*_NUMBERS, *_AREAS, *_SOILS, "Cover_Type"),
)
