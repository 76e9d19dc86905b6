"""contract: the platform's paths, files and environment."""

import json
import os
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import contract
from sagemaker_gluoncv_container.contract import Environment, Paths, Variable
from sagemaker_gluoncv_container.errors import ClientError


@pytest.mark.parametrize(
    ("environ", "base"),
    [({}, "/opt/ml"), ({"SAGEMAKER_BASE_DIR": ""}, "/opt/ml"), ({"SAGEMAKER_BASE_DIR": "/x"}, "/x")],
)
def test_paths_lie_under_the_base(environ: dict[str, str], base: str) -> None:
    """The tree is the platform's, under /opt/ml unless the environment moves it."""
    paths = Paths.from_environment(environ)
    assert {
        "config": str(paths.config),
        "model": str(paths.model),
        "output_data": str(paths.output_data),
        "failure": str(paths.failure),
        "train": str(paths.channel("train")),
    } == {
        "config": f"{base}/input/config",
        "model": f"{base}/model",
        "output_data": f"{base}/output/data",
        "failure": f"{base}/output/failure",
        "train": f"{base}/input/data/train",
    }


def test_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an argument it is the process's own environment that counts."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert Paths.from_environment() == Paths(tmp_path)


def test_job_name() -> None:
    """The platform names the job; where it does not, there is no name."""
    assert contract.job_name({"TRAINING_JOB_NAME": "job-7"}) == "job-7"
    assert contract.job_name({}) == ""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a tree whose config folder is there."""
    (tmp_path / "input" / "config").mkdir(parents=True)
    return Paths(tmp_path)


def test_config_is_read(paths: Paths) -> None:
    """A config file's object comes as it is."""
    content = {"train": {"TrainingInputMode": "File"}, "é": None}
    (paths.config / "x.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    assert paths.read_config("x") == content


def test_config_that_is_missing_is_empty(paths: Paths) -> None:
    """Local mode leaves files out, which says nothing."""
    assert paths.read_config("x") == {}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"{'a': 1}"])
def test_config_that_is_not_json(paths: Paths, content: bytes) -> None:
    """A config file that is not JSON is the user's to fix, and named."""
    (paths.config / "x.json").write_bytes(content)
    with pytest.raises(ClientError, match=r"x\.json is not JSON.*one JSON object"):
        paths.read_config("x")


@pytest.mark.parametrize(("content", "kind"), [("[]", "list"), ("3", "int"), ("null", "NoneType"), ('"a"', "str")])
def test_config_that_is_not_an_object(paths: Paths, content: str, kind: str) -> None:
    """A config file must hold an object."""
    (paths.config / "x.json").write_text(content)
    with pytest.raises(ClientError, match=rf"x\.json holds {kind}\. It must hold one JSON object"):
        paths.read_config("x")


def test_failure_is_cut_at_what_the_platform_shows(tmp_path: Path) -> None:
    """The failure file holds the first 1,024 characters, and its folder need not exist."""
    paths = Paths(tmp_path / "fresh")
    paths.write_failure("é" * 1024 + "x")
    assert paths.failure.read_text(encoding="utf-8") == "é" * 1024


def test_failure_takes_any_file_name(tmp_path: Path) -> None:
    """A file name that is no UTF-8 in the message does not keep the reason from being written."""
    paths = Paths(tmp_path)
    paths.write_failure(os.fsdecode(b"caf\xe9.rec is cut"))
    assert paths.failure.read_text().endswith(".rec is cut")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [({}, "/opt/sagemaker-gluoncv/pretrained"), ({"SAGEMAKER_GLUONCV_PRETRAINED_DIR": "/w"}, "/w")],
)
def test_pretrained_dir(environ: dict[str, str], folder: str) -> None:
    """Base weights lie outside /opt/ml, which the platform mounts over."""
    assert contract.pretrained_dir(environ) == Path(folder)


@pytest.mark.parametrize(("given", "expected"), [(None, "3"), ("7", "7")])
def test_compute_threads(monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str) -> None:
    """MXNet gets the number we computed, unless the user has set another."""
    # Set first, so that it is put back in any case.
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    if given is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    contract.set_compute_threads(3)
    assert os.environ["OMP_NUM_THREADS"] == expected


