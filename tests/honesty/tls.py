"""What is asked of the tls provider."""

from ampere_infra.rehearsal.doubles.values import UNKNOWN, Secret

CONFIG = {}
RANDOM = (
    *("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh", "publicKeyPem"),
    *("publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"),
    *("certPem", "certRequestPem", "caKeyAlgorithm", "validityStartTime", "validityEndTime"),
    *("caPrivateKeyPem", "caCertPem"),
)

KEY, SELF_SIGNED = "tls:index/privateKey:PrivateKey", "tls:index/selfSignedCert:SelfSignedCert"
REQUEST = "tls:index/certRequest:CertRequest"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"


def ask(session, folder):
    del folder
    keys = {
        "ed25519": {"algorithm": "ED25519"},
        "rsa": {"algorithm": "RSA", "rsaBits": 2048},
        "ecdsa": {"algorithm": "ECDSA", "ecdsaCurve": "P256"},
    }
    made = {name: session.made(KEY, name, inputs) for name, inputs in keys.items()}
    session.changed(
        KEY,
        "rsa",
        made["rsa"],
        {
            "algorithm": {"algorithm": "ED25519"},
            "bits": {"rsaBits": 4096},
            "gone": {"rsaBits": ...},
        },
    )
    session.refused(KEY, "odd-algorithm", {"algorithm": "odd"})
    session.refused(KEY, "no-algorithm", {})
    session.refused(KEY, "odd-curve", {"algorithm": "ECDSA", "ecdsaCurve": "P1"})
    session.refused(KEY, "misspelt", {"algorithm": "RSA", "bits": 2048})
    authority = _authority(session, made["ecdsa"])
    _signed(session, made["ecdsa"], authority)
    for name, key in made.items():
        session.deleted(KEY, name, key)


def _key(made):
    """Return the key as the program passes it on: a secret."""
    value = made.outputs["privateKeyPem"]
    return value if isinstance(value, Secret) else Secret(value)


def _authority(session, key):
    given = {
        "privateKeyPem": _key(key),
        "isCaCertificate": True,
        "subject": {"commonName": "kubernetes"},
        "validityPeriodHours": 87600,
        "allowedUses": ["cert_signing", "digital_signature", "key_encipherment"],
        "setSubjectKeyId": True,
    }
    authority = session.made(SELF_SIGNED, "authority", given)
    session.changed(
        SELF_SIGNED,
        "authority",
        authority,
        {
            "validity": {"validityPeriodHours": 10},
            "renewal": {"earlyRenewalHours": 10},
            "uses": {"allowedUses": ["cert_signing"]},
            "subject": {"subject": {"commonName": "x"}},
            "key unknown": {"privateKeyPem": UNKNOWN},
            "names": {"dnsNames": ["x"]},
        },
    )
    wrong = {
        "no-key": {"privateKeyPem": ...},
        "odd-key": {"privateKeyPem": Secret("odd")},
        "odd-use": {"allowedUses": ["odd"]},
        "negative": {"validityPeriodHours": -1},
        "odd-address": {"ipAddresses": ["odd"]},
    }
    for label, change in wrong.items():
        whole = {key: value for key, value in {**given, **change}.items() if value is not ...}
        session.refused(SELF_SIGNED, f"authority-{label}", whole)
    return authority


def _signed(session, key, authority):
    wanted = {
        "privateKeyPem": _key(key),
        "subject": {"commonName": "admin", "organization": "kubeadm:cluster-admins"},
    }
    request = session.made(REQUEST, "request", wanted)
    session.changed(REQUEST, "request", request, {"names": {"dnsNames": ["x"]}})
    given = {
        "certRequestPem": request.outputs["certRequestPem"],
        "caPrivateKeyPem": _key(key),
        "caCertPem": authority.outputs["certPem"],
        "validityPeriodHours": 8760,
        "earlyRenewalHours": 720,
        "allowedUses": ["client_auth", "digital_signature"],
    }
    signed = session.made(SIGNED, "admin", given)
    session.changed(
        SIGNED,
        "admin",
        signed,
        {
            "validity": {"validityPeriodHours": 10, "earlyRenewalHours": 1},
            "renewal": {"earlyRenewalHours": 10},
            "request unknown": {"certRequestPem": UNKNOWN},
            "uses": {"allowedUses": ["server_auth"]},
        },
    )
    session.made(SIGNED, "due", {**given, "validityPeriodHours": 10, "earlyRenewalHours": 10})
    session.made(SIGNED, "over", {**given, "validityPeriodHours": 0})
    session.refused(SIGNED, "odd-request", {**given, "certRequestPem": "odd"})
    session.deleted(SIGNED, "admin", signed)
