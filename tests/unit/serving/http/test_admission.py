"""admission: what bodies may take together, for any order in which they come."""

from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import Overloaded, PayloadTooLarge
from sagemaker_gluoncv_container.serving.http.admission import COPIES, SHARE, Admission, Memory

MIB = 1 << 20


def admission(free: int, limit: int = 25 * MIB) -> Admission:
    """Return what admits bodies where so many bytes are free."""
    return Admission(limit, Memory(lambda: free))


def test_a_body_has_its_place() -> None:
    """While a body is being answered its place is taken; afterwards it is free again."""
    admits = admission(100 * MIB)
    with (
        admits.place(10 * MIB),
        pytest.raises(Overloaded, match=r"no memory for one more body.*10\.0 MiB of bodies"),
        admits.place(10 * MIB),
    ):
        pass
    with admits.place(10 * MIB) as place:
        assert place.promised == 10 * MIB


def test_a_place_is_given_back_after_an_error() -> None:
    """However a request ends, what it was promised comes back."""
    admits = admission(100 * MIB)
    for _ in repeat(None, 50):
        with pytest.raises(ZeroDivisionError), admits.place(10 * MIB) as place:  # noqa: PT012
            place.receive(5 * MIB)
            raise ZeroDivisionError
    with admits.place(10 * MIB):
        pass


@pytest.mark.parametrize("length", [25 * MIB + 1, 10**15])
def test_over_the_limit(length: int) -> None:
    """A length over the limit is refused by it, however much memory there is."""
    with pytest.raises(PayloadTooLarge, match="over 25 MiB"), admission(10**18).place(length):
        pass


def test_what_never_fits() -> None:
    """A body that would not fit even alone is too large for this container, not for now."""
    with pytest.raises(PayloadTooLarge, match=r"20\.0 MiB does not fit into this container's memory"):
        admission(50 * MIB).place(20 * MIB).__enter__()


def test_small_bodies_have_a_part_of_their_own() -> None:
    """When large bodies have taken all they may, a picture of usual size still finds room."""
    admits = admission(120 * MIB)
    with admits.place(15 * MIB):
        with pytest.raises(Overloaded), admits.place(2 * MIB):
            pass
        with admits.place(MIB) as place:
            assert place.promised == MIB


def test_a_body_of_unknown_length() -> None:
    """Its place grows as it comes, up to the limit, which counts what has come and not what was promised."""
    admits = admission(10**12, limit=MIB)
    with admits.place(None) as place:
        place.promise(2 * MIB)
        place.receive(MIB)
        with pytest.raises(PayloadTooLarge, match="over 1 MiB"):
            place.receive(1)


def test_unknown_lengths_share_the_memory() -> None:
    """Bodies that grow are refused when together they would not fit."""
    admits = admission(60 * MIB)
    with admits.place(None) as one, admits.place(None) as other:
        one.promise(7 * MIB)
        with pytest.raises(Overloaded):
            other.promise(7 * MIB)


def test_what_has_come_is_not_counted_twice() -> None:
    """What bodies take already is missing from the free memory; it is theirs all the same."""
    free = [60 * MIB]
    memory = Memory(lambda: free[0])
    whole = memory.capacity
    memory.promise(5 * MIB, 5 * MIB)
    memory.received(5 * MIB)
    free[0] -= 5 * MIB
    memory._measured = float("-inf")
    assert memory.capacity == whole


@given(st.lists(st.integers(0, 30 * MIB), max_size=60), st.integers(0, 1 << 31))
def test_never_more_than_the_share(lengths: list[int], free: int) -> None:
    """Whatever lengths are announced, all copies of what was admitted fit into the share of the free memory."""
    admits = admission(free)
    admitted, open_places = 0, []
    for length in lengths:
        place = admits.place(length)
        try:
            place.__enter__()
        except (Overloaded, PayloadTooLarge):
            continue
        admitted += length
        open_places.append(place)
    assert admitted * COPIES <= SHARE * free
    for place in open_places:
        place.__exit__(None, None, None)
