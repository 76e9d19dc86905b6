"""errors: messages, exit codes and statuses."""

import inspect

import pytest

from sagemaker_gluoncv_container import errors
from sagemaker_gluoncv_container.errors import (
    AlgorithmError,
    BadRequest,
    ClientError,
    ContainerError,
    InvocationError,
    NotAcceptable,
    NotReady,
    UnreadablePicture,
    UnsupportedContent,
)

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, ContainerError)]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("a.rec is cut",), "a.rec is cut."),
        (("a.rec is cut.",), "a.rec is cut."),
        (("a.rec is cut", "it has 3 bytes"), "a.rec is cut. it has 3 bytes."),
        (("a.rec is cut", "", "Write it again"), "a.rec is cut. Write it again."),
        (("a.rec is cut", "it has 3 bytes.", "Write it again"), "a.rec is cut. it has 3 bytes. Write it again."),
    ],
)
def test_message_says_what_why_and_what_to_do(parts: tuple[str, ...], message: str) -> None:
    """The parts that are given come in order, each with one full stop."""
    assert str(ContainerError(*parts)) == message


@pytest.mark.parametrize(("error", "exit_code"), [(ClientError, 2), (AlgorithmError, 1)])
def test_exit_codes(error: type[ContainerError], exit_code: int) -> None:
    """The platform's users tell their own mistakes from ours by the exit code."""
    assert error("x").exit_code == exit_code


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvocationError, 400),
        (NotAcceptable, 406),
        (UnsupportedContent, 415),
        (UnreadablePicture, 415),
        (BadRequest, 400),
        (NotReady, 503),
    ],
)
def test_statuses(error: type[InvocationError], status: int) -> None:
    """Every error of a request carries the HTTP status of its answer."""
    assert error("x").status == status


def test_one_fault_stays_as_it_is() -> None:
    """A single fault is not wrapped in a list of one."""
    fault = ClientError("a", "b", "c")
    assert str(ClientError.of([fault])) == str(fault)


def test_many_faults_become_one_message() -> None:
    """All faults are numbered in one error, in their order."""
    error = ClientError.of([ClientError("first", "why"), AlgorithmError("second")])
    assert isinstance(error, ClientError)
    assert str(error) == "2 faults. (1) first. why. (2) second."


@pytest.mark.parametrize("error", ALL)
def test_docstring_draws_the_whole_tree(error: type[ContainerError]) -> None:
    """The module's docstring names every error, with the status it sets."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if error.__name__ in line.split()]
    assert len(lines) == 1
    if "status" in vars(error) and error is not InvocationError:
        assert str(error.status) in lines[0]
