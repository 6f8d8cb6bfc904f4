"""What is asked of the command provider: on this machine, and on hosts that do not answer."""

from ampere_infra.rehearsal.doubles.values import UNKNOWN, Secret

CONFIG = {}
RANDOM = ()
REMOTE = "command:remote:Command"


def ask(session, folder):
    del folder
    nobody = {"host": "127.0.0.1", "port": 9, "user": "nobody", "dialErrorLimit": 1}
    given = {
        "connection": Secret({**nobody, "password": "x", "perDialTimeout": 1}),
        "create": "true",
        "delete": "true",
        "stdin": Secret("x"),
        "triggers": ["a"],
        "logging": "stderr",
    }
    wrong = {
        "unreachable": {},
        "nowhere": {"connection": {**nobody, "host": "nowhere.invalid"}},
        "no-host": {"connection": {"user": "x"}},
        "no-connection": {"connection": ...},
        "odd-key": {"connection": {**nobody, "privateKey": "odd"}},
        "odd-host-key": {"connection": {**nobody, "hostKey": "odd"}},
        "odd-logging": {"logging": "odd"},
        "misspelt": {"creat": "true"},
        "misspelt-connection": {"connection": {**nobody, "hots": "x"}},
        "number-for-text": {"create": 1},
        "text-for-list": {"triggers": "a"},
    }
    for label, change in wrong.items():
        whole = {key: value for key, value in {**given, **change}.items() if value is not ...}
        session.refused(REMOTE, label, whole)
    made = session.standing(REMOTE, "command", given, {"stdout": "", "stderr": ""})
    session.changed(
        REMOTE,
        "command",
        made,
        {
            "create": {"create": "false"},
            "delete": {"delete": "false"},
            "delete gone": {"delete": ...},
            "update": {"update": "true"},
            "stdin": {"stdin": Secret("y")},
            "triggers": {"triggers": ["b"]},
            "one trigger more": {"triggers": ["a", "b"]},
            "triggers gone": {"triggers": ...},
            "triggers unknown": {"triggers": UNKNOWN},
            "a trigger unknown": {"triggers": [UNKNOWN]},
            "connection": {"connection": Secret({**nobody, "host": "127.0.0.2"})},
            "connection unknown": {"connection": UNKNOWN},
            "logging": {"logging": "none"},
            "environment": {"environment": {"A": "b"}},
            "nothing": {},
        },
    )
    session.again(REMOTE, "command", made)
