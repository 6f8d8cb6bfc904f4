"""``SelfSignedCert``, ``CertRequest`` and ``LocallySignedCert`` of ``tls``."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pulumi_tls import CertRequestArgs, LocallySignedCertArgs, SelfSignedCertArgs

from ampere_infra.rehearsal.doubles.bridged import Bridged, Rules, state
from ampere_infra.rehearsal.doubles.diffs import Change, Difference
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Kind, Made, RefusalError
from ampere_infra.rehearsal.doubles.tls.issue import (
    EXTENDED,
    NAMES,
    USAGES,
    Holder,
    Issuer,
    alternative_names,
    extensions,
    hash_for,
    key_identifier,
    subject_of,
)
from ampere_infra.rehearsal.doubles.tls.keys import algorithm, load
from ampere_infra.rehearsal.doubles.values import Properties, Value, items, number, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World

_SUBJECT = frozenset(
    {"subject"}
    | {f"subject.{name}" for name in NAMES}
    | {"subject.streetAddresses", "subject.streetAddresses[]", "subject.emailAddress"}
)
_SANS = frozenset({"dnsNames", "dnsNames[]", "ipAddresses", "ipAddresses[]", "uris", "uris[]"})
_VALIDITY = frozenset({"allowedUses", "allowedUses[]", "validityPeriodHours", "isCaCertificate"})
_FOUND = frozenset({"certPem", "validityStartTime", "validityEndTime", "maxPathLength"})
_DEFAULTS: dict[str, Value] = {
    "earlyRenewalHours": 0,
    "isCaCertificate": False,
    "setSubjectKeyId": False,
}


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

    def validate(self, call: Call) -> list[Failure]:
        """Refuse a request that nobody signs."""
        return _without_a_key(self, call)

    def create(self, call: Call) -> Made:
        """Sign the request with its own key."""
        key = load(text(call.inputs, "privateKeyPem"))
        builder = x509.CertificateSigningRequestBuilder(subject_of(call.inputs))
        names = alternative_names(call.inputs)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = builder.sign(key, hash_for(key)).public_bytes(Encoding.PEM).decode()
        outputs = state(call.inputs, certRequestPem=pem, keyAlgorithm=algorithm(key))
        return Made(secrets.token_hex(20), outputs)


class Certificate(Bridged):
    """What both kinds of certificate share: validity and renewal."""

    def __init__(self, world: World) -> None:
        self.world = world

    def plan(self, call: Call) -> Properties:
        """Return what is known before: whether the certificate is due as soon as it is made."""
        return {**super().plan(call), "readyForRenewal": _is_due_at_once(call.inputs)}

    def _is_found(self, pattern: str) -> bool:
        return pattern == "readyForRenewal" or super()._is_found(pattern)

    def validate(self, call: Call) -> list[Failure]:
        """Refuse uses that nobody knows and a validity of less than no time."""
        known = (*USAGES, *EXTENDED)
        words = f"Invalid Attribute Value Match. value must be one of: {sorted(known)}"
        return [
            *_without_a_key(self, call),
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

    def certificate(self, call: Call, holder: Holder, issuer: Issuer) -> Made:
        """Return a certificate as the provider reports it."""
        start = self.world.now.replace(microsecond=0)
        end = start + timedelta(hours=number(call.inputs, "validityPeriodHours") or 0)
        serial = secrets.randbits(127) + 1
        builder = x509.CertificateBuilder(
            issuer.name, holder.name, holder.public_key, serial, start, end
        )
        for extension, critical in extensions(call.inputs, holder, issuer):
            builder = builder.add_extension(extension, critical=critical)
        pem = builder.sign(issuer.key, hash_for(issuer.key)).public_bytes(Encoding.PEM).decode()
        outputs = state(
            self.whole(call.inputs),
            certPem=pem,
            validityStartTime=start.isoformat().replace("+00:00", "Z"),
            validityEndTime=end.isoformat().replace("+00:00", "Z"),
            readyForRenewal=_is_due_at_once(call.inputs),
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
        computed=_FOUND | {"keyAlgorithm"},
        defaults={**_DEFAULTS, "setAuthorityKeyId": False},
    )

    def create(self, call: Call) -> Made:
        """Sign the certificate."""
        key, subject = load(text(call.inputs, "privateKeyPem")), subject_of(call.inputs)
        holder = Holder(subject, key.public_key(), alternative_names(call.inputs))
        made = self.certificate(call, holder, Issuer(subject, key))
        return Made(made.id, {**made.outputs, "keyAlgorithm": algorithm(key)})


class LocallySignedKind(Certificate):
    """A certificate that a given authority signs."""

    arguments = LocallySignedCertArgs
    secret = frozenset({"caPrivateKeyPem"})
    rules = Rules(
        force_new=_VALIDITY
        | {"caPrivateKeyPem", "caCertPem", "certRequestPem", "setSubjectKeyId", "maxPathLength"},
        computed=_FOUND | {"caKeyAlgorithm"},
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
        holder = Holder(request.subject, request.public_key(), names)
        issuer = Issuer(authority.subject, key, key_identifier(authority))
        made = self.certificate(call, holder, issuer)
        return Made(made.id, {**made.outputs, "caKeyAlgorithm": algorithm(key)})


def _is_due_at_once(inputs: Properties) -> bool:
    early, validity = number(inputs, "earlyRenewalHours"), number(inputs, "validityPeriodHours")
    return (early or 0) >= (validity or 0)


def _without_a_key(kind: Kind, call: Call) -> list[Failure]:
    """The SDK leaves a key out because a write-only one may be given instead; one must be."""
    name = "privateKeyPem" if "privateKeyPem" in kind.secret else "caPrivateKeyPem"
    if call.inputs.get(name) is None and call.inputs.get(f"{name}Wo") is None:
        return [Failure(f"Missing required property '{name}'")]
    return []
