"""What goes wrong around ``home``: running it again is all there is to do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from ampere_infra.services import dbt_values
from tests.cluster.delay import Delay
from tests.services.conftest import MISSING, home_on
from tests.waiting import PATIENCE, await_true

BUILT_IN = {"default", "kube-node-lease", "kube-public", "kube-system"}
STUCK = "tests.invalid/stuck"


def left(cluster) -> dict[str, list[str]]:
    """Return what is not as it was when the cluster was new, by kind."""
    looked_at = [
        *(("v1", kind) for kind in ("Namespace", "Pod", "Secret", "PersistentVolumeClaim")),
        ("storage.k8s.io/v1", "StorageClass"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ]
    found = {
        kind: {each["metadata"]["name"] for each in cluster.api.items(version, kind)} - BUILT_IN
        for version, kind in looked_at
    }
    return {kind: sorted(names) for kind, names in found.items() if names}


def healed(home) -> None:
    """Look that the next up makes everything well, and a further one finds nothing to do."""
    next_up = home.stage.engine.up()
    assert next_up.ok, next_up.output
    again = home.stage.engine.up()
    assert (again.code, again.changed) == (0, 0), again.output


def torn_down(home) -> None:
    """Destroy, and look that nothing is left."""
    down = home.destroy()
    assert down.ok, down.output
    assert home.stage.world.empty
    assert home.stage.world.warnings == []
    assert left(home.cluster) == {}, "destroy leaves nothing"


def test_an_api_server_that_is_killed_during_up_is_healed_by_the_next_one(cluster):
    server = cluster.processes["kube-apiserver"]
    with home_on(cluster) as home:

        def strike(operation):
            if operation.name == "minio-user-airflow" and server.running is not None:
                server.kill()

        home.stage.world.on_operation = strike
        broken = home.stage.engine.up()
        home.stage.world.on_operation = None
        assert not broken.ok
        said = "\n".join(broken.errors)
        ended = ("onnection refused", "onnection reset")
        assert any(words in said for words in ended), f"it says that nobody answers: {said}"
        server.start()
        server.await_answer()
        healed(home)
        torn_down(home)


def test_an_api_server_that_is_back_while_up_still_runs_is_healed_by_the_next_one(cluster):
    server = cluster.processes["kube-apiserver"]
    struck, back = threading.Event(), threading.Event()
    with home_on(cluster) as home, ThreadPoolExecutor(1) as pool:

        def strike(operation):
            if operation.name == "minio-user-airflow" and not struck.is_set():
                struck.set()
                # The engine does not hear that this operation has ended until the server is back.
                assert back.wait(PATIENCE)

        home.stage.world.on_operation = strike
        up = pool.submit(home.stage.engine.up)
        assert struck.wait(PATIENCE)
        server.kill()
        server.start()  # Here: a program ends with the thread that has started it.
        server.await_answer()
        assert not up.done(), "it was killed, and served again, while up was at work"
        back.set()
        up.result()
        home.stage.world.on_operation = None
        healed(home)
        torn_down(home)


def test_a_chart_with_a_wrong_value_is_refused_before_anything_is_applied(cluster, monkeypatch):
    right = dbt_values.values
    monkeypatch.setattr(dbt_values, "values", lambda *a: {**right(*a), "scrach": "10Gi"})
    before = left(cluster)
    with home_on(cluster) as home:
        refused = home.stage.engine.up()
        assert refused.refused, refused.output
        wrong = "charts/dbt: scrach: '10Gi': is no value of this chart; did you mean scratch?"
        assert wrong in "\n".join(refused.errors), "it is the last of the releases"
        assert home.stage.world.operations == [], "no provider was asked for anything"
        assert home.stage.world.empty
    assert left(cluster) == before, "and no object came to the cluster"


def test_a_namespace_that_does_not_go_away_tells_what_holds_it(cluster):
    metadata = {"name": "held", "namespace": "airflow", "finalizers": [STUCK]}
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    with home_on(cluster) as home:
        up = home.stage.engine.up()
        assert up.ok, up.output
        cluster.api.apply(held, "tests")
        patience, home.server.patience = home.server.patience, 20
        broken = home.destroy("--run-program")
        home.server.patience = patience
        assert not broken.ok
        said = "\n".join(broken.errors)
        assert "timed out waiting" in said, broken.output
        reason = f"Some content in the namespace has finalizers remaining: {STUCK}"
        assert f"namespace airflow: {reason}" in said
        refused = home.stage.engine.up()
        assert not refused.ok
        told = "\n".join(refused.errors)
        assert "create new content in namespace airflow because it is being terminated" in told
        assert STUCK not in told, "what holds it is told to who deletes it"
        cluster.api.apply({**held, "metadata": {**metadata, "finalizers": []}}, "tests")
        await_true(lambda: cluster.api.read(held) is None, "the finalizer is gone")
        torn_down(home)


def test_an_install_that_is_interrupted_is_healed_by_the_next_up(cluster):
    with home_on(cluster) as home:
        home.settle(images={"minio": MISSING})
        engine = home.stage.engine

        def pending():
            selector = "status=pending-install"
            return bool(cluster.api.items("v1", "Secret", "minio", labelSelector=selector))

        def strike():
            await_true(pending, "Helm installs")
            engine.interrupt()

        watch = threading.Thread(target=strike)
        watch.start()
        assert not engine.up().ok
        watch.join()
        assert pending(), "Helm would not install over it"
        home.settle()
        next_up = engine.up()
        assert next_up.ok, next_up.output
        assert not pending()
        torn_down(home)


def content(cluster) -> int:
    """Return how many bytes etcd holds."""
    return sum(map(len, cluster.stored().values()))


def test_etcd_with_half_a_second_of_delay_is_only_slow(cluster):
    server = cluster.processes["kube-apiserver"]
    with Delay(cluster.plane.ports["etcd"]) as way, home_on(cluster) as home:
        server.kill()
        server.start(etcd_servers=f"https://127.0.0.1:{way.port}")
        server.await_answer()
        try:
            way.seconds = 0.5
            before = content(cluster)
            up = home.stage.engine.up()
            assert up.ok, up.output
            assert way.held_up > content(cluster) - before > 0, "all of it came the long way"
            again = home.stage.engine.up()
            assert (again.code, again.changed) == (0, 0), again.output
        finally:
            server.kill()
            server.start()
            server.await_answer()
        torn_down(home)
