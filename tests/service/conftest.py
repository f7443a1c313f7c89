"""Services of small models, which run as long as the tests."""

from contextlib import ExitStack

import pytest

from served import NETS, TOKEN, Client, model_of
from striate.service import ServiceSettings
from striate.service.serving import Serving

SETTINGS = {
    "colours": {"timeout": 3.0, "queue": 64, "max_bytes": 2_000_000, "max_pixels": 10_000_000},
    "sentences": {"max_bytes": 1_000_000},
    "signals": {"max_bytes": 1_000_000},
    "masks": {},
    "token": {"token": TOKEN},
    "open": {"host": "0.0.0.0", "token": "none", "allow_host": ("model.example", "B.Example")},
}


@pytest.fixture(scope="session")
def service():
    """``service("colours")``: a client of a service that runs as long as the tests."""
    running, made = ExitStack(), {}

    def get(name):
        if name not in made:
            model = model_of(name if name in NETS else "colours")
            settings = ServiceSettings(**{"port": 0, "name": name, **SETTINGS[name]})
            serving = Serving(lambda: model, None, settings, print)
            running.enter_context(serving.in_thread())
            made[name] = Client(serving)
        return made[name]

    with running:
        yield get
