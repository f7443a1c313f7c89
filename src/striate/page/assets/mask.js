// The predicted mask of a segmentation network over its input; a pixel opens its arithmetic.
import { classColour, short } from 'striate/colour'
import { el } from 'striate/dom'

const SHOWN = 24  // classes in the legend

export class Mask {
  /** @param {import('striate/net').Net} net @param {import('striate/pad').Pad} pad @param {HTMLElement} root @param {{click: Function, hover: Function}} on */
  constructor(net, pad, root, on) {
    const { shape: [C, , H, W] } = net.values.get(net.output), { names } = net.scene.output
    this.net = net
    this.pad = pad
    this.colours = Array.from({ length: Math.max(C, 2) }, (_, c) => classColour(c, Math.max(C, 2)))
    this.classes = new Uint16Array(H * W)
    this.canvas = el('canvas', { className: 'pad', width: W, height: H })
    this.canvas.setAttribute('aria-label', 'Predicted mask over the input: click a pixel for its arithmetic')
    this.layer = el('canvas', { width: W, height: H })
    this.clear = /^(background|void|unlabell?ed)$/i.test(names[0] ?? '') ? 0 : -1  // the class that covers nothing
    this.opacity = el('input', { type: 'range', min: 0, max: 1, step: 0.05, value: 0.6, title: 'How much of the mask covers the input', oninput: () => this.paint() })
    this.opacity.setAttribute('aria-label', 'Opacity of the mask')
    this.said = el('p', { className: 'note' })
    const at = e => { const r = this.canvas.getBoundingClientRect(); return [Math.min(H - 1, Math.floor(((e.clientY - r.top) / r.height) * H)), Math.min(W - 1, Math.floor(((e.clientX - r.left) / r.width) * W))] }
    const unit = e => { const [y, x] = at(e); return [C === 1 ? 0 : this.classes[y * W + x], 0, y, x] }
    this.canvas.onclick = e => on.click(unit(e))
    this.canvas.onpointermove = e => { const [y, x] = at(e); this.say(y, x); on.hover(unit(e), e) }
    this.canvas.onpointerleave = () => { this.say(); on.hover(null) }
    const key = names.slice(0, SHOWN).map((name, c) => el('span', { style: `border-bottom:3px solid ${c === this.clear ? 'transparent' : `rgb(${this.colours[c]})`};margin-right:8px;display:inline-block` }, name))
    if (names.length > SHOWN) key.push(el('span', {}, `and ${names.length - SHOWN} more`))
    const box = el('div', { className: 'mask' }, el('h2', {}, 'Predicted mask'), this.canvas, el('div', { className: 'row tight' }, el('label', {}, 'Opacity ', this.opacity)), el('p', { className: 'note' }, ...key), this.said)
    root.insertBefore(box, pad.grid?.previousSibling ?? null)  // above the samples, where it is seen
  }

  paint() {
    const { width: W, height: H } = this.canvas, plane = H * W, y = (this.shares = this.net.outputs()), C = y.length / plane, image = new ImageData(W, H), counts = this.colours.map(() => 0)
    for (let i = 0; i < plane; i++) {
      let top = C === 1 ? Number(y[i] > 0.5) : 0
      for (let c = 1; c < C; c++) if (y[c * plane + i] > y[top * plane + i]) top = c
      this.classes[i] = top
      counts[top]++
      image.data.set(this.colours[top], 4 * i)
      image.data[4 * i + 3] = top === this.clear ? 0 : 255
    }
    this.layer.getContext('2d').putImageData(image, 0, 0)
    const g = this.canvas.getContext('2d')
    g.imageSmoothingEnabled = false
    g.clearRect(0, 0, W, H)
    if (this.pad.canvas) g.drawImage(this.pad.canvas, 0, 0, W, H)
    g.globalAlpha = this.pad.canvas ? Number(this.opacity.value) : 1
    g.drawImage(this.layer, 0, 0)
    g.globalAlpha = 1
    this.counts = counts
    this.say()
  }

  /** The class of a pixel and its probability; of none the share of each class. */
  say(y = -1, x = -1) {
    const { names } = this.net.scene.output, { width: W, height: H } = this.canvas, plane = H * W, name = c => names[c] ?? `class ${c}`
    if (y >= 0) {
      const c = this.classes[y * W + x], p = this.shares[(this.shares.length === plane ? 0 : c) * plane + y * W + x]
      this.said.textContent = `${y}:${x} is ${name(c)}, ${short(p)}`
    } else this.said.textContent = this.counts.map((n, c) => [n, c]).filter(([n]) => n).sort((a, b) => b[0] - a[0]).slice(0, 6).map(([n, c]) => `${name(c)} ${((100 * n) / plane).toFixed(1)}%`).join(', ')
  }
}
