"""A real Chromium for the page's tests, pages in it that forgive no error, and a small trained network."""

import os
import shutil

import pytest

from pages import opened

REQUIRED = os.environ.get("STRIATE_REQUIRE_BROWSER")  # read before the tests' own environment is made
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="session")
def browser():
    """Chromium without a screen, WebGL in software; without one the test is skipped, where one is required it fails."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if REQUIRED else pytest.skip)("no Chromium: install Debian's package chromium")
    driver = pytest.importorskip("playwright.sync_api") if not REQUIRED else __import__("playwright.sync_api").sync_api
    with driver.sync_playwright() as play:
        running = play.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def tsc():
    """The TypeScript compiler; without one the test is skipped, where a browser is required it fails."""
    program = shutil.which("tsc")
    if program is None:
        (pytest.fail if REQUIRED else pytest.skip)("no TypeScript: install Debian's package node-typescript")
    return program


@pytest.fixture
def visit(browser):
    """``with visit("http://...") as page:`` opens an address; see :func:`opened`."""
    return lambda where, **settings: opened(browser, where, **settings)


@pytest.fixture(scope="session")
def bench_page(browser, tmp_path_factory):
    """A page that stays open, whose modules the tests call: ``import('striate/net')``."""
    from striate.run.viewing import view

    path = view("conv 2 3; relu; flatten; linear 3", input=(1, 8, 8)).save(tmp_path_factory.mktemp("bench") / "b.html")
    with opened(browser, path.as_uri()) as page:
        yield page


@pytest.fixture(scope="session")
def lenet(tmp_path_factory):
    """The folder of a LeNet-5 that has learned the built-in digits."""
    from striate import train

    folder = tmp_path_factory.mktemp("lenet") / "run"
    train("lenet5", "digits", epochs=6, out=folder, quiet=True)
    return folder


@pytest.fixture(scope="session")
def lenet_file(lenet, tmp_path_factory):
    """Its page as one file."""
    from striate.run.viewing import view

    return view(lenet).save(tmp_path_factory.mktemp("page") / "lenet.html")


@pytest.fixture(scope="session")
def lenet_server(lenet_file):
    """The address of its page on the local server."""
    from threading import Thread

    from striate.page.server import PageServer

    with PageServer(lenet_file.read_text()) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.url
        server.shutdown()
