"""One request to an address that somebody typed."""

from collections.abc import Mapping

import aiohttp

from .schedule import Answer, retry_after_s

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; the rest is left, with its connection."""
_LONGEST_REASON = 200


async def post(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes, now_s: float
) -> Answer:
    """Send ``body``, and say what came of it; never raises for what the other side does.

    Redirects are not followed. Nothing of the answer's content is kept, nor said in the log.

    Cancelling leaves open whether the receiver got it.

    Args:
        session: of `guarded_session`.
        url: where to.
        headers: besides those that HTTP needs.
        body: what.
        now_s: Unix seconds.
    """
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            await _read(response)
            wait_s = retry_after_s(response.headers.get("retry-after"), now_s)
            return Answer(response.status, retry_after_s=wait_s)
    except TimeoutError:
        return Answer(0, "no answer in time")
    except aiohttp.ClientConnectorError as error:
        return Answer(0, _short(error.os_error.strerror or str(error.os_error)))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Some of these errors hold the request with its headers: only their kind is said.
        return Answer(0, type(error).__name__)


async def _read(response: aiohttp.ClientResponse) -> None:
    left = LONGEST_ANSWER
    while left > 0:
        chunk = await response.content.read(left)
        if not chunk:
            return
        left -= len(chunk)
    response.close()


def _short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST_REASON])
