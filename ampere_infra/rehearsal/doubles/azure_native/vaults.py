"""Key vaults and their keys: soft deletion, purge protection, versions, rotation."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pulumi_azure_native.keyvault import Key, KeyArgs, Vault, VaultArgs

from ampere_infra.rehearsal.doubles.azure_native.arm import GROUP, Arm, refusal
from ampere_infra.rehearsal.doubles.values import items, number, table, text
from ampere_infra.rehearsal.places.azure import VAULT, Thing, Version

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.kind import Call, Kind, Made
    from ampere_infra.rehearsal.doubles.values import Properties, Value
    from ampere_infra.rehearsal.world import World

VAULT_PATH = f"{GROUP}/providers/Microsoft.KeyVault/vaults/{{vaultName}}"
RETENTION = range(7, 91)
SIZES = (2048, 3072, 4096)
SHORTEST, SHORTEST_LIFE = 7, 28
"""Days: until a rotation and after it; of a version's life."""


class VaultKind(Arm):
    """``Vault``: its name is taken in all of Azure, also while it is deleted."""

    arguments = VaultArgs
    resource = Vault
    path = VAULT_PATH
    type = VAULT
    patterns = (("vaultName", r"[a-zA-Z0-9-]{3,24}"),)
    located = True

    def validate(self, inputs: Properties) -> None:
        """Refuse a retention that Azure has not, and access policies beside roles."""
        properties = table(inputs, "properties")
        days = number(properties, "softDeleteRetentionInDays")
        if days is not None and days not in RETENTION:
            raise refusal(
                400, "BadRequest", "softDeleteRetentionInDays accepts values from 7 to 90."
            )
        if not properties.get("enableRbacAuthorization") and "accessPolicies" not in properties:
            raise refusal(400, "BadRequest", "The property 'accessPolicies' is not specified.")
        if properties.get("enablePurgeProtection") is False:
            raise refusal(
                400, "BadRequest", 'The property "enablePurgeProtection" cannot be set to false.'
            )

    def admit(self, inputs: Properties, old: Thing | None) -> None:
        """Refuse a name that is taken, and changes of what cannot change."""
        properties, name = table(inputs, "properties"), text(inputs, "vaultName")
        recovers = properties.get("createMode") == "recover"
        if old is None:
            self._name(name, recovers=recovers)
            return
        before = table(old.inputs, "properties")
        if before.get("enablePurgeProtection") and not properties.get("enablePurgeProtection"):
            message = "Enabling the purge protection for a vault is an irreversible action."
            raise refusal(400, "BadRequest", message)
        days = "softDeleteRetentionInDays"
        if properties.get(days) != before.get(days):
            message = f'The property "{days}" has been set already and it can\'t be modified.'
            raise refusal(400, "BadRequest", message)

    def _name(self, name: str, *, recovers: bool) -> None:
        deleted = name in self.azure.deleted_vaults
        if deleted and not recovers:
            message = (
                "A vault with the same name already exists in deleted state. You need to either "
                "recover or purge existing key vault. Follow this link "
                "https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft "
                "delete."
            )
            raise refusal(409, "ConflictError", message)
        if recovers and not deleted:
            raise refusal(404, "VaultNotFound", f"No deleted vault is called {name}.")
        if any(vault.name == name for vault in self.azure.of_type(VAULT)):
            raise refusal(409, "VaultAlreadyExists", f"The vault name '{name}' is already in use.")

    def written(self, call: Call, identity: str, old: Thing | None) -> Thing:
        """Bring a deleted vault back first, if that is what is asked for."""
        name = text(call.inputs, "vaultName")
        if old is None and name in self.azure.deleted_vaults:
            old = self.azure.recover(name)
        return super().written(call, identity, old)

    def outputs(self, thing: Thing) -> Properties:
        """Return the vault with what Azure fills in; how it was made, it does not say."""
        asked = {k: v for k, v in table(thing.inputs, "properties").items() if k != "createMode"}
        filled: Properties = {
            "accessPolicies": [],
            "enabledForDeployment": False,
            "provisioningState": "Succeeded",
            "publicNetworkAccess": "Enabled",
            "vaultUri": f"https://{thing.name}.vault.azure.net/",
        }
        return {"location": thing.inputs.get("location"), "properties": {**filled, **asked}}

    def imported(self, thing: Thing) -> Properties:
        """Return the inputs without what only Azure can say."""
        inputs = super().imported(thing)
        own = {"provisioningState", "vaultUri"}
        properties = {k: v for k, v in table(inputs, "properties").items() if k not in own}
        return {**inputs, "properties": properties}


