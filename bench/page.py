"""Claim: in the live page a stroke of the pen is painted in all layers of LeNet-5 within 16 ms, and in those of the
network for the shapes within 33 ms.

Evidence: measured in Chromium, with first paint, hovering, and frames in space beside it; of ResNet-18, which PyTorch
computes behind the page, what a stroke costs the page, and when the answer is painted.

    python bench/page.py                # trains LeNet-5 on the digits and the default net on the shapes first
    python bench/page.py RUN RUN        # of these runs

Chromium renders in software here (SwiftShader), so a frame in space is the slowest that it will be.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from threading import Thread

import torch
from playwright.sync_api import Page, sync_playwright

import striate
from common import machine

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
STROKES, HOVERS, FRAMES = 50, 100, 60
GOALS = {"lenet5": 16, "shapes": 33}  # milliseconds, stroke to all layers painted

STROKE = """async n => {
  const pad = document.querySelector('canvas.pad'), box = pad.getBoundingClientRect(), times = [], answers = []
  const send = (type, x, y) => pad.dispatchEvent(new PointerEvent(type, {
    clientX: box.left + x * box.width, clientY: box.top + y * box.height, pointerId: 1, isPrimary: true,
    bubbles: true }))
  pad.setPointerCapture = () => {}
  const rest = () => new Promise(done => setTimeout(done, 100))
  for (let i = 0; i < 5; i++) { send('pointerdown', 0.2, 0.2); send('pointerup', 0.2, 0.2); await rest() }
  send('pointerdown', 0.2, 0.2)
  for (let i = 0; i < n; i++) {
    await new Promise(requestAnimationFrame)
    const begun = performance.now()
    send('pointermove', 0.2 + (0.6 * i) / n, 0.2 + 0.5 * Math.abs(Math.sin(i)))
    times.push(performance.now() - begun)
    await striate.settled()
    answers.push(performance.now() - begun)
  }
  send('pointerup', 0.8, 0.8)
  return [times, answers]
}"""
HOVER = """n => {
  const all = [...document.querySelectorAll('.stage canvas')].filter(c => c.width), times = []
  for (let i = 0; i < n; i++) {
    const canvas = all[i % all.length], box = canvas.getBoundingClientRect()
    const x = box.left + 2 + ((i * 37) % Math.max(1, box.width - 4))
    const y = box.top + 2 + ((i * 53) % Math.max(1, box.height - 4))
    const event = new PointerEvent('pointermove', { clientX: x, clientY: y, bubbles: true })
    const begun = performance.now()
    canvas.dispatchEvent(event)
    times.push(performance.now() - begun)
  }
  return times
}"""
TURN = """n => new Promise(done => {
  const canvas = document.getElementById('space-canvas'), times = []
  canvas.setPointerCapture = () => {}
  const send = (type, x) => canvas.dispatchEvent(new PointerEvent(type, {
    clientX: x, clientY: 300, pointerId: 1, bubbles: true }))
  send('pointerdown', 300)
  let last = performance.now(), i = 0
  const step = now => {
    if (i) times.push(now - last)
    last = now
    if (i++ === n) { send('pointerup', 300); done(times); return }
    send('pointermove', 300 + 5 * i)
    requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
})"""


def figures(page: Page, address: str) -> dict[str, list[float]]:
    page.goto(address)
    page.wait_for_function("window.striate")
    ready = page.evaluate("performance.now()")
    page.wait_for_timeout(500)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
    page.evaluate("striate.ready")
    stroke, answers = page.evaluate(STROKE, STROKES)
    found = {
        "first paint": [paint],
        "ready": [ready],
        "stroke": stroke,
        "answer": answers,
        "hover": page.evaluate(HOVER, HOVERS),
    }
    page.keyboard.press("f")
    page.wait_for_timeout(800)
    return found | {"frame in 3-D": page.evaluate(TURN, FRAMES)}


def main(runs: list[str]) -> None:
    program = shutil.which("chromium") or sys.exit("no Chromium: install Debian's package chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        places = dict(zip(GOALS, runs, strict=False))
        for name, net, data, epochs in (("lenet5", "lenet5", "digits", 3), ("shapes", None, "shapes", 1)):
            if name not in places:
                places[name] = f"{folder}/{name}"
                striate.train(net, data, epochs=epochs, out=places[name], quiet=True)
        browser = play.chromium.launch(executable_path=program, args=ARGUMENTS)
        print(f"{machine('torch')}; Chromium {browser.version}, rendering in software")
        for name, run in places.items():
            path = striate.view(run).save(Path(folder) / f"{name}.html")
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            print(f"\n{name}: {path.stat().st_size / 1000:,.0f} kB")
            show(figures(page, path.as_uri()), GOALS[name])
            page.close()
        with striate.view("resnet18").server() as server:
            Thread(target=server.serve_forever, daemon=True).start()
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            print(f"\nresnet18 through the server, PyTorch on {torch.get_num_threads()} threads")
            show(figures(page, server.url))
            page.close()
            server.shutdown()
        browser.close()


def show(found: dict[str, list[float]], limit: int | None = None) -> None:
    for what, times in found.items():
        middle = statistics.median(times)
        goal = f", goal {limit} ms" if what == "stroke" and limit else ""
        rate = f", {1000 / middle:.0f} a second" if "frame" in what else ""
        print(f"  {what:14}{middle:8.1f} ms (n = {len(times)}, largest {max(times):.1f}){rate}{goal}")


if __name__ == "__main__":
    main(sys.argv[1:])
