"""Pillow's own test images, whole and cut: every one is answered or refused for a true reason, and nothing is lost."""

import io
import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from sagemaker_gluoncv_container import formats
from support.corpus import File, fetch, files
from support.model_server import Reply, Server, running, write_model
from support.prepared import Prepared, invoke

# What a reason says of a file whose end is missing, or whose bytes are wrong.
BROKEN = re.compile(
    r"cut|damage|broken|truncat|missing|incomplete|ends? (early|in the middle)|end is missing", re.IGNORECASE
)
# Under which reasons `prepare` leaves out what it cannot decode.
UNREADABLE = ("unreadable", "unsupported", "wrong-type")


@pytest.fixture(scope="module")
def corpus(require: Callable[[object, str], None]) -> list[File]:
    """Return the corpus."""
    try:
        package = fetch()
    except subprocess.CalledProcessError as error:
        require(None, f"Pillow's source package cannot be downloaded: {error.stderr[-1000:]}")
    found = list(files(package))
    assert len(found) > 2000
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server of a small model, with two workers."""
    base = tmp_path_factory.mktemp("opt-ml")
    write_model(base / "model")
    with running(base, tmp_path_factory.mktemp("server") / "log", 2) as server:
        yield server


@pytest.fixture(scope="module")
def replies(corpus: list[File], server: Server) -> list[tuple[File, Reply]]:
    """Return each file with the server's answer to it."""
    connection = server.connect()
    before = server.worker_pids()
    found = []
    for file in corpus:
        found.append((file, server.invoke(file.data, connection=connection)))
    connection.close()
    assert server.worker_pids() == before
    return found


def pillow_reads(file: File) -> str | None:
    """Return the format under which Pillow, with all its plugins, reads a whole file to its last pixel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(file.data)) as image:
                image.load()
                return image.format
        except Exception:  # noqa: BLE001
            return None


def test_each_is_answered_or_refused(replies: list[tuple[File, Reply]]) -> None:
    """Every file gets probabilities, or a 4xx with one reason in JSON."""
    for file, reply in replies:
        if reply.status == 200:
            assert sum(reply.json) == pytest.approx(1, abs=1e-3), file.name
        else:
            assert reply.status in (400, 413, 415), (file.name, reply)
            assert list(reply.json) == ["error"], (file.name, reply)


def test_refusals_are_many_and_answers_too(replies: list[tuple[File, Reply]]) -> None:
    """The corpus has enough of both to mean something."""
    whole = [reply.status for file, reply in replies if not file.cut]
    cut = [reply.status for file, reply in replies if file.cut]
    assert whole.count(200) > 500
    assert sum(status != 200 for status in cut) > 600


def test_what_pillow_reads_is_answered(replies: list[tuple[File, Reply]]) -> None:
    """A whole file of a format that we take, and that Pillow reads, is answered, or it is too large."""
    for file, reply in replies:
        if not file.cut and reply.status != 200 and pillow_reads(file) in formats.NAMES:
            assert reply.status == 413 or "too large" in reply.json["error"], (file.name, reply.json)


def reasons(replies: list[tuple[File, Reply]]) -> Iterator[tuple[File, str]]:
    """Yield each refused file with what was said."""
    yield from ((file, reply.json["error"]) for file, reply in replies if reply.status != 200)


def test_another_format_is_named(replies: list[tuple[File, Reply]]) -> None:
    """A file of a format that we do not take is called by its name, and not broken."""
    wrong = []
    for file, said in reasons(replies):
        head = file.data[: formats.HEAD_BYTES]
        kind = None if formats.recognized(head) else formats.other_kind(head)
        if kind and (kind not in said or BROKEN.search(said)):
            wrong.append((file.name, kind, said))
    assert not wrong, wrong[:5]


def test_a_broken_file_of_a_known_format_is_called_so(replies: list[tuple[File, Reply]]) -> None:
    """A file that begins as one of our formats is never said to be of none of them."""
    wrong = []
    for file, said in reasons(replies):
        known = formats.recognized(file.data[: formats.HEAD_BYTES])
        if known and "too large" not in said and (known.name not in said.partition("(")[0] or "known format" in said):
            wrong.append((file.name, known.name, said))
    assert not wrong, wrong[:5]


def test_a_whole_file_is_not_called_cut(replies: list[tuple[File, Reply]]) -> None:
    """What Pillow can read with all its plugins is whole: if it is refused, it is for its format or its size."""
    wrong = [
        (file.name, said)
        for file, said in reasons(replies)
        if not file.cut and BROKEN.search(said) and pillow_reads(file)
    ]
    assert not wrong, wrong[:5]


def test_the_log_is_clean(replies: list[tuple[File, Reply]], server: Server) -> None:
    """A refusal is the client's affair: the log has no warning, no error and no traceback, and every line is JSON."""
    assert len(replies) > 2000
    levels = {line["level"] for line in server.log()}
    assert levels <= {"INFO"}
    assert "Traceback" not in server.output


@pytest.fixture(scope="module")
def prepared(corpus: list[File], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return what `prepare` makes of the corpus under two classes, each file under the name of a picture."""
    folder = tmp_path_factory.mktemp("heap")
    for number, file in enumerate(corpus):
        # A cut file beside its whole one would be left out as its duplicate.
        path = (
            folder
            / "ab"[number % 2]
            / f"{number:04}.{formats.TABLE[number % len(formats.TABLE)].suffixes[0].lstrip('.')}"
        )
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(file.data)
    out = tmp_path_factory.mktemp("prepared") / "out"
    result = invoke("prepare", str(folder), str(out), "--no-progress", "--threads", "2")
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output
    return Prepared(out)


def test_prepare_accounts_for_every_file(prepared: Prepared, corpus: list[File]) -> None:
    """Each file is kept or left out, once."""
    report = prepared.report
    assert report["found"] == len(corpus)
    left = [row["name"] for rows in report["left_out"].values() for row in rows]
    assert len(left) == len(set(left))
    assert report["kept"] + len(left) == len(corpus)
    assert report["kept"] == len(prepared.records())


def test_prepare_and_the_server_refuse_the_same(
    prepared: Prepared, corpus: list[File], replies: list[tuple[File, Reply]]
) -> None:
    """What `prepare` calls unreadable the server refuses too, and nothing that it keeps; and the reason is as true."""
    status = {f"{number:04}": reply.status for number, (_, reply) in enumerate(replies)}
    numbers = {f"{number:04}": file for number, file in enumerate(corpus)}
    wrong = []
    left_out = prepared.report["left_out"]
    for row in (each for reason in UNREADABLE for each in left_out.get(reason, ())):
        number = Path(row["name"]).stem
        head = numbers[number].data[: formats.HEAD_BYTES]
        known = formats.recognized(head)
        kind = known.name if known else formats.other_kind(head)
        said = row["detail"]
        true = kind is None or kind in said or "more than" in said
        if status[number] == 200 or not true or (known and "known format" in said):
            wrong.append((numbers[number].name, status[number], kind, said))
    assert not wrong, (len(wrong), wrong[:5])
    assert {status[Path(packed.name).stem] for packed in prepared.records()} == {200}
