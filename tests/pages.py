"""What the tests of the page share: a page in a browser that forgives no error, and its numbers beside PyTorch's."""

import base64
import json
from contextlib import contextmanager, suppress
from threading import Thread

import numpy as np
import torch
from axe_playwright_python.base import AXE_FILE_PATH


@contextmanager
def opened(browser, where, **settings):
    """A page at *where*, ready. Any request but the document itself, and any error in its console, fails the test."""
    context = browser.new_context(**({"viewport": {"width": 1400, "height": 900}} | settings))
    context.set_default_timeout(20_000)
    page = context.new_page()
    faults = []
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") and not slow(m.text) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))

    def refuse(route):
        if route.request.url.split("#")[0] == where.split("#")[0]:
            route.continue_()
        else:
            faults.append(f"asked for {route.request.url}")
            route.abort()

    context.route(lambda url: not url.startswith(("data:", "blob:")), refuse)
    page.goto(where)
    until(page, "window.striate")
    page.faults = faults
    try:
        yield page
        assert not faults, faults
    finally:
        context.close()


@contextmanager
def serving(page):
    """The address of a :class:`View` on the local server."""
    with page.server() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.url
        finally:
            server.shutdown()


def until(page, what, *arguments):
    """Waits until an expression is true. Playwright's own waiting evaluates text in the page, which forbids it."""
    from playwright.sync_api import Error

    for _ in range(400):
        with suppress(Error):  # the page is being loaded anew
            if page.evaluate(what if arguments else f"!!({what})", *arguments):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 20 seconds: {what}")


def slow(text):
    """What Chromium says of software rendering, and of tests that read pixels again and again: no fault of the page."""
    return any(word in text.lower() for word in ("willreadfrequently", "gpu stall", "swiftshader", "software webgl"))


def scene_of(net, item, *, mode="values", seed=0):
    """The scene of a built *net* for *item*, and the model: weights drawn at random, statistics of batch norms too."""
    from striate.inspect.models.inspected import InspectedModel
    from striate.model.contract import Contract
    from striate.model.model import Model
    from striate.page.scene import NetworkScene, Sample

    shake(net, seed)
    shape = item.shape
    vocabulary = ("?",) if mode == "text" else ()
    channels = 0 if mode == "text" else shape[0]
    contract = Contract(("a", "b"), shape, mode, (0.0,) * channels, (1.0,) * channels, vocabulary=vocabulary)
    model = InspectedModel(Model(net, contract))
    return NetworkScene.of(model, [Sample("x", item)], "net"), model


def shake(net, seed):
    """Other weights than the first ones: no bias 0, no batch norm that changes nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2, generator=generator)
            elif value.is_floating_point() and not name.endswith("codes"):
                value += 0.1 * torch.randn(value.shape, generator=generator)


RUN = """async ([about, weights]) => {
  const { Net, decoded, item } = await import('striate/net')
  const net = window.net = new Net(JSON.parse(about), decoded(weights, Float32Array))
  net.run(item(net.scene.check.input))
  const text = data => {
    let s = ''
    for (const b of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) s += String.fromCharCode(b)
    return btoa(s)
  }
  return Object.fromEntries(net.layers.map(layer => [layer.name, text(net.values.get(layer.name).data)]))
}"""


def computed(page, scene):
    """Every layer's values as the page computes them for the scene's own input; ``window.net`` is the network then."""
    values = page.evaluate(RUN, [json.dumps(scene.about), scene.weights_base64()])
    return {name: np.frombuffer(base64.b64decode(text), np.float32) for name, text in values.items()}


def torch_says(scene, model):
    """Every layer's values by PyTorch, flat."""
    from striate.page.live import LiveNetwork

    kind = np.uint8 if scene.about["check"]["input"]["type"] == "u1" else np.float32
    item = np.frombuffer(base64.b64decode(scene.about["check"]["input"]["data"]), kind)
    item = item.reshape(scene.about["input"]["shape"])
    if model.contract.mode == "text":
        item = item.astype(np.int64)
    return {name: v.numpy().ravel() for name, v in LiveNetwork.of(model).values(item).items()}


def serious_faults(page):
    """What axe-core finds in the page that is serious: the rule, and where."""
    page.evaluate(AXE_FILE_PATH.read_text())
    found = page.evaluate("axe.run().then(found => found.violations)")
    grave = [v for v in found if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {node['target']}" for v in grave for node in v["nodes"]]
