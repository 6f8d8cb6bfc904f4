"""What a server, its addresses and its network are born with, and cannot change while they live.

To Hetzner another location or range is another server, address or network, and to the engine
another name is: it would replace them all, or stop half-way where they are protected. So the state
keeps what these were, and what would be another is refused before anything is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping


def birth(name: str, facts: Mapping[str, str], opts: pulumi.ResourceOptions) -> pulumi.Stash:
    """Record ``facts``, each by the path of its setting; another one fails the record.

    It does so in a preview too. Whatever waits for the record is not even planned then.
    """

    def refuse(args: pulumi.ResourceHookArgs) -> None:
        lines = list(refusals(_facts(args.old_inputs), _facts(args.new_inputs)))
        if lines:
            raise pulumi.RunError("\n".join(lines))

    look = pulumi.ResourceHook(f"{name}-same", refuse, pulumi.ResourceHookOptions(on_dry_run=True))
    hooks = pulumi.ResourceHookBinding(before_update=[look])
    own = pulumi.ResourceOptions(hooks=hooks)
    return pulumi.Stash(name, input=dict(facts), opts=pulumi.ResourceOptions.merge(opts, own))


def refusals(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return a line for each fact that is another one; what was not recorded is no such fact."""
    return [
        f"ampere:{setting} is {new[setting]}, and was {value} when the server was made: nothing "
        f"that is rented can change it. Write {value} again; or destroy the stack and make it "
        "anew, with other addresses and without its data (docs/hetzner.md, What cannot change)"
        for setting, value in old.items()
        if setting in new and new[setting] != value
    ]


def _facts(inputs: Mapping[str, Any] | None) -> dict[str, str]:
    return dict((inputs or {}).get("input") or {})
