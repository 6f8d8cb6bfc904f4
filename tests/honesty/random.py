"""What is asked of the random provider."""

from ampere_infra.rehearsal.doubles.values import Secret, plain

CONFIG = {}
RANDOM = ("result", "hex", "dec", "b64Std", "b64Url", "bcryptHash", "base64")

STRING, PASSWORD = (
    "random:index/randomString:RandomString",
    "random:index/randomPassword:RandomPassword",
)
ID, BYTES = "random:index/randomId:RandomId", "random:index/randomBytes:RandomBytes"


def ask(session, folder):
    del folder
    text = {"length": 16, "special": False, "upper": False, "keepers": {"machine": "a"}}
    for token, name in ((STRING, "string"), (PASSWORD, "password")):
        _text(session, token, name, text)
    secret = session.made(PASSWORD, "kept", {**text, "keepers": Secret({"machine": "a"})})
    session.changed(PASSWORD, "kept", secret, {"keepers": {"keepers": Secret({"machine": "b"})}})
    for token, name in ((ID, "id"), (BYTES, "bytes")):
        given = {"byteLength": 8} if token == ID else {"length": 8}
        made = session.made(token, name, {**given, "keepers": {"machine": "a"}})
        session.changed(token, name, made, {"keepers": {"keepers": {"machine": "b"}}})
        session.refused(token, f"{name}-without-length", {})
        session.deleted(token, name, made)


def _text(session, token, name, given):
    made = session.made(token, name, given)
    result = str(plain(made.outputs["result"]))
    assert len(result) == given["length"]
    assert result == result.lower()
    session.changed(
        token,
        name,
        made,
        {
            "length": {"length": 17},
            "special": {"special": True},
            "upper": {"upper": True},
            "keepers": {"keepers": {"machine": "b"}},
            "keepers gone": {"keepers": ...},
            "least": {"minNumeric": 1},
        },
    )
    wrong = {
        "without-length": {"length": ...},
        "too-short": {"length": 0},
        "contradicting": {"length": 2, "minLower": 3},
        "with-text-as-length": {"length": "long"},
        "misspelt": {"lenght": 3},
        "of-nothing": {"lower": False, "numeric": False},
    }
    for label, change in wrong.items():
        whole = {key: value for key, value in {**given, **change}.items() if value is not ...}
        session.refused(token, f"{name}-{label}", whole)
    session.deleted(token, name, made)
