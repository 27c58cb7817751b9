import pytest

from rtms_engine.config import (
    ApiConfig,
    AppConfig,
    Config,
    LimitsConfig,
    RtmsConfig,
    Secret,
    ServerConfig,
    SinkConfig,
    StateConfig,
    ZoomConfig,
    load,
    load_config,
)
from rtms_engine.errors import ConfigError
from rtms_engine.model.media import AudioParams, VideoParams

APP = """
[[apps]]
client_id = "id"
client_secret = "secret"
secret_token = "token"
"""
NULL = """
[[sinks]]
type = "null"
"""
ENVIRON = {"ZM_RTMS_CLIENT": "env-id", "ZM_RTMS_SECRET": "env-secret", "ZM_RTMS_WEBHOOK_SECRET": "env-token"}


@pytest.fixture
def written(tmp_path):
    """Writes the configuration, and gives its path."""

    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def loaded(written):
    """Loads a configuration from a text; an app and a sink are in it already."""

    def load_text(text="", base=APP + NULL, overrides=None, environ=None):
        return load(written(base + text), overrides=overrides, environ=environ or {})

    return load_text


@pytest.fixture
def problems(loaded):
    """The problems of a text, without the name of its file."""

    def find(*args, **kwargs):
        with pytest.raises(ConfigError) as refused:
            loaded(*args, **kwargs)
        return [problem.partition("config.toml: ")[2] or problem for problem in refused.value.problems]

    return find


# --- values ---


def test_the_least_that_is_needed(loaded):
    config = loaded().config
    assert config == Config(
        apps=(AppConfig.of("id", "secret", "token"),), sinks=(SinkConfig("null", "null"),), api=ApiConfig()
    )
    assert (config.server.host, config.server.port, config.server.path) == ("0.0.0.0", 8080, "/webhook")
    assert config.rtms.allowed_hosts == ("*.zoom.us", "*.zoomgov.com")


def test_everything_said(loaded):
    config = loaded(
        """
        [server]
        host = "127.0.0.1"
        port = 9000
        path = "/zoom"
        drain_timeout_s = 60
        [zoom]
        api_url = "https://api.zoomgov.com/v2"
        oauth_url = "http://127.0.0.1:8080/oauth/token"
        [rtms]
        mode = "unified"
        allowed_hosts = ["localhost"]
        allow_insecure_loopback = true
        buffer_data = false
        [media.audio]
        codec = "opus"
        sample_rate = 48000
        channels = 2
        [media.video]
        mode = "single_participant"
        follow = "user:Ada"
        [media.transcript]
        language = "de"
        [media.chat]
        [state]
        directory = ""
        [limits]
        max_streams = 5
        one_stream_per_meeting = "host"
        min_free_disk_mb = 0
        max_memory_mb = 4000
        [log]
        level = "debug"
        """
    ).config
    assert config.server == ServerConfig("127.0.0.1", 9000, "/zoom", 60.0)
    assert config.zoom == ZoomConfig("https://api.zoomgov.com/v2", "http://127.0.0.1:8080/oauth/token")
    assert config.state == StateConfig("")
    assert config.limits == LimitsConfig(5, "host", 0, 4000)
    assert config.rtms == RtmsConfig("unified", ("localhost",), None, True, False)
    assert config.media.audio == AudioParams("opus", 48000, 2, 20)
    assert config.media.video == VideoParams(mode="single_participant")
    assert type(config.media.video) is VideoParams
    assert config.follow == "user:Ada"
    assert config.media.transcript.language == "de"
    assert config.log.level == "debug"


def test_a_program_needs_few_words():
    config = Config(
        apps=[AppConfig.of("id", "secret", "token", "next-token")],
        sinks=[SinkConfig("callback", options={"callback": print})],
    )
    assert [token.reveal() for token in config.apps[0].secret_token] == ["token", "next-token"]


def test_the_default_sink_records(loaded):
    result = loaded(base=APP)
    assert [sink.type for sink in result.config.sinks] == ["recording"]
    assert result.settings["sinks.recording.type"] == ("recording", "default")


