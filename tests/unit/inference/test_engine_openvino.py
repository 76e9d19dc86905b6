"""engine_openvino: nets on CPUs. That its answers are MXNet's is shown in test_engine."""

import numpy as np
import pytest

from sagemaker_gluoncv_container.artifact import Artifact
from sagemaker_gluoncv_container.inference import engine_openvino
from sagemaker_gluoncv_container.inference.engine_openvino import OpenVINOEngine
from sagemaker_gluoncv_container.inference.openvino_net import Net

BLACK = np.zeros((2, 32, 32, 3), np.uint8)


def test_probabilities(tiny: Artifact) -> None:
    """Each picture gets a row of probabilities, float32, in each batch the same."""
    engine = OpenVINOEngine(tiny, int8=False, threads=1)
    found = engine.compute(BLACK)
    assert (found.dtype, found.shape) == (np.float32, (2, 4))
    assert found.sum(1) == pytest.approx([1, 1], abs=1e-6)
    assert (engine.compute(BLACK[:1])[0] == found[0]).all()
    assert (engine.name, engine.precision) == ("OpenVINO", "float32")


def test_a_net_for_lone_pictures(tiny: Artifact) -> None:
    """There is a second net only where lone pictures have other threads, and it gives the same answers."""
    one, two = (OpenVINOEngine(tiny, int8=False, threads=1, lone_threads=count) for count in (1, 2))
    assert one._lone_net is one._net
    assert two._lone_net is not two._net
    assert (two.compute(BLACK[:1], alone=True) == two.compute(BLACK[:1])).all()


@pytest.mark.parametrize(
    ("seconds", "tried", "best"),
    [
        ({1: 8.0, 2: 4.0, 4: 2.0, 6: 1.5}, [1, 2, 4, 6], 6),
        ({1: 8.0, 2: 4.0, 4: 3.9}, [1, 2, 4], 2),
        ({1: 8.0, 2: 7.0}, [1, 2], 1),
        ({1: 8.0, 2: 9.0}, [1, 2], 1),
    ],
)
def test_measuring(
    tiny: Artifact, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], tried: list[int], best: int
) -> None:
    """Threads are doubled while they save a fifth; the number that was best is kept and computes."""
    made: list[int] = []

    def net(model: object, threads: int) -> Net:
        made.append(threads)
        return Net(model, threads)

    monkeypatch.setattr(engine_openvino, "Net", net)
    engine = OpenVINOEngine(tiny, int8=False, threads=1)
    nets = {1: engine._net}
    monkeypatch.setattr(engine, "_seconds", lambda net: seconds[made[-1]])
    measured = engine.measure(6)
    assert (list(measured.seconds), measured.threads) == (tried, best)
    assert made == tried
    assert (engine._lone_net is nets[1]) == (best == 1)
    assert (engine.compute(BLACK[:1], alone=True) == engine.compute(BLACK[:1])).all()


def test_the_measured_time(tiny: Artifact) -> None:
    """A net's time is the best of some passes: above nothing, and below a second for a tiny net."""
    engine = OpenVINOEngine(tiny, int8=False, threads=1)
    assert 0 < engine._seconds(engine._net) < 1
