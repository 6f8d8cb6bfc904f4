"""The random and tls doubles: real values, kept or renewed as the real providers do."""

from __future__ import annotations

import re
from datetime import timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from providers import RefusedError, message, providers, value

from ampere_infra.rehearsal.doubles.values import UNKNOWN, Secret, is_secret

KEY, SELF = "tls:index/privateKey:PrivateKey", "tls:index/selfSignedCert:SelfSignedCert"
REQUEST, LOCAL = (
    "tls:index/certRequest:CertRequest",
    "tls:index/locallySignedCert:LocallySignedCert",
)
PASSWORD = "random:index/randomPassword:RandomPassword"
STRING, ID = "random:index/randomString:RandomString", "random:index/randomId:RandomId"


@pytest.fixture
def made():
    with providers() as found:
        yield found


def key(made, algorithm="ECDSA", **more):
    return made.create(KEY, "key", algorithm=algorithm, **more)


def authority(made, **more):
    inputs = {
        "privateKeyPem": Secret(value(key(made), "privateKeyPem")),
        "subject": {"commonName": "ca"},
        "allowedUses": ["cert_signing", "digital_signature"],
        "validityPeriodHours": 1000,
        "isCaCertificate": True,
    }
    return made.create(SELF, "ca", **{**inputs, **more})


def signed(made, ca, **more):
    pem = value(key(made), "privateKeyPem")
    subject = {"commonName": "admin", "organization": "kubeadm:cluster-admins"}
    request = made.create(
        REQUEST, "req", privateKeyPem=pem, subject=subject, dnsNames=["a"], ipAddresses=["10.0.0.1"]
    )
    inputs = {
        "certRequestPem": value(request, "certRequestPem"),
        "caCertPem": value(ca, "certPem"),
        "caPrivateKeyPem": Secret(value(ca, "privateKeyPem")),
        "allowedUses": ["client_auth", "digital_signature"],
        "validityPeriodHours": 100,
        "earlyRenewalHours": 10,
    }
    return made.create(LOCAL, "cert", **{**inputs, **more})


@pytest.mark.parametrize(
    ("algorithm", "more"),
    [("RSA", {"rsaBits": 2048}), ("ECDSA", {"ecdsaCurve": "P256"}), ("ED25519", {})],
)
def test_a_key_is_the_same_in_every_form(made, algorithm, more):
    found = key(made, algorithm, **more)
    pem = load_pem_private_key(value(found, "privateKeyPem").encode(), None)
    pkcs8 = load_pem_private_key(value(found, "privateKeyPemPkcs8").encode(), None)
    openssh = load_ssh_private_key(value(found, "privateKeyOpenssh").encode(), None)
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    halves = {k.public_key().public_bytes(*form).decode() for k in (pem, pkcs8, openssh)}
    assert halves == {value(found, "publicKeyPem")}
    assert value(found, "publicKeyFingerprintSha256").startswith("SHA256:")