def test_secrets_show_themselves_to_nobody():
    secret = Secret("hunter2")
    app = AppConfig.of("id", "hunter2", "hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {app} {app!r} {Config(apps=[app])!r} {secret!s:>10}"
    assert (secret.reveal(), secret) == ("hunter2", Secret("hunter2"))
    assert len({secret, Secret("hunter2"), Secret("other")}) == 2


# --- precedence and sources ---

PORT = {"RTMS_ENGINE__SERVER__PORT": "3"}


@pytest.mark.parametrize(
    ("overrides", "environ", "text", "expected"),
    [
        ({"server.port": "4"}, PORT, "[server]\nport = 1", (4, "command line")),
        ({}, PORT | {"ZM_RTMS_PORT": "2"}, "", (3, "environment variable RTMS_ENGINE__SERVER__PORT")),
        ({}, {"ZM_RTMS_PORT": "2"}, "[server]\nport = 1", (2, "environment variable ZM_RTMS_PORT")),
        ({}, {"ZM_RTMS_PORT": ""}, "", (8080, "default")),
    ],
)
def test_precedence(loaded, overrides, environ, text, expected):
    result = loaded(text, overrides=overrides, environ=environ)
    assert result.settings["server.port"] == expected
    assert result.config.server.port == expected[0]


def test_the_file_is_a_source_too(loaded, tmp_path):
    assert loaded("[server]\nport = 1").settings["server.port"] == (1, str(tmp_path / "config.toml"))


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("ZM_RTMS_PATH", "/x", "server.path", "/x"),
        ("ZM_RTMS_LOG_LEVEL", "WARN", "log.level", "warning"),
        ("ZM_RTMS_LOG_LEVEL", "trace", "log.level", "debug"),
        ("ZM_RTMS_LOG_FORMAT", "progressive", "log.format", "console"),
        ("ZM_RTMS_LOG_FORMAT", "json", "log.format", "json"),
        ("RTMS_ENGINE__MEDIA__AUDIO__SAMPLE_RATE", "48000", "media.audio.sample_rate", 48000),
        ("RTMS_ENGINE__RTMS__BUFFER_DATA", "false", "rtms.buffer_data", False),
        (
            "RTMS_ENGINE__RTMS__ALLOWED_HOSTS",
            "a.example,*.b.example",
            "rtms.allowed_hosts",
            ("a.example", "*.b.example"),
        ),
        ("RTMS_ENGINE__MEDIA__VIDEO__FOLLOW", "first_camera", "media.video.follow", "first_camera"),
    ],
)
def test_environment_variables(loaded, name, text, key, value):
    assert loaded(environ={name: text}).settings[key] == (value, f"environment variable {name}")


def test_settings_come_in_the_order_of_the_example(loaded):
    tops = [key.partition(".")[0] for key in loaded().settings]
    sections = [
        "server",
        "apps",
        "zoom",
        "rtms",
        "media",
        "sinks",
        "api",
        "consent",
        "encryption",
        "state",
        "limits",
        "log",
    ]
    assert list(dict.fromkeys(tops)) == sections


def test_load_config_is_the_config_alone(written):
    path = written(APP + NULL)
    assert load_config(path, environ={}) == load(path, environ={}).config


# --- the send rate of audio ---

CALLBACK = '[[sinks]]\ntype = "callback"\ncallback = "builtins:print"\n'


@pytest.mark.parametrize(
    ("text", "send_rate_ms"),
    [
        ("", 100),
        ('[media.audio]\ncodec = "opus"\nsample_rate = 48000', 20),
        (CALLBACK, 20),
        (CALLBACK + 'kinds = ["chat"]', 100),
        (CALLBACK + "[media.audio]\nsend_rate_ms = 60", 60),
    ],
)
def test_the_send_rate_suits_codec_and_sinks(loaded, text, send_rate_ms):
    result = loaded(text)
    assert result.config.media.audio.send_rate_ms == send_rate_ms
    assert result.settings["media.audio.send_rate_ms"].value == send_rate_ms


# --- apps and their credentials ---


def revealed(app):
    return (app.client_id, app.client_secret.reveal(), *(token.reveal() for token in app.secret_token))


NO_APP = "apps: there is none; add [[apps]], or set ZM_RTMS_CLIENT, ZM_RTMS_SECRET, ZM_RTMS_WEBHOOK_SECRET"
SAMPLES = {"ZOOM_CLIENT_ID": "z-id", "ZOOM_CLIENT_SECRET": "z-secret", "ZOOM_SECRET_TOKEN": "z-token"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (ENVIRON, ("env-id", "env-secret", "env-token")),
        (SAMPLES, ("z-id", "z-secret", "z-token")),
        (SAMPLES | ENVIRON, ("env-id", "env-secret", "env-token")),
    ],
)
def test_the_environment_alone_makes_an_app(environ, expected):
    [app] = load_config(None, overrides={}, environ=environ).apps
    assert (app.name, *revealed(app)) == ("default", *expected)


