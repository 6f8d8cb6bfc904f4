"""The project's folder that a rehearsal runs in: a copy, with keys and secrets made for it."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.files import secrets_file
from ampere_infra.secrets.model import generate
from ampere_infra.secrets.sops import encrypt, make_age_key, read
from ampere_infra.settings.load import model_of, read_stack_file

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Path(__file__).resolve().parents[2]
"""The project that the rehearsed program belongs to."""
MARKER = ".ampere-rehearsal"
"""Marks a folder that the next rehearsal may replace."""


class FolderError(Exception):
    """The folder for the files to keep is in use for something else."""


@dataclass
class Project(AbstractContextManager["Project"]):
    """What a rehearsal writes, below ``folder``, and what it keeps to itself.

    Keys and the secrets' age key are made for this run. They lie in a folder that only the user
    may read and that is removed at the end; ``folder`` gets nothing secret.
    """

    stack: str
    config_file: Path
    folder: Path
    secrets_file: Path | None = None
    """The user's own SOPS file; without it, one of random values is made."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The values, by name."""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """What ``sops`` needs to open the secrets."""
    _private: tempfile.TemporaryDirectory[str] | None = None

    @property
    def root(self) -> Path:
        """The project's folder: ``Pulumi.yaml`` is there, and the program's working directory."""
        return self.folder / "project"

    @property
    def rendered(self) -> Path:
        """Every file that was rendered for a machine, a cluster or the host, secrets masked."""
        return self.folder / "rendered"

    @property
    def state(self) -> Path:
        """The engine's home and its state."""
        return self.folder / "state"

    @property
    def logs(self) -> Path:
        """What the engine printed and reported, operation by operation."""
        return self.folder / "logs"

    @property
    def private(self) -> Path:
        """The folder for what is secret; it vanishes with this context."""
        assert self._private is not None, "enter the project's context first"  # noqa: S101
        return Path(self._private.name)

    @property
    def stack_file(self) -> Path:
        """The copy of the stack file that the engine reads."""
        return self.root / f"Pulumi.{self.stack}.yaml"

    def __enter__(self) -> Self:
        config = read_stack_file(self.config_file)
        if self.secrets_file is not None:
            if not model_of(self.stack).has_secrets:
                remedy = f"{self.stack} has no secrets; leave --secrets out"
                raise SecretsError(str(self.secrets_file), remedy)
            given = read(self.stack, self.secrets_file)
            self.secrets = given.values()
        self.folder = replaced(self.folder)
        self._private = tempfile.TemporaryDirectory(prefix="ampere-")
        try:
            self._fill(config)
        except BaseException:
            self._private.cleanup()
            raise
        return self

    def _fill(self, config: Mapping[str, object]) -> None:
        for folder in (self.root, self.rendered, self.logs):
            folder.mkdir()
        self.state.mkdir(mode=0o700)
        shutil.copy(SOURCE / "Pulumi.yaml", self.root)
        if (SOURCE / "charts").is_dir():
            shutil.copytree(SOURCE / "charts", self.root / "charts")
        self.write(config)

    def __exit__(self, *details: object) -> None:
        if self._private is not None:
            self._private.cleanup()

    def write(self, config: Mapping[str, object]) -> None:
        """Write ``config`` as the stack file, with keys and secrets that exist on this machine."""
        config = dict(config)
        host = config.get("ampere:host")
        if isinstance(host, dict):
            config["ampere:host"] = self._reachable(cast("dict[str, object]", host))
        if model_of(self.stack).has_secrets:
            self._seal()
        salt = self._salt()
        text = yaml.safe_dump(salt | {"config": config}, sort_keys=False, allow_unicode=True)
        self.stack_file.write_text(text, encoding="utf-8", newline="\n")

    def _salt(self) -> dict[str, Any]:
        """The line that the engine added to the stack file when it made the stack."""
        if not self.stack_file.exists():
            return {}
        written: dict[str, Any] = yaml.safe_load(self.stack_file.read_text(encoding="utf-8"))
        return {key: written[key] for key in written if key == "encryptionsalt"}

    def _reachable(self, host: dict[str, object]) -> dict[str, object]:
        key, known = self.private / "id_ed25519", self.private / "known_hosts"
        if not key.exists():
            self._make_keys(key, known, [host.get("name"), host.get("address")])
        return host | {"private_key_file": key.as_posix(), "known_hosts_file": known.as_posix()}

    def _make_keys(self, key: Path, known: Path, names: list[object]) -> None:
        own, hosts = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        key.touch(mode=0o600)
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        public = hosts.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        line = f"{','.join(str(name) for name in names if name)} {public.decode()}\n"
        known.write_text(line, encoding="utf-8", newline="\n")

    def _seal(self) -> None:
        relative = secrets_file(self.stack)
        sealed = self.root / relative
        if sealed.exists():
            return
        sealed.parent.mkdir()
        if self.secrets_file is not None:
            shutil.copy(self.secrets_file, sealed)
            return
        age_key = self.private / "age.txt"
        recipient = make_age_key(age_key)
        age_key.chmod(0o600)
        self.environment["SOPS_AGE_KEY_FILE"] = str(age_key)
        self.secrets = generate(self.stack)
        self._rule(relative.as_posix(), recipient)
        encrypt(self.secrets, sealed)

    def _rule(self, file: str, recipient: str) -> None:
        """Say for whom the rehearsal's own secrets are sealed: its age key, and nobody else."""
        rule = {"path_regex": f"^{re.escape(file)}$", "age": recipient}
        rules = yaml.safe_dump({"creation_rules": [rule]})
        (self.root / ".sops.yaml").write_text(rules, encoding="utf-8", newline="\n")


def replaced(folder: Path) -> Path:
    """Empty ``folder`` for a new rehearsal, if it holds an older one or nothing.

    Raises:
        FolderError: something else is there.
    """
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise FolderError(f"{folder} holds other files: name a new folder, or an empty one")
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is no folder: name a new one, or an empty one")
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("replaced by the next rehearsal\n", encoding="utf-8")
    return folder
