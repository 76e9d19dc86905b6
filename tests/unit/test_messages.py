"""Every message that the code can raise, found by walking the sources, is made of whole sentences."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import sentences

SOURCE = Path(__file__).resolve().parents[2] / "src" / "sagemaker_gluoncv_container"
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
# What stands for a value that is known when the code runs: a name, a number, a path.
VALUE = "\u2026"
# Errors of click, which shows their messages as they are.
CLICK = {"UsageError", "BadParameter", "ClickException"}
PARTS = ("what", "why", "do")
# A sentence begins with a capital, a value or something quoted or written as code, and ends with one mark.
SENTENCE = re.compile(r"[A-Z0-9\u2026'\"`{(\[<*].*[.?!]", re.DOTALL)
DOUBLED = re.compile(r"[.?!,;:][.,;:]|[?!][?!]|\.\.| [.?!,;:]|  ")


def error_classes() -> set[str]:
    """Return the names of ContainerError and all that derive from it."""
    names = {"ContainerError"}
    classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while True:
        more = {each.name for each in classes if {base.id for base in each.bases if isinstance(base, ast.Name)} & names}
        if more <= names:
            return names
        names |= more


def texts(node: ast.expr, local: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    """Yield what an argument can be, with VALUE for what only a run can tell."""
    if depth > 4:
        yield VALUE
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body, local, depth + 1)
        yield from texts(node.orelse, local, depth + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for left in texts(node.left, local, depth + 1):
            yield from (left + right for right in texts(node.right, local, depth + 1))
    elif isinstance(node, ast.Name) and node.id in local:
        for value in local[node.id]:
            yield from texts(value, local, depth + 1)
    else:
        yield VALUE


def assignments(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the expressions that a function assigns to each of its names."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            for one, what in pairs:
                if isinstance(one, ast.Name):
                    found.setdefault(one.id, []).append(what)
    return found


def called(node: ast.Call) -> str:
    """Return the name of what is called: `ClientError`, or `fail` of `self.fail`."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def messages(module: str) -> Iterator[tuple[int, str]]:
    """Yield (line, message) for everything that a module can raise for a person to read."""
    ours = error_classes()
    functions = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.FunctionDef)]
    for scope in [*functions, TREES[module]]:
        local = assignments(scope) if isinstance(scope, ast.FunctionDef) else {}
        inner = {id(each) for other in functions if other is not scope for each in ast.walk(other)}
        for node in ast.walk(scope):
            if not isinstance(node, ast.Call) or (scope is TREES[module] and id(node) in inner):
                continue
            name = called(node)
            if name not in ours | CLICK | {"fail"} or (name == "fail" and not isinstance(node.func, ast.Attribute)):
                continue
            given = dict(zip(PARTS, node.args, strict=False)) | {each.arg or "": each.value for each in node.keywords}
            options = [list(texts(given[part], local)) if part in given else [""] for part in PARTS]
            for what in options[0]:
                for why in options[1]:
                    yield from ((node.lineno, sentences(what, why, do)) for do in options[2] if what)


@pytest.mark.parametrize("module", TREES)
def test_form(module: str) -> None:
    """One to three sentences or a few more, each with a capital and one full stop."""
    bad = []
    for line, message in dict.fromkeys(messages(module)):
        parts = re.split(r"(?<=[.?!])\s+", message)
        if DOUBLED.search(message) or not all(SENTENCE.fullmatch(part) for part in parts):
            bad.append(f"{module}:{line}: {message}")
    assert not bad, "\n".join(bad)


def test_messages_are_found() -> None:
    """The walk sees messages of every room, with the choices that they are made of."""
    found = {module: list(messages(module)) for module in TREES}
    assert sum(map(len, found.values())) > 150
    for room in ("data/", "inference/", "training/", "serving/", "preparing/"):
        assert any(each for module, each in found.items() if module.startswith(room)), room