def test_the_environment_goes_before_the_only_app_of_the_file(loaded):
    result = loaded(environ={"ZOOM_CLIENT_SECRET": "other"})
    assert revealed(result.config.apps[0]) == ("id", "other", "token")
    assert result.settings["apps.default.client_secret"].source == "environment variable ZOOM_CLIENT_SECRET"
    assert result.notes == []


def test_with_several_apps_it_is_not_used_and_that_is_said(loaded):
    second = '[[apps]]\nname = "b"\nclient_id = "i"\nclient_secret = "s"\nsecret_token = "t"\n'
    result = loaded(second, environ=ENVIRON)
    assert [revealed(app) for app in result.config.apps] == [("id", "secret", "token"), ("i", "s", "t")]
    [note] = result.notes
    assert all(name in note for name in ENVIRON)


def test_credentials_in_files(loaded, tmp_path):
    for name, text in {"id": "id-in-file\n", "secret": "s3cret\n", "tokens": "new\nold\n"}.items():
        (tmp_path / name).write_text(text)
    app = f"""
        [[apps]]
        client_id_file = "{tmp_path}/id"
        client_secret_file = "{tmp_path}/secret"
        secret_token = "replaced by the environment's"
    """
    result = loaded(base=app + NULL, environ={"ZOOM_SECRET_TOKEN_FILE": str(tmp_path / "tokens")})
    assert revealed(result.config.apps[0]) == ("id-in-file", "s3cret", "new", "old")
    source = result.settings["apps.default.secret_token"].source
    assert source == "environment variable ZOOM_SECRET_TOKEN_FILE"


def test_two_tokens_while_they_rotate(loaded):
    app = '[[apps]]\nclient_id = "i"\nclient_secret = "s"\nsecret_token = ["new", "old"]\n'
    assert revealed(loaded(base=app + NULL).config.apps[0]) == ("i", "s", "new", "old")


@pytest.mark.parametrize(
    ("app", "problem"),
    [
        (
            "",
            NO_APP,
        ),
        ("[apps]\n", "apps: must be written as [[apps]]"),
        (
            APP.replace('client_id = "id"', ""),
            "apps.default.client_id: is missing; set it, client_id_file, or ZM_RTMS_CLIENT or ZOOM_CLIENT_ID",
        ),
        (APP.replace('"secret"', "5"), "apps.default.client_secret: must be a text without spaces"),
        (APP.replace('"secret"', '""'), "apps.default.client_secret: must be a text without spaces"),
        (APP.replace('"secret"', '["a", "b"]'), "apps.default.client_secret: must be a text without spaces"),
        (
            APP.replace('"token"', '["a", "b", "c"]'),
            "apps.default.secret_token: must be a text without spaces, "
            "or two of them while one replaces the other",
        ),
        (APP + 'client_id_file = "/x"', "apps.default.client_id: give it or its _file, not both"),
        (
            APP.replace('client_secret = "secret"', 'client_secret_file = "/nowhere"'),
            "apps.default.client_secret_file: cannot be read: No such file or directory",
        ),
        (APP + 'clientid = "x"', "apps.default.clientid: is not known; did you mean 'client_id'?"),
    ],
)
def test_problems_with_apps(problems, app, problem):
    assert problem in problems(base=app + NULL)


def test_two_apps_need_names_and_tokens_of_their_own(problems):
    assert problems(base=APP + APP + NULL) == ["apps.default: is there twice; give each its own name"]
    assert problems(base=APP + 'name = "a"' + APP + 'name = "b"' + NULL) == [
        "apps.b.secret_token: is also that of app a"
    ]


API = """
account_id = "account"
api_client_id = "api-id"
api_client_secret = "hunter2"
"""


def api_of(app):
    return (app.account_id, app.api_client_id, app.api_client_secret and app.api_client_secret.reveal())


@pytest.mark.parametrize(
    ("app", "environ", "expected"),
    [
        (APP, {}, (None, None, None)),
        (APP + API, {}, ("account", "api-id", "hunter2")),
        (APP + API.replace('account_id = "account"', ""), {}, (None, "api-id", "hunter2")),
        (APP + API, {"ZOOM_S2S_CLIENT_ID": "env"}, ("account", "env", "hunter2")),
        (
            APP,
            {"ZOOM_ACCOUNT_ID": "a", "ZOOM_S2S_CLIENT_ID": "b", "ZOOM_S2S_CLIENT_SECRET": "c"},
            ("a", "b", "c"),
        ),
    ],
)
def test_credentials_of_the_rest_api(loaded, app, environ, expected):
    result = loaded(base=app + NULL, environ=environ)
    [app] = result.config.apps
    assert api_of(app) == expected
    assert app.has_api is (expected[1] is not None)
    assert "hunter2" not in f"{app}{result.settings}"


