"""What the measurements of ``rtms-engine doctor`` mean: a pure function for each check.

Each answers with a `Verdict`, whose remedy says what to do. Who measures is `rtms_engine.daemon.doctor.probes`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from ...webhook.verify import TOLERANCE_S

Level = Literal["OK", "WARN", "FAIL", "SKIP"]

CLOCK_WARN_S, CLOCK_FAIL_S = 5.0, TOLERANCE_S / 2
FSYNC_WARN_MS, FSYNC_FAIL_MS = 50.0, 1_000.0
"""A webhook is on disk before it is answered, and Zoom waits for 3 s."""
DISK_WARN_MB_S, DISK_FAIL_MB_S = 50.0, 5.0
SOCKETS_PER_STREAM = 6
"""Signaling, and one for each kind of media."""
FILES_PER_STREAM = 12
"""Of a recording: some voices, the mix, video, texts."""
FILES_BESIDES = 200
FEW_STREAMS = 10
WEBHOOK_WARN_S, WEBHOOK_FAIL_S = 1.0, 3.0
SHORTEST_SECRET = 16
SECRET_MODE = 0o077
"""What must not be set on a file that holds secrets."""
_PLACEHOLDER = "your-"


class Verdict(NamedTuple):
    """What a check came to."""

    level: Level
    text: str
    remedy: str = ""
    """Empty if there is nothing to do."""


def clock(skew_s: float) -> Verdict:
    """How far this machine's clock is from Zoom's."""
    text = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} Zoom's clock"
    remedy = "Let the system keep time: timedatectl set-ntp true, or chrony."
    if abs(skew_s) > CLOCK_FAIL_S:
        return Verdict("FAIL", f"{text}: webhooks count as stale beyond {TOLERANCE_S} s", remedy)
    if abs(skew_s) > CLOCK_WARN_S:
        return Verdict("WARN", text, remedy)
    return Verdict("OK", "agrees with Zoom's to a few seconds")


def secrets(app: str, client_id: str, client_secret: str, secret_tokens: Sequence[str]) -> Verdict:
    """Whether the credentials of an app can be what they are said to be. Nothing of them is told."""
    named = [("client_id", client_id), ("client_secret", client_secret)]
    named += [("secret_token", token) for token in secret_tokens]
    for key, value in named:
        if value.startswith(_PLACEHOLDER):
            return Verdict(
                "FAIL", f"{app}: {key} is still the one of the example", "Copy it from the Marketplace."
            )
        if value != value.strip() or any(c.isspace() or not c.isprintable() for c in value):
            return Verdict(
                "FAIL", f"{app}: {key} has white space or control characters in it", "Copy it anew."
            )
    if len({value for _, value in named}) < len(named):
        return Verdict(
            "FAIL",
            f"{app}: two of the credentials are the same",
            "The secret token is under Feature, Access; client id and secret are under Basic Information.",
        )
    short = [key for key, value in named[1:] if len(value) < SHORTEST_SECRET]
    if short:
        return Verdict("WARN", f"{app}: {short[0]} is shorter than Zoom's are", "Is all of it there?")
    return Verdict("OK", f"{app}: client id, client secret and secret token look like ones")


def directory(name: str, path: str, error: str, mode: int | None, *, private: bool) -> Verdict:
    """Whether a directory can be written, and by whom read.

    Args:
        name: what it is for.
        path: of it.
        error: why it cannot be written; empty if it can.
        mode: its permissions; None if it is not there yet.
        private: it should be its owner's alone.
    """
    if error:
        return Verdict("FAIL", f"{name}: {path} cannot be written: {error}", "Give it to the engine's user.")
    if private and mode is not None and mode & SECRET_MODE:
        return Verdict("WARN", f"{name}: others may look into {path}", f"chmod 700 {path}")
    return Verdict("OK", f"{name}: {path} can be written")


def free_space(path: str, free_mb: float, min_mb: int) -> Verdict:
    """Whether new streams are taken."""
    text = f"{free_mb / 1000:.1f} GB free at {path}"
    remedy = "Delete or move recordings, set retention in [[apps]], or take a larger disk."
    if free_mb < min_mb:
        return Verdict("FAIL", f"{text}; below {min_mb} MB streams are refused", remedy)
    if free_mb < max(10 * min_mb, 10_000):
        return Verdict("WARN", text, remedy)
    return Verdict("OK", text)


def fsync(path: str, median_ms: float) -> Verdict:
    """Whether webhooks can be on disk before they are answered."""
    text = f"{median_ms:.1f} ms until something is on disk at {path}"
    remedy = "Put [state] directory on a local disk; network file systems and SD cards are too slow."
    if median_ms > FSYNC_FAIL_MS:
        return Verdict("FAIL", text, remedy)
    return Verdict("WARN", text, remedy) if median_ms > FSYNC_WARN_MS else Verdict("OK", text)


def disk_speed(path: str, mb_per_s: float) -> Verdict:
    """Whether recordings can be written."""
    text = f"{mb_per_s:.0f} MB/s at {path}"
    remedy = "Record to a faster disk; a stream needs up to 1 MB/s, and finishing it some times that."
    if mb_per_s < DISK_FAIL_MB_S:
        return Verdict("FAIL", text, remedy)
    return Verdict("WARN", text, remedy) if mb_per_s < DISK_WARN_MB_S else Verdict("OK", text)


def open_files(limit: int, max_streams: int) -> Verdict:
    """For how many streams the open files are enough."""
    enough_for = max(limit - FILES_BESIDES, 0) // (SOCKETS_PER_STREAM + FILES_PER_STREAM)
    if enough_for >= max_streams:
        return Verdict("OK", f"{limit} open files are enough for {max_streams} streams")
    text = f"{limit} open files are enough for about {enough_for} streams, not for limits.max_streams = {max_streams}"
    needed = max_streams * (SOCKETS_PER_STREAM + FILES_PER_STREAM) + FILES_BESIDES
    remedy = f"Allow {needed}: LimitNOFILE= in the systemd unit, or ulimit -n; or lower limits.max_streams."
    return Verdict("FAIL" if enough_for < FEW_STREAMS else "WARN", text, remedy)


def authorities(count: int, error: str) -> Verdict:
    """Whether there are certificate authorities to trust."""
    if error:
        return Verdict("FAIL", error, "Correct rtms.ca_file: a PEM file of certificates.")
    if not count:
        return Verdict("FAIL", "no certificate authority is known to this system", "Install ca-certificates.")
    return Verdict("OK", f"{count} certificate authorities")


def port(key: str, address: str, error: str, *, is_engine: bool) -> Verdict:
    """Whether it can be listened on.

    Args:
        key: of the configuration.
        address: host and port.
        error: why not; empty if so.
        is_engine: an engine answers there.
    """
    if is_engine:
        return Verdict("OK", f"{key}: an engine runs at {address}")
    if error:
        return Verdict(
            "FAIL",
            f"{key}: {address} cannot be listened on: {error}",
            f"Choose another {key}.port, or end it.",
        )
    return Verdict("OK", f"{key}: {address} is free")


def token_file(path: str, mode: int | None) -> Verdict:
    """Whether others may read or change who may use the API. There are only hashes in it."""
    if mode is None:
        return Verdict("OK", "no tokens; programs on this machine need none")
    if mode & SECRET_MODE:
        return Verdict("FAIL", f"others may read or change {path}", f"chmod 600 {path}")
    return Verdict("OK", f"{path} is its owner's alone")


def encryption(
    masters: Sequence[str], in_use: Mapping[str, int], directory: str, mode: int | None
) -> Verdict:
    """Whether what is stored is encrypted, and can be read.

    Args:
        masters: the ids of the master keys that are given.
        in_use: by the ids of master keys, how many recordings they open.
        directory: of their keys.
        mode: of that; None if it is not there.
    """
    locked = {master: count for master, count in in_use.items() if master not in masters}
    if locked:
        text = ", ".join(f"{count} keys need the master key {master}" for master, count in locked.items())
        return Verdict(
            "FAIL", f"{text}, which is not given", "Add it to [encryption] key_file, behind the others."
        )
    if mode is not None and mode & SECRET_MODE:
        return Verdict("FAIL", f"others may read or change {directory}", f"chmod 700 {directory}")
    if not masters:
        return Verdict("OK", "off: what is stored is in plain")
    old = sum(count for master, count in in_use.items() if master != masters[0])
    if old:
        return Verdict("WARN", f"{old} keys are wrapped by an older master key", "rtms-engine rewrap")
    return Verdict("OK", f"by the master key {masters[0]}; {sum(in_use.values())} keys in {directory}")


def reached(host: str, error: str, *, is_tls: bool = False) -> Verdict:
    """Whether a host of Zoom's can be reached over verified TLS."""
    if not error:
        return Verdict("OK", f"{host} answers over TLS, with a certificate that is trusted")
    if is_tls:
        return Verdict(
            "FAIL",
            f"{host} answers with a certificate that is not trusted: {error}",
            "Something in between opens TLS, or the clock is wrong; rtms.ca_file trusts one authority more.",
        )
    return Verdict("FAIL", f"{host} cannot be reached: {error}", "Allow outgoing connections to port 443.")