def test_private_halves_are_secret_and_public_ones_are_not(made):
    found = key(made)
    secret = {name for name, output in found.outputs.items() if is_secret(output)}
    assert secret == {"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}


def test_a_preview_knows_nothing_of_a_key(made):
    planned = made.preview(KEY, "key", algorithm="ED25519")
    assert planned["publicKeyOpenssh"] == UNKNOWN
    assert planned["privateKeyPem"] == Secret(UNKNOWN)


@pytest.mark.parametrize(
    "inputs",
    [{"algorithm": "DSA"}, {"algorithm": "ECDSA", "ecdsaCurve": "P1"}, {"rsaBits": 1}, {"x": "y"}],
)
def test_a_key_that_cannot_be_made_is_refused(made, inputs):
    with pytest.raises(RefusedError):
        made.create(KEY, "key", **inputs)


def test_a_signed_certificate_says_what_was_asked_for(made):
    ca = authority(made)
    pem = value(signed(made, ca), "certPem")
    certificate = x509.load_pem_x509_certificate(pem.encode())
    issuer = x509.load_pem_x509_certificate(value(ca, "certPem").encode())
    certificate.verify_directly_issued_by(issuer)
    organization = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert organization[0].value == "kubeadm:cluster-admins"
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a"]


def test_a_certificate_is_renewed_when_its_time_has_come(made):
    found = signed(made, authority(made))
    made.world.advance(timedelta(hours=89))
    assert not made.diff(found, **found.inputs).diffs
    made.world.advance(timedelta(hours=1))
    assert made.diff(found, **found.inputs).replaces == ["readyForRenewal"]
    assert value(made.read(found), "readyForRenewal") is True


def test_an_earlier_renewal_is_no_new_certificate(made):
    found = signed(made, authority(made))
    answer = made.diff(found, **{**found.inputs, "earlyRenewalHours": 20})
    assert (list(answer.diffs), list(answer.replaces)) == (["earlyRenewalHours"], [])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"allowedUses": ["flying"]}, "value must be one of"),
        ({"validityPeriodHours": -1}, "must be at least 0"),
        ({"privateKeyPem": "no key"}, "no PEM block found"),
        ({"subject": {}}, "Must contain at least one Distinguished Name"),
        ({"ipAddresses": ["ten"]}, "Invalid IP address"),
    ],
)
def test_a_certificate_that_cannot_be_made_is_refused(made, more, words):
    with pytest.raises((RefusedError, grpc.RpcError)) as caught:
        authority(made, **more)
    error = caught.value
    assert words in (message(error) if isinstance(error, grpc.RpcError) else str(error))


def test_a_password_holds_what_it_must(made):
    drawn = value(
        made.create(PASSWORD, "pw", length=20, minUpper=3, minNumeric=4, special=False), "result"
    )
    assert re.fullmatch(r"[A-Za-z0-9]{20}", drawn)
    assert sum(c.isupper() for c in drawn) >= 3
    assert sum(c.isdigit() for c in drawn) >= 4


def test_a_password_is_secret_and_a_string_is_not(made):
    assert is_secret(made.create(PASSWORD, "pw", length=20).outputs["result"])
    assert not is_secret(made.create(STRING, "id", length=6).outputs["result"])


def test_a_secret_keeper_stays_secret(made):
    found = made.create(ID, "id", byteLength=4, keepers={"of": Secret("hidden")})
    assert is_secret(found.outputs["keepers"])


@pytest.mark.parametrize("more", [{"length": 7}, {"keepers": {"machine": "b"}}, {"upper": False}])
def test_any_change_draws_again(made, more):
    inputs = {"length": 6, "keepers": {"machine": "a"}}
    found = made.create(STRING, "id", **inputs)
    assert not made.diff(found, **inputs).diffs
    assert made.diff(found, **{**inputs, **more}).replaces


def test_a_keeper_that_is_not_known_yet_draws_again(made):
    found = made.create(STRING, "id", length=6, keepers={"machine": "a"})
    assert made.diff(found, length=6, keepers={"machine": UNKNOWN}).replaces == ["keepers"]


def test_a_length_that_is_too_short_is_refused(made):
    with pytest.raises(RefusedError, match="at least 5"):
        made.create(PASSWORD, "pw", length=4, minLower=5)


def test_what_was_made_in_secret_is_watched_for(made):
    drawn = value(made.create(PASSWORD, "pw", length=20, special=False), "result")
    made.preview(STRING, "id", length=6, keepers={"leaky": f"password {drawn}!"})
    made.preview(STRING, "id", length=6, keepers={"tight": Secret(drawn)})
    assert {leak.canary for leak in made.world.leaks} == {drawn}
    assert all(drawn not in repr(leak.where) for leak in made.world.leaks)


def test_what_was_drawn_in_public_makes_no_two_worlds_differ(made):
    drawn = value(made.create(ID, "id", byteLength=4), "hex")
    made.create(
        "command:remote:Command", "c", create=f"echo {drawn}", connection={"host": "192.0.2.1"}
    )
    assert drawn not in str(made.world.snapshot())
