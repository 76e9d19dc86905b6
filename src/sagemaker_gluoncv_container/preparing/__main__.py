"""Runs the command line: `python -m sagemaker_gluoncv_container.preparing prepare ...`."""

from .command import main

main()
