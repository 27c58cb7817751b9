"""The wall around one stream: its defect is said in the log, and is nobody else's."""

from collections.abc import Awaitable

import structlog

_log = structlog.get_logger()


async def behind_a_wall(run: Awaitable[bool], stream_id: str) -> bool:
    """Run a stream's worker to its end.

    Returns:
        Whether the stream is over at Zoom; one that failed is over as far as we are concerned.
    """
    try:
        return await run
    except Exception:  # noqa: BLE001 - the wall
        _log.exception("StreamFailed", stream_id=stream_id, reason="defect in the engine")
        return True
