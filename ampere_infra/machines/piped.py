"""Scripts by standard input: where one fails, the error names it and does not show all of it.

pulumi-command begins each error with the whole command line
(``provider/pkg/provider/remote/commandOutputs.go``, ``local/base.go``), and what the script had to
say comes after. ``dd`` takes the script and not one byte more, so what the script itself reads can
follow it; the login's own shell, whichever it is, reads one line.
"""

from __future__ import annotations

import re
from typing import Final

_LINE: Final = 'sh -c "$(dd bs=1 count={size} status=none || echo exit 1)" {title}'
_SIZE: Final = re.compile(r'sh -c "\$\(dd bs=1 count=(\d+) ')
HEADING: Final = "# ampere "
"""How a script begins: the name of its template, and what it is about, on one line."""


def piped(script: str) -> str:
    """Return the command line for ``script``, which is what standard input has to begin with.

    Args:
        script: POSIX sh text whose first line is its ``HEADING``, which the command line ends with.
    """
    title = script.partition("\n")[0].removeprefix("# ")
    return _LINE.format(size=len(script.encode()), title=title)


def unpiped(line: str, stdin: str) -> tuple[str, str]:
    """Return the script that ``line`` runs, and what is left of its standard input."""
    size = _SIZE.match(line)
    if size is None:
        return line, stdin
    text = stdin.encode()
    return text[: int(size[1])].decode(), text[int(size[1]) :].decode()