def test_credentials_of_the_rest_api_in_files(loaded, tmp_path):
    for name in ("account_id", "api_client_id", "api_client_secret"):
        (tmp_path / name).write_text(f"{name}-in-file\n")
    files = "".join(f'{name}_file = "{tmp_path}/{name}"\n' for name in ("account_id", "api_client_secret"))
    environ = {"ZOOM_S2S_CLIENT_ID_FILE": str(tmp_path / "api_client_id")}
    result = loaded(base=APP + files + NULL, environ=environ)
    assert api_of(result.config.apps[0]) == (
        "account_id-in-file",
        "api_client_id-in-file",
        "api_client_secret-in-file",
    )
    source = result.settings["apps.default.api_client_id"].source
    assert source == "environment variable ZOOM_S2S_CLIENT_ID_FILE"


def test_unset_credentials_of_the_rest_api_are_defaults(loaded):
    assert loaded().settings["apps.default.api_client_secret"] == (None, "default")


@pytest.mark.parametrize(
    ("app", "environ", "expected"),
    [
        (
            APP + 'account_id = "a"',
            {},
            [
                "apps.default.api_client_id: is missing; account_id needs it",
                "apps.default.api_client_secret: is missing; account_id needs it",
            ],
        ),
        (
            APP + 'account_id = "a"\napi_client_id = "b"',
            {},
            ["apps.default.api_client_secret: is missing; account_id and api_client_id need it"],
        ),
        (
            APP + 'api_client_secret = "a"',
            {},
            ["apps.default.api_client_id: is missing; api_client_secret needs it"],
        ),
        (
            APP + API + 'api_client_id_file = "/x"',
            {},
            ["apps.default.api_client_id: give it or its _file, not both"],
        ),
        (
            APP + API.replace('"hunter2"', '["hunter2", "hunter3"]'),
            {},
            ["apps.default.api_client_secret: must be a text without spaces"],
        ),
        ("", {"ZOOM_ACCOUNT_ID": "a"}, [NO_APP]),
    ],
)
def test_problems_with_credentials_of_the_rest_api(problems, app, environ, expected):
    assert problems(base=app + NULL, environ=environ) == expected


