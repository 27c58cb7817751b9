"""The dashboard in a headless Chromium: what it shows, to whom, and that no text becomes HTML.

One browser, and one engine with two meetings, for all of it: one visit, told in steps. Screenshots go to the
folder that ``DASHBOARD_SCREENSHOTS`` names, else to pytest's temporary one.
"""

import asyncio
import itertools
import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from rtms_engine import ApiConfig
from rtms_engine.api.tokens import Scope, TokenFile
from rtms_engine.engine import Engine
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import LiveMeeting, Plan, demo_script
from rtms_engine.simulator.chaos import Kill
from rtms_engine.simulator.script import Script
from tests.api.support import zoom_and_api
from tests.e2e.support import recording
from tests.support.browser import CHROMIUM, Page, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

HOSTILE = "<img src=x onerror='window.pwned=1'><script>window.pwned=2</script> & \u202ereversed "
NO_VIDEO = frozenset(MediaKind) - {MediaKind.VIDEO}
"""What Zoom grants an app that lacks a scope."""
CHAOS = Plan(
    actions=(Kill(at_ms=2_500, leg="video", how="reset"), Kill(at_ms=4_000, leg="audio", how="reset"))
)


class Visit(NamedTuple):
    """Somebody looks at an engine."""

    page: Page
    engine: Engine
    wild: LiveMeeting
    """Connections are lost, and everybody's name and every text is hostile."""
    blind: LiveMeeting
    """Zoom refuses its video."""
    folder: Path
    shots: Path

    async def go(self, place: str) -> None:
        """To a view."""
        await self.page.open(f"{self.engine.api_url}/#/{place}")


