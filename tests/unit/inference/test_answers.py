"""answers: how a measurement stands in the log."""

from sagemaker_gluoncv_container.inference.answers import Measured


def test_a_measurement_in_the_log() -> None:
    """The number that is kept comes first, then what each took."""
    assert str(Measured({1: 0.0051, 2: 0.00333}, 2)) == "2 (5.1 ms with 1, 3.3 ms with 2)"
