"""What a certificate is made of."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, items, number, table, text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from ampere_infra.rehearsal.doubles.tls.keys import Key

USAGES = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
EXTENDED = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
NAMES = {
    "commonName": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "country": NameOID.COUNTRY_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "serialNumber": NameOID.SERIAL_NUMBER,
}


@dataclass(frozen=True)
class Holder:
    """Whom a certificate is about."""

    name: x509.Name
    public_key: CertificatePublicKeyTypes
    other_names: list[x509.GeneralName]


@dataclass(frozen=True)
class Issuer:
    """Who signs a certificate."""

    name: x509.Name
    key: Key
    identifier: bytes | None = None


def extensions(
    inputs: Properties, holder: Holder, issuer: Issuer
) -> list[tuple[x509.ExtensionType, bool]]:
    """Return a certificate's extensions, each with whether it is critical."""
    uses = [str(use) for use in items(inputs, "allowedUses")]
    is_ca = inputs.get("isCaCertificate") is True
    if is_ca and not table(inputs, "subject") and "certRequestPem" not in inputs:
        raise RefusalError(
            "Invalid Certificate Subject: Must contain at least one Distinguished Name when "
            "creating Certificate Authority (CA)"
        )
    longest = number(inputs, "maxPathLength") if is_ca else None
    found: list[tuple[x509.ExtensionType, bool]] = [
        (_key_usage(uses), True),
        (x509.BasicConstraints(is_ca, longest), True),
    ]
    if extended := [EXTENDED[use] for use in uses if use in EXTENDED]:
        found.append((x509.ExtendedKeyUsage(extended), False))
    if is_ca or inputs.get("setSubjectKeyId") is True:
        found.append((x509.SubjectKeyIdentifier.from_public_key(holder.public_key), False))
    if issuer.identifier is not None:
        found.append((x509.AuthorityKeyIdentifier(issuer.identifier, None, None), False))
    if holder.other_names:
        found.append((x509.SubjectAlternativeName(holder.other_names), False))
    return found


def _key_usage(uses: list[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{flag: use in uses for use, flag in USAGES.items()})


def key_identifier(certificate: x509.Certificate) -> bytes | None:
    """Return what a certificate calls its own key."""
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            return extension.value.digest
    return None


def subject_of(inputs: Properties) -> x509.Name:
    """Return the distinguished name that the inputs spell."""
    subject = table(inputs, "subject")
    found = [
        x509.NameAttribute(oid, text(subject, key))
        for key, oid in NAMES.items()
        if subject.get(key)
    ]
    return x509.Name(found)


def alternative_names(inputs: Properties) -> list[x509.GeneralName]:
    """Return the other names that the inputs give."""
    try:
        addresses = [ip_address(str(address)) for address in items(inputs, "ipAddresses")]
    except ValueError as error:
        raise RefusalError(f"Invalid IP address: {error}") from error
    return [
        *(x509.DNSName(str(name)) for name in items(inputs, "dnsNames")),
        *(x509.IPAddress(address) for address in addresses),
        *(x509.UniformResourceIdentifier(str(uri)) for uri in items(inputs, "uris")),
    ]


def hash_for(key: Key) -> SHA256 | None:
    """Return the hash that ``key`` signs with; Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
