"""Debian's PostgreSQL, set up as CloudNativePG sets up what our chart asks for."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.keyvault.certificates import server_context
from tests.ports import free_port
from tests.programs.made import Made, of_kind
from tests.programs.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator

HBA = """\
local all all peer map=local
hostssl postgres streaming_replica all cert map=cnpg_streaming_replica
hostssl replication streaming_replica all cert map=cnpg_streaming_replica
{rules}
host all all all scram-sha-256
"""
"""pkg/postgres/configuration.go of CloudNativePG, where ``rules`` are those of the Cluster."""

INITDB = ("--username=postgres", "--data-checksums", "--locale=C.UTF-8", "--no-sync")
STRICT = ("-v", "ON_ERROR_STOP=1")
SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
ssl = on
ssl_cert_file = '{folder}/server.pem'
ssl_key_file = '{folder}/server.key'
ssl_ca_file = '{folder}/ca.pem'
hba_file = '{folder}/pg_hba.conf'
ident_file = '{folder}/pg_ident.conf'
fsync = off
"""


def _programs() -> Path:
    """Return where the newest version has its programs; Debian keeps them off PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max(versions, key=lambda path: float(path.parts[-3])).parent


@dataclass(frozen=True)
class PostgreSQL:
    """A server that runs, and where its own user asks it."""

    folder: Path
    port: int
    user: str | None
    """Whom it runs as; none is the one who runs the tests."""

    @property
    def _socket(self) -> tuple[str | Path, ...]:
        return "-h", self.folder, "-p", str(self.port)

    def as_owner(self, sql: str, database: str = "postgres") -> str:
        """Run ``sql`` as the operator does: as superuser, through the socket."""
        done = subprocess.run(
            ["psql", "-XAtq", "-U", "postgres", "-d", database, *STRICT, *self._socket],
            input=sql,
            capture_output=True,
            text=True,
            check=False,
            user=self.user,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def login(
        self, user: str, password: str, database: str, sql: str = "select 1", tls: str = "require"
    ) -> subprocess.CompletedProcess[str]:
        """Run ``sql`` as a client at the other end of the network."""
        facts = {"PGUSER": user, "PGPASSWORD": password, "PGDATABASE": database, "PGSSLMODE": tls}
        return subprocess.run(
            ["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.port), "-c", sql],
            env={"PATH": os.environ["PATH"], **facts},
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def postgresql(folder: Path, made: Made) -> Generator[PostgreSQL]:
    """Run PostgreSQL with the roles and databases of ``made``, and log in as its Jobs do."""
    objects = made.objects("postgresql")
    (cluster,) = of_kind(objects, "Cluster")
    user = "postgres" if os.geteuid() == 0 else None
    server = PostgreSQL(folder, free_port(), user)
    _prepare(server, cluster["spec"])
    command = [_programs() / "postgres", "-D", folder / "data", "-p", str(server.port)]
    program = Server("postgresql", command, folder / "log", {"LC_ALL": "C.UTF-8"}, user)
    asked = [_programs() / "pg_isready", "-q", "-h", folder, "-p", str(server.port)]
    with program.running(lambda: subprocess.run(asked, check=False).returncode == 0):
        _operate(server, made, cluster["spec"], of_kind(objects, "Database"))
        _await_logins(server, made, of_kind(objects, "Job"))
        yield server


def _prepare(server: PostgreSQL, spec: dict[str, Any]) -> None:
    folder = server.folder
    server_context(folder, ["postgresql-rw"])
    (folder / "pg_hba.conf").write_text(HBA.format(rules="\n".join(spec["postgresql"]["pg_hba"])))
    account = server.user or getpass.getuser()
    certificates = "cnpg_streaming_replica streaming_replica streaming_replica"
    (folder / "pg_ident.conf").write_text(f"local {account} postgres\n{certificates}\n")
    (folder / "log").touch()
    (folder / "server.key").chmod(0o600)
    if server.user is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, server.user, server.user)
    subprocess.run(
        [_programs() / "initdb", "-D", folder / "data", *INITDB],
        check=True,
        capture_output=True,
        user=server.user,
        cwd="/",
    )
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        conf.write(SETTINGS.format(folder=folder))


def _operate(
    server: PostgreSQL, made: Made, spec: dict[str, Any], databases: list[dict[str, Any]]
) -> None:
    """Do what the operator does for roles and databases: its own statements."""
    for role in spec["managed"]["roles"]:
        secret = made.secrets[f"postgresql/{role['passwordSecret']['name']}"]
        assert secret["username"] == role["name"], "the operator refuses another's login"
        yes = {name: role[name] for name in ("createdb", "createrole", "inherit", "login")}
        options = [word if wanted else f"no{word}" for word, wanted in yes.items()]
        options.append("superuser" if role["superuser"] else "nosuperuser")
        password = secret["password"].replace("'", "''")
        words = " ".join(options)
        server.as_owner(f"create role \"{role['name']}\" {words} password '{password}'")
    for database in (item["spec"] for item in databases):
        server.as_owner(f'create database "{database["name"]}" owner "{database["owner"]}"')


def _await_logins(server: PostgreSQL, made: Made, jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PATH": os.environ["PATH"]}
        variables = made.variables(container, "postgresql") | where
        subprocess.run(container["command"], env=variables, check=True, timeout=60)
