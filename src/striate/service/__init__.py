"""The prediction service: a model over HTTP, with everything that keeps it standing. Needs the extra ``serve``."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.service.serving import Serving as Serving
    from striate.service.serving import serve as serve
    from striate.service.serving import service_of as service_of
    from striate.service.settings import ServiceSettings as ServiceSettings

_WHERE = {"Serving": "serving", "serve": "serving", "service_of": "serving", "ServiceSettings": "settings"}


def __getattr__(name: str) -> Any:
    """The names of the service, loaded when they are first used: without the extra ``serve`` an error says so."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"striate.service.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name in NEEDED:
            from striate.errors import Error

            raise Error(f'the service needs the package {error.name}; pip install "striate[serve]"') from None
        raise


NEEDED = ("fastapi", "starlette", "uvicorn", "h11", "python_multipart", "prometheus_client")
