"""Started by Playwright in place of a system's own Firefox, to which it passes everything on.

Playwright speaks WebDriver BiDi to a Firefox that it has not built itself, and asks for
`prefers-color-scheme` in each new window. A Firefox that does not know that command yet (ESR 153)
could not be used at all; so the command is answered here, and all others by Firefox.
"""

import asyncio
import contextlib
import json
import re
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler, websocket_connect

UNKNOWN = "emulation.setMediaFeaturesOverride"
LISTENING = "WebDriver BiDi listening on"  # the words that Playwright waits for
LARGEST = 2**28  # bytes of a message: some are pictures of whole pages


class Relay(WebSocketHandler):
    """A connection of Playwright's, and ours to the Firefox at `address`."""

    def initialize(self, address: str) -> None:
        self.address = address

    async def open(self) -> None:
        self.firefox = await websocket_connect(
            self.address + self.request.path,
            on_message_callback=self.tell,
            max_message_size=LARGEST,
        )

    def tell(self, message: str | None) -> None:
        if message is None:
            return self.close()
        with contextlib.suppress(WebSocketClosedError):
            self.write_message(message)

    def on_message(self, message: str) -> None:
        asked = json.loads(message)
        if asked["method"] == UNKNOWN:
            self.tell(json.dumps({"id": asked["id"], "type": "success", "result": {}}))
        else:
            self.firefox.write_message(message)

    def on_close(self) -> None:
        self.firefox.close()


def listen(address: str) -> str:
    """The address at which we pass messages on to `address`."""
    relay = Application([(".*", Relay, {"address": address})], websocket_max_message_size=LARGEST)
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(relay).add_sockets(sockets)
    return "ws://{}:{}".format(*sockets[0].getsockname())


async def main(*command: str) -> int:
    firefox = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async for line in firefox.stderr:
        if found := re.search(rf"{LISTENING} (ws://\S+)", line.decode()):
            print(LISTENING, listen(found[1]), file=sys.stderr, flush=True)
    return await firefox.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
