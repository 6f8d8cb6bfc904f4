"""What is told of refusals that sops prints, and that no server here brings about."""

import pytest

from ampere_infra.secrets.azure import faults

URL = "https://ampere.vault.azure.net/keys/sops/0123456789abcdef0123456789abcdef"
OPENING = f"""Failed to get the data key required to decrypt the SOPS file.

Group 0: FAILED
  {URL}: FAILED
    - | failed to decrypt sops data key with Azure Key Vault key
      | '{URL}':
      | %s

Recovery failed because no master key was able to decrypt the file. In
order for SOPS to recover the file, at least one key has to be successful,
but none were.
"""
SEALING = (
    f'Could not generate data key: [failed to encrypt new data key with master key "{URL}": %s]'
)


@pytest.mark.parametrize("printed", [OPENING, SEALING], ids=["opening", "sealing"])
@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("dial tcp: lookup ampere.vault.azure.net: no such host", "no such vault"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "was not reached"),
        ("RESPONSE 429: 429 Too Many Requests", "takes no more requests"),
        ('RESPONSE 403\n{"innererror": {"code": "ForbiddenByFirewall"}}', "firewall"),
        (
            "acquire a token.\nAttempted credentials:\nAzureCLICredential: AADSTS99999: ...",
            "tried AzureCLICredential): see https://login.microsoftonline.com/error (AADSTS99999)",
        ),
        ("AKV10032: Invalid issuer, told in other words", "belongs to another tenant"),
        (
            'RESPONSE 403\n"Caller is not authorized to perform action\n      | on resource."',
            "the identity that was tried may not use it: it lacks the role",
        ),
        ("something else, with a secret", "for a reason of its own, which `sops decrypt` shows"),
    ],
)
def test_a_reason_is_told_in_words_of_our_own(printed, reason, told):
    (fault,) = faults(printed % reason)
    assert fault.startswith("vault ampere, key sops: ")
    assert told in fault
    assert "with a secret" not in fault


def test_each_of_several_vaults_has_its_own_reason():
    other = OPENING.replace("ampere.vault", "other.vault") % "AKV10032"
    text = OPENING.partition("Recovery")[0] % "no such host" + other.partition("FAILED\n")[2]
    first, second = faults(text)
    assert "vault ampere" in first
    assert "no such vault" in first
    assert "vault other" in second
    assert "another tenant" in second


def test_what_is_not_about_a_vault_tells_nothing():
    assert faults("") == []
    assert faults("age1abc: FAILED\n - | failed to load age identities") == []
