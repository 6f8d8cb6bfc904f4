"""What our charts are told is judged before anything is made, by the schemas that Helm uses."""

from __future__ import annotations

import json
import re
from typing import Any

import edge_cluster
import pytest
from home_cluster import RELEASE, ROOT, backed_up, plain, recorded, settings
from settings_cases import STACK_FILE

from ampere_infra.check import check
from ampere_infra.platform import chart_schema
from ampere_infra.rehearsal.run import rehearse
from ampere_infra.services import minio_values
from ampere_infra.services.chart_values import LATER, chart_values, judge
from ampere_infra.settings.load import parse, read_stack_file
from ampere_infra.settings.mistakes import SettingsError

BACKUP = {"endpoint": "https://s3.example.com:8443", "bucket": "copies", "schedule": "30 2 * * *"}
RECOVERY = {
    "generation": 2,
    "source": "postgresql",
    "to": "2026-11-20T10:00:00Z",
    "kept": ["postgresql"],
}
BACKED_UP = settings(recovery=RECOVERY, backup=BACKUP)
CLUSTERS = {
    "home": (settings(), recorded),
    "home, backed up and restored": (BACKED_UP, backed_up),
    "the public one": (edge_cluster.settings(), edge_cluster.recorded),
}


def with_value(chart: str, path: str, value: Any) -> dict[str, Any]:
    """The right values of a chart, but for one."""
    right = {**chart_values(edge_cluster.settings()), **chart_values(BACKED_UP)}[chart]
    found = json.loads(json.dumps(right, default=lambda _: "later"))
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
    place = found
    for part in parents:
        place = place[part]
    place[last] = value
    return found


def told(chart: str, values: dict[str, Any]) -> list[str]:
    return [str(mistake) for mistake in chart_schema.mistakes(ROOT / "charts" / chart, values)]


def asked(cluster: str) -> dict[str, Any]:
    """The values of each release of a chart of ours."""
    releases = CLUSTERS[cluster][1]().of(RELEASE).items()
    return {
        name: plain(inputs["values"])
        for name, inputs in releases
        if inputs["chart"].startswith("./charts/")
    }


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_charts_take_what_the_settings_make(cluster):
    judge(CLUSTERS[cluster][0])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_is_judged_beforehand_is_what_each_of_our_releases_is_told(cluster):
    judged, ours = chart_values(CLUSTERS[cluster][0]), asked(cluster)
    assert judged.keys() == ours.keys()
    for chart, values in judged.items():
        assert same(values, ours[chart]), chart


def test_each_chart_of_ours_is_judged():
    judged = {chart for settings, _ in CLUSTERS.values() for chart in chart_values(settings)}
    assert judged == {path.name for path in (ROOT / "charts").iterdir()}


def same(judged: Any, asked: Any) -> bool:
    """Whether both are equal but for what is known later."""
    if judged is LATER:
        return isinstance(asked, str)
    if isinstance(judged, dict):
        return judged.keys() == asked.keys() and all(same(judged[k], asked[k]) for k in judged)
    if isinstance(judged, list):
        return len(judged) == len(asked) and all(map(same, judged, asked))
    return judged == asked


