"""Real tables, which are kept beside the project and are not part of it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
TARGETS = {
    "california_housing": "median_house_value",
    "kin8nm": "y",
    "power_plant": "energy_output",
    "concrete": "strength_mpa",
    "titanic": "Survived",
}


@pytest.fixture
def real_files() -> list[Path]:
    files = [FOLDER / f"{name}.csv" for name in TARGETS]
    if not all(file.exists() for file in files):
        pytest.skip("the real tables are not here")
    return files
