"""A job done in a process of its own, which may give up rights that the tests are run with.

It is forked, and so has imported all that it needs while there was a right to read it.
"""

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

NOBODY = 65534

only_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="forks processes, as only Linux does safely"
)


def said_apart(job: Callable[[], object], nobody: bool = False) -> str:
    """What `job` returns, or the last line of its traceback.

    Args:
        nobody: whether the process gives up the rights of root, if it has them.
    """
    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        signal.alarm(120)  # a silent end is better than none
        torch.set_num_threads(1)  # OpenMP's threads were not forked, and would be waited for
        try:
            if nobody and os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            said = str(job())
        except BaseException as error:
            said = traceback.format_exception_only(error)[-1]
        try:
            os.write(send, said.encode())
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as answer:
        said = answer.read()
    os.waitpid(process, 0)
    return said


@contextmanager
def everybodys_folder() -> Iterator[Path]:
    """An empty folder that other users may enter too, which those of pytest's own are not for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not all(parent.stat().st_mode & 0o001 for parent in folder.parents):
            pytest.skip("the temporary folder is closed to other users")
        folder.chmod(0o755)
        yield folder
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
