"""The kubernetes double: an API server that refuses, and Helm with its records."""

from __future__ import annotations

import base64

import grpc
import pytest
import yaml
from providers import RefusedError, message, partial, providers, value

from ampere_infra.rehearsal.doubles.values import UNKNOWN, Secret, is_secret
from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.hypervisor import Hypervisor

NAMESPACE, SECRET = "kubernetes:core/v1:Namespace", "kubernetes:core/v1:Secret"
SERVICE, CONFIG = "kubernetes:core/v1:Service", "kubernetes:core/v1:ConfigMap"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
RELEASE = "kubernetes:helm.sh/v3:Release"
KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443"}}],
    "users": [{"name": "u", "user": {}}],
}


@pytest.fixture
def cluster():
    with providers() as made:
        made.configure("kubernetes", kubeconfig=yaml.safe_dump(KUBECONFIG))
        yield made


@pytest.fixture
def chart(tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    text = "apiVersion: v2\nname: app\nversion: 1.2.3\n"
    (folder / "Chart.yaml").write_text(text, encoding="utf-8")
    return str(folder)


def thing(cluster, kind, name="it", namespace="default", **more):
    return cluster.create(kind, name, metadata={"name": name, "namespace": namespace}, **more)


def namespace(cluster, name):
    return cluster.create(NAMESPACE, name, metadata={"name": name})


def refused(call, *arguments, **named):
    with pytest.raises((grpc.RpcError, RefusedError)) as caught:
        call(*arguments, **named)
    return str(caught.value) if isinstance(caught.value, RefusedError) else message(caught.value)


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        (SECRET, {"strData": {}}, ".strData: field not declared in schema"),
        (SECRET, {"stringData": ["a"]}, ".stringData: expected map"),
        (POLICY, {"spec": {"podselector": {}}}, ".spec.podselector: field not declared"),
        (SECRET, {"data": {"a": "no base64!"}}, "illegal base64 data"),
        (SECRET, {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "a"}}, "data[tls.key]"),
        (SERVICE, {"spec": {"ports": [{"port": 1, "nodePort": 80}]}}, "30000-32767"),
        (SERVICE, {"spec": {"selector": {"a": "b"}}}, "spec.ports: Required value"),
        (SECRET, {"namespace": "nowhere"}, 'namespaces "nowhere" not found'),
        (CONFIG, {"name": "Not_A_Name"}, "a lowercase RFC 1123 subdomain"),
        (
            POLICY,
            {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "x"}}]}]}},
            "ipBlock.cidr: Invalid value",
        ),
    ],
)
def test_the_api_server_refuses_what_is_no_such_object(cluster, kind, more, words):
    assert words in refused(thing, cluster, kind, **more)


def test_a_label_of_more_than_63_characters_is_refused(cluster):
    metadata = {"name": "it", "labels": {"a": "x" * 64}}
    assert "63 characters" in refused(cluster.create, NAMESPACE, "it", metadata=metadata)


def test_a_secret_s_data_is_secret_and_encoded(cluster):
    found = thing(cluster, SECRET, stringData=Secret({"password": "hidden"}))
    assert is_secret(found.outputs["data"])
    assert value(found, "data") == {"password": base64.b64encode(b"hidden").decode()}


def test_a_secret_is_not_in_what_is_exported_nor_in_the_snapshot(cluster, tmp_path):
    thing(cluster, SECRET, stringData=Secret({"password": "hidden"}))
    cluster.world.export(tmp_path)
    text = (tmp_path / "objects/default/Secret-it.yaml").read_text(encoding="utf-8")
    assert "[secret]" in text
    assert "hidden" not in text + str(cluster.world.snapshot())


def test_an_object_that_exists_is_refused_unless_it_may_be_taken_over(cluster):
    thing(cluster, CONFIG, data={"a": "1"})
    assert 'configmaps "it" already exists' in refused(thing, cluster, CONFIG, data={"a": "2"})
    config = {"kubeconfig": yaml.safe_dump(KUBECONFIG), "upsertExistingObjects": "true"}
    cluster.configure("kubernetes", **config)
    thing(cluster, CONFIG, data={"a": "2"})
    assert len(cluster.world.part(Cluster).things) == 1


