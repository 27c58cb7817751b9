"""A headless Chromium, spoken to over its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
"""The browser of this machine, if there is one."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)
_POLL_S = 0.05


class Page:
    """A tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.complaints: list[str] = []
        """What the console showed as an error, uncaught exceptions, and what the policy forbade."""
        self.requests: list[str] = []
        """The addresses that were asked for."""

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        async for message in self._socket:
            said = message.json()
            if answer := self._answers.pop(said.get("id", 0), None):
                if not answer.done():
                    answer.set_result(said)
            else:
                self._hear(said.get("method", ""), said.get("params", {}))

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded" if (
                params["entry"]["level"] == "error" and params["entry"]["source"] != "network"
            ):
                self.complaints.append(params["entry"]["text"])
            case _:
                pass

    async def do(self, method: str, **params: Any) -> Any:
        """A command of the protocol."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        said = await answer
        assert "error" not in said, said
        return said["result"]

    async def open(self, url: str) -> None:
        """Go there."""
        await self.do("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """The value of an expression; promises are waited for."""
        said = await self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, script: str, within_s: float = 20.0) -> None:
        """Wait until an expression is true; one that fails is not yet."""
        try:
            async with asyncio.timeout(within_s):
                while not await self.run(
                    f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"
                ):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            text = await self.run("document.body.innerText")
            raise AssertionError(f"never true: {script}\n{self.complaints}\n{text}") from None

    async def look(self, width: int, scheme: str, path: Path | None = None) -> None:
        """Be a screen of this width and colour scheme, and take a picture of the whole page."""
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        await self.do(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        if path is not None:
            size = (await self.do("Page.getLayoutMetrics"))["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 4000), "scale": 1}
            shot = await self.do("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
            path.write_bytes(base64.b64decode(shot["data"]))

    async def press(self, key: str) -> None:
        """A key."""
        for what in ("rawKeyDown", "keyUp"):
            await self.do(
                "Input.dispatchKeyEvent",
                type=what,
                key=key,
                code=key,
                windowsVirtualKeyCode=_CODES.get(key, 0),
            )


_CODES = {"Tab": 9, "Enter": 13}


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A tab of a browser that nobody has used."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *_FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as response:
                    [target, *_] = [one for one in await response.json() if one["type"] == "page"]
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    async with asyncio.TaskGroup() as tasks:
                        listening = tasks.create_task(page.listen(), name="browser")
                        for domain in ("Page", "Runtime", "Network", "Log"):
                            await page.do(f"{domain}.enable")
                        await page.do("Emulation.setFocusEmulationEnabled", enabled=True)
                        try:
                            yield page
                        finally:
                            listening.cancel()
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _port(file: Path) -> str:
    async with asyncio.timeout(30):
        while not (file.exists() and (lines := file.read_text().splitlines())):
            await asyncio.sleep(_POLL_S)
    return lines[0]
