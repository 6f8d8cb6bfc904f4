"""``SelfSignedCert``, ``CertRequest`` and ``LocallySignedCert`` of ``tls``."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pulumi_tls import CertRequestArgs, LocallySignedCertArgs, SelfSignedCertArgs

from ampere_infra.rehearsal.doubles.bridged import Bridged, Rules, state
from ampere_infra.rehearsal.doubles.diffs import Change, Difference
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Made, RefusalError
from ampere_infra.rehearsal.doubles.tls.keys import Key, algorithm, load
from ampere_infra.rehearsal.doubles.values import Properties, Value, items, number, table, text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from ampere_infra.rehearsal.world import World

_USAGES = {
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
_EXTENDED = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_NAMES = {
    "commonName": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "country": NameOID.COUNTRY_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
_SUBJECT = frozenset(
    {"subject"}
    | {f"subject.{name}" for name in _NAMES}
    | {"subject.streetAddresses", "subject.streetAddresses[]", "subject.emailAddress"}
)
_SANS = frozenset({"dnsNames", "dnsNames[]", "ipAddresses", "ipAddresses[]", "uris", "uris[]"})
_VALIDITY = frozenset({"allowedUses", "allowedUses[]", "validityPeriodHours", "isCaCertificate"})
_FOUND = frozenset({"certPem", "keyAlgorithm", "validityStartTime", "validityEndTime"})
_DEFAULTS: dict[str, Value] = {
    "earlyRenewalHours": 0,
    "isCaCertificate": False,
    "setSubjectKeyId": False,
}


@dataclass(frozen=True)
class _Holder:
    """Whom a certificate is about."""

    name: x509.Name
    public_key: CertificatePublicKeyTypes
    other_names: list[x509.GeneralName]


@dataclass(frozen=True)
class _Issuer:
    """Who signs a certificate."""

    name: x509.Name
    key: Key
    identifier: bytes | None = None


class CertRequestKind(Bridged):
    """A request for a certificate."""

    arguments = CertRequestArgs
    secret = frozenset({"privateKeyPem"})
    rules = Rules(
        force_new=_SUBJECT | _SANS | {"privateKeyPem"},
        computed=frozenset({"certRequestPem", "keyAlgorithm"}),
    )

    def __init__(self, world: World) -> None:
        self.world = world

    def create(self, call: Call) -> Made:
        """Sign the request with its own key."""
        key = load(text(call.inputs, "privateKeyPem"))
        builder = x509.CertificateSigningRequestBuilder(_subject(call.inputs))
        names = _alternative_names(call.inputs)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = builder.sign(key, _hash(key)).public_bytes(Encoding.PEM).decode()
        outputs = state(call.inputs, certRequestPem=pem, keyAlgorithm=algorithm(key))
        return Made(secrets.token_hex(20), outputs)


class Certificate(Bridged):
    """What both kinds of certificate share: validity and renewal."""

    def __init__(self, world: World) -> None:
        self.world = world

    def validate(self, call: Call) -> list[Failure]:
        """Refuse uses that nobody knows and a validity of less than no time."""
        known = (*_USAGES, *_EXTENDED)
        words = f"Invalid Attribute Value Match. value must be one of: {sorted(known)}"
        return [
            *(
                Failure(words, "allowedUses")
                for use in items(call.inputs, "allowedUses")
                if isinstance(use, str) and use not in known
            ),
            *(
                Failure(f"Attribute {key} value must be at least 0", key)
                for key in ("validityPeriodHours", "earlyRenewalHours")
                if (number(call.inputs, key) or 0) < 0
            ),
        ]

    def diff(self, call: Call) -> Difference:
        """Return the changes, and that the certificate is to be renewed when its time has come."""
        difference = super().diff(call)
        if not self._is_due(call):
            return difference
        renewal = Change("readyForRenewal", "UPDATE")
        return Difference((*difference.changes, renewal), difference.replacing | {renewal.path})

    def read(self, call: Call) -> Made | None:
        """Return the certificate, and whether its renewal is due."""
        ready = bool(call.old.get("readyForRenewal")) or self._is_due(call)
        return Made(call.id, {**call.old, "readyForRenewal": ready}, call.inputs)

    def _is_due(self, call: Call) -> bool:
        ends = text(call.old, "validityEndTime")
        if not ends:
            return False
        early = timedelta(hours=number(call.inputs, "earlyRenewalHours") or 0)
        return datetime.fromisoformat(ends) - early <= self.world.now

    def certificate(self, call: Call, holder: _Holder, issuer: _Issuer) -> Made:
        """Return a certificate as the provider reports it."""
        start = self.world.now.replace(microsecond=0)
        end = start + timedelta(hours=number(call.inputs, "validityPeriodHours") or 0)
        serial = secrets.randbits(127) + 1
        builder = x509.CertificateBuilder(
            issuer.name, holder.name, holder.public_key, serial, start, end
        )
        for extension, critical in _extensions(call.inputs, holder, issuer):
            builder = builder.add_extension(extension, critical=critical)
        pem = builder.sign(issuer.key, _hash(issuer.key)).public_bytes(Encoding.PEM).decode()
        outputs = state(
            call.inputs,
            certPem=pem,
            validityStartTime=start.isoformat().replace("+00:00", "Z"),
            validityEndTime=end.isoformat().replace("+00:00", "Z"),
            readyForRenewal=False,
        )
        return Made(str(serial), outputs)


class SelfSignedKind(Certificate):
    """A certificate that its own key signs."""

    arguments = SelfSignedCertArgs
    secret = frozenset({"privateKeyPem"})
    rules = Rules(
        force_new=_SUBJECT
        | _SANS
        | _VALIDITY
        | {"privateKeyPem", "setSubjectKeyId", "setAuthorityKeyId", "maxPathLength"},
        computed=_FOUND | {"readyForRenewal"},
        defaults={**_DEFAULTS, "setAuthorityKeyId": False},
    )

    def create(self, call: Call) -> Made:
        """Sign the certificate."""
        key, subject = load(text(call.inputs, "privateKeyPem")), _subject(call.inputs)
        holder = _Holder(subject, key.public_key(), _alternative_names(call.inputs))
        made = self.certificate(call, holder, _Issuer(subject, key))
        return Made(made.id, {**made.outputs, "keyAlgorithm": algorithm(key)})


class LocallySignedKind(Certificate):
    """A certificate that a given authority signs."""

    arguments = LocallySignedCertArgs
    secret = frozenset({"caPrivateKeyPem"})
    rules = Rules(
        force_new=_VALIDITY
        | {"caPrivateKeyPem", "caCertPem", "certRequestPem", "setSubjectKeyId", "maxPathLength"},
        computed=_FOUND | {"readyForRenewal", "caKeyAlgorithm"},
        defaults=_DEFAULTS,
    )

    def create(self, call: Call) -> Made:
        """Sign the request."""
        key = load(text(call.inputs, "caPrivateKeyPem"))
        try:
            request = x509.load_pem_x509_csr(text(call.inputs, "certRequestPem").encode())
            authority = x509.load_pem_x509_certificate(text(call.inputs, "caCertPem").encode())
        except ValueError as error:
            raise RefusalError("Failed to decode PEM block: no PEM block found") from error
        names: list[x509.GeneralName] = []
        for extension in request.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                names = list(extension.value)
        holder = _Holder(request.subject, request.public_key(), names)
        issuer = _Issuer(authority.subject, key, _key_identifier(authority))
        made = self.certificate(call, holder, issuer)
        return Made(made.id, {**made.outputs, "caKeyAlgorithm": algorithm(key)})


def _extensions(
    inputs: Properties, holder: _Holder, issuer: _Issuer
) -> list[tuple[x509.ExtensionType, bool]]:
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
    if extended := [_EXTENDED[use] for use in uses if use in _EXTENDED]:
        found.append((x509.ExtendedKeyUsage(extended), False))
    if is_ca or inputs.get("setSubjectKeyId") is True:
        found.append((x509.SubjectKeyIdentifier.from_public_key(holder.public_key), False))
    if issuer.identifier is not None:
        found.append((x509.AuthorityKeyIdentifier(issuer.identifier, None, None), False))
    if holder.other_names:
        found.append((x509.SubjectAlternativeName(holder.other_names), False))
    return found


def _key_usage(uses: list[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{flag: use in uses for use, flag in _USAGES.items()})


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            return extension.value.digest
    return None


def _subject(inputs: Properties) -> x509.Name:
    subject = table(inputs, "subject")
    found = [
        x509.NameAttribute(oid, text(subject, key))
        for key, oid in _NAMES.items()
        if subject.get(key)
    ]
    return x509.Name(found)


def _alternative_names(inputs: Properties) -> list[x509.GeneralName]:
    try:
        addresses = [ip_address(str(address)) for address in items(inputs, "ipAddresses")]
    except ValueError as error:
        raise RefusalError(f"Invalid IP address: {error}") from error
    return [
        *(x509.DNSName(str(name)) for name in items(inputs, "dnsNames")),
        *(x509.IPAddress(address) for address in addresses),
        *(x509.UniformResourceIdentifier(str(uri)) for uri in items(inputs, "uris")),
    ]


def _hash(key: Key) -> SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