@pytest.mark.parametrize(
    ("chart", "path", "value", "line"),
    [
        ("minio", "imgae", "x", "imgae: 'x': is no value of this chart; did you mean image?"),
        ("minio", "image", "minio", "image: 'minio': write text that matches ^[a-z0-9.-]+"),
        ("minio", "nodePorts/s3", 80, "nodePorts.s3: 80: write a number from 30000 to 32767"),
        ("minio", "persistence/size", 50, "persistence.size: 50: write text"),
        ("minio", "buckets", [], "buckets: []: is empty; write something"),
        ("minio", "buckets/1", "No", "buckets[1]: 'No': write text that matches"),
        ("minio", "users/0/readOnly", "no", "users[0].readOnly: 'no': write true or false"),
        ("minio", "backup/bucket", "", "backup.bucket: '': write text that matches"),
        ("minio", "metrics", {"authentication": "no"}, "metrics.authentication: 'no': write jwt"),
        ("minio", "existingSecret", "", "existingSecret: is empty; write something"),
        ("minio", "image", None, "image: is missing, and has no default"),
        ("minio", "clientImage", "a.io/mc:1", "clientImage: 'a.io/mc:1': write text that matches"),
        ("postgresql", "image", "a.io/p:18", "image: 'a.io/p:18': write text that matches"),
        ("local-path", "helperImage", "a.io/b:1", "helperImage: 'a.io/b:1': write text that"),
        ("postgresql", "instances", 0, "instances: 0: write a number from 1 to 9"),
        ("postgresql", "instances", "2", "instances: '2': write a whole number"),
        ("postgresql", "databases/0/onwer", "a", "databases[0].onwer: 'a': is no value"),
        ("postgresql", "databases/0", {"name": "a"}, "databases[0].owner: is missing"),
        ("postgresql", "backup/retention", "0d", "backup.retention: '0d': write text that"),
        ("postgresql", "recovery/kept", ["a", "a"], "does not fit the schema's uniqueItems: true"),
        ("local-path", "path", "data", "path: 'data': write text that matches ^/"),
        ("local-path", "storageClass/reclaimPolicy", "Keep", "'Keep': write Retain or Delete"),
        ("local-path", "storageClass", "fast", "storageClass: 'fast': write a section"),
        ("dbt", "scratch", "10GB", "scratch: '10GB': write text that matches"),
        ("dbt", "resources/limits/gpus", 1, "resources.limits.gpus: 1: is no value of this chart"),
        ("api", "port", 80, "port: 80: write a number from 1024 to 65535"),
        ("api", "image", "ghcr.io/a/b:1", "image: 'ghcr.io/a/b:1': write text that matches"),
        (
            "api",
            "probes/redy",
            "/",
            "probes.redy: '/': is no value of this chart; did you mean ready?",
        ),
        ("website", "autoscaling/cpu", 0, "autoscaling.cpu: 0: write a number from 1 to 100"),
        ("dbt", "threads", 2, "threads: 2: is no value of this chart; those here are global, im"),
    ],
)
def test_a_wrong_value_is_told_with_its_chart_its_path_and_what_is_right(chart, path, value, line):
    found = told(chart, with_value(chart, path, value))
    assert any(text.startswith(f"charts/{chart}: ") for text in found), found
    assert any(line in text for text in found), found
    assert len(found) == len(set(found)) <= 2, "each is told once"


def test_a_value_that_is_not_known_yet_is_not_judged_and_those_beside_it_are():
    values = {**chart_values(settings())["minio"], "region": object(), "buckets": [LATER, "No"]}
    (only,) = told("minio", values)
    assert only.startswith("charts/minio: buckets[1]: 'No'")


def test_a_value_that_may_be_a_secret_is_not_shown():
    values = with_value("minio", "users/0/secretKey", "canary")
    values["existingSecret"] = ["canary"]
    values["browserRedirectUrl"] = "ftp://me:canary@host"
    found = told("minio", values)
    assert len(found) == 3
    assert "canary" not in "\n".join(found)


@pytest.fixture
def wrong(monkeypatch):
    """A program that tells a chart what it does not know."""
    right = minio_values.values
    monkeypatch.setattr(minio_values, "values", lambda facts: {**right(facts), "imgae": "x"})
    return "charts/minio: imgae: 'x': is no value of this chart; did you mean image?"


def test_check_tells_what_a_chart_would_refuse(wrong, capsys):
    assert check("home", STACK_FILE) == 2
    assert capsys.readouterr().err.splitlines()[0] == wrong


def test_a_rehearsal_tells_it_before_anything_is_written(wrong, tmp_path):
    lines: list[str] = []
    assert rehearse("home", STACK_FILE, tmp_path / "out", say=lines.append) == 2
    assert lines == [wrong]
    assert not (tmp_path / "out").exists()


def test_a_stack_without_charts_has_nothing_to_judge(wrong):
    judge(parse("foundation", read_stack_file(ROOT / "Pulumi.foundation.yaml")))
    with pytest.raises(SettingsError, match=re.escape(wrong)):
        judge(settings())
