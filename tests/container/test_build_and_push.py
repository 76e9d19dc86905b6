"""Promise: build_and_push.sh takes an image to ECR or any registry, and says what goes wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from support import containers
from support.containers import LABEL, docker, serving, train
from support.processes import free_port
from support.registries import HOSTS, HTTP_PORT, MANIFEST, Aws, Registry, aws, loopback_address, named, registry

Push = Callable[..., "subprocess.CompletedProcess[str]"]
NAME = "sagemaker-gluoncv"
REGION, SECOND_REGION, LOCKED_REGION = "us-east-1", "eu-west-1", "ap-south-1"
SMALL = "FROM scratch\nCOPY README.md /\n"
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", ".cache", ".*_cache", "__pycache__", "*.egg-info", "build", "work", "shared"
)


@dataclass(frozen=True)
class Ecr:
    """AWS's interfaces and the account's registry of each region."""

    aws: Aws
    registries: Mapping[str, Registry]

    def uri(self, repository: str = NAME, region: str = REGION) -> str:
        """Return what a repository is called."""
        return f"{self.aws.host(region)}/{repository}"


def _git(checkout: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return subprocess.check_output(["git", "-C", str(checkout), *identity, *arguments], text=True).strip()


def _commit(checkout: Path) -> None:
    _git(checkout, "add", "--all")
    _git(checkout, "commit", "--quiet", "--message", "test")


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkout, as a repository of one commit."""
    copy = tmp_path / "checkout"
    shutil.copytree(root, copy, ignore=NOT_COPIED)
    _git(copy, "init", "--quiet")
    _commit(copy)
    return copy


@pytest.fixture
def small(checkout: Path) -> Path:
    """Return the same, but that its images hold next to nothing."""
    for name in ("Dockerfile", "Dockerfile.gpu"):
        (checkout / name).write_text(SMALL)
    _commit(checkout)
    return checkout