# --- all that can be wrong ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\nprt = 1", "server.prt: is not known; did you mean 'port'?"),
        ("[server]\nport = 70000", "server.port: must be a whole number from 0 to 65535"),
        ('[server]\npath = "webhook"', "server.path: must be a path such as /webhook"),
        ('[server]\npath = "/{x}"', "server.path: must be a path such as /webhook"),
        ('[server]\npath = "/readyz"', "server.path: must not be /healthz or /readyz"),
        ("[sever]", "sever: is not known; did you mean 'server'?"),
        ("[media.vidoe]", "media.vidoe: is not known; did you mean 'video'?"),
        ("[[log]]", "log: must be written as [log]"),
        ("[media]\naudio = 5", "media.audio: must be written as [media.audio]"),
        (
            '[zoom]\napi_url = "http://api.zoom.us/v2"',
            "zoom.api_url: must be an https:// URL (http:// only to this machine)",
        ),
        (
            '[zoom]\noauth_url = "https://me@zoom.us"',
            "zoom.oauth_url: must be an https:// URL (http:// only to this machine)",
        ),
        (
            '[limits]\none_stream_per_meeting = "one"',
            "limits.one_stream_per_meeting: must be one of all, first, host",
        ),
        ('[rtms]\nmode = "both"', "rtms.mode: must be one of split, unified"),
        (
            '[rtms]\nallowed_hosts = ["*"]',
            "rtms.allowed_hosts: must be a list, each a host name or *. and a suffix",
        ),
        ('[rtms]\nca_file = "/nowhere"', "rtms.ca_file: there is no such file"),
        ('[media.audio]\ncodec = "mp3"', "media.audio.codec: must be one of g711, g722, l16, opus"),
        ('[media.audio]\ncodec = "opus"', "media.audio.sample_rate: opus needs 48000"),
        ("[media.video]\nfps = 5", "media.video.fps: h264 needs 6 to 30"),
        (
            '[media.video]\nfollow = "me"',
            'media.video.follow: must be "active_speaker", "first_camera" or "user:" and a name or id',
        ),
        ("[media.chat]\nx = 1", "media.chat.x: is not known; nothing can be set here"),
        ('[log]\nlevel = "loud"', "log.level: must be one of debug, error, info, warning"),
        ('[[sinks]]\ntype = "nul"', "the sink type 'nul' is not known; did you mean 'null'?"),
        ('[[sinks]]\nkinds = ["audio"]', "sinks.unnamed.type: is missing"),
        (
            '[[sinks]]\ntype = "console"\nkinds = ["sound"]',
            "sinks.console.kinds: must be a list, each one of audio, video, share, transcript, chat",
        ),
        (
            '[[sinks]]\ntype = "console"\ncontents = true',
            "sinks.console.contents: is not known; did you mean 'content'?",
        ),
        ('[[sinks]]\ntype = "jsonl"\nname = "log"', "sinks.log.path: is missing"),
        (
            '[[sinks]]\ntype = "console"\ndelivery = { retry = 3 }',
            "sinks.console.delivery.retry: is not known; did you mean 'retry_s'?",
        ),
        (
            '[[sinks]]\ntype = "console"\ndelivery = { queue_items = 0 }',
            "sinks.console.delivery.queue_items: must be a whole number from 1",
        ),
        (
            '[[sinks]]\ntype = "console"\ndelivery = { queue_mb = 0 }',
            "sinks.console.delivery.queue_mb: must be a number above 0",
        ),
        (
            '[[sinks]]\ntype = "console"\ndelivery = { overflow = { audio = "drop" } }',
            "sinks.console.delivery.overflow.audio: must be one of detach, drop_newest, drop_oldest, spill",
        ),
        (
            '[[sinks]]\ntype = "console"\ndelivery = { overflow = "spill" }',
            "sinks.console.delivery.overflow: must be a table",
        ),
        (
            '[[sinks]]\ntype = "callback"\ncallback = "nowhere:f"',
            "sinks.callback: callback cannot be imported: No module named 'nowhere'",
        ),
        ('[[sinks]]\ntype = "null"', "sinks.null: is there twice; give each its own name"),
    ],
)
def test_a_problem_names_file_key_and_what_is_allowed(problems, text, problem):
    assert problems(text) == [problem]


def test_all_problems_come_at_once(problems):
    text = """
        [server]
        port = "x"
        path = 5
        [log]
        format = "xml"
        [[sinks]]
        type = "jsonl"
    """
    environ = {"RTMS_ENGINE__SERVER__PRT": "1", "ZM_RTMS_LOG_LEVEL": "loud"}
    assert problems(text, base="", overrides={"media.audio.codec": "mp3"}, environ=environ) == [
        "environment variable RTMS_ENGINE__SERVER__PRT: "
        "server.prt: is not known; did you mean 'server.port'?",
        "sinks.jsonl.path: is missing",
        "command line: media.audio.codec: must be one of g711, g722, l16, opus",
        "server.port: must be a whole number from 0 to 65535",
        "server.path: must be a path such as /webhook",
        NO_APP,
        "environment variable ZM_RTMS_LOG_LEVEL: log.level: must be one of debug, error, info, warning",
        "log.format: must be one of console, json",
    ]


def test_no_problem_shows_a_secret(problems):
    app = '[[apps]]\nclient_id = "hunter2 "\nclient_secret = ["hunter2", 5]\nsecret_token = {a = "hunter2"}\n'
    found = problems(base=app, environ={"ZOOM_SECRET_TOKEN": "hunter2 hunter2"})
    assert len(found) == 3
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"[server\n", "line 1"), (b"\xff", "is not TOML"), (b"a = 1\na = 2\n", "line 2")],
)
def test_what_is_no_toml(tmp_path, content, problem):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        load_config(path, environ={})


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "config.toml", environ={})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("url = 'http://public.example'", "notifications.1: url: must be an https:// URL"),
        ("url = 'https://public.example'", "notifications.1: give either secrets or secrets_file"),
        ("secrets = []", "notifications.1.url: is missing"),
        (
            "url = 'https://a.example'\nevent = []",
            "notifications.1.event: is not known; did you mean 'events'?",
        ),
    ],
)
def test_notifications_are_checked(problems, text, problem):
    assert any(one.startswith(problem) for one in problems(f"[[notifications]]\n{text}"))
