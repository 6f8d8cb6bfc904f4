"""Why Azure Key Vault said no, read from what ``sops`` printed: who asked, for what, what helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROLE = "Key Vault Crypto User"
"""The least role that may encrypt, decrypt and look up a key's version."""

_GUID = "[0-9a-fA-F-]{36}"
_HEADER = re.compile(r'(?:^|\s)(\S+): FAILED|master key "([^"]+)"')
"""Where sops begins to speak of the next key, while opening and while sealing."""
_KEY = re.compile(r"https://([\w-]+)[\w.-]*/keys/([\w-]+)/?(\w*)")
_CALLER = re.compile(rf"appid=({_GUID});(?:\S*?;)?oid=({_GUID});\S*?iss=https://[\w.]+/({_GUID})")
_ISSUERS = re.compile(rf"AKV10032: Invalid issuer\. Expected one of (.+?),? found \S+?/({_GUID})")
_CREDENTIAL = re.compile(r"\b([A-Z]\w+Credential)\b")
_ENTRA = re.compile(r"AADSTS(\d+)")
_TENANT = re.compile(rf'acquire tokens for tenant "({_GUID})"')
_PROGRAMS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "`az login`",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
}
"""Microsoft's own applications, by which people log in."""
_ENTRA_CODES = {
    "50020": "the account is not known in the vault's tenant: `az login` with another",
    "50076": "it asks for a second factor: `az login` again",
    "50173": "the login has expired: `az login` again",
    "70043": "the login has expired: `az login` again",
    "700082": "the login has expired: `az login` again",
    "90002": "AZURE_TENANT_ID names a tenant that does not exist",
    "700016": "AZURE_CLIENT_ID is no application of that tenant",
    "7000215": "AZURE_CLIENT_SECRET is wrong",
    "70021": "no federated identity fits the token: another repository, branch or environment?",
    "700213": "no federated identity fits the token: another repository, branch or environment?",
}


def faults(stderr: str) -> list[str]:
    """Tell for each Key Vault key that ``stderr`` speaks of why it could not be used."""
    text = re.sub(r"\s*\n[ \t]*(?:\| ?)?[ \t]*", " ", stderr)
    return list(dict.fromkeys(_faults(text)))


def _faults(text: str) -> Iterator[str]:
    headers = list(_HEADER.finditer(text))
    if not headers and (key := _KEY.search(text)):
        yield f"{_named(key)}: {_reason(text, key)}"
    ends = [*(header.start() for header in headers[1:]), len(text)]
    for header, end in zip(headers, ends, strict=False):
        if key := _KEY.match(header[1] or header[2]):
            yield f"{_named(key)}: {_reason(text[header.end() : end], key)}"


def _named(key: re.Match[str]) -> str:
    return f"vault {key[1]}, key {key[2]}"


def _reason(text: str, key: re.Match[str]) -> str:
    for sign, reason in _REASONS:
        if re.search(sign, text):
            return reason(text, key)
    return "Azure refused for a reason of its own, which `sops decrypt` shows"


def _no_token(text: str, key: re.Match[str]) -> str:
    del key
    tried = dict.fromkeys(_CREDENTIAL.findall(text.partition("Attempted credentials:")[2]))
    told = f"no identity could log in to Azure (tried {', '.join(tried) or 'none'})"
    if code := _ENTRA.search(text):
        known = _ENTRA_CODES.get(code[1], "see https://login.microsoftonline.com/error")
        return f"{told}: {known} ({code[0]})"
    if tenant := _TENANT.search(text):
        return f"{told}: the vault is in tenant {tenant[1]}, and AZURE_TENANT_ID names another"
    return f"{told}: log in with `az login`, or set the AZURE_* variables of a service identity"


def _other_tenant(text: str, key: re.Match[str]) -> str:
    issuers = _ISSUERS.search(text)
    del key
    if issuers is None:
        return "the identity that was tried belongs to another tenant than the vault"
    wanted = re.findall(_GUID, issuers[1])
    return (
        f"the identity that was tried is of tenant {issuers[2]}, the vault of "
        f"{' or '.join(wanted)}: `az login --tenant {wanted[-1] if wanted else 'TENANT'}`"
    )


def _no_role(text: str, key: re.Match[str]) -> str:
    action = re.search(r"vaults/keys/(\w+)", text)
    return (
        f"{_caller(text)} may not {action[1] if action else 'use'} it: it lacks the role `{ROLE}` "
        f"on vault {key[1]}. Give it that role (docs/foundation.md); it counts after some minutes"
    )


def _caller(text: str) -> str:
    caller = _CALLER.search(text)
    if caller is None:
        return "the identity that was tried"
    application, who, tenant = caller.groups()
    by = _PROGRAMS.get(application, f"application {application}")
    return f"identity {who} (logged in by {by}, tenant {tenant})"


def _disabled(text: str, key: re.Match[str]) -> str:
    del text
    return (
        f"its version {key[3]} is disabled: `az keyvault key set-attributes --enabled true "
        f"--vault-name {key[1]} --name {key[2]} --version {key[3]}`"
    )


def _gone(text: str, key: re.Match[str]) -> str:
    del text
    return (
        f"its version {key[3]} is not in the vault any more: `az keyvault key recover "
        f"--vault-name {key[1]} --name {key[2]}`, or open the file with the age key and seal it "
        "for the new version (`ampere secrets adopt`)"
    )


def _says(answer: str) -> Callable[[str, re.Match[str]], str]:
    def reason(*_: object) -> str:
        return answer

    return reason


_VARIABLE = "AZURE_TOKEN_CREDENTIALS names no kind of login, such as AzureCLICredential or prod"
_CERTIFICATE = (
    "a proxy shows a certificate that is not trusted: have its CA added to the system's, or name "
    "it in SSL_CERT_FILE (Linux)"
)
_NO_NAME = (
    "there is no network, or no such vault: one that was deleted comes back with `az keyvault "
    "recover`"
)

_REASONS: tuple[tuple[str, Callable[[str, re.Match[str]], str]], ...] = (
    ("invalid AZURE_TOKEN_CREDENTIALS", _says(_VARIABLE)),
    (r"acquire a token|Credential isn't configured|token credential", _no_token),
    ("AKV10032", _other_tenant),
    ("ForbiddenByRbac|Caller is not authorized", _no_role),
    ("KeyDisabled|on a disabled key", _disabled),
    ("ForbiddenByFirewall", _says("the vault's firewall does not let this machine in")),
    ("KeyNotFound|was not found in this key vault", _gone),
    ("RESPONSE 400", _says("the vault's key does not open what this file holds")),
    ("RESPONSE 429", _says("the vault takes no more requests for now: try again in a minute")),
    (r"RESPONSE 5\d\d", _says("the vault is out of order: try again (status.azure.com)")),
    ("x509", _says(_CERTIFICATE)),
    ("no such host", _says(_NO_NAME)),
    (
        r"dial tcp|lookup |no such host|Service Unavailable|Bad Gateway|timeout|deadline|EOF|reset",
        _says("the vault was not reached: look at the network, the VPN and HTTPS_PROXY"),
    ),
)
