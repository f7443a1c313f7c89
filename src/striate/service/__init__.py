"""The prediction service: a model over HTTP, with everything that keeps it standing. Needs the extra ``serve``."""

from typing import TYPE_CHECKING, Any

from striate.errors import Error
from striate.lazy import offered

if TYPE_CHECKING:
    from striate.service.serving import Serving as Serving
    from striate.service.serving import serve as serve
    from striate.service.serving import service_of as service_of
    from striate.service.settings import ServiceSettings as ServiceSettings

_, _load = offered(__name__, {"service.serving": "Serving serve service_of", "service.settings": "ServiceSettings"})


def __getattr__(name: str) -> Any:
    """The names of the service, loaded when they are first used: without the extra ``serve`` an error says so."""
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if error.name in NEEDED:
            raise Error(f'the service needs the package {error.name}; pip install "striate[serve]"') from None
        raise


NEEDED = ("fastapi", "starlette", "uvicorn", "h11", "python_multipart", "prometheus_client")
