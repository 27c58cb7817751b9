"""What is in deploy/ fits the engine, and its parts fit each other."""

import json
import re
import shutil
import subprocess
import tomllib
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from rtms_engine.config import load_config
from rtms_engine.config.loading import SECTIONS
from rtms_engine.config.values import ApiConfig, ServerConfig

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FINISH_S = 60
"""What recordings may need to be finished after the drain."""
CREDENTIALS = {"ZM_RTMS_CLIENT_FILE", "ZM_RTMS_SECRET_FILE", "ZM_RTMS_WEBHOOK_SECRET_FILE"}


def read(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text("utf-8"))


COMPOSE = read("docker/compose.yaml")
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes/rtms-engine.yaml").read_text("utf-8")))
KIND = {one["kind"]: one for one in MANIFESTS}
POD = KIND["StatefulSet"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def test_every_file_is_one_that_is_tested() -> None:
    """A new file must be read by somebody here."""
    found = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()}
    assert found == {
        "docker/Dockerfile",
        "docker/Dockerfile.dockerignore",
        "docker/compose.yaml",
        "grafana/dashboards/rtms-engine.json",
        "grafana/provisioning/dashboards/rtms-engine.yaml",
        "grafana/provisioning/datasources/prometheus.yaml",
        "kubernetes/rtms-engine.yaml",
        "prometheus/alerts.yaml",
        "prometheus/prometheus.yaml",
        "proxy/Caddyfile",
        "proxy/nginx.conf",
        "systemd/rtms-engine.service",
    }


def engine_variables(environment: dict[str, str]) -> dict[str, Any]:
    """Those that name keys: each must be one."""
    values = {}
    for name, value in environment.items():
        if name.startswith("RTMS_ENGINE__"):
            section, _, key = name.removeprefix("RTMS_ENGINE__").lower().rpartition("__")
            assert key in SECTIONS[section.replace("__", ".")].__struct_fields__, name
            values[f"{section}.{key}"] = value
    return values


# --- systemd ---


