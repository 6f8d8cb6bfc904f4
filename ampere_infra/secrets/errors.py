"""What is said of a file of secrets that cannot be used."""

from __future__ import annotations


class SecretsError(Exception):
    """A file of secrets cannot be used; the text names it, what is wrong and the remedy.

    No value of a secret ever stands in it.
    """

    def __init__(self, file: str, *problems: str) -> None:
        self.file = file
        self.problems = problems
        super().__init__(file, *problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.file}: {self.problems[0]}"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{self.file}: {len(self.problems)} mistakes\n{lines}"
