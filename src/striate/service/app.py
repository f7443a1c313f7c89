"""The routes: what a service answers, and how an item goes through it."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from math import prod
from typing import Any, TypeVar

import numpy as np
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from striate.errors import DataError, Error, RecipeError
from striate.metrics.shared import share_of
from striate.model.contract import Contract
from striate.model.opening import pixels_in
from striate.model.ordinary import unlike
from striate.model.predictor import output_context
from striate.model.sources import Item, network_input
from striate.page.document import POLICY, filled
from striate.report.pictures import class_colours
from striate.run.mask_files import mask_png
from striate.service import tensors
from striate.service.batching import Batcher, QueueFullError
from striate.service.current import DTYPES, CurrentModel, Loaded
from striate.service.guard import HEADERS, Guard, Measures, busy
from striate.service.reading import Items, RefusedError, items_in, json_in
from striate.service.settings import ServiceSettings
from striate.tasks.answers import Mask, answer_of

INPUTS = 1 << 29  # bytes of all prepared inputs
BATCHES = 4  # whose scores, at their largest, may be held at once
EACH = 8  # items that one thread prepares, one after the other
LOOK_SECONDS = 1.0  # between two looks whether there is a newer model file
HEAD = {name.decode(): value.decode() for name, value in HEADERS}
Size = tuple[int, int] | None
Prepared = (
    tuple[Item, np.ndarray, Size, tuple[str, ...]] | DataError
)  # the last: in what it is unlike the training items
T = TypeVar("T")


class Service:
    """A model, its queue and its threads; :attr:`app` is the ASGI application.

    Args:
        current: The model.
        settings: The limits.
        port: Where the service listens.
        stopping: Whether the service is about to end.
    """

    def __init__(
        self, current: CurrentModel, settings: ServiceSettings, port: int, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.current, self.settings, self.stopping = current, settings, stopping
        self.measures = Measures(lambda: self.batcher.waiting)
        self.batcher = Batcher(
            batch_size=settings.batch_size,
            max_wait=settings.max_wait,
            queue=settings.queue,
            seen=self.measures.batch.observe,
        )
        self._model_changed()
        self.pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="prepare")
        routes = self._routes()
        self.app = Guard(routes, settings, lambda: self.room() < 1, self.measures, port)
        self.app.routes = {path: path for path in PLAIN}
        for path in ("", "/ready", "/infer"):
            self.app.routes[f"/v2/models/{current.loaded.name}{path}"] = f"/v2/models/NAME{path}"

    def room(self) -> int:
        """Places in the queue that nobody has."""
        return self.batcher.queue - self.batcher.waiting

    # ------------------------------------------------------------------------------------------------- an item's way
    async def scores(self, loaded: Loaded, items_of: Callable[[], Items]) -> tuple[list[Prepared], list[np.ndarray]]:
        """What a request contains, prepared, and the scores of those items that could be.

        Raises:
            QueueFullError: The queue has no room for so many.
        """
        self.batcher.admit()
        places, most = 1, self.settings.max_pixels
        try:
            items, prepared = await self._in_thread(_read, items_of, loaded.contract, most)
            self.batcher.admit(len(items) - 1)
            places = len(items)
            rest = [items[at : at + EACH] for at in range(len(prepared), len(items), EACH)]
            if rest:
                done = await asyncio.gather(*[self._in_thread(_prepared, some, loaded.contract, most) for some in rest])
                prepared += [one for some in done for one in some]
            waited = []
            for one in prepared:
                places -= 1
                if isinstance(one, DataError):
                    self.batcher.give_up()
                else:
                    waited.append(self.batcher.compute(loaded.predictor, one[1]))
        finally:
            self.batcher.give_up(places)
        return prepared, await self._all(waited)

    async def tensor_scores(self, loaded: Loaded, inputs: np.ndarray) -> np.ndarray:
        """The scores of inputs that are prepared already."""
        self.batcher.admit(len(inputs))
        return np.stack(await self._all([self.batcher.compute(loaded.predictor, one) for one in inputs]))

    async def _all(self, waited: list[asyncio.Future[np.ndarray]]) -> list[np.ndarray]:
        scores = [await waited[0]] if len(waited) == 1 else [*await asyncio.gather(*waited)]
        if not all(np.isfinite(one).all() for one in scores):
            raise RefusedError(
                422, "the network gives NaN or infinity for this input; are its values those of training?"
            )
        self.measures.items.inc(len(scores))
        return scores

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, call, *arguments)

    async def predict(self, request: Request) -> Response:
        """``POST /predict``: the answers of ``striate predict --json``."""
        loaded = self.current.loaded
        options = _options(request, loaded.contract)
        body, kind = await request.body(), request.headers.get("content-type", "")
        prepared, scores = await self.scores(loaded, lambda: items_in(body, kind, loaded.contract, self.most))
        if not scores:
            raise RefusedError(400, next(str(one) for one in prepared if isinstance(one, DataError)))
        if loaded.contract.task.per_pixel or len(scores) > EACH:
            with self._held(len(scores)):
                answers = await self._in_thread(_answers, loaded.contract, prepared, scores, options)
        else:
            answers = _answers(loaded.contract, prepared, scores, options)
        return _json(answers)

    async def infer(self, request: Request) -> Response:
        """``POST /v2/models/NAME/infer``."""
        loaded = self._named(request)
        body = await request.body()
        asked = await self._in_thread(_question, body, loaded.contract, self.most)
        if asked.inputs is not None:
            scores = await self.tensor_scores(loaded, asked.inputs)
        else:
            prepared, found = await self.scores(loaded, lambda: asked.items)
            bad = next((f"item {i}: {one}" for i, one in enumerate(prepared) if isinstance(one, DataError)), None)
            if bad is not None:
                raise RefusedError(400, bad)
            scores = np.stack(found)
        with self._held(len(scores)):
            return _json(await self._in_thread(tensors.reply_of, loaded, asked, scores))

    @contextmanager
    def _held(self, items: int) -> Iterator[None]:
        self.batcher.answering += items
        try:
            yield
        finally:
            self.batcher.answering -= items

    # -------------------------------------------------------------------------------------------------- other routes
    async def page(self, request: Request) -> Response:
        """``GET /``: a page to drop an image on."""
        head = HEAD | {"content-security-policy": f"{POLICY}; connect-src 'self'; frame-ancestors 'none'"}
        page = filled("service", self.current.loaded.name, {}, asks=True)
        return Response(page, headers=head | {"content-type": "text/html; charset=utf-8"})

    async def health(self, request: Request) -> Response:
        """``GET /health``: the process answers."""
        return _json({"live": True} if request.url.path.startswith("/v2") else {"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """``GET /ready``: the model answers, and goes on to."""
        ready = not self.stopping()
        return _json({"ready": ready}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """``GET /metrics``: for Prometheus."""
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self.measures.text(), headers=HEAD | {"content-type": kind})

    async def model(self, request: Request) -> Response:
        """``GET /model``: the contract, the limits, and whether a newer file was refused."""
        loaded = self.current.loaded
        limits = {name: getattr(self.settings, name) for name in ("max_bytes", "max_pixels", "timeout")}
        limits |= {"queue": self.batcher.queue, "max_items": self.most}
        about = {"name": loaded.name, "version": loaded.version, "contract": json.loads(loaded.contract.to_json())}
        classes = loaded.contract.classes if loaded.contract.task.per_pixel else ()
        colours = zip(classes, class_colours(len(classes)), strict=True)
        about |= {"mask_colours": {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in colours}}
        more = {"refused": self.current.refused} if self.current.refused else {}
        return _json(about | {"limits": limits} | more)

    async def server_metadata(self, request: Request) -> Response:
        """``GET /v2``."""
        return _json(tensors.SERVER)

    async def model_metadata(self, request: Request) -> Response:
        """``GET /v2/models/NAME``."""
        return _json(tensors.model_metadata(self._named(request)))

    async def model_ready(self, request: Request) -> Response:
        """``GET /v2/models/NAME/ready``."""
        return _json({"name": self._named(request).name, "ready": not self.stopping()}, 503 if self.stopping() else 200)

    def _named(self, request: Request) -> Loaded:
        loaded = self.current.loaded
        if request.path_params["name"] != loaded.name:
            raise RefusedError(404, f"there is no such model here; this one is called {loaded.name}")
        return loaded

    # ------------------------------------------------------------------------------------------------- the life of it
    @asynccontextmanager
    async def _life(self, app: FastAPI) -> AsyncIterator[None]:
        self.batcher.start()
        looking = asyncio.create_task(self._look_for_newer())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await looking
            await asyncio.to_thread(self.batcher.stop)
            self.pool.shutdown(wait=False, cancel_futures=True)

    async def _look_for_newer(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self, *, anyway: bool = False) -> None:
        """Takes a newer model file; what is being answered meanwhile is answered by the model before it."""
        taken = await asyncio.to_thread(self.current.look, anyway=anyway)
        if taken is not None:
            self.measures.reloads.labels("taken" if taken else "refused").inc()
            self._model_changed()

    def _model_changed(self) -> None:
        """The queue has room for no more items than there may be memory for their inputs and scores."""
        predictor, most = self.current.loaded.predictor, self.settings.queue
        self.measures.loaded.set(self.current.loaded.since)
        self.most = min(most, predictor.at_a_time(most))
        size = prod(predictor.contract.input) * np.dtype(DTYPES.get(predictor.contract.mode, np.uint8)).itemsize
        self.batcher.queue = max(1, min(most, BATCHES * self.most, INPUTS // size))
        self.most = min(self.most, self.batcher.queue)

    def _routes(self) -> FastAPI:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=self._life)
        for path, does in PLAIN.items():
            method = "POST" if path == "/predict" else "GET"
            app.add_route(path, getattr(self, does), methods=[method])
        app.add_route("/v2/models/{name}", self.model_metadata, methods=["GET"])
        app.add_route("/v2/models/{name}/ready", self.model_ready, methods=["GET"])
        app.add_route("/v2/models/{name}/infer", self.infer, methods=["POST"])
        app.router.redirect_slashes = False
        for refusal in (RefusedError, QueueFullError, Error):
            app.add_exception_handler(refusal, _refused)
        app.add_exception_handler(HTTPException, _no_route)
        app.add_exception_handler(Exception, _failed)
        return app


PLAIN = {
    "/": "page", "/predict": "predict", "/health": "health", "/ready": "ready", "/metrics": "metrics",
    "/model": "model", "/v2": "server_metadata", "/v2/health/live": "health", "/v2/health/ready": "ready",
}  # fmt: skip


def _read(items_of: Callable[[], Items], contract: Contract, most: int) -> tuple[Items, list[Prepared]]:
    """The items of a request, and the first few of them prepared."""
    items = items_of()
    return items, _prepared(items[:EACH], contract, most)


def _prepared(items: Items, contract: Contract, most: int) -> list[Prepared]:
    found: list[Prepared] = []
    for item in items:
        if isinstance(item, DataError):
            found.append(item)
            continue
        try:
            if isinstance(item.source, bytes) and (pixels := pixels_in(item.source)) > most:
                raise DataError(f"the image has {pixels:,} pixels; expected {most:,} at most")
            inputs, size = network_input(item, contract)
            found.append((item, inputs, size, unlike(inputs[None], [size], contract)[0]))
        except DataError as error:
            found.append(DataError(f"{item.file}: {error}" if item.file else str(error)))
    return found


def _question(body: bytes, contract: Contract, most: int) -> tensors.Question:
    return tensors.question_in(json_in(body), contract, most)


def _options(request: Request, contract: Contract) -> dict[str, Any]:
    """``?threshold=0.7&sets=90%&top=3&mask=yes``, as the options of ``striate predict``."""
    given = request.query_params
    if unknown := [name for name in given if name not in ("threshold", "sets", "top", "mask")]:
        raise RefusedError(400, f"there is no parameter {unknown[0][:40]!r}; there are threshold, sets, top and mask")
    numbers: dict[str, float | None] = {"threshold": None, "top": None}
    for name in numbers:
        if name in given:
            try:
                numbers[name] = float(given[name])
            except ValueError:
                numbers[name] = math.nan
    threshold, top = numbers["threshold"], numbers["top"]
    if threshold is not None and not 0 <= threshold <= 1:
        raise RefusedError(400, "threshold is not a number from 0 to 1")
    if top is not None and not (1 <= top < math.inf and top == int(top)):
        raise RefusedError(400, "top is not a whole number of at least 1")
    mask = given.get("mask", "no")
    if mask not in ("yes", "no") or (mask == "yes" and not contract.task.per_pixel):
        raise RefusedError(400, "mask is yes or no, and yes where the model gives a class to each pixel")
    least = contract.least_for(share_of(given["sets"], "sets")) if "sets" in given else None
    return {"threshold": threshold, "least": least, "top": None if top is None else int(top), "mask": mask == "yes"}


def _answers(
    contract: Contract, prepared: list[Prepared], scores: list[np.ndarray], options: dict[str, Any]
) -> list[dict[str, object]]:
    """What is said of each item: the prediction, or the error."""
    found: list[dict[str, object]] = []
    each, top = iter(scores), options["top"]
    for one in prepared:
        if isinstance(one, DataError):
            found.append({"error": str(one)})
            continue
        item, _, size, odd = one
        of = {"threshold": options["threshold"], "least": options["least"], "file": item.file, "text": item.text}
        context = output_context(contract, None if size is None else np.array([size]), **of)
        given = answer_of(contract.task, next(each), context)
        answer = given.as_dict() | ({"unlike_training": [*odd]} if odd else {})
        if options["mask"] and isinstance(given, Mask):
            answer["mask"] = base64.b64encode(mask_png(given, len(contract.classes))).decode()
        listed = answer.get("top")
        found.append(answer | {"top": listed[:top]} if top and isinstance(listed, list) else answer)
    return found


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(value, allow_nan=False), status, headers=HEAD | (headers or {}))


async def _refused(request: Request, error: Exception) -> Response:
    error = busy() if isinstance(error, QueueFullError) else error
    if isinstance(error, RefusedError):
        return _json({"error": str(error)}, error.status, error.headers)
    return _json({"error": str(error)}, 400 if isinstance(error, RecipeError) else 422)


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    why = "there is nothing at this address" if status == 404 else "this address does not take that method"
    return _json({"error": why}, status, dict(getattr(error, "headers", None) or {}))


async def _failed(request: Request, error: Exception) -> Response:
    return _json({"error": "the network could not compute this; the service's own log says why"}, 500)
