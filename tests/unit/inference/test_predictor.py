"""predictor: from encoded pictures to probabilities, a bad one alone failing."""

from dataclasses import replace

import numpy as np
import pytest

from sagemaker_gluoncv_container import images
from sagemaker_gluoncv_container.arrays import Floats, Pixels
from sagemaker_gluoncv_container.artifact import Artifact
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.errors import ClientError, ContainerError, UnreadablePicture
from sagemaker_gluoncv_container.inference.engine_mxnet import MXNetEngine
from sagemaker_gluoncv_container.inference.predictor import Predictor


@pytest.mark.parametrize("threads", [1, 2])
def test_answers(tiny: Artifact, pictures: list[bytes], threads: int) -> None:
    """Each picture gets, in its place, what MXNet computes of the evaluation's pixels."""
    preprocessing = tiny.description.preprocessing
    pixels = [images.for_evaluation(decode(each), preprocessing) for each in pictures]
    expected = MXNetEngine(tiny).compute(np.stack(pixels))
    found = Predictor(tiny, threads).predict(pictures)
    assert np.abs(np.stack(found.results) - expected).max() < 1e-5
    assert np.ptp(expected, axis=0).max() > 1e-3
    assert min(found.decode_seconds, found.compute_seconds) > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_bad_picture_fails_alone(tiny: Artifact, pictures: list[bytes], threads: int) -> None:
    """What cannot be read is an error in its place; the others keep their answers, bit by bit."""
    predictor = Predictor(tiny, threads)
    alone = [predictor.predict([each], alone=True).results[0] for each in pictures]
    results = predictor.predict([pictures[0], b"no picture", pictures[2]]).results
    assert isinstance(results[1], UnreadablePicture)
    assert (results[0] == alone[0]).all()
    assert (results[2] == alone[2]).all()
    assert [type(each) for each in predictor.predict([b"", b"x"]).results] == [UnreadablePicture] * 2


def test_no_pictures(tiny: Artifact) -> None:
    """Of no pictures come no results."""
    assert Predictor(tiny, 1).predict([]).results == []


def test_measuring(tiny: Artifact, pictures: list[bytes]) -> None:
    """Only who asks for it gets a measurement, and the answers stay the same."""
    plain, measured = Predictor(tiny, 1, lone_threads=2), Predictor(tiny, 1, lone_threads=2, measure=True)
    assert plain.measured is None
    assert measured.measured
    assert list(measured.measured.seconds) == [1, 2]
    for alone in (False, True):
        one, other = (each.predict(pictures[:1], alone).results[0] for each in (plain, measured))
        assert (one == other).all()


def test_what_it_says_of_itself(tiny: Artifact) -> None:
    """It names its engine and why that was chosen; a precision that cannot be had is the user's to change."""
    predictor = Predictor(tiny, 1)
    assert (predictor.engine.name, predictor.engine.precision) == ("OpenVINO", "float32")
    assert predictor.why == "the model was not calibrated for int8"
    with pytest.raises(ClientError, match="int8 was asked for"):
        Predictor(tiny, 1, "int8")


def test_an_answer_that_is_not_a_number(tiny: Artifact, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture whose answer is NaN fails alone, with a reason; a warm-up answer of NaN refuses the model."""
    predictor = Predictor(tiny, 1)
    expected = predictor.predict(pictures).results
    compute = predictor.engine.compute

    def with_nan(pixels: Pixels, alone: bool = False) -> Floats:
        answers = compute(pixels, alone)
        answers[len(pixels) // 2, 1] = np.nan
        return answers

    monkeypatch.setattr(predictor.engine, "compute", with_nan)
    results = predictor.predict(pictures).results
    assert isinstance(results[2], ContainerError)
    assert "not a number" in str(results[2])
    assert all((results[n] == expected[n]).all() for n in (0, 1, 3))
    monkeypatch.setattr("sagemaker_gluoncv_container.inference.engine.load", lambda *_: (predictor.engine, ""))
    with pytest.raises(ContainerError, match="warm-up"):
        Predictor(tiny, 1)


def test_closing(tiny: Artifact, pictures: list[bytes]) -> None:
    """A closed predictor's decoding threads are gone."""
    predictor = Predictor(tiny, 2)
    predictor.predict(pictures)
    predictor.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        predictor.predict(pictures)


def test_the_artifact_decides(tiny: Artifact, pictures: list[bytes]) -> None:
    """The pixels are those of the artifact's preprocessing: another resize is another answer."""
    description = tiny.description
    changed = replace(
        tiny, description=replace(description, preprocessing=replace(description.preprocessing, resize=None))
    )
    one, other = (Predictor(each, 1).predict(pictures[:1]).results[0] for each in (tiny, changed))
    assert np.abs(one - other).max() > 1e-4
