"""A fake Zoom: webhooks, signaling and media of protocol V1, for demos, tests and your own CI.

::

    async with FakeZoom([App(client_id, client_secret, secret_token)]) as zoom:
        meeting = await zoom.start(demo_script(), "http://127.0.0.1:8080/webhook/my-app")
        reason = await meeting.ended()
        print(meeting.ledger.snapshot())

It speaks only the documented wire (V1.md) and shares with the engine nothing but `rtms_engine.model`
and the signatures of `rtms_engine.wire`: rules and message shapes are written once more here, so
that a mistake of the engine is not repeated. It runs on any asyncio loop, with loop timers only.

- ``script``, ``sound``, ``pictures``, ``media``, ``cues`` - what happens, as timed messages (pure)
- ``negotiation`` - which parameters are accepted (pure)
- ``connection``, ``legs``, ``timing``, ``live``, ``zoom`` - the servers
- ``rest`` - the REST API that starts and stops streams
- ``webhooks``, ``ledger`` - what is told, what was sent and what was withheld
- ``faults``, ``chaos`` - what is odd about a stream, and what goes wrong in it
"""

from .chaos import Plan, chaos_plan
from .faults import Faults, Injection
from .ledger import ClientError, Ledger, LedgerSnapshot, Sent, Why, Withheld
from .live import LiveMeeting, Options
from .media import Media
from .rest import Account, Answer
from .script import Script, demo_script, load_script, synthetic_script
from .simulate import Simulation, simulate
from .sound import Stamp, stamp_of
from .timing import Timing
from .webhooks import Delivery, WebhookSender
from .zoom import App, FakeZoom, Refusal

__all__ = [
    "Account",
    "Answer",
    "App",
    "ClientError",
    "Delivery",
    "FakeZoom",
    "Faults",
    "Injection",
    "Ledger",
    "LedgerSnapshot",
    "LiveMeeting",
    "Media",
    "Options",
    "Plan",
    "Refusal",
    "Script",
    "Sent",
    "Simulation",
    "Stamp",
    "Timing",
    "WebhookSender",
    "Why",
    "Withheld",
    "chaos_plan",
    "demo_script",
    "load_script",
    "simulate",
    "stamp_of",
    "synthetic_script",
]
