"""Hetzner's API on loopback: the few requests that the program sends by itself.

https://docs.hetzner.cloud/reference/cloud
"""

from __future__ import annotations

import json
import os
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

from ampere_infra.rehearsal.places.hetzner import ApiError, HetznerCloud, Server, Thing
from ampere_infra.rehearsal.places.hetzner_rules import DISKS, TYPES, check_walls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ampere_infra.rehearsal.world import World

    Answer = dict[str, Any]

VARIABLE = "HCLOUD_ENDPOINT"
_STATUS = {"not_found": 404, "unauthorized": 401, "protected": 423, "resource_in_use": 409}
_DONE = {"id": 1, "command": "done", "status": "success"}
RETIRED_SINCE = "2025-01-01T00:00:00+00:00"


class Api:
    """Answers for one project."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cloud = world.part(HetznerCloud)
        self.routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", r"server_types", self._types),
            ("GET", r"(\w+)", self._named),
            ("GET", r"(networks|servers)/(\d+)", self._one),
            ("GET", r"zones/([^/]+)/rrsets/([^/]+)/(\w+)", self._record),
            ("DELETE", r"zones/([^/]+)/rrsets/([^/]+)/(\w+)", self._delete_record),
            ("DELETE", r"(\w+)/(\d+)", self._delete),
            ("POST", r"(\w+)/(\d+)/actions/change_protection", self._protect),
            ("POST", r"networks/(\d+)/actions/delete_subnet", self._delete_subnet),
            ("POST", r"firewalls/(\d+)/actions/(apply_to|remove_from)_resources", self._apply),
        )

    def answer(self, method: str, url: str, token: str, body: Answer) -> Answer:
        """Answer one request.

        Raises:
            ApiError: it is refused.
        """
        if token != self.cloud.token:
            raise ApiError("unauthorized", "the token you provided is invalid")
        parts = urlparse(url)
        for verb, pattern, act in self.routes:
            match = re.fullmatch(f"/v1/{pattern}", parts.path)
            if match and verb == method:
                with self.world.lock:
                    return act(*match.groups(), query=parse_qs(parts.query), body=body)
        raise ApiError("not_found", f"no {method} {parts.path}")

    def _types(self, query: dict[str, list[str]], **_: object) -> Answer:
        name = query["name"][0]
        places = [
            {
                "name": place,
                "available": self.cloud.withdrawn.get((name, place)) != "sold out",
                "deprecation": {"unavailable_after": RETIRED_SINCE}
                if self.cloud.withdrawn.get((name, place)) == "retired"
                else None,
            }
            for place in TYPES.get(name, ())
        ]
        told = {"name": name, "disk": DISKS.get(name), "locations": places}
        return {"server_types": [told] if places else []}

    def _named(self, kind: str, query: dict[str, list[str]], **_: object) -> Answer:
        found = self.cloud.named(kind, query["name"][0])
        return {kind: [_told(found)] if found else []}

    def _one(self, kind: str, identity: str, **_: object) -> Answer:
        return {kind.removesuffix("s"): _told(self.cloud.must(kind, identity))}

    def _record(self, zone: str, name: str, kind: str, **_: object) -> Answer:
        found = self.cloud.named("rrsets", f"{zone}/{name}/{kind}")
        if found is None:
            raise ApiError("not_found", "rrset not found")
        return {"rrset": _told(found)}

    def _delete_record(self, zone: str, name: str, kind: str, **_: object) -> Answer:
        found = self.cloud.named("rrsets", f"{zone}/{name}/{kind}")
        if found is not None:
            self.cloud.delete(found)
        return {"action": _DONE}

    def _delete(self, kind: str, identity: str, **_: object) -> Answer:
        self.world.forget(*self.cloud.delete(self.cloud.must(kind, identity)))
        return {"action": _DONE}

    def _protect(self, kind: str, identity: str, body: Answer, **_: object) -> Answer:
        self.cloud.must(kind, identity).protected = bool(body["delete"])
        return {"action": _DONE}

    def _delete_subnet(self, identity: str, body: Answer, **_: object) -> Answer:
        network = self.cloud.must("networks", identity)
        subnets: list[Answer] = network.fields["subnets"]
        left = [one for one in subnets if one["ip_range"] != body["ip_range"]]
        network.fields["subnets"] = left
        return {"action": _DONE}

    def _apply(self, identity: str, verb: str, body: Answer, **_: object) -> Answer:
        firewall = self.cloud.must("firewalls", identity)
        named: list[Answer] = body["apply_to" if verb == "apply_to" else "remove_from"]
        for one in named:
            server = self.cloud.must("servers", one["server"]["id"])
            others = [wall for wall in server.fields["firewalls"] if wall != firewall.id]
            add = [firewall.id] if verb == "apply_to" else []
            if sorted([*others, *add]) == sorted(server.fields["firewalls"]):
                word = "applied" if add else "removed"
                raise ApiError(f"firewall_already_{word}", f"firewall is {word} already")
            check_walls([*others, *add])
            server.fields["firewalls"] = [*others, *add]
        return {"actions": [_DONE]}


def _told(thing: Thing) -> Answer:
    protection = {"delete": thing.protected}
    if isinstance(thing, Server):
        protection["rebuild"] = thing.protected
    own = {"id": thing.id, "name": thing.name, "labels": thing.labels, "protection": protection}
    return {**thing.fields, **own}


@contextmanager
def serving(world: World) -> Generator[None]:
    """Serve the API, and lead there whoever goes by ``HCLOUD_ENDPOINT``."""
    api = Api(world)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            try:
                status, answer = 200, api.answer(self.command, self.path, token, body)
            except ApiError as error:
                status = _STATUS.get(error.code, 422)
                answer = {"error": {"code": error.code, "message": error.message}}
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — its name
            """Say nothing."""

    before = os.environ.get(VARIABLE)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ[VARIABLE] = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield
        finally:
            server.shutdown()
            if before is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = before