def unit() -> dict[str, list[tuple[str, str]]]:
    sections: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in (DEPLOY / "systemd/rtms-engine.service").read_text("utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections.setdefault(name, []).append((key, value))
    return sections


def test_the_unit_is_one_for_this_engine() -> None:
    service = unit()["Service"]
    one = dict(service)
    assert one["Type"] == "notify"
    assert int(one["TimeoutStopSec"]) >= ServerConfig().drain_timeout_s + FINISH_S
    assert 10 <= int(one["WatchdogSec"]) < 60
    credentials = {value.partition(":")[0] for key, value in service if key == "LoadCredential"}
    given = dict(value.split("=") for key, value in service if key == "Environment")
    assert set(given) == CREDENTIALS
    assert {value.removeprefix("%d/") for value in given.values()} == credentials
    for key in ("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "RestrictAddressFamilies"):
        assert one[key] not in ("no", "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_itself_finds_nothing(tmp_path: Path) -> None:
    """But that the program is not installed there."""
    text = (DEPLOY / "systemd/rtms-engine.service").read_text("utf-8")
    path = tmp_path / "rtms-engine.service"
    path.write_text(text.replace("/opt/rtms-engine/bin/rtms-engine", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert "rtms-engine.service" not in done.stderr, done.stderr


# --- Docker ---


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "docker/Dockerfile").read_text("utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def test_the_image_is_made_as_images_should_be() -> None:
    """The rules that linters of Dockerfiles have."""
    steps = instructions()
    words = [word for word, _ in steps]
    last = words[len(words) - 1 - words[::-1].index("FROM") :]
    one = dict(steps)
    assert words.count("FROM") == 2
    assert all(":" in rest for word, rest in steps if word == "FROM"), "an image has a tag"
    assert one["USER"] == "10001:10001"
    assert last.index("USER") < last.index("HEALTHCHECK"), "checked as the user it runs as"
    assert not {"ADD", "MAINTAINER"} & set(words)
    assert all("--no-cache-dir" in rest for word, rest in steps if word == "RUN" and "pip install" in rest)
    for word in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(one[word]), list)
    assert '["rtms-engine", "health"]' in one["HEALTHCHECK"]
    assert set(map(int, one["EXPOSE"].split())) == {ServerConfig().port, ApiConfig().port}
    assert one["STOPSIGNAL"] == "SIGTERM"
    assert not re.search(
        "secret|token|password", " ".join(rest for word, rest in steps if word == "ENV").lower()
    )


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """And is everything that the package is built from."""
    sources = {
        source.rstrip("/")
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    ignored = (DEPLOY / "docker/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((ROOT / source).exists() for source in sources)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {f"{module}.py" for module in project["tool"]["setuptools"]["py-modules"]}
    assert needed <= sources


def test_compose_fits() -> None:
    engine = COMPOSE["services"]["engine"]
    environment = engine["environment"]
    values = engine_variables(environment)
    assert set(environment) >= CREDENTIALS
    for name in CREDENTIALS:
        assert environment[name].removeprefix("/run/secrets/") in engine["secrets"]
    grace_s = int(engine["stop_grace_period"].removesuffix("s"))
    assert grace_s >= float(values["server.drain_timeout_s"]) + FINISH_S
    assert engine["read_only"] is True
    assert engine["cap_drop"] == ["ALL"]
    assert engine["ports"] == [f"127.0.0.1:{ServerConfig().port}:{ServerConfig().port}"]
    assert values["state.directory"].startswith("/var/lib/rtms-engine")
    assert (DEPLOY / "docker" / engine["build"]["context"] / engine["build"]["dockerfile"]).is_file()
    assert set(COMPOSE["secrets"]) == {
        s for one in COMPOSE["services"].values() for s in one.get("secrets", [])
    }
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / "docker" / source).exists(), source


def test_prometheus_finds_the_engine_and_the_alerts() -> None:
    prometheus = read("prometheus/prometheus.yaml")
    (job,) = prometheus["scrape_configs"]
    host, _, port = job["static_configs"][0]["targets"][0].partition(":")
    assert host in COMPOSE["services"]
    assert host in COMPOSE["services"]["engine"]["environment"]["RTMS_ENGINE__API__HOSTS"].split(",")
    assert int(port) == ApiConfig().port
    assert job["job_name"] == "rtms-engine"
    token = Path(job["authorization"]["credentials_file"]).name
    assert token in COMPOSE["services"]["prometheus"]["secrets"]
    assert all((DEPLOY / "prometheus" / name).is_file() for name in prometheus["rule_files"])


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    (source,) = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["url"].split("//")[1].split(":")[0] in COMPOSE["services"]
    (provider,) = read("grafana/provisioning/dashboards/rtms-engine.yaml")["providers"]
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted


# --- Kubernetes ---


def test_the_manifests_fit_each_other() -> None:
    labels = KIND["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert KIND["StatefulSet"]["spec"]["selector"]["matchLabels"] == labels
    assert KIND["Service"]["spec"]["selector"] == labels
    assert KIND["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert KIND["Service"]["spec"]["publishNotReadyAddresses"] is True
    assert KIND["StatefulSet"]["spec"]["replicas"] == 1
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"webhook": ServerConfig().port, "api": ApiConfig().port}
    for probe, path in (
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ):
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": "webhook"}
    volumes = {one["name"] for one in POD["volumes"]}
    volumes |= {one["metadata"]["name"] for one in KIND["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == volumes
    for rule in KIND["NetworkPolicy"]["spec"]["ingress"]:
        assert all(port["port"] in ports for port in rule["ports"])
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_configuration_in_kubernetes_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the secrets as files; and the grace period is longer than the drain."""
    given = {one["name"]: one["value"] for one in CONTAINER["env"]}
    assert set(given) == CREDENTIALS
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    for name, path in given.items():
        assert path.startswith(mounts["secrets"])
        (tmp_path / name).write_text("secret")
        monkeypatch.setenv(name, str(tmp_path / name))
    path = tmp_path / "config.toml"
    path.write_text(KIND["ConfigMap"]["data"]["config.toml"])
    config = load_config(path)
    assert CONTAINER["args"][-1] == f"{mounts['config']}/config.toml"
    assert POD["terminationGracePeriodSeconds"] >= config.server.drain_timeout_s + FINISH_S
    data = mounts["data"]
    assert config.state.directory.startswith(data)
    assert all(str(sink.options["directory"]).startswith(data) for sink in config.sinks)
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert (config.server.port, config.api.port) == (ports["webhook"], ports["api"])


# --- proxies ---


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_a_proxy_passes_the_webhook_and_nothing_else(name: str) -> None:
    text = (DEPLOY / "proxy" / name).read_text("utf-8")
    bare = "\n".join(line.partition("#")[0] for line in text.splitlines())
    server = ServerConfig()
    assert re.search(rf"(location = |path ){server.path}\b", bare)
    assert f"127.0.0.1:{server.port}" in bare
    assert str(ApiConfig().port) not in bare, "the API is not for the world"
    assert "404" in bare
    assert bare.count("{") == bare.count("}")


def test_the_unit_parses_as_one() -> None:
    parser = RawConfigParser(strict=False, allow_no_value=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string((DEPLOY / "systemd/rtms-engine.service").read_text("utf-8"))
    assert parser.sections() == ["Unit", "Service", "Install"]
