"""The command line: `ippy data`, `ippy train`, `ippy evaluate`, `ippy export`.

What a command finds goes to stdout; progress bars and remarks go to stderr. Each command imports
what it needs when it runs, so that `--help` and a mistyped option are answered at once.
"""

import errno
import io
import signal
import sys
from typing import Any

import click

from ippy.cli import data, dicom, evaluate, export, train
from ippy.cli.shared import Refusal

# No space left; the quota is used up; larger than this file system takes.
FULL = {vars(errno)[name] for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}


class Commands(click.Group):
    """A group whose commands answer the package's own errors with a sentence, not a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def main(self, *arguments: Any, **settings: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # A Cyrillic code page has no "×", and a name may hold bytes that are no text.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            kept = str(stopped) or "what was there before is whole: give the command again"
            click.echo(f"\nStopped; {kept}.", err=True)
            raise SystemExit(128 + getattr(stopped, "signal", signal.SIGINT)) from None
        except (ValueError, OSError, FloatingPointError) as error:
            # A closed pipe, as in `ippy data check | head`, is no mistake; click ends quietly.
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if isinstance(error, OSError) and error.errno in FULL:
                raise Refusal(
                    f"the disk is full ({error}); what was there before is whole: make room or "
                    "choose another folder, then give the command again"
                ) from error
            raise Refusal(str(error)) from error
        except (MemoryError, RuntimeError) as error:
            if "home directory" in str(error):
                told = "~ means nothing here, without a home folder: write it out"
                raise Refusal(told) from error
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            raise Refusal(
                f"there is not enough memory ({str(error).splitlines()[0][:100] or 'no details'}); "
                "use a smaller --size or fewer --n-filters"
            ) from error


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