def test_an_object_whose_creation_broke_is_there_all_the_same(cluster):
    cluster.world.fail_at("create", "it")
    assert "was not successfully created" in refused(thing, cluster, CONFIG)
    assert cluster.world.part(Cluster).things


def test_an_object_that_is_waited_for_is_recorded_though_it_is_not_ready(cluster):
    cluster.world.fail_at("create", "it")
    with pytest.raises(grpc.RpcError) as caught:
        thing(cluster, SERVICE, spec={"ports": [{"port": 80}]})
    kept = partial(caught.value)
    assert kept is not None
    assert kept.id == "default/it"


@pytest.mark.parametrize(
    ("mutable", "replaced"), [("true", []), ("false", ["stringData"])], ids=["mutable", "not"]
)
def test_a_changed_secret_is_replaced_unless_it_may_change(cluster, mutable, replaced):
    config = {"kubeconfig": yaml.safe_dump(KUBECONFIG), "enableSecretMutable": mutable}
    cluster.configure("kubernetes", **config)
    metadata = {"name": "it", "namespace": "default"}
    found = thing(cluster, SECRET, stringData={"a": "1"})
    answer = cluster.diff(found, metadata=metadata, stringData={"a": "2"})
    assert list(answer.diffs) == ["data"]
    assert bool(answer.replaces) == bool(replaced)
    assert answer.deleteBeforeReplace == bool(replaced)


def test_string_data_and_the_same_data_are_no_difference(cluster):
    found = thing(cluster, SECRET, stringData={"a": "1"})
    encoded = {"a": base64.b64encode(b"1").decode()}
    metadata = {"name": "it", "namespace": "default"}
    assert not cluster.diff(found, metadata=metadata, data=encoded).diffs


def test_another_name_is_another_object(cluster):
    found = thing(cluster, CONFIG)
    answer = cluster.diff(found, metadata={"name": "other", "namespace": "default"})
    assert (list(answer.replaces), answer.deleteBeforeReplace) == (["metadata"], False)


def test_an_object_without_a_name_gets_one(cluster):
    found = cluster.create(CONFIG, "Mine", metadata={})
    assert found.id.startswith("default/mine-")


def test_two_services_do_not_share_a_node_port(cluster):
    ports = {"ports": [{"port": 80, "nodePort": 30080}]}
    thing(cluster, SERVICE, spec=ports)
    assert "provided port is already allocated" in refused(
        thing, cluster, SERVICE, name="other", spec=ports
    )


def test_with_a_namespace_goes_all_that_is_in_it(cluster, chart):
    made = namespace(cluster, "ns")
    found = thing(cluster, CONFIG, namespace="ns")
    cluster.create(RELEASE, "app", name="app", namespace="ns", chart=chart)
    cluster.delete(made)
    assert cluster.read(found) is None
    assert cluster.world.empty


def test_an_update_of_what_is_gone_says_so(cluster):
    found = thing(cluster, CONFIG)
    cluster.delete(found)
    assert "not found" in refused(cluster.update, found, **found.inputs)
    cluster.delete(found)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"chart": "./nope"}, "chart: path './nope' not found; check the chart name"),
        ({"chart": "x", "repositoryOpts": {"repo": "https://x"}}, "no version"),
        ({"chart": "x", "repositoryOpts": {"repo": "x"}}, "could not find protocol handler"),
        ({"namespace": "nowhere"}, 'namespaces "nowhere" not found'),
        ({"name": "Not_A_Name"}, "invalid release name"),
        ({"name": "a" * 54}, "must not be longer than 53"),
        ({"atomc": True}, "atomc"),
    ],
)
def test_helm_refuses_what_it_cannot_install(cluster, chart, more, words):
    inputs = {"name": "app", "namespace": "default", "chart": chart, **more}
    assert words in refused(cluster.create, RELEASE, "app", **inputs)


