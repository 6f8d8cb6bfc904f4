"""The double of pulumi-random 4.21.4: real randomness, kept until a keeper changes."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import TYPE_CHECKING

from pulumi_random import (
    RandomBytesArgs,
    RandomIdArgs,
    RandomPasswordArgs,
    RandomStringArgs,
    RandomUuidArgs,
)

from ampere_infra.rehearsal.doubles.base import Double
from ampere_infra.rehearsal.doubles.bridged import Bridged, Rules, state
from ampere_infra.rehearsal.doubles.diffs import Difference
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import Properties, Value, number, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.world import World

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_DIGITS, _SPECIAL = "0123456789", "!@#$%&*()-_=+[]{}<>:?"
_CLASSES = {"Upper": _UPPER, "Lower": _LOWER, "Numeric": _DIGITS, "Special": _SPECIAL}
_TEXT_DEFAULTS: dict[str, Value] = {
    **{name.lower(): True for name in _CLASSES},
    "number": True,
    **{f"min{name}": 0 for name in _CLASSES},
}


class Random(Bridged):
    """What all share: any change makes another value, a keeper's too."""

    def __init__(self, world: World) -> None:
        self.world = world

    def diff(self, call: Call) -> Difference:
        """Return the changes; every one of them replaces."""
        difference = super().diff(call)
        return Difference(difference.changes, frozenset(c.path for c in difference.changes))


class TextKind(Random):
    """``RandomPassword`` and ``RandomString``."""

    def __init__(self, world: World, *, is_secret: bool) -> None:
        super().__init__(world)
        self.arguments = RandomPasswordArgs if is_secret else RandomStringArgs
        self.secret = frozenset({"result", "bcryptHash"} if is_secret else ())
        self.rules = Rules(
            computed=frozenset({"result", "bcryptHash"} if is_secret else {"result"}),
            defaults=_TEXT_DEFAULTS,
        )

    def whole(self, inputs: Properties) -> Properties:
        """Keep ``number`` and ``numeric``, which mean the same, the same."""
        found = super().whole(inputs)
        given = inputs.get("numeric", inputs.get("number", True))
        return {**found, "number": given, "numeric": given}

    def validate(self, call: Call) -> list[Failure]:
        """Refuse a length that is shorter than the sum of what it must hold."""
        length = number(call.inputs, "length")
        least = sum(number(call.inputs, f"min{name}") or 0 for name in _CLASSES)
        if length is not None and length < max(1, least):
            reason = f"Attribute length value must be at least {max(1, least)}, got: {length}"
            return [Failure(f"Invalid Attribute Value. {reason}", "length")]
        if not any(self.whole(call.inputs)[name.lower()] for name in _CLASSES):
            return [
                Failure(
                    "Invalid Attribute Combination. At least one attribute out of "
                    "[special,upper,lower,numeric] must be specified as true. "
                    f"Examine values at '{call.name}.numeric'."
                )
            ]
        return []

    def create(self, call: Call) -> Made:
        """Draw the text."""
        inputs = self.whole(call.inputs)
        result = _draw(inputs)
        if not self.secret:
            self.world.draw(result)
            return Made(result, state(inputs, result=result))
        self.world.guard(result)
        outputs = state(inputs, result=result, bcryptHash=f"$2a$10${secrets.token_hex(26)}x")
        return Made("none", outputs)


class BytesKind(Random):
    """``RandomBytes``."""

    arguments = RandomBytesArgs
    secret = frozenset({"base64", "hex"})
    rules = Rules(computed=frozenset({"base64", "hex"}))

    def create(self, call: Call) -> Made:
        """Draw the bytes; as with the real provider the id is one of the secrets."""
        drawn = secrets.token_bytes(number(call.inputs, "length") or 0)
        encoded = base64.b64encode(drawn).decode()
        self.world.guard(encoded)
        self.world.guard(drawn.hex())
        return Made(encoded, state(call.inputs, base64=encoded, hex=drawn.hex()))


class IdKind(Random):
    """``RandomId``."""

    arguments = RandomIdArgs
    rules = Rules(computed=frozenset({"b64Std", "b64Url", "dec", "hex"}))

    def create(self, call: Call) -> Made:
        """Draw the number."""
        drawn = secrets.token_bytes(number(call.inputs, "byteLength") or 0)
        prefix = text(call.inputs, "prefix")
        self.world.draw(drawn.hex(), str(int.from_bytes(drawn)))
        identity = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
        return Made(
            identity,
            state(
                call.inputs,
                b64Std=prefix + base64.b64encode(drawn).decode(),
                b64Url=prefix + identity,
                dec=prefix + str(int.from_bytes(drawn)),
                hex=prefix + drawn.hex(),
            ),
        )


class UuidKind(Random):
    """``RandomUuid``."""

    arguments = RandomUuidArgs
    rules = Rules(computed=frozenset({"result"}))

    def create(self, call: Call) -> Made:
        """Draw the UUID."""
        drawn = str(uuid.uuid4())
        return Made(drawn, state(call.inputs, result=drawn))


def _draw(inputs: Properties) -> str:
    classes = {name: chars for name, chars in _CLASSES.items() if inputs.get(name.lower()) is True}
    if "Special" in classes and text(inputs, "overrideSpecial"):
        classes["Special"] = text(inputs, "overrideSpecial")
    every = "".join(classes.values())
    if not every:
        raise RefusalError("the character set specified is empty")
    drawn = [
        secrets.choice(chars)
        for name, chars in _CLASSES.items()
        for _ in range(number(inputs, f"min{name}") or 0)
    ]
    drawn += [secrets.choice(every) for _ in range((number(inputs, "length") or 0) - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


class RandomDouble(Double):
    """The provider."""

    package = "random"
    version = "4.21.4"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.kinds = {
            "random:index/randomPassword:RandomPassword": TextKind(world, is_secret=True),
            "random:index/randomString:RandomString": TextKind(world, is_secret=False),
            "random:index/randomBytes:RandomBytes": BytesKind(world),
            "random:index/randomId:RandomId": IdKind(world),
            "random:index/randomUuid:RandomUuid": UuidKind(world),
        }


def double(world: World) -> Double:
    """Return the double of this package."""
    return RandomDouble(world)
