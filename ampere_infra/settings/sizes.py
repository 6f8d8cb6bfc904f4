"""Sizes of memory and disks, with their binary units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ampere_infra.settings.written import Written

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class Cpu(int):
    """Thousandths of a processor, written as Kubernetes writes them: ``500m``."""

    PATTERN: ClassVar[str] = r"[1-9][0-9]{0,5}m"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what ``text`` spells.

        Raises:
            ValueError: it is no number of thousandths; the text is the remedy.
        """
        if re.fullmatch(cls.PATTERN, text) is not None:
            return cls(int(text[:-1]))
        whole = re.fullmatch(r"([1-9][0-9]{0,2})", text)
        meant = f"; did you mean {whole[1]}000m?" if whole else ", such as 500m"
        raise ValueError(f"is no share of processors; write thousandths of one{meant}")

    def __str__(self) -> str:
        return f"{int(self)}m"


KIB, MIB, GIB, TIB = 1024, 1024**2, 1024**3, 1024**4


class Size(int):
    """A size in bytes, written with its binary unit: ``4GiB``, ``512MiB``."""

    UNITS: ClassVar[dict[str, int]] = {"KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB}
    PATTERN: ClassVar[str] = r"[1-9][0-9]{0,11}(?:KiB|MiB|GiB|TiB)"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the size that ``text`` spells.

        Raises:
            ValueError: ``text`` is not digits and a binary unit; the text is the remedy.
        """
        if re.fullmatch(cls.PATTERN, text) is None:
            raise ValueError(f"is no size; write a whole number and its unit{cls._meant(text)}")
        return cls(int(text[:-3]) * cls.UNITS[text[-3:]])

    @classmethod
    def _meant(cls, text: str) -> str:
        loose = re.fullmatch(r"\s*([1-9][0-9]{0,11})\s*([kmgtKMGT])[iI]?[bB]?\s*", text)
        if loose is None:
            return " of KiB, MiB, GiB or TiB, such as 4GiB"
        return f"; did you mean {loose[1]}{loose[2].upper()}iB?"

    @property
    def mebibytes(self) -> int:
        """The size in MiB, libvirt's unit of memory, rounded down."""
        return self // MIB

    def __str__(self) -> str:
        unit = next((u for u in ("TiB", "GiB", "MiB", "KiB") if self % self.UNITS[u] == 0), None)
        return f"{self // self.UNITS[unit]}{unit}" if unit else f"{int(self)}B"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return cls.written().__get_pydantic_core_schema__(source, handler)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return cls.written().__get_pydantic_json_schema__(schema, handler)

    @classmethod
    def written(cls) -> Written:
        """Return how a size is written."""
        return Written(cls.parse, cls.PATTERN, "4GiB")


def told_size(size: int) -> str:
    """Return a measured size, in bytes, for people: ``1.4 GiB``."""
    for unit, factor in reversed(Size.UNITS.items()):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
