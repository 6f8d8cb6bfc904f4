"""Sizes as Kubernetes writes them."""

from __future__ import annotations

_UNITS = (("Ti", 1024**4), ("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024))


def quantity(size: int) -> str:
    """Return ``size``, in bytes, as a Kubernetes quantity in its largest whole unit."""
    for unit, factor in _UNITS:
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def processors(thousandths: int) -> str:
    """Return ``thousandths`` of a processor as the API server writes them back."""
    whole, rest = divmod(int(thousandths), 1000)
    return f"{int(thousandths)}m" if rest else str(whole)
