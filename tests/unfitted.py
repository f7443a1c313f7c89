"""A contract as it was before training."""

from dataclasses import fields, replace
from typing import Any

from striate.model.contract import SURENESS, Contract


def unfitted(contract: Contract) -> Contract:
    """Without what is fitted after training."""
    default: dict[str, Any] = {field.name: field.default for field in fields(contract) if field.name in SURENESS}
    return replace(contract, **default)
