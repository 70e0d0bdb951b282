"""A run refuses to continue with a changed file, and does not need a file that has been deleted."""

import pytest

from evonas.data.source import check_origin, origin_of
from genomes.errors import InputError


def test_the_same_file_is_accepted_and_a_changed_one_refused(tmp_path):
    file = tmp_path / "houses.csv"
    file.write_text("a,b\n1,2\n")
    origin = origin_of(file)
    check_origin(origin)
    file.write_text("a,b\n1,3\n")
    with pytest.raises(InputError, match=r"houses\.csv has changed .* 8 bytes .* then, 8 bytes .* now"):
        check_origin(origin)


def test_a_deleted_file_does_not_matter(tmp_path):
    file = tmp_path / "houses.csv"
    file.write_text("a,b\n1,2\n")
    origin = origin_of(file)
    file.unlink()
    check_origin(origin)
    check_origin({})
