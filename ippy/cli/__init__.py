"""The command line: `ippy data`, `ippy train`, `ippy evaluate`, `ippy export`.

What a command finds goes to stdout; progress bars and remarks go to stderr. Each command imports
what it needs when it runs, so that `--help` and a mistyped option are answered at once.
"""

import errno
from typing import Any

import click

from ippy.cli import data, dicom, evaluate, export, train
from ippy.cli.shared import Refusal


class Commands(click.Group):
    """A group whose commands answer the package's own errors with a sentence, not a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, FloatingPointError) as error:
            # A closed pipe, as in `ippy data check | head`, is no mistake; click ends quietly.
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            raise Refusal(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ippy-book", prog_name="ippy", message="%(prog)s %(version)s")
def main() -> None:
    """Restore blurred CT slices with a small convolutional network.

    \b
    A first round, with the embedded slices:
      ippy data check
      ippy train runs/mine.pth
      ippy evaluate runs/mine.pth

    Slices of your own lie in FOLDER/{train,test}/PATIENT/NUMBER.png; --data FOLDER or the
    environment variable IPPY_DATA names that folder.
    """


data.data.add_command(dicom.import_dicom)
main.add_command(data.data)
main.add_command(train.train)
main.add_command(evaluate.evaluate)
main.add_command(export.export)
