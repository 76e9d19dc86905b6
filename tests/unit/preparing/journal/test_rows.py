"""Rows: numbers tell hosts apart, and places tell records from files."""

from sagemaker_gluoncv_container.preparing.journal.rows import HOST_STEP, Location, numbers_of


def test_numbers_of_hosts_do_not_meet() -> None:
    """Each host has a range of its own, and any number is in one of them."""
    assert numbers_of(0)[0] == 0
    assert numbers_of(0)[-1] + 1 == numbers_of(1)[0] == HOST_STEP
    assert HOST_STEP + 5 in numbers_of(1)
    assert HOST_STEP + 5 not in numbers_of(0)
    # SQLite's integers have 63 bits: more hosts than a job can have fit in.
    assert numbers_of(1000)[-1] < 1 << 63


def test_a_location_is_of_a_file_or_of_a_record() -> None:
    """The first record of a file begins at 0; a whole file has no offset."""
    assert Location("a.rec", 0, 40).in_record
    assert not Location("a.jpg").in_record
