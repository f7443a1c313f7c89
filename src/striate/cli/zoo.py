"""``striate zoo``: the named networks."""

from __future__ import annotations

from typing import Any

from striate.analysis import align_columns, analyse
from striate.cli.common import Json, print_json
from striate.errors import shape_text
from striate.zoo import ZOO

HEAD = ("net", "paper", "year", "input", "parameters", "MACs", "receptive field")


def zoo(json: Json = False) -> None:
    """List the named networks. Paper, year, input, parameters, MACs, receptive field of the last map."""
    rows = [_row(name) for name in ZOO]
    if json:
        print_json(rows)
        return
    cells = [
        (
            row["name"],
            row["paper"],
            str(row["year"]),
            shape_text(row["input"]),
            f"{row['parameters']:,}",
            f"{row['macs']:,}",
            shape_text(row["receptive_field"]),
        )
        for row in rows
    ]
    print("\n".join(align_columns([HEAD, *cells], left=2)))


def _row(name: str) -> dict[str, Any]:
    entry = ZOO[name]
    report = analyse(entry.make(), entry.input)
    return {
        "name": name,
        "paper": entry.paper,
        "year": entry.year,
        "input": entry.input,
        "parameters": report.parameters,
        "macs": report.macs,
        "receptive_field": report.receptive_field,
    }