def hostile(script: Script) -> Script:
    """The same with names and texts that want to be HTML."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            spoken = {key: HOSTILE + text for key, text in value.items() if key in ("user_name", "text")}
            return {key: changed(one) for key, one in value.items()} | spoken
        return [changed(one) for one in value] if isinstance(value, list | tuple) else value

    return msgspec.convert(changed(msgspec.to_builtins(script)), Script)


def lasting(script: Script, times: int = 20) -> Script:
    """The same, but that they say it all again and again: a browser may be slow, and nobody leaves before `stop`."""
    again = [
        msgspec.structs.replace(said, start_ms=said.start_ms + later_ms, end_ms=said.end_ms + later_ms)
        for later_ms in range(0, times * script.duration_ms, script.duration_ms)
        for said in script.utterances
    ]
    return msgspec.structs.replace(
        script, duration_ms=times * script.duration_ms, utterances=type(script.utterances)(again)
    )


async def a_chaos_meeting_live(visit: Visit) -> None:
    """From the list to the stream: who, what, pictures, levels, and what went wrong."""
    page = visit.page
    await visit.go("")
    link = f"document.querySelector('.live a[href$=\"{visit.wild.stream_id}\"]')"
    await page.until(link)
    await page.until("/Video does not come/.test(document.querySelector('.live').textContent)")
    await page.until("document.querySelector('.live .chips [data-tone=good]')")
    await page.look(1280, "light", visit.shots / "streams-1280-light.png")
    assert await page.run(FAINT) == []
    await page.run(f"{link}.click()")
    await page.until("document.querySelectorAll('.person').length === 2")
    for what in (
        "'.captions .log li'",
        "'.chat .log li'",
        "'.track .mark.up'",
        "'.mark.voice'",
        "'.mark.lost'",
    ):
        await page.until(f"document.querySelector({what})")
    await page.until("document.querySelector('.picture img').naturalWidth > 0")
    loud = (
        "[...document.querySelectorAll('.meter')].some((one) => one.style.getPropertyValue('--level') > 0.3)"
    )
    await page.until(loud)
    await page.until(
        "[...document.querySelectorAll('.entries [data-tone=warn]')].some((one) => /connection was lost/.test(one.textContent))"
    )
    await page.until("/lost/.test(document.querySelector('.findings').textContent)")


async def no_text_becomes_html(visit: Visit) -> None:
    page = visit.page
    for place in (".captions", ".chat", ".people", ".lanes"):
        assert "<img src=x onerror" in await page.run(f"document.querySelector('{place}').textContent"), place
    assert await page.run("document.querySelectorAll('main script, img[src=x]').length") == 0
    assert await page.run("typeof window.pwned") == "undefined"
    with pytest.raises(AssertionError, match="TrustedHTML"):
        await page.run("document.body.innerHTML = '<b>no script of ours could either</b>'")
    page.complaints.clear()  # of the line above


async def somebody_is_excluded_and_included_again(visit: Visit) -> None:
    """With the button at their name; the engine hears of it, and the page tells."""
    page = visit.page
    button = "document.querySelector('.person .exclude')"
    await page.run(f"{button}.click()")
    await page.until(f"{button}.textContent === 'Include'")
    people = visit.engine.live_streams()[StreamId(visit.wild.stream_id)].overview.participants
    assert [one.excluded for one in people].count("request") == 1
    await page.until("/excluded/.test(document.querySelector('.people').textContent)")
    await page.run(f"{button}.click()")
    await page.until(f"{button}.textContent === 'Exclude'")


async def it_can_be_read_on_every_screen(visit: Visit) -> None:
    """Nothing is cut off at the side, and all text has a contrast of 4.5 at least."""
    page = visit.page
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        await page.look(width, scheme)
        await page.look(width, scheme, visit.shots / f"stream-{width}-{scheme}.png")
        assert await page.run("document.documentElement.scrollWidth") <= width
        assert await page.run(FAINT) == []


async def it_can_be_used_without_a_mouse_and_without_eyes(visit: Visit) -> None:
    page = visit.page
    await page.look(1280, "light")
    assert await page.run("document.querySelectorAll('main, header, nav[aria-label]').length") == 3
    assert await page.run("document.querySelectorAll('h1').length") == 1
    assert await page.run("document.documentElement.lang") == "en"
    assert await page.run(NAMELESS) == []
    assert await page.run(
        "[...document.querySelectorAll('[role=log]')].every((one) => one.ariaLive === 'polite')"
    )
    await page.run("document.querySelector('.skip').focus()")
    seen = []
    for _ in range(4):
        await page.press("Tab")
        seen.append(await page.run("document.activeElement.textContent.trim()"))
        outline = await page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"{seen[-1]}: the focus is seen"
    assert {"Streams", "Recordings", "Engine"} <= set(seen)


async def why_a_stream_has_no_video(visit: Visit) -> None:
    """In the sentence on top, at the medium, where the picture would be, and in the story."""
    page = visit.page
    await visit.go(f"streams/{visit.blind.stream_id}")
    await page.until("document.querySelector('.verdict')?.dataset.tone === 'bad'")
    assert "Video does not come" in await page.run("document.querySelector('.verdict').textContent")
    assert "does not come" in await page.run("document.querySelectorAll('.medium')[1].textContent")
    await page.until("/Zoom does not give video/.test(document.querySelector('.picture .why').textContent)")
    await page.until("document.querySelector('.entries [data-tone=bad]')")
    await page.look(1280, "light", visit.shots / "no-video-1280-light.png")


async def the_engine(visit: Visit) -> None:
    page = visit.page
    await visit.go("engine")
    await page.until("document.querySelectorAll('.gauge').length === 6")
    await page.until("/recording/.test(document.querySelector('.queues table').textContent)")
    await page.look(390, "light", visit.shots / "engine-390-light.png")
    assert await page.run("document.documentElement.scrollWidth") <= 390
    assert await page.run(FAINT) == []


async def a_recording_is_found_and_played(visit: Visit) -> None:
    """Sound, the camera in step with it, captions, a voice alone, downloads."""
    page = visit.page
    await page.look(1280, "light")
    await visit.go("recordings")
    await page.until("document.querySelectorAll('.card').length === 2")
    await page.run("document.querySelector('#search-meeting').value = 'no such meeting'")
    await page.run("document.querySelector('.search button').click()")
    await page.until("document.querySelectorAll('.card').length === 0")
    await visit.wild.stop()
    while visit.wild.stream_id in visit.engine.live_streams():
        await asyncio.sleep(0.05)
    await visit.go(f"recordings/{visit.wild.stream_id}/1")
    await page.until("document.querySelector('audio')?.duration > 2")
    await page.run("document.querySelector('audio').currentTime = 1.5")
    await page.until("Math.abs(document.querySelector('video').currentTime - 1.5) < 0.5")
    await page.until("document.querySelector('video').textTracks[0]?.cues?.length > 0")
    await page.until("document.querySelector('.said li[aria-current] b').textContent.includes('<script>')")
    await page.run("document.querySelectorAll('.voices input')[1].click()")
    await page.until("/audio\\/\\d+.wav/.test(document.querySelector('audio').src)")
    await page.until("Math.abs(document.querySelector('audio').currentTime - 1.5) < 0.1", within_s=5)
    files = await page.run(
        "[...document.querySelectorAll('.files a[download]')].map((one) => one.textContent)"
    )
    assert {"audio/mixed.wav", "video/camera-001.mp4", "transcript.vtt", "manifest.json"} <= set(files)
    await page.look(1280, "dark", visit.shots / "recording-1280-dark.png")
    assert await page.run(FAINT) == []


async def nothing_was_asked_of_anybody_else(visit: Visit) -> None:
    assert not visit.page.complaints
    schemes = (f"{visit.engine.api_url}/", "blob:", "data:", "about:")
    assert [url for url in visit.page.requests if not url.startswith(schemes)] == []


async def signing_in(visit: Visit) -> None:
    """The token is asked for, and no script can read it afterwards."""
    page = visit.page
    folder = visit.folder / "guarded"
    text = TokenFile(folder / "state").new("ops", [Scope.READ], 0)
    async with zoom_and_api(folder=folder, api=ApiConfig(port=0, anonymous="never")) as (_, engine, _):
        await page.open(f"{engine.api_url}/")
        for given, then in (
            ("rtms_wrong", "/not known/.test(document.body.innerText)"),
            (text, "document.querySelector('.live')"),
        ):
            await page.until("document.querySelector('.sign-in #token')")
            await page.run(f"document.querySelector('#token').value = '{given}'")
            await page.run("document.querySelector('.sign-in button').click()")
            await page.until(then)
        assert await page.run("document.cookie") == ""
        assert await page.run("JSON.stringify([{...localStorage}, {...sessionStorage}])") == "[{},{}]"
        await page.run("document.querySelector('#sign-out').click()")
        await page.until("document.querySelector('.sign-in')")


async def test_a_visit(tmp_path: Path) -> None:
    """All of it, in order."""
    shots = Path(os.environ.get("DASHBOARD_SCREENSHOTS", str(tmp_path / "screenshots")))
    shots.mkdir(parents=True, exist_ok=True)
    async with zoom_and_api(recording(tmp_path / "recordings")) as (zoom, engine, _), browser() as page:
        blind = await zoom.start(lasting(demo_script()), engine.webhook_url, granted=NO_VIDEO)
        wild = await zoom.start(hostile(lasting(demo_script())), engine.webhook_url, chaos=CHAOS)
        visit = Visit(page, engine, wild, blind, tmp_path, shots)
        for step in (
            a_chaos_meeting_live,
            somebody_is_excluded_and_included_again,
            no_text_becomes_html,
            it_can_be_read_on_every_screen,
            it_can_be_used_without_a_mouse_and_without_eyes,
            why_a_stream_has_no_video,
            the_engine,
            a_recording_is_found_and_played,
            nothing_was_asked_of_anybody_else,
            signing_in,
        ):
            await step(visit)
        await blind.stop()


NAMELESS = """
[...document.querySelectorAll('input, button, a, img:not([hidden]), [role=img], [role=meter], [role=log], audio, video')]
  .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim() || one.alt || one.alt === '' && one.closest('a')))
  .map((one) => one.outerHTML.slice(0, 200))
"""
"""Whatever a screen reader could not name."""
FAINT = """
(() => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  const opacity = (one) => one ? Number(getComputedStyle(one).opacity) * opacity(one.parentElement) : 1;
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    const text = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (!text || !one.checkVisibility()) continue;
    const back = ground(one);
    const share = opacity(one);
    const front = channels(getComputedStyle(one).color).slice(0, 3).map((c, n) => c * share + back[n] * (1 - share));
    const [high, low] = [light(front), light(back)].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${one.className}: ${text.slice(0, 40)}`);
  }
  return faint;
})()
"""
"""Text that is hard to read, by the formula of WCAG 2."""
