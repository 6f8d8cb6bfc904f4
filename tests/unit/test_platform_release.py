from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pulumi
import pytest
from home_cluster import RELEASE, ROOT, Recorder, plain, recorded

from ampere_infra.machines.ways import to_host
from ampere_infra.platform.outputs import after
from ampere_infra.platform.provider import cluster_provider
from ampere_infra.platform.records import STALE, ReleaseRecords, sweep
from ampere_infra.platform.release import digest

if TYPE_CHECKING:
    from pathlib import Path

RELEASES = ["airflow", "cilium", "cloudnative-pg", "dbt", "local-path", "minio", "postgresql"]
UPSTREAM = {
    "cilium": "https://helm.cilium.io",
    "cloudnative-pg": "https://cloudnative-pg.github.io/charts",
    "airflow": "https://airflow.apache.org",
}


def test_the_cluster_gets_these_releases_and_no_others():
    assert sorted(recorded().of(RELEASE)) == RELEASES


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_its_own_name_a_deadline_and_is_never_uninstalled_by_a_failure(name: str):
    release = recorded().release(name)
    assert release["name"] == name, "a name of our own, so that a run finds what another one left"
    assert release["timeout"] == 900, "the deadline of the settings"
    assert release["atomic"] is False, "a failed install must not take a database with it"
    assert release["createNamespace"] is False, "namespaces come with their policies"


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_an_upstream_chart_is_pinned(name: str):
    release = recorded().release(name)
    assert release["repositoryOpts"]["repo"] == UPSTREAM[name]
    assert release["version"].count(".") == 2, "a whole version, not a range"


@pytest.mark.parametrize("name", ["local-path", "minio", "postgresql"])
def test_an_edited_chart_of_ours_is_noticed(name: str):
    release = recorded().release(name)
    assert release["chart"] == f"./charts/{name}", "relative to the project, with either system"
    assert digest(ROOT / "charts" / name) in release["description"], "the content is an input"


def test_the_digest_of_a_chart_is_the_same_on_windows(tmp_path: Path):
    for name, end in (("unix", "\n"), ("windows", "\r\n")):
        folder = tmp_path / name / "templates"
        folder.mkdir(parents=True)
        (folder / "a.yaml").write_bytes(f"a: 1{end}b: 2{end}".encode())
    unix, windows = digest(tmp_path / "unix"), digest(tmp_path / "windows")
    assert unix == windows, "a checkout with other line ends is the same chart"


def test_the_digest_of_a_chart_changes_with_a_file_moved_or_edited(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"1")
    first = digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = digest(tmp_path)
    (tmp_path / "b").write_bytes(b"2")
    assert len({first, moved, digest(tmp_path)}) == 3


def test_before_an_install_every_record_of_that_release_goes():
    words = shlex.split(sweep("minio", "minio"))
    assert words[0] == "kubectl"
    assert words[words.index("--selector") + 1] == "owner=helm,name=minio"
    assert words[words.index("--namespace") + 1] == "minio"
    assert "--ignore-not-found" in words, "nothing there is the usual case"


def test_before_an_upgrade_only_locks_go_and_the_last_good_record_stays():
    words = shlex.split(sweep("minio", "minio", STALE))
    selector = words[words.index("--selector") + 1]
    assert selector == "owner=helm,name=minio,status in (pending-upgrade,pending-rollback)"
    assert "deployed" not in selector


def test_the_provider_applies_over_what_a_lost_run_made():
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, preview=False)

    @pulumi.runtime.test
    def program() -> None:
        cluster_provider("cluster", pulumi.Output.secret("canary-kubeconfig"), "identity")

    program()
    (provider,) = recorder.of("pulumi:providers:kubernetes").values()
    chosen = {key: plain(value) for key, value in provider.items()}
    for option in ("upsertExistingObjects", "enablePatchForce", "enableServerSideApply"):
        assert chosen[option] == "true", option
    for option in ("enableSecretMutable", "enableConfigMapMutable"):
        assert chosen[option] == "true", f"{option}: a replaced Secret is gone for a moment"
    assert provider["kubeconfig"] != "canary-kubeconfig", "it is marked secret"


def test_a_value_known_beforehand_still_makes_its_user_wait():
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, preview=True)

    @pulumi.runtime.test
    def program() -> pulumi.Output[None]:
        gate = pulumi.CustomResource("test:index:Gate", "gate")
        value = after("known", gate)

        async def look() -> None:
            assert await value.is_known(), "the preview shows it"
            assert await value.resources() == {gate}
            assert await value.future() == "known"

        return pulumi.Output.from_input(look())

    program()


def test_the_kubeconfig_reaches_kubectl_by_stdin_only():
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, preview=False)

    @pulumi.runtime.test
    def program() -> pulumi.Output[None]:
        kubeconfig = pulumi.Output.secret("canary-kubeconfig")
        records = ReleaseRecords(to_host(["ssh", "host"]), kubeconfig)
        run = records.runner(sweep("a", "b"))
        arguments = pulumi.ResourceHookArgs("urn", "id", "b", RELEASE)
        return pulumi.Output.from_input(run(arguments))

    program()
    (call,) = [plain(call) for call in recorder.calls]
    assert call["token"] == "command:local:run"
    assert call["interpreter"] == ["ssh", "host"]
    assert call["stdin"] == "canary-kubeconfig"
    assert "canary" not in call["command"], "an argument is seen by everyone on the machine"
