"""What a destroy of all that is not protected is found to have left, or to have taken."""

from __future__ import annotations

from typing import Any

from ampere_infra.rehearsal.keeping import spared
from ampere_infra.rehearsal.places.hetzner import HetznerCloud, Thing
from ampere_infra.rehearsal.world import World

STACK = "urn:pulumi:api::ampere::"


def resource(type_: str, name: str, identity: int = 0, **more: Any) -> dict[str, Any]:
    return {"urn": f"{STACK}{type_}::{name}", "type": type_, "id": str(identity), **more}


KEY = resource("hcloud:index/sshKey:SshKey", "key", 2)
SERVER = resource(
    "hcloud:index/server:Server",
    "server",
    1,
    protect=True,
    dependencies=[KEY["urn"]],
    provider=f"{STACK}pulumi:providers:hcloud::cloud::id",
)
CLOUD = resource("pulumi:providers:hcloud", "cloud")
WALL = resource("hcloud:index/firewall:Firewall", "wall", 3)


def said(*resources: dict[str, Any], things: tuple[int, ...] = (1, 2)) -> list[str]:
    world = World()
    for number in things:
        world.part(HetznerCloud).things[number] = Thing(number, "things", f"thing-{number}")
    return list(spared(["server"], {"deployment": {"resources": list(resources)}}, world))


def test_what_is_protected_and_what_it_needs_may_stay():
    assert said(CLOUD, KEY, SERVER) == []


def test_anything_else_in_the_state_is_told():
    assert said(CLOUD, KEY, SERVER, WALL, things=(1, 2, 3)) == [
        "destroy --exclude-protected left wall, which nothing kept needs"
    ]


def test_what_a_cloud_has_and_the_state_has_not_is_told():
    assert said(CLOUD, KEY, SERVER, things=(1, 2, 3)) == [
        "destroy --exclude-protected left thing-3 (things), which the state does not have"
    ]


def test_what_is_gone_from_the_state_or_its_cloud_is_told():
    assert said(CLOUD, KEY, things=()) == [
        "destroy --exclude-protected dropped server",
        "destroy --exclude-protected left key, which nothing kept needs",
        "destroy --exclude-protected left cloud, which nothing kept needs",
    ]
    assert said(CLOUD, KEY, SERVER, things=(2,)) == ["destroy --exclude-protected deleted server"]