class KeyKind(Arm):
    """``Key``: made by the resource manager, which writes to none that exists."""

    arguments = KeyArgs
    resource = Key
    path = f"{VAULT_PATH}/keys/{{keyName}}"
    type = "Microsoft.KeyVault/vaults/keys"
    patterns = (("keyName", r"[a-zA-Z0-9-]{1,127}"),)
    forces_new = frozenset({"properties.kty", "properties.keySize", "properties.curveName"})
    parents = (GROUP, VAULT_PATH)

    def validate(self, inputs: Properties) -> None:
        """Refuse keys and rotations that Key Vault refuses."""
        properties = table(inputs, "properties")
        size = number(properties, "keySize")
        if properties.get("kty") == "RSA" and size not in (None, *SIZES):
            raise refusal(400, "BadRequest", f"Key size {size} is not supported.")
        policy = table(properties, "rotationPolicy")
        life = _days(table(policy, "attributes").get("expiryTime"))
        if life is not None and life < SHORTEST_LIFE:
            raise refusal(400, "BadRequest", "expiryTime must be at least 28 days.")
        after = _rotation(policy)
        if after is not None and (
            after < SHORTEST or (life is not None and after > life - SHORTEST)
        ):
            raise refusal(400, "BadRequest", "timeAfterCreate is out of range.")

    def written(self, call: Call, identity: str, old: Thing | None) -> Thing:
        """Return a new key; an old one comes back as it was."""
        if old is not None:
            return replace(old, inputs={**call.inputs, "properties": old.inputs["properties"]})
        thing = super().written(call, identity, old)
        thing.versions = [Version(secrets.token_hex(16), self.world.now)]
        return thing

    def read(self, call: Call) -> Made | None:
        """Return the key, rotated by now."""
        thing = self.azure.get(call.id)
        if thing is not None:
            self._rotate(thing)
        return super().read(call)

    def _rotate(self, thing: Thing) -> None:
        days = _rotation(table(table(thing.inputs, "properties"), "rotationPolicy"))
        while days and thing.versions[-1].made + timedelta(days=days) <= self.world.now:
            made = thing.versions[-1].made + timedelta(days=days)
            thing.versions.append(Version(secrets.token_hex(16), made))

    def outputs(self, thing: Thing) -> Properties:
        """Return the key as the resource manager shows it, with the port in its addresses."""
        vault = thing.id.split("/")[-3]
        url = f"https://{vault}.vault.azure.net:443/keys/{thing.name}"
        vault_thing = self.azure.get(thing.id.rpartition("/keys/")[0])
        created = int(thing.versions[0].made.timestamp())
        return {
            "keySize": 2048,
            **table(thing.inputs, "properties"),
            "attributes": {"enabled": True, "exportable": False, "created": created},
            "keyUri": url,
            "keyUriWithVersion": f"{url}/{thing.versions[-1].id}",
            "location": vault_thing.inputs.get("location") if vault_thing else None,
            "tags": thing.inputs.get("tags") or {},
        }

    def imported(self, thing: Thing) -> Properties:
        """Return the inputs: what the program nests, Azure shows flat."""
        names = {key: thing.inputs[key] for key in self.parameters}
        said = self.outputs(thing)
        nested = {key: said.get(key) for key in ("kty", "keySize", "keyOps", "rotationPolicy")}
        attributes: Properties = {"enabled": True, "exportable": False}
        return {
            **names,
            "properties": {**nested, "attributes": attributes},
            "azureApiVersion": self.api_version,
        }

    def delete(self, call: Call) -> None:
        """Refuse: that goes through the vault's own door, where nobody here has the role."""
        if self.azure.get(call.id) is None:
            return
        message = (
            "Caller is not authorized to perform action on resource. Action: "
            "'Microsoft.KeyVault/vaults/keys/delete'"
        )
        raise refusal(403, "Forbidden", f"{message} Resource: '{call.id}'")


def _rotation(policy: Properties) -> int | None:
    for action in items(policy, "lifetimeActions"):
        if isinstance(action, dict) and text(table(action, "action"), "type") == "rotate":
            return _days(table(action, "trigger").get("timeAfterCreate"))
    return None


def _days(duration: Value) -> int | None:
    if duration is None:
        return None
    match = re.fullmatch(r"P(\d+)D", str(duration))
    if match is None:
        raise refusal(400, "BadRequest", f"'{duration}' is no ISO 8601 duration in days.")
    return int(match[1])


def kinds(world: World, cloud: Properties) -> dict[str, Kind]:
    """Return the types of this module, by token."""
    return {
        "azure-native:keyvault:Vault": VaultKind(world, cloud),
        "azure-native:keyvault:Key": KeyKind(world, cloud),
    }
