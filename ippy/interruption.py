"""Ctrl-C and other requests to stop, noted while a training step runs and obeyed after it."""

import signal
import threading
from types import FrameType

# Ctrl-C; what a scheduler sends; what a terminal sends when it is closed, but not on Windows.
SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Interrupted(KeyboardInterrupt):
    """A run was stopped from outside, between two steps, and everything is kept that was asked for.

    A KeyboardInterrupt, so that a notebook and the shell treat it as they treat Ctrl-C.

    Attributes:
        signal: the number of the signal that asked for it.
    """

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal = number or signal.SIGTERM  # none, if it was another process that got it


class Interruption:
    """Notes Ctrl-C (SIGINT), SIGTERM and SIGHUP within a `with` block: no step is cut in two.

    A second signal is obeyed at once. What the process was started to ignore, by `nohup` or in the
    background of a script, it ignores. Only a program's main thread may handle signals: in any
    other one, nothing is noted.

    >>> with Interruption() as interruption:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print(interruption.signal == signal.SIGINT)
    True

    Attributes:
        signal: the number of the signal that came, 0 if none did.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None stands for a handler that was not set from Python and cannot be set from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise Interrupted(
                "stopped at once, by the second signal; nothing more was kept", number
            )
        self.signal = number