def webhook(status: int, *, is_right: bool, took_s: float, error: str) -> Verdict:
    """What came of a signed challenge to the public URL.

    Args:
        status: of HTTP; 0 if there was no answer.
        is_right: the challenge was answered as Zoom wants it.
        took_s: how long the answer took.
        error: why there was none.
    """
    if error:
        return Verdict(
            "FAIL", f"no answer: {error}", "Check DNS, the certificate, and what ends TLS in front."
        )
    if status in range(300, 400):
        return Verdict(
            "FAIL", f"a redirect ({status}); Zoom does not follow", "Enter the URL that it leads to."
        )
    if status == 401:  # noqa: PLR2004 - of HTTP
        return Verdict(
            "FAIL",
            "401: the engine there does not accept the signature",
            "Does it have the same secret token, and the right time? What changes the body in between?",
        )
    if status == 404:  # noqa: PLR2004 - of HTTP
        return Verdict("FAIL", "404: nobody takes webhooks at this path", "Compare it with server.path.")
    if status != 200:  # noqa: PLR2004 - of HTTP
        return Verdict(
            "FAIL", f"{status} instead of 200", "See the log of the engine and of what is in front."
        )
    if not is_right:
        return Verdict("FAIL", "200, but not from an engine with this secret token", "Who answers there?")
    text = f"the challenge was answered rightly after {took_s:.2f} s"
    if took_s > WEBHOOK_FAIL_S:
        return Verdict("FAIL", f"{text}; Zoom waits for 3 s", "See the load, and what is in front.")
    return Verdict(
        "WARN" if took_s > WEBHOOK_WARN_S else "OK", text, "See the load." * (took_s > WEBHOOK_WARN_S)
    )
