"""The JSON Schema of a stack file, so that an editor completes and explains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from ampere_infra.settings.load import model_of

_DIALECT = "http://json-schema.org/draft-07/schema#"
"""What the YAML extensions of editors know best."""

_PULUMIS_OWN: dict[str, object] = {
    "secretsprovider": {"type": "string", "description": "Pulumi's own: who encrypts secrets."},
    "encryptedkey": {"type": "string", "description": "Pulumi's own: the encrypted data key."},
    "encryptionsalt": {"type": "string", "description": "Pulumi's own: the passphrase's salt."},
    "environment": {"description": "Pulumi's own: ESC environments."},
}


def json_schema(stack: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 07) of the whole file ``Pulumi.<stack>.yaml``.

    Raises:
        SettingsError: there is no such stack.
    """
    settings = model_of(stack).model_json_schema()
    definitions = settings.pop("$defs")
    config = {
        "type": "object",
        "description": settings["description"],
        "properties": {f"ampere:{name}": it for name, it in settings["properties"].items()},
        "required": [f"ampere:{name}" for name in settings["required"]],
        "patternProperties": {"^pulumi:": {"description": "Pulumi's own."}},
        "additionalProperties": False,
    }
    whole = {
        "$schema": _DIALECT,
        "title": f"Pulumi.{stack}.yaml",
        "type": "object",
        "properties": {"config": config, **_PULUMIS_OWN},
        "required": ["config"],
        "additionalProperties": False,
        "$defs": definitions,
    }
    return cast("dict[str, Any]", _tidied(whole))


def schema_file(stack: str) -> Path:
    """Return where a stack file's first line says that its schema is."""
    return Path(".ampere") / f"{stack}.schema.json"


def write_schema(stack: str, path: Path | None = None) -> Path:
    """Write the schema of ``stack`` to ``path``, by default ``schema_file``, and return where.

    Raises:
        SettingsError: there is no such stack.
    """
    target = path or schema_file(stack)
    text = json.dumps(json_schema(stack), indent=2) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="\n")
    return target


def _tidied(node: object) -> object:
    """Return ``node`` for draft 07, where nothing counts beside ``$ref``, without noise."""
    if isinstance(node, list):
        return [_tidied(item) for item in cast("list[object]", node)]
    if isinstance(node, str):
        return node.replace("``", "`")
    if not isinstance(node, dict):
        return node
    content = {
        key: _named(value) if key in {"properties", "$defs"} else _tidied(value)
        for key, value in cast("dict[str, object]", node).items()
        if not _is_noise(key, value, top="$schema" in node)
    }
    if "$ref" in content and len(content) > 1:
        content["allOf"] = [{"$ref": content.pop("$ref")}]
    return content


def _is_noise(key: str, value: object, *, top: bool) -> bool:
    """Whether an editor is better without it: generated titles, defaults of whole sections."""
    return (key == "title" and not top) or (key == "default" and isinstance(value, dict | None))


def _named(node: object) -> object:
    """Return a mapping whose keys are names, not words of the schema."""
    return {name: _tidied(it) for name, it in cast("dict[str, object]", node).items()}