def release(cluster, chart, **more):
    return cluster.create(RELEASE, "app", name="app", chart=chart, **more)


def test_a_release_takes_the_chart_s_own_version(cluster, chart):
    found = release(cluster, chart)
    assert value(found, "version") == "1.2.3"
    assert value(found, "status")["status"] == "deployed"
    assert found.id == "default/app"


def test_a_preview_of_a_release_does_not_know_its_status(cluster, chart):
    assert cluster.preview(RELEASE, "app", name="app", chart=chart)["status"] == UNKNOWN


def test_a_release_s_name_is_used_once(cluster, chart):
    release(cluster, chart)
    assert refused(release, cluster, chart) == "cannot re-use a name that is still in use"


def test_a_failed_release_is_recorded_and_can_be_upgraded(cluster, chart):
    cluster.world.fail_at("create", "app")
    with pytest.raises(grpc.RpcError) as caught:
        release(cluster, chart)
    kept = partial(caught.value)
    assert kept is not None
    assert kept.id == "default/app"
    assert cluster.world.part(Cluster).releases["default", "app"].status == "failed"


def test_a_failed_atomic_release_leaves_nothing(cluster, chart):
    cluster.world.fail_at("create", "app")
    assert "has been uninstalled due to atomic being set" in refused(
        release, cluster, chart, atomic=True
    )
    assert cluster.world.empty


@pytest.mark.parametrize(
    ("more", "replaces"),
    [({"values": {"a": 2}}, []), ({"name": "b"}, ["name"]), ({"namespace": "b"}, ["namespace"])],
)
def test_values_change_in_place_and_names_do_not(cluster, chart, more, replaces):
    inputs = {"name": "app", "chart": chart, "values": {"a": 1}}
    found = cluster.create(RELEASE, "app", **inputs)
    assert list(cluster.diff(found, **{**inputs, **more}).replaces) == replaces


def test_a_locked_release_waits_for_somebody_to_unlock_it(cluster, chart):
    found = release(cluster, chart)
    record = cluster.world.part(Cluster).releases["default", "app"]
    record.status = "pending-upgrade"
    assert "another operation (install/upgrade/rollback)" in refused(
        cluster.update, found, **found.inputs
    )
    line = (
        "kubectl --namespace default delete secret --selector "
        "'owner=helm,name=app,status in (pending-upgrade,pending-rollback)'"
    )
    cluster.invoke("command:local:run", interpreter=["ssh", "a@192.0.2.1"], command=line)
    cluster.update(found, **found.inputs)


def test_uninstalling_what_is_not_installed_is_an_error(cluster, chart):
    found = release(cluster, chart)
    cluster.delete(found)
    assert "uninstall: Release not loaded: app" in refused(cluster.delete, found)
    assert cluster.read(found) is None


def test_a_release_s_secret_values_are_not_exported(cluster, chart, tmp_path):
    release(cluster, chart, values={"open": "seen", "password": Secret("hidden")})
    cluster.world.export(tmp_path)
    text = (tmp_path / "releases/default/app.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"open": "seen", "password": "[secret]"}


@pytest.mark.parametrize("broken", ["", "{", "clusters: []", "current-context: nope"])
def test_a_kubeconfig_that_does_not_parse_reaches_no_cluster(cluster, broken):
    cluster.configure("kubernetes", kubeconfig=broken)
    words = refused(thing, cluster, CONFIG)
    assert "configured Kubernetes cluster is unreachable: failed to parse kubeconfig" in words


def test_an_api_that_nothing_serves_cannot_be_reached(cluster):
    cluster.world.part(Hypervisor).dialled = True
    cluster.configure("kubernetes", kubeconfig=yaml.safe_dump(KUBECONFIG))
    assert "connection refused" in refused(thing, cluster, CONFIG)


def test_a_setting_that_the_provider_does_not_have_is_refused():
    with providers() as made:
        failures = made.check_config("kubernetes", kubeconfg="x")
        assert failures == ["unknown configuration key kubeconfg"]
