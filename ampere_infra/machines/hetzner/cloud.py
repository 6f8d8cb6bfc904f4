"""Hetzner's API, for the little that its provider cannot be asked to do.

https://docs.hetzner.cloud/reference/cloud
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

ENDPOINT: Final = "https://api.hetzner.cloud/v1"
VARIABLE: Final = "HCLOUD_ENDPOINT"
"""Leads elsewhere, as it does Hetzner's own provider and command line."""
ANSWER_SECONDS: Final = 30
POLL_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 300
NOT_FOUND: Final = 404
Thing = dict[str, Any]


class CloudError(Exception):
    """Hetzner refused; the text is its own, with what was asked for."""


@dataclass(frozen=True)
class Cloud:
    """One project at Hetzner, as its API token opens it."""

    token: SecretStr

    def named(self, kind: str, name: str) -> Thing | None:
        """Return the ``kind``, such as ``servers``, that is called ``name``."""
        found: list[Thing] = self.ask("GET", f"{kind}?name={quote(name)}")[kind]
        return found[0] if found else None

    def get(self, path: str) -> Thing:
        """Return what is at ``path``, or nothing where there is nothing."""
        try:
            return self.ask("GET", path)
        except CloudError as error:
            if error.args[-1] == NOT_FOUND:
                return {}
            raise

    def act(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        """Do something, and wait until it is done.

        Raises:
            CloudError: it is refused, fails, or takes more than five minutes.
        """
        answer = self.ask(method, path, body)
        actions: list[Thing] = [*(answer.get("actions") or []), answer.get("action") or {}]
        for action in actions:
            self._settle(action)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Thing:
        """Send one request and return the answer.

        Raises:
            CloudError: it is refused, or nobody answers.
        """
        request = urllib.request.Request(  # noqa: S310 - the address is Hetzner's, or a test's
            f"{os.environ.get(VARIABLE) or ENDPOINT}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {self.token.get_secret_value()}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                text: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise CloudError(f"{method} {path}: {_words(error)}", error.code) from None
        except OSError as error:
            raise CloudError(f"{method} {path}: {error}", None) from None
        return json.loads(text) if text else {}

    def _settle(self, action: Thing) -> None:
        began = time.monotonic()
        while action and action["status"] == "running":
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise CloudError(f"{action['command']} did not end", None)
            time.sleep(POLL_SECONDS)
            action = self.ask("GET", f"actions/{action['id']}")["action"]
        if action and action["status"] == "error":
            raise CloudError(f"{action['command']}: {action['error']['message']}", None)


def _words(error: urllib.error.HTTPError) -> str:
    try:
        told: Thing = json.loads(error.read())["error"]
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
    return f"{told['message']} ({told['code']})"
