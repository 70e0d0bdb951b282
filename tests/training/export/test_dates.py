"""Dates parsed from text by the exported model: the same days and times as in the preparation."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from evonas.data.cells import date_parts, seconds
from evonas.data.encoding.codes import DATE_PATTERN
from evonas.data.encoding.preprocessor import DATE_PARTS
from tests.training.export.test_preprocessing import compute

pytestmark = pytest.mark.keras


@pytest.mark.soak
def test_dates_are_those_of_the_calendar():
    import keras

    from evonas.training.export.dates import date_fields, date_numbers

    given = keras.Input((1,), dtype="string")
    fields = keras.layers.Identity(name="fields")(date_fields(given))
    model = keras.Model(given, date_numbers(fields, 0.0))
    days = np.arange(-719162, 2932896, 97)
    texts = days.astype("datetime64[D]").astype(str).astype(object)
    numbers, present = compute(model, texts)
    assert present.all()
    np.testing.assert_array_equal(numbers[:, 0], days)
    np.testing.assert_array_equal(numbers[:, 2], (days + 3) % 7)
    assert_zones_are_read(model)
    wrong = np.array(["", "soon", "2020-13-01", "2021-02-30", "2020-1/5", "01-02-2020", "2020"], dtype=object)
    assert not compute(model, wrong)[1].any()


#: Cells that are dates, nearly dates, or something else.
# fmt: off
ODD = [
    "2021-02-30", "2000-2-29", "1900-02-29", "0000-00-00", "2020-12-31T24:00", "2020-12-31T23:60", "2020-12-31T9:05",
    "2020-12-31T23:59:60", "2020-12-31T10:00+24:00", "2020-12-31T00:10-00:30", "2020-12-31T10:00+05", "2020-12-31Z",
    "2020-12/31", "2020-12-31x", "12020-12-31", "31/12/2020", "29/2/2021", "1/2/2020T9:05PM", "1/2/2020T13:05PM",
    "1/2/2020T12:00am", "31/12/2020T10:00z", "05JAN2020", "5feb2021", "30FEB2020", "05XXX2020", "05JAN2020:10:11:12",
    "05-JAN-2020", "31.12.20", "1.1.69", "2020-12-31T23:59:59.1234567891", "\u0661-1-2020",
]
# fmt: on


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "format", ["", "dbY", *(pytest.param(form, marks=pytest.mark.soak) for form in ("d/m/Y", "m/d/Y", "d.m.y"))]
)
def test_odd_cells_are_the_same_dates_as_in_the_preparation(format):
    import keras

    from evonas.data.dates import instants
    from evonas.training.export.dates import date_fields, date_numbers

    given = keras.Input((1,), dtype="string")
    model = keras.Model(given, date_numbers(date_fields(given, format), 18000.0))
    cells = [*ODD, *(cell.replace("T", " ") for cell in ODD), *(cell[:-1] for cell in ODD), "", "NA", "?"]
    stamps = np.floor(instants(cells, format))
    numbers, present = model.predict(np.array(cells, dtype=object), verbose=0)
    assert [cell for cell, has in zip(cells, present[:, 0] > 0.5, strict=True) if has] == [
        cell for cell, stamp in zip(cells, stamps, strict=True) if not np.isnan(stamp)
    ]
    there, wanted = present[:, 0] > 0.5, date_parts(stamps)
    wanted["days"] -= 18000.0
    for index, part in enumerate(DATE_PARTS):
        np.testing.assert_allclose(numbers[there, index], wanted[part][there], rtol=1e-6, atol=1e-4, err_msg=part)


def assert_zones_are_read(model):
    import keras

    days = ["2020-02-28", "2020-02-29", "2020-03-01", "2019/12/31", "2020-01-01", "2021-07-15", "1969-12-31"]
    times = ["T00:10", " 23:50", "T23:59:59", " 00:00:01.25", " 12:00:00.123456789"]
    zones = ["", "Z", "+00:00", "+02:00", "-0530", "+1400", "-11:45"]
    texts = [day + time + zone for day in days for time in times for zone in zones]
    wanted = date_parts(np.floor(seconds(pd.Series(texts, dtype=object))))
    numbers, present = model.predict(np.array(texts, dtype=object), verbose=0)
    assert present.all()
    for index, part in enumerate(DATE_PARTS):
        np.testing.assert_allclose(numbers[:, index], wanted[part], rtol=1e-6, atol=1e-5, err_msg=part)
    coded = np.array([[int(field) for field in re.match(DATE_PATTERN, text).groups("0")] for text in texts], np.int32)
    fields = keras.Model(model.inputs, model.get_layer("fields").output).predict(
        np.array(texts, dtype=object), verbose=0
    )
    fields[:, -1] = np.abs(fields[:, -1])  # encoded minutes of a zone have no sign
    np.testing.assert_array_equal(coded, fields)
