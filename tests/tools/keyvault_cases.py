"""What the tests of files that a Key Vault opens share."""

from dataclasses import dataclass
from pathlib import Path

from sops_cases import rule

from ampere_infra.secrets import sops
from tests.keyvault.server import Azure
from tests.keyvault.vault import Vault, Version


@dataclass
class Both:
    """A file that a Key Vault and an age key open, each alone."""

    path: Path
    values: dict[str, str]
    azure: Azure
    vault: Vault
    url: str
    age_key: Path
    recipient: str

    @property
    def id(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def version(self) -> Version:
        return self.vault.keys["sops"][self.id]


def sealed_for_both(folder, azure, values, monkeypatch) -> Both:
    """Seal a file; only Azure is at hand to open it."""
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    vault = azure.vault("ampere-test")
    url, path, age_key = vault.add_version("sops"), folder / "home.enc.yaml", folder / "age.txt"
    recipient = sops.make_age_key(age_key)
    rule(path, [recipient], [url])
    sops.encrypt(values, path)
    azure.calls.clear()
    return Both(path, values, azure, vault, url, age_key, recipient)
