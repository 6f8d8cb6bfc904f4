"""A value as a person writes it: text, read by a function which says what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import CoreSchema, PydanticKnownError, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


@dataclass(frozen=True)
class Written:
    """The annotation of a type that is written as text.

    ``read`` makes the value of the text, or raises a ``ValueError`` whose text is the remedy;
    ``pattern`` describes the same to editors (ECMA 262, unanchored).
    """

    read: Callable[[str], object]
    pattern: str
    example: str

    def __get_pydantic_core_schema__(
        self, source: type[object], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del handler

        def parse(value: object) -> object:
            if isinstance(value, source) and source is not str:
                return value
            if not isinstance(value, str):
                raise PydanticKnownError("string_type")
            return self.read(value)

        return core_schema.no_info_plain_validator_function(
            parse,
            serialization=core_schema.to_string_ser_schema(),
            json_schema_input_schema=core_schema.str_schema(),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$", "examples": [self.example]}
