"""Zoom's REST API, as far as RTMS needs it: start, stop, pause and resume a stream (V1.md §1.11).

- ``calls`` - what is said for which product, and to whom (pure)
- ``retries`` - how long to wait before saying it again (pure)
- ``exchange`` - one request and its answer, or a `rtms_engine.errors.ZoomApiError`
- ``tokens`` - the right to say it
- ``client`` - `rtms_engine.zoom_api.client.ZoomApi`, all of it together
"""
