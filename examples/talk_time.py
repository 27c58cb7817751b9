"""A sink of your own: who spoke for how long? ``type = "talk_time:TalkTime"`` in [[sinks]]; try it with

PYTHONPATH=examples rtms-engine run --config examples/talk_time.toml
"""

from collections import Counter

from rtms_engine import AudioFrame, MediaKind


class TalkTime:
    kinds = frozenset([MediaKind.AUDIO])

    async def open(self, stream):
        self.seconds = Counter()

    async def write(self, batch):
        for item in batch:
            if isinstance(item, AudioFrame):
                self.seconds[item.speaker.name] += item.params.send_rate_ms / 1000

    async def close(self, ending):
        for name, seconds in self.seconds.most_common():
            print(f"{seconds:7.1f} s  {name}", flush=True)
