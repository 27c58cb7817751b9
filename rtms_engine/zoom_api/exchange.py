"""One request to Zoom and its answer. Nothing of it is logged: it carries credentials."""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from ..errors import ZoomApiError
from .retries import retry_after_s

TIMEOUT_S = 10.0
_SUCCESS = range(200, 300)
_LONGEST_MESSAGE = 200


class Exchange:
    """Sends requests.

    Args:
        session: whose TLS settings are used.
        unix_s: the wall clock, Unix seconds.
    """

    def __init__(self, session: aiohttp.ClientSession, unix_s: Callable[[], float]) -> None:
        self._session = session
        self.unix_s = unix_s

    async def send(
        self, method: str, url: URL, authorization: str, body: Mapping[str, Any] | None = None
    ) -> bytes:
        """Send a request, once; the body of its answer. Raises ZoomApiError unless it is a 2xx.

        Cancelling leaves open whether Zoom has heard it.
        """
        headers = {"authorization": authorization, "accept": "application/json"}
        try:
            async with self._session.request(
                method, url, headers=headers, json=body, allow_redirects=False
            ) as response:
                answer = await response.read()
        except TimeoutError:
            raise ZoomApiError(0, 0, f"no answer from {url.host} in {TIMEOUT_S:.0f} s") from None
        except aiohttp.ClientError as error:
            # Without its cause: some of these errors hold the headers of the request.
            raise ZoomApiError(0, 0, _short(str(error) or type(error).__name__)) from None
        if response.status in _SUCCESS:
            return answer
        wait_s = retry_after_s(response.headers.get("retry-after"), self.unix_s())
        raise ZoomApiError(response.status, *complaint(answer), retry_after_s=wait_s)


class _Complaint(msgspec.Struct):
    code: int | str = 0
    message: str = ""
    reason: str = ""
    """What OAuth has instead of a message."""


_decode_complaint = msgspec.json.Decoder(_Complaint).decode


def complaint(answer: bytes) -> tuple[int, str]:
    """Code and message of an error's body, which may be anything."""
    try:
        said = _decode_complaint(answer)
        return int(said.code), _short(said.message or said.reason)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return 0, ""


def _short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST_MESSAGE]).rstrip(". ")