@pytest.fixture
def tags(checkout: Path) -> Callable[[str], tuple[str, str]]:
    """Return a function that says what an image of this checkout's state is tagged: its version, its commit."""
    version = re.search(r'^version = "(.*)"$', (checkout / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    return lambda kind: (f"{version[1]}-{kind}", f"{_git(checkout, 'rev-parse', '--short=12', 'HEAD')}-{kind}")


def _remove_images() -> None:
    built = docker("images", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    if built:
        docker("image", "rm", "--force", *set(built))


@pytest.fixture
def push(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Push]:
    """Return a function that runs the script from another folder, on a machine that is configured for AWS."""
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = {REGION}\n")
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "DOCKER_BUILD_FLAGS": f"{os.environ.get('DOCKER_BUILD_FLAGS', '')} --label {LABEL}",
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "IMAGE": f"{NAME}:push-{uuid.uuid4().hex[:12]}",
        "IMAGE_GPU": f"{NAME}:push-{uuid.uuid4().hex[:12]}",
        # The aws CLI lies beside this Python.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **variables}
        command = [str(checkout / "build_and_push.sh"), *arguments]
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)

    yield run
    _remove_images()


def _check_registry(require: Callable[[object, str], None]) -> None:
    require(shutil.which("docker-registry"), "there is no docker-registry: apt-get install docker-registry")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Iterator[Ecr]:
    """Run AWS's interfaces and the account's registries: of two regions, and of a third that lets nobody in."""
    _check_registry(require)
    require(os.access(HOSTS, os.W_OK), f"{HOSTS} cannot be written, so ECR's names lead nowhere: run this as root")
    folder = tmp_path_factory.mktemp("ecr")
    with ExitStack() as stack:
        services = stack.enter_context(aws(folder / "aws"))
        passwords = {REGION: services.password, SECOND_REGION: services.password, LOCKED_REGION: "another"}
        registries = {
            region: stack.enter_context(registry(folder / region, password, loopback_address(), HTTP_PORT))
            for region, password in passwords.items()
        }
        stack.enter_context(named({services.host(region): each.address for region, each in registries.items()}))
        yield Ecr(services, registries)


@pytest.fixture
def ecr(account: Ecr, push: Push, monkeypatch: pytest.MonkeyPatch) -> Ecr:
    """Return the account's registries; the aws CLI finds them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.aws.url)
    return account


@pytest.fixture
def elsewhere(tmp_path: Path, require: Callable[[object, str], None]) -> Iterator[Registry]:
    """Run a registry that is not AWS's."""
    _check_registry(require)
    with registry(tmp_path / "elsewhere", "secret") as each:
        yield each


def _put_image(repository: str, tag: str, mutability: str) -> None:
    """Tell ECR's interface of an image, as a push to the true ECR would."""
    config = {"digest": f"sha256:{uuid.uuid4().hex}", "size": 1, "mediaType": "application/json"}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    client = boto3.client("ecr")
    client.create_repository(repositoryName=repository, imageTagMutability=mutability)
    client.put_image(repositoryName=repository, imageTag=tag, imageManifest=json.dumps(manifest))
    client.close()


def _check_refused(done: "subprocess.CompletedProcess[str]", exit_code: int, *words: str) -> None:
    """Fail unless it ended with that exit code before it built anything, said these words, and printed no URI."""
    assert (done.returncode, done.stdout) == (exit_code, ""), done.stderr
    for word in words:
        assert word in done.stderr
    assert not docker("images", "--quiet", "--filter", f"label={LABEL}")


def test_what_it_pushes_to_ecr_trains_and_serves(
    push: Push,
    ecr: Ecr,
    tags: Callable[[str], tuple[str, str]],
    tmp_path: Path,
    drawn: Mapping[str, Path],
    hyperparameters: Mapping[str, str],
    flower: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The repository is made; the image is removed here, comes back from the registry, trains, and serves the model."""
    version, commit = tags("cpu")
    pushed = push()
    assert pushed.returncode == 0, pushed.stderr
    uri = pushed.stdout.strip()
    assert uri == f"{ecr.uri()}:{version}"

    client = boto3.client("ecr")
    (made,) = client.describe_repositories(repositoryNames=[NAME])["repositories"]
    client.close()
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["imageTagMutability"] == "IMMUTABLE"
    there = ecr.registries[REGION]
    assert there.tags(NAME) == {version, commit}
    # The engine may take layers from what it remembers of the build; so the registry itself is asked for each.
    assert there.digests(NAME, version) == there.digests(NAME, commit)

    _remove_images()
    assert not docker("images", "--quiet", "--filter", f"label={LABEL}")
    docker("pull", uri)
    assert docker("image", "inspect", "--format", "{{.Id}}", uri).strip() == there.digests(NAME, version)[0]
    monkeypatch.setattr(containers, "IMAGE", uri)
    job = train(tmp_path / "ml", {**hyperparameters, "epochs": "1"}, drawn)
    assert job.exit_code == 0, job.log
    with serving(job.model) as server:
        assert len(server.ask(flower).json()) == 4


def test_it_pushes_to_several_regions(
    push: Push, ecr: Ecr, small: Path, tags: Callable[[str], tuple[str, str]]
) -> None:
    """Each region's registry gets the image under both tags, and each URI is a line, in order."""
    regions = [SECOND_REGION, REGION]
    pushed = push("cpu", "--region", SECOND_REGION, "--region", f"{REGION},{SECOND_REGION}", "--repository", "regions")
    assert pushed.returncode == 0, pushed.stderr
    version, commit = tags("cpu")
    assert pushed.stdout.splitlines() == [f"{ecr.uri('regions', region)}:{version}" for region in regions]
    for region in regions:
        assert ecr.registries[region].tags("regions") == {version, commit}


def test_it_pushes_the_gpu_image(push: Push, ecr: Ecr, small: Path, tags: Callable[[str], tuple[str, str]]) -> None:
    """The GPU image is the one of Dockerfile.gpu, and lies beside the CPU image in one repository."""
    (small / "Dockerfile").write_text("FROM scratch\nCOPY no-such-file /\n")
    _commit(small)
    pushed = push("gpu", "--repository", "both")
    assert (pushed.returncode, pushed.stdout) == (0, f"{ecr.uri('both')}:{tags('gpu')[0]}\n"), pushed.stderr
    assert ecr.registries[REGION].tags("both") == set(tags("gpu"))


def test_it_pushes_anywhere(
    push: Push, elsewhere: Registry, small: Path, tags: Callable[[str], tuple[str, str]]
) -> None:
    """Any registry that the user is logged in to gets the image, without credentials for AWS."""
    docker("login", "--username", "AWS", "--password-stdin", elsewhere.address, stdin=elsewhere.password)
    variables = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    pushed = push("cpu", "1.0", "--registry", f"{elsewhere.address}/team/", "--repository", "ours", **variables)
    assert (pushed.returncode, pushed.stdout) == (0, f"{elsewhere.address}/team/ours:1.0\n"), pushed.stderr
    assert elsewhere.tags("team/ours") == {"1.0", tags("cpu")[1]}


def test_uncommitted_changes_go_under_no_commits_name(
    push: Push, elsewhere: Registry, small: Path, tags: Callable[[str], tuple[str, str]]
) -> None:
    """They are refused by name; with --allow-dirty the tag says that they are there."""
    docker("login", "--username", "AWS", "--password-stdin", elsewhere.address, stdin=elsewhere.password)
    (small / "src" / "new.py").write_text("")
    _check_refused(push("--registry", elsewhere.address), 3, "src/new.py", "not committed", "--allow-dirty")
    pushed = push("--registry", elsewhere.address, "--allow-dirty")
    assert pushed.returncode == 0, pushed.stderr
    assert elsewhere.tags(NAME) == {f"{tags('cpu')[0]}-dirty"}


def test_an_immutable_tag_that_exists_is_refused(
    push: Push, ecr: Ecr, small: Path, tags: Callable[[str], tuple[str, str]]
) -> None:
    """It is told before anything is built, with what to do; another tag goes through."""
    version, commit = tags("cpu")
    _put_image("immutable", version, "IMMUTABLE")
    _check_refused(push("--repository", "immutable"), 7, f"immutable:{version} exists", "Raise the version")
    pushed = push("cpu", "another", "--repository", "immutable")
    assert (pushed.returncode, pushed.stdout) == (0, f"{ecr.uri('immutable')}:another\n"), pushed.stderr
    assert ecr.registries[REGION].tags("immutable") == {"another", commit}


def test_a_commit_that_is_there_is_not_pushed_again(
    push: Push, ecr: Ecr, small: Path, tags: Callable[[str], tuple[str, str]]
) -> None:
    """A commit gets a second tag although the tag of the commit is immutable."""
    version, commit = tags("cpu")
    _put_image("twice", commit, "IMMUTABLE")
    assert push("--repository", "twice").returncode == 0
    assert ecr.registries[REGION].tags("twice") == {version}


def test_a_mutable_tag_is_moved(push: Push, ecr: Ecr, small: Path) -> None:
    """Where the owner of a repository lets tags move, they move."""
    _put_image("mutable", "latest", "MUTABLE")
    assert push("cpu", "latest", "--repository", "mutable").returncode == 0
    assert "latest" in ecr.registries[REGION].tags("mutable")


def test_a_refused_login_is_told(push: Push, ecr: Ecr) -> None:
    """A registry that does not take ECR's password is named before anything is built."""
    host = ecr.aws.host(LOCKED_REGION)
    _check_refused(push("--region", LOCKED_REGION), 8, f"{host} refuses the login", f"docker logout {host}")


def test_a_push_without_login_is_told(push: Push, elsewhere: Registry, small: Path) -> None:
    """Another registry's login is the user's, and is named when the push fails."""
    pushed = push("--registry", elsewhere.address)
    assert (pushed.returncode, pushed.stdout) == (10, ""), pushed.stderr
    assert f"docker login {elsewhere.address}" in pushed.stderr


def test_a_failed_build_is_told(push: Push, small: Path) -> None:
    """A build that fails ends it, and its messages are there."""
    (small / "Dockerfile").write_text("FROM scratch\nCOPY no-such-file /\n")
    _commit(small)
    _check_refused(push("--registry", f"127.0.0.1:{free_port()}"), 9, "no-such-file", "make image failed.")


def test_no_engine_is_told(push: Push, tmp_path: Path) -> None:
    """Where no Docker engine answers, that is said, and where it was looked for."""
    socket = f"unix://{tmp_path}/no.sock"
    _check_refused(push("cpu", DOCKER_HOST=socket), 4, "No Docker engine answers", socket)


def test_no_credentials_are_told(push: Push, ecr: Ecr) -> None:
    """Without credentials nothing is asked of AWS but whose they are."""
    _check_refused(push(AWS_SHARED_CREDENTIALS_FILE=os.devnull), 5, "Unable to locate credentials", "aws configure")


def test_a_region_that_is_not_there_is_told(push: Push) -> None:
    """AWS itself is looked for in a region that does not exist; without a network, too, it is not there."""
    _check_refused(push("--region", "mars-north-1"), 6, "AWS in region mars-north-1", "Check that the region exists")


def test_no_region_is_told(push: Push) -> None:
    """Without a region in the AWS configuration there has to be --region."""
    _check_refused(push(AWS_CONFIG_FILE=os.devnull), 2, "names no region", "--region")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tpu"], "'tpu' is neither cpu nor gpu"),
        (["cpu", "a tag"], "'a tag' cannot be a tag"),
        (["cpu", "a", "b"], "'b' is one argument too many"),
        (["--regio", "us-east-1"], "There is no option --regio"),
        (["--region"], "--region wants a value."),
        (["--region", "us-east-1,virginia"], "'virginia' is not a region"),
        (["--region", "us-east-1", "--registry", "localhost:5000"], "--registry and --region exclude each other"),
    ],
)
def test_wrong_arguments_are_told(push: Push, arguments: list[str], words: str) -> None:
    """Each is named, with exit code 2."""
    _check_refused(push(*arguments), 2, words, "--help")


def test_its_usage_and_the_documents_give_the_same_exit_codes(push: Push, root: Path) -> None:
    """Every exit code that the script can end with is in its usage text and in docs/pushing.md."""
    asked = push("--help")
    assert (asked.returncode, asked.stdout.split(":")[0]) == (0, "usage")
    ends = set(re.findall(r"\bfail ([0-9]+) ", (root / "build_and_push.sh").read_text())) | {"0"}
    assert set(re.findall(r"\b([0-9]+)  [A-Za-z]", asked.stdout, re.MULTILINE)) == ends
    assert set(re.findall(r"^\| ([0-9]+) \|", (root / "docs" / "pushing.md").read_text(), re.MULTILINE)) == ends
