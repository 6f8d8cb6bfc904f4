"""Put the extensions that came as Python packages where DuckDB looks for them: FOLDER.

DuckDB itself would ask the internet for them; it checks their signature wherever they come from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

with duckdb.connect(config={"extension_directory": sys.argv[1]}) as database:
    for file in Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension"):
        database.install_extension(str(file))