@pytest.mark.parametrize("name", ["AUTOTUNE_DEFAULT", "LIB_CHECKING"])
def test_gpu_defaults(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """cuDNN tunes as far as we think good and MXNet adds no lines of its own, unless the user has said otherwise."""
    names = ("MXNET_CUDNN_AUTOTUNE_DEFAULT", "MXNET_CUDA_LIB_CHECKING", "MXNET_CUDNN_LIB_CHECKING")
    for each in names:
        # Set first, so that it is put back in any case.
        monkeypatch.setenv(each, "")
        monkeypatch.delenv(each)
    monkeypatch.setenv(f"MXNET_CUDNN_{name}", "2")
    contract.set_gpu_defaults(1)
    expected = {**dict(zip(names, ("1", "0", "0"), strict=True)), f"MXNET_CUDNN_{name}": "2"}
    assert {each: os.environ[each] for each in names} == expected


def test_child_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child gets our environment with changes, and ours stays as it was."""
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("CHANGED", "1")
    child = contract.child_environment(CHANGED="2", NEW="3")
    assert (child["KEPT"], child["CHANGED"], child["NEW"]) == ("1", "2", "3")
    assert os.environ["CHANGED"] == "1"
    assert "NEW" not in os.environ


@pytest.mark.parametrize(
    ("hyperparameters", "environ", "expected"),
    [
        ({}, {}, False),
        ({"sagemaker_program": '"train.py"'}, {}, True),
        ({}, {"SAGEMAKER_PROGRAM": "train.py"}, True),
        ({}, {"SAGEMAKER_PROGRAM": ""}, False),
    ],
)
def test_own_script(hyperparameters: dict[str, str], environ: dict[str, str], expected: bool) -> None:
    """A script is named by the SDK in a hyperparameter, or by a derived image in a variable."""
    assert contract.names_a_program(hyperparameters, environ) is expected


NUMBER = Variable("NUMBER", "a number", "5", 1, 9)
WORD = Variable("WORD", "a word", "one", choices=("one", "two"))
TEXT = Variable("TEXT", "a text", "nothing")
OBJECT = Variable("OBJECT", "an object", "{}", form="a JSON object")
FLAG = Variable("FLAG", "a flag", "false", choices=("true", "false"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), (" 9 ", 9), ("", 5), ("0", None), ("10", None), ("1.0", None), ("-1", None), ("\u0663", None)],
)
def test_a_number(text: str, expected: int | None) -> None:
    """A whole number in its bounds is read; anything else is a fault that names variable, value and bounds."""
    read = Environment({"NUMBER": text})
    assert read.integer(NUMBER) == (5 if expected is None else expected)
    assert [str(fault) for fault in read.faults] == (
        [f"NUMBER is {text!r}. It must be a whole number from 1 to 9. Correct the variable, or leave it out."]
        if expected is None
        else []
    )


def test_a_default_of_the_machine() -> None:
    """A default that only a machine can tell is given by the caller, and may lie outside the bounds."""
    assert Environment({}).integer(NUMBER, 40) == 40
    assert Environment({"NUMBER": "3"}).integer(NUMBER, 40) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), (" TRUE", True), ("1", True), ("False", False), ("0", False), ("", False), ("on", None)],
)
def test_a_flag(text: str, expected: bool | None) -> None:
    """A flag is true, false, 1 or 0, in any case of letters."""
    read = Environment({"FLAG": text})
    assert read.flag(FLAG) is bool(expected)
    assert bool(read.faults) == (expected is None)


@pytest.mark.parametrize("text", ["[]", "{", "3", "null", "[" * 100_000])
def test_an_object(text: str) -> None:
    """An object is read; other JSON, no JSON, and JSON nested too deeply are a fault."""
    assert Environment({"OBJECT": '{"a": 1}'}).json_object(OBJECT) == {"a": 1}
    read = Environment({"OBJECT": text})
    assert read.json_object(OBJECT) == {}
    assert len(read.faults) == 1


def test_words() -> None:
    """A word is one of the variable's own; free text is anything; an empty one counts as absent."""
    read = Environment({"WORD": "two", "TEXT": ""})
    assert (read.choice(WORD), read.text(TEXT), read.has(TEXT), read.has(WORD)) == ("two", "nothing", False, True)
    wrong = Environment({"WORD": "Two"})
    wrong.choice(WORD)
    assert "It must be one or two" in str(wrong.faults[0])


def test_all_faults_are_one_error() -> None:
    """The faults are raised together, and only if there are some."""
    read = Environment({"NUMBER": "x", "WORD": "y"})
    read.check()
    read.integer(NUMBER), read.choice(WORD)
    with pytest.raises(ClientError, match=r"2 faults\. \(1\) NUMBER .* \(2\) WORD"):
        read.check()


@pytest.mark.parametrize(
    ("variable", "accepts"), [(NUMBER, "1 to 9"), (WORD, "one, two"), (TEXT, ""), (OBJECT, "a JSON object")]
)
def test_what_a_variable_accepts(variable: Variable, accepts: str) -> None:
    """The documentation gets bounds, words or form from the data."""
    assert variable.accepts == accepts
