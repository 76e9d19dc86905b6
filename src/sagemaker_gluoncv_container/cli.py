"""The command line, `sagemaker-gluoncv`: on a laptop, in a notebook, in the image."""

import sys
from pathlib import Path

import click

from . import __version__, model_folder
from .errors import ContainerError
from .inference import quantization
from .machine import cpu_count
from .preparing.command import prepare
from .training import channels
from .training.results import quantizing

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Tools around the sagemaker-gluoncv image.

    Exit code 0: done. 1: the tool itself failed. 2: something to fix, which the message names.
    """


main.add_command(prepare)


@main.command(short_help="Make the int8 form of a model.")
@click.argument("model_dir", type=_FOLDER)
@click.option(
    "--calibration", type=_FOLDER, required=True, help="A channel with pictures that the model was trained on."
)
@click.option("--validation", type=_FOLDER, required=True, help="A channel with labelled pictures to judge it by.")
@click.option("--threads", type=click.IntRange(1), help="Threads that decode and compute.  [default: CPUs]")
def quantize(model_dir: Path, calibration: Path, validation: Path, threads: int | None) -> None:
    """Make the int8 form of a model that has none: an earlier one of this image, or the built-in algorithm's.

    MODEL_DIR holds an extracted model.tar.gz, and gets image-classification-int8.json. A channel holds .rec files, or
    one folder of pictures per class.

    Exit code 3: int8 is refused, because it would cost too much accuracy.
    """
    threads = threads or max(1, round(cpu_count()))
    try:
        found = model_folder.load(model_dir)
        classes, multi_label = quantization.outputs(found)
        train, judged = (
            channels.in_folder(folder, classes, found.description.classes, multi_label)
            for folder in (calibration, validation)
        )
        made = quantizing.from_channels(found.directory, train, judged, threads)
    except ContainerError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    click.echo(f"int8 is refused: {made.refused}" if made.refused else f"int8 is kept: {made}")
    sys.exit(3 if made.refused else 0)


if __name__ == "__main__":
    main()
