"""The order of the units, read from the units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from bootstrap_cases import files_of, home

HOME = home()
NODES = pytest.mark.parametrize("node", [HOME.master, HOME.worker], ids=lambda node: node.role)
FOLDER = "/etc/systemd/system/"
MARKERS = {
    "ampere-os-ready.service": "OS_READY",
    "ampere-packages.service": "PACKAGES_INSTALLED",
    "kubeadm-init.service": "CONTROL_PLANE_CREATED",
    "kubeadm-api-stable.service": "API_STABLE",
    "kubeadm-write-join.service": "public/cluster-info",
    "kubeadm-join.service": "NODE_JOINED",
}


@dataclass
class Unit:
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def __getitem__(self, key: str) -> list[str]:
        return [word for name, value in self.lines if name == key for word in value.split()]

    @property
    def waits_for_basic(self) -> bool:
        return self["DefaultDependencies"] != ["no"]


def units(node: Any) -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for path, text in files_of(HOME.born(node)).items():
        if path.startswith(FOLDER) and path.count("/") == 4:
            name = path.removeprefix(FOLDER)
            pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line]
            found[name] = Unit(name, [(k, v) for k, v in pairs if not k.startswith("#")])
    return found


def before(node: Any) -> dict[str, set[str]]:
    """What starts after what, with the orders that systemd adds by itself."""
    later: dict[str, set[str]] = {}
    for name, unit in units(node).items():
        later.setdefault(name, set()).update(unit["After"])
        kind = name.rpartition(".")[2]
        if unit.waits_for_basic:
            if kind in ("service", "timer"):
                later[name].add("basic.target" if kind == "service" else "sysinit.target")
            if kind == "path":
                later.setdefault("basic.target", set()).add(name)
            if kind == "mount":
                later.setdefault("basic.target", set()).add(name)
            if kind == "target":
                later[name].update(unit["Wants"])
                later.setdefault("multi-user.target", set()).add(name)
        if kind in ("path", "timer"):
            later.setdefault(name.replace(f".{kind}", ".service"), set()).add(name)
    later.setdefault("cloud-final.service", set()).add("multi-user.target")
    return later


@NODES
def test_the_units_have_no_cycle(node: Any) -> None:
    later = before(node)

    def follow(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a cycle: {' after '.join((*path, name))}"
        for other in later.get(name, ()):
            follow(other, (*path, name))

    for name in later:
        follow(name, ())


@NODES
def test_nothing_that_the_boot_waits_for_waits_for_cloud_init(node: Any) -> None:
    found = units(node)
    assert found["ampere.target"]["DefaultDependencies"] == ["no"], "multi-user.target is not after"
    for unit in found.values():
        assert not {"multi-user.target", "local-fs.target"} & set(unit["Before"]), unit.name
        assert "cloud-final.service" not in unit["After"], "which is after multi-user.target"


@NODES
def test_a_required_unit_is_also_waited_for(node: Any) -> None:
    for unit in units(node).values():
        assert set(unit["Requires"]) <= set(unit["After"]), unit.name


@NODES
def test_every_unit_that_is_named_is_there(node: Any) -> None:
    found = units(node)
    for unit in found.values():
        for name in {*unit["Requires"], *unit["Wants"]} - {"network-online.target"}:
            assert name in found, f"{unit.name} names {name}"


@NODES
def test_each_stage_runs_once_and_is_tried_again_until_then(node: Any) -> None:
    found = units(node)
    for name in MARKERS.keys() & found.keys():
        unit = found[name]
        assert f"!/var/lib/ampere/{MARKERS[name]}" in unit["ConditionPathExists"], name
        assert unit["Type"] == ["oneshot"], name
        assert unit["Restart"] == ["on-failure"], name
        assert int(unit["RestartSec"][0]) > 2, "slower than systemd's limit of 5 starts in 10 s"


@NODES
def test_the_target_wants_every_unit_that_no_path_or_timer_starts(node: Any) -> None:
    found = units(node)
    started = {
        name.replace(f".{kind}", ".service")
        for name in found
        for kind in ("path", "timer")
        if name.endswith(f".{kind}")
    }
    assert set(found["ampere.target"]["Wants"]) == found.keys() - started - {"ampere.target"}


@NODES
def test_a_path_does_not_fire_again_for_a_stage_that_is_done(node: Any) -> None:
    for name, unit in units(node).items():
        if name.endswith(".path"):
            service = units(node)[name.replace(".path", ".service")]
            done = unit["ConditionPathExists"]
            assert set(done) <= set(service["ConditionPathExists"]), name
            assert service["RemainAfterExit"] == ["yes"], "else the path starts it again at once"


@pytest.mark.parametrize(
    ("first", "then", "mark"),
    [
        ("ampere-os-ready.service", "ampere-packages.service", "OS_READY"),
        ("ampere-packages.service", "kubeadm-init.service", "PACKAGES_INSTALLED"),
        ("kubeadm-init.service", "kubeadm-api-stable.service", "CONTROL_PLANE_CREATED"),
        ("kubeadm-api-stable.service", "kubeadm-write-join.service", "API_STABLE"),
        ("kubeadm-write-join.service", "kubeadm-join-http.service", "public/cluster-info"),
    ],
)
def test_the_stages_of_the_control_plane_are_in_order(first: str, then: str, mark: str) -> None:
    found = units(HOME.master)
    assert f"/var/lib/ampere/{mark}" in found[then]["ConditionPathExists"]
    assert first in found[then]["After"]


@NODES
def test_a_unit_that_waits_to_be_tried_again_is_not_started_by_what_it_wants(node: Any) -> None:
    """From systemd 254 on, that start comes at once, and five of them are the limit."""
    found = units(node)
    for unit in found.values():
        for wanted in set(unit["Wants"]) & found.keys():
            assert unit.name not in found[wanted]["Requires"], f"{wanted} and {unit.name}"


def test_a_worker_installs_its_packages_without_waiting_for_the_master() -> None:
    found = units(HOME.worker)
    assert found["ampere-packages.service"]["After"] == ["ampere-os-ready.service"]
    installed = "/var/lib/ampere/PACKAGES_INSTALLED"
    assert installed in found["kubeadm-join.service"]["ConditionPathExists"]
    assert found["kubeadm-join.path"]["PathExists"] == ["/var/lib/ampere/join/token"]


@NODES
def test_kubelet_never_runs_without_the_data_disk(node: Any) -> None:
    drop_in = files_of(HOME.born(node))[f"{FOLDER}kubelet.service.d/20-ampere.conf"]
    assert "RequiresMountsFor=/srv/ampere\n" in drop_in


def test_cluster_info_is_served_without_any_right() -> None:
    unit = units(HOME.master)["kubeadm-join-http.service"]
    assert unit["DynamicUser"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == []
