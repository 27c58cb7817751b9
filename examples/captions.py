"""Live captions in the terminal, with corrections: ``python examples/captions.py config.toml``."""

import asyncio
import sys

from rtms_engine import Engine, MediaKind, TranscriptSegment, load_config


def printable(text: str) -> str:
    """Participants choose their names and words: nothing of them may steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


async def main(config: str) -> None:
    """Every stream that starts, one line for each sentence."""
    async with Engine(load_config(config)) as engine, asyncio.TaskGroup() as tasks:
        async for stream in engine.streams(MediaKind.TRANSCRIPT):
            tasks.create_task(show(stream), name=f"captions:{stream.info.stream_id}")


async def show(stream) -> None:
    """The captions of one stream, as they come."""
    marks = {"new": " ", "update": "~", "delete": "-"}
    async for item in stream:
        if isinstance(item, TranscriptSegment):
            seconds = (item.timestamp_ms - stream.info.started_ms) // 1000
            line = f"{seconds // 60:02}:{seconds % 60:02} {marks[item.operation]} {item.speaker.name}: {item.text}"
            print(printable(line), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
