"""What the service is told when it starts: where it listens, who may ask, and how much."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, fields

from striate.errors import RecipeError

LEAST_TOKEN = 12  # characters: a shorter one can be guessed
NONE = "none"  # the word for: no token, although other machines reach the service


@dataclass(frozen=True)
class ServiceSettings:
    """How a service listens, and its limits.

    Args:
        host: The address; what is not of this machine alone (127.0.0.1, ::1, localhost) needs a token.
        port: 0 for any that is free.
        token: What every request must bring (``Authorization: Bearer TOKEN``); None: none.
        allow_host: Names by which the service is asked, besides addresses and localhost, where there is no token.
        name: Of the model in the Open Inference Protocol; "": from its file.
        batch_size: The most items that go through the network together.
        max_wait: Milliseconds that an item waits at most for others that are on their way.
        queue: Items that wait or are prepared at most; what comes beyond is answered with 503.
        max_bytes: Of a request.
        max_pixels: Of an image.
        timeout: Seconds in which a request must have come, and be answered.
        threads: That decode.

    Raises:
        RecipeError: One of them is out of its range.

    >>> ServiceSettings(queue=0)
    Traceback (most recent call last):
    striate.errors.RecipeError: queue must be a whole number of at least 1, got 0
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allow_host: tuple[str, ...] = ()
    name: str = ""
    batch_size: int = 32
    max_wait: float = 5.0
    queue: int = 256
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    timeout: float = 30.0
    threads: int = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "port" else 1
            if field.type == "int" and not (type(value) is int and value >= least):
                raise RecipeError(f"{field.name} must be a whole number of at least {least}, got {value!r}")
            if field.type == "float" and not (
                isinstance(value, int | float)
                and math.isfinite(value)
                and (value > 0 or (value == 0 and field.name == "max_wait"))
            ):
                raise RecipeError(f"{field.name} must be a number above 0, got {value!r}")
        if self.port > 65535:
            raise RecipeError(f"port must be at most 65535, got {self.port}")
        if self.token not in (None, NONE) and not re.fullmatch(f"[!-~]{{{LEAST_TOKEN},}}", str(self.token)):
            raise RecipeError(
                f"the token must be of {LEAST_TOKEN} or more letters, digits and marks without spaces, got one of "
                f"{len(str(self.token))}; omit it, and one is made"
            )
        if self.name and not re.fullmatch(r"[\w.-]{1,100}", self.name, re.ASCII):
            raise RecipeError(f"name must be of letters, digits, '.', '_' and '-', got {self.name!r}")

    @property
    def loopback(self) -> bool:
        """Whether no other machine reaches the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
