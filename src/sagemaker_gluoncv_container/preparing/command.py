"""`sagemaker-gluoncv prepare SOURCE OUT`: its options, on a laptop, in a notebook, in SageMaker Processing."""

import json
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from ..contract import Paths
from ..errors import ContainerError
from ..machine import cpu_count
from . import checking, preparation
from .processing import ProcessingJob
from .settings import KINDS, NEAR_DUPLICATES, Settings, parse_bytes, parse_map, parse_per_class

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class Share(click.ParamType[Decimal]):
    """A number from 0 to 1, kept as it was written: 0.9 is exactly nine tenths."""

    name = "ratio"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number."""
        try:
            share = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number.", param, ctx)
        if not share.is_finite() or not 0 <= share <= 1:
            self.fail(f"{value} is not from 0 to 1.", param, ctx)
        return share


# It keeps the names of its help option from its first call, which may not come by way of the group.
@click.command(
    short_help="Pack pictures as channels for training.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("source", required=False)
@click.argument("out", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--check", type=_FOLDER, help="Only look for faults in the channels in a folder.")
@click.option("--as", "kind", type=click.Choice(KINDS), help="What SOURCE is, if its name does not say.")
@click.option("--root", help="The folder that paths in a list are relative to.  [default: the list's folder]")
@click.option("--map", "maps", multiple=True, metavar="S3=FOLDER", help="The folder that has a copy of an S3 prefix.")
@click.option("--label-attribute", help="The attribute that holds the label (manifest).")
@click.option(
    "--least-confidence", type=click.FloatRange(0, 1), default=0.0, help="Leave out labels under this (manifest)."
)
@click.option("--only-human", is_flag=True, help="Leave out labels that a machine made (manifest).")
@click.option("--train-ratio", type=Share(), default="0.9", show_default=True, help="The share for training.")
@click.option(
    "--test-ratio", type=Share(), default="0", show_default=True, help="The share for test; the rest is validation."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another choice and split.")
@click.option("--per-class", default="", metavar="NAME=N,...", help="How many of each class; one number is for all.")
@click.option("--limit", type=click.IntRange(1), help="How many in all, in the proportions of the classes.")
@click.option(
    "--min-side", type=click.IntRange(1), default=32, show_default=True, help="Leave out smaller pictures, pixels."
)
@click.option(
    "--min-per-class", type=click.IntRange(1), default=2, show_default=True, help="Leave out smaller classes."
)
@click.option(
    "--near-duplicates",
    type=click.Choice(NEAR_DUPLICATES),
    default="leave-out",
    show_default=True,
    help="Leave out all but one, keep them together on one side, or do not look for them.",
)
@click.option("--resize", type=click.IntRange(1), help="Scale the shortest side down to this, pixels.")
@click.option(
    "--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="For JPEGs that are encoded again."
)
@click.option("--keep-bytes", is_flag=True, help="Pack JPEG and PNG files unchanged.")
@click.option("--shard-size", default="256MB", show_default=True, help="How large a .rec file gets.")
@click.option("--like", type=_FOLDER, help="OUT of an earlier run; its pictures stay on their side.")
@click.option(
    "--distribution",
    type=click.Choice(["sharded", "replicated"]),
    help="With several hosts: what each one sees of SOURCE.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads that decode.  [default: CPUs]")
@click.option(
    "--host-seconds",
    type=click.FloatRange(0, min_open=True),
    default=3600.0,
    show_default=True,
    help="How long to wait for other hosts.",
)
@click.option(
    "--host-port", type=click.IntRange(1, 65535), default=7787, show_default=True, help="Where the first host listens."
)
@click.option("--progress/--no-progress", default=True, help="Show how far it is: a bar on a terminal, lines in a log.")
def prepare(source: str | None, out: Path | None, check: Path | None, **options: Any) -> None:
    """Pack pictures as channels for training: inspect each, leave out bad ones, split, write RecordIO, report.

    SOURCE is a folder of class folders, a .lst, a CSV (path, label), a Ground Truth manifest, or .rec files; local or
    s3://. OUT gets train/, validation/, test/, classes.json, report.html, report.json. Nothing in SOURCE is changed.

    Exit code 0: done. 1: another host failed. 2: something to fix, which the message names; with --check, findings.
    """
    try:
        if check is not None:
            sys.exit(_check(check, options))
        if source is None or out is None:
            raise click.UsageError("Give SOURCE and OUT, or --check FOLDER.")
        settings = _settings(source, out, options)
        summary = preparation.prepare(settings, ProcessingJob.from_platform(Paths.from_environment()))
    except ContainerError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    if summary:
        click.echo(preparation.as_text(summary))
        click.echo(f"The report is {out / 'report.html'}")


def _settings(source: str, out: Path, options: dict[str, Any]) -> Settings:
    given = dict(options)
    given["maps"] = tuple(parse_map(each) for each in given["maps"])
    given["per_class"] = parse_per_class(given["per_class"])
    given["shard_bytes"] = parse_bytes(given.pop("shard_size"))
    given["threads"] = given["threads"] or max(1, round(cpu_count()))
    return Settings(source, out, **given)


def _check(folder: Path, options: dict[str, Any]) -> int:
    """Print what is found as text, and return the exit code: 0 if it is nothing."""
    report = checking.check(folder, _settings(str(folder), folder, options))
    click.echo(checking.as_text(report))
    click.echo(json.dumps(report, ensure_ascii=False), err=True)
    return 2 if report["findings"] else 0
