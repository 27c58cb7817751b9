"""A Pipecat pipeline that hears a meeting, through the ``websocket`` sink; needs ``pip install pipecat-ai``.

python examples/pipecat_input.py ws://127.0.0.1:8082/live TOKEN
"""

import asyncio
import sys

from pipecat.frames.frames import EndFrame, InputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.client import WebsocketClientParams, WebsocketClientTransport


class Listener(FrameProcessor):
    """Put recognizer, model and whatever else you build with in its place."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.seconds += frame.num_frames / frame.sample_rate
        elif isinstance(frame, EndFrame):
            print(f"heard {self.seconds:.1f} s", flush=True)
        await self.push_frame(frame, direction)


async def main(uri: str, token: str) -> None:
    serializer = TwilioFrameSerializer("", params=TwilioFrameSerializer.InputParams(auto_hang_up=False))
    transport = WebsocketClientTransport(
        f"{uri}?format=twilio",
        WebsocketClientParams(
            audio_in_enabled=True,
            serializer=serializer,
            additional_headers={"authorization": f"Bearer {token}"},
        ),
    )
    params = PipelineParams(audio_in_sample_rate=16000)
    task = PipelineTask(Pipeline([transport.input(), Listener()]), params=params)

    @transport.event_handler("on_disconnected")
    async def on_disconnected(_transport, _session):
        await task.queue_frame(EndFrame())

    await PipelineRunner().run(task)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
