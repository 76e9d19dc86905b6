"""ending: why and when a job ends before its time."""

import pytest

from sagemaker_gluoncv_container.ending import Ended, TimeLimit, check, never


def test_check() -> None:
    """Where a job is to end, the reason is raised; where it is not, nothing happens."""
    check(never)
    check(lambda: None)
    with pytest.raises(Ended, match="^Asked to stop$"):
        check(lambda: "Asked to stop")


def test_time_limit_ends_before_the_batch_that_would_go_past_it() -> None:
    """With 5 s of start, batches of 3 s and a limit of 15 s, the fourth is not begun; the start is no batch."""
    clock = iter([0.0, 5.0, 8.0, 11.0, 14.0])
    limit = TimeLimit(15, lambda: next(clock))
    assert [limit.is_over() for _ in range(4)] == [False, False, False, True]


def test_no_time_limit() -> None:
    """None is no limit."""
    clock = iter([0.0, 1e9])
    assert not TimeLimit(None, lambda: next(clock)).is_over()
