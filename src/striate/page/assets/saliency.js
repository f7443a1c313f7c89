// Attribution over the input, for any class: gradient x input, integrated gradients, Grad-CAM at a chosen layer.
import { el } from 'striate/dom'
import { picture } from 'striate/pad'
import { css, fill, inkOn, limitOf, short } from 'striate/colour'
import { contributions, gradCam, gradient, overChannels, MAX_TAPS, STEPS } from 'striate/attribution'
import { unitName } from 'striate/formula'
import { size } from 'striate/ops'

const SIDE = 280  // pixels of the picture, at most

/** The layers whose maps can be weighted: with positions, before the scores, and not too far from them. */
export function camLayers(net, score) {
  const before = new Set(), names = []
  const walk = name => { for (const input of net.byName.get(name)?.inputs ?? []) if (!before.has(input)) { before.add(input); walk(input) } }
  walk(score)
  let cost = 0
  for (const layer of [...net.layers].reverse()) {
    if (before.has(layer.name) && layer.shape.length === 3 && size(layer.shape.slice(1)) > 1 && cost < MAX_TAPS / 2 && layer.grid?.length === 4) names.unshift(layer.name)
    cost += layer.macs ?? 0
  }
  return names
}

/** The one that is weighted if none is chosen: the last that is no pooling. */
export const camLayer = (net, names) => [...names].reverse().find(name => !/pool|flatten|dropout/.test(net.byName.get(name).op)) ?? names.at(-1)

export class Saliency {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.name = 'attribution'
    this.title = 'Attribution'
    const { scene, net } = page
    this.copy = null
    const rank = scene.input.shape.length - 1
    /** @type {string|undefined} what the input is made of */
    this.part = scene.input.kind === 'text' ? 'word' : { 1: 'value', 2: 'pixel' }[rank]
    this.embedding = net.layers.find(layer => layer.op === 'embedding')?.name
    this.layers = !net.held && this.part === 'pixel' ? camLayers(net, page.scoreLayer()) : []
    this.whole = !!this.part && scene.macs * 2 < MAX_TAPS
    this.there = !net.held && (this.whole || this.layers.length > 0)
  }

  build(box, options) {
    const { scene, net } = this.page, [method, layer, target, signed] = options.split(':'), option = (value, text) => el('option', { value }, text)
    this.copy ??= net.copy()
    this.method = el('select', { ariaLabel: 'Method' }, ...(this.whole ? [option('gradient_x_input', this.part === 'word' ? 'gradient \u00d7 embedding' : 'gradient \u00d7 input')] : []), ...(this.whole && this.part !== 'word' ? [option('integrated_gradients', 'integrated gradients')] : []), ...(this.layers.length ? [option('grad_cam', 'Grad-CAM')] : []))
    this.layer = el('select', { ariaLabel: 'Layer' }, ...this.layers.map(name => option(name, name)))
    const names = scene.output.perPixel ? [] : scene.output.names
    this.target = el('select', { ariaLabel: 'Output' }, ...(names.length ? [option('', 'predicted')] : []), ...names.map((name, i) => option(String(i), name)), option('unit', 'the kept unit'))
    this.relu = el('input', { type: 'checkbox', checked: signed !== 'signed' })
    const choose = (select, value, other) => { select.value = value ?? ''; if (select.selectedIndex < 0) select.value = other }
    choose(this.method, method, this.whole ? 'gradient_x_input' : 'grad_cam')
    choose(this.layer, layer, camLayer(net, this.layers))
    choose(this.target, target, names.length ? '' : 'unit')
    this.cam = el('span', { className: 'row' }, el('label', {}, 'at ', this.layer), el('label', { title: 'As the definition has it; without it what speaks against the output is blue' }, this.relu, ' positive alone (ReLU)'))
    for (const control of [this.method, this.layer, this.target, this.relu]) control.onchange = () => { this.refresh(); this.page.store() }
    this.canvas = el('canvas', { className: 'heat' })
    this.canvas.setAttribute('role', 'img')
    this.canvas.setAttribute('aria-label', this.title)
    this.canvas.onpointermove = e => this.read(e)
    this.canvas.onpointerleave = () => { this.at.textContent = '' }
    this.canvas.hidden = this.part === 'word'
    this.words = el('p', {})
    this.bar = el('canvas', { className: 'bar', width: 101, height: 1 })
    this.ends = [el('span'), el('span')]
    this.note = el('p', { className: 'note' })
    this.at = el('p', { className: 'note' })
    box.append(el('div', { className: 'row' }, el('h2', {}, `Which ${this.part}s contribute`), this.method, el('label', {}, 'to ', this.target), this.cam),
      el('div', { className: 'beside' }, this.canvas, el('div', {}, el('p', { className: 'scale' }, this.ends[0], this.bar, this.ends[1]), this.words, this.note, this.at)))
  }

  options() { return [this.method.value, this.layer.value, this.target.value, this.relu.checked ? '' : 'signed'].join(':').replace(/:+$/, '') }

  /** The output whose score is explained: its layer, its unit, its name; null where no unit is kept. */
  score() {
    const { net, pinned, scene } = this.page
    if (this.target.value === 'unit') return pinned && { layer: pinned.layer, unit: pinned.unit, name: unitName(net, pinned) }
    const y = net.outputs(), c = this.target.value === '' ? y.indexOf(Math.max(...y)) : Number(this.target.value)
    return { layer: this.page.scoreLayer(), unit: [c, 0, 0, 0], name: `the score of ${scene.output.names[c] ?? c}${scene.output.mean.length ? ' (before it is in the units of the target)' : ''}` }
  }

  /** Computes once the hand rests, a step at a time, so that the page stays free; a new stroke begins anew. */
  refresh() {
    clearTimeout(this.waiting)
    const cam = this.method.value === 'grad_cam', number = (this.turn = (this.turn ?? 0) + 1)
    this.cam.hidden = !cam
    this.waiting = setTimeout(async () => {
      if (!this.canvas.isConnected) return
      const score = this.score()
      if (!score) { this.note.textContent = 'Click a unit of the network: what contributes to it is shown then.'; return }
      if (cam) return this.showCells(score)
      if (this.part === 'word') return this.showWords(score)
      let values
      for (values of contributions(this.copy, this.method.value, this.page.pad.item, score.layer, score.unit)) {
        await new Promise(rest => setTimeout(rest))
        if (number !== this.turn || !this.canvas.isConnected) return
      }
      this.showPixels(score, values)
    }, this.method.value === 'integrated_gradients' ? 250 : 30)
  }

  /** The canvas with the input on it, grey and faint. */
  base(alpha) {
    const { pad, scene } = this.page, [, H, W] = scene.input.shape, image = picture(pad.item, pad.about), zoom = Math.max(1, Math.floor(SIDE / Math.max(H, W)))
    const small = el('canvas', { width: W, height: H }), d = image.data
    for (let i = 0; i < d.length; i += 4) d[i] = d[i + 1] = d[i + 2] = 0.3 * d[i] + 0.59 * d[i + 1] + 0.11 * d[i + 2]
    small.getContext('2d').putImageData(image, 0, 0)
    Object.assign(this.canvas, { width: W * zoom, height: H * zoom })
    const g = this.canvas.getContext('2d')
    g.imageSmoothingEnabled = false
    return { g, zoom, W, H, under: () => { g.globalAlpha = alpha; g.drawImage(small, 0, 0, W * zoom, H * zoom); g.globalAlpha = 1 } }
  }

  /** Each word by the sum over its embedding. */
  showWords(score) {
    const { net, pad } = this.page, slopes = gradient(net, score.layer, score.unit, this.embedding), { shape, data } = net.values.get(this.embedding), n = shape[3]
    const values = Float64Array.from({ length: n }, (_, i) => { let sum = 0; for (let c = 0; c < shape[0]; c++) sum += slopes[c * n + i] * data[c * n + i]; return sum }), limit = limitOf(values)
    this.words.replaceChildren(...pad.words.map((word, i) => { const token = el('span', { className: 'token', title: short(values[i]) }, word); token.style.background = css(values[i], limit); token.style.color = inkOn(values[i], limit); return token }))
    const rest = values.slice(pad.words.length).reduce((a, b) => a + b, 0)
    this.say(score, limit, `Contributions of the words to ${score.name}, which is ${short(net.value(score.layer, score.unit))}: the gradient times the embedding, summed over it; all together ${short(values.reduce((a, b) => a + b, 0))}, ${short(rest)} of it from the padding.`)
  }

  showPixels(score, values) {
    if (this.part === 'value') return this.showSignal(score, values)
    const { g, zoom, W, H, under } = this.base(0.16), plane = overChannels(values, this.page.net.inputShape), limit = limitOf(plane)
    const image = new ImageData(W, H), small = el('canvas', { width: W, height: H }), total = values.reduce((a, b) => a + b, 0)
    fill(plane, 0, plane.length, limit, new Uint32Array(image.data.buffer))
    small.getContext('2d').putImageData(image, 0, 0)
    g.drawImage(small, 0, 0, W * zoom, H * zoom)
    under()
    this.cells = Array.from(plane, (value, i) => ({ value, x: i % W, y: Math.floor(i / W), w: 1, h: 1, name: `pixel ${Math.floor(i / W)}:${i % W}` }))
    const sum = this.method.value === 'integrated_gradients' ? ` Their sum, ${short(total)}, is the score less that of a black image, up to the ${STEPS} steps of the integral.` : ''
    this.say(score, limit, `Contributions of the pixels to ${score.name}, which is ${short(this.page.net.value(score.layer, score.unit))}; the input beneath.${sum}`)
  }

  /** A signal over the contributions of its values. */
  showSignal(score, values) {
    const { pad, net } = this.page, plane = overChannels(values, net.inputShape), n = plane.length, zoom = Math.max(1, Math.floor(560 / n)), limit = limitOf(plane), tall = 140, most = limitOf(pad.item) || 1
    Object.assign(this.canvas, { width: n * zoom, height: tall })
    const g = this.canvas.getContext('2d')
    plane.forEach((v, i) => { g.fillStyle = css(v, limit); g.fillRect(i * zoom, 0, zoom, tall) })
    g.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--ink')
    for (let c = 0; c < pad.item.length / n; c++) {
      g.beginPath()
      for (let i = 0; i < n; i++) g.lineTo((i + 0.5) * zoom, (tall / 2) * (1 - (0.9 * pad.item[c * n + i]) / most))
      g.stroke()
    }
    this.cells = Array.from(plane, (value, i) => ({ value, x: i, y: 0, w: 1, h: Infinity, name: `value ${i}` }))
    this.say(score, limit, `Contributions of the values to ${score.name}, which is ${short(net.value(score.layer, score.unit))}; the signal over them.`)
  }

  /** Each cell of the map where it lies on the input: its centre is that of its receptive field. */
  showCells(score) {
    const { net } = this.page, at = this.layer.value, order = net.layers.map(l => l.name)
    if (order.indexOf(score.layer) <= order.indexOf(at)) { this.note.textContent = `${score.layer} does not come after ${at}: choose an earlier layer.`; return }
    const values = gradCam(net, score.layer, score.unit, at, this.relu.checked), layer = net.byName.get(at), [, , , w] = layer.shape4, limit = limitOf(values)
    const { g, zoom, under } = this.base(1), [y0, x0, sy, sx] = layer.grid
    under()
    this.cells = Array.from(values, (value, i) => ({ value, x: x0 + (i % w) * sx - sx / 2 + 0.5, y: y0 + Math.floor(i / w) * sy - sy / 2 + 0.5, w: sx, h: sy, name: `cell ${Math.floor(i / w)}:${i % w}` }))
    for (const cell of this.cells) { g.globalAlpha = 0.25 + 0.5 * Math.abs(cell.value / (limit || 1)); g.fillStyle = css(cell.value, limit); g.fillRect(cell.x * zoom, cell.y * zoom, cell.w * zoom, cell.h * zoom) }
    g.globalAlpha = 1
    this.say(score, limit, `Grad-CAM of ${score.name} at ${at}: its maps, weighted by the mean gradient of the score (Selvaraju et al. 2017). Each of the ${layer.shape[1]}\u00d7${layer.shape[2]} cells is drawn round the centre of its receptive field (${layer.field.join('\u00d7')}), as large as the step to the next.`)
  }

  say(score, limit, text) {
    const g = this.bar.getContext('2d')
    for (let i = 0; i < 101; i++) { g.fillStyle = css(i - 50, 50); g.fillRect(i, 0, 1, 1) }
    this.ends[0].textContent = short(-limit)
    this.ends[1].textContent = `+${short(limit)}`
    this.note.textContent = text
    this.canvas.setAttribute('aria-label', text)
  }

  read(e) {
    const r = this.canvas.getBoundingClientRect(), [, , H, W] = this.page.net.inputShape, x = ((e.clientX - r.left) / r.width) * W, y = ((e.clientY - r.top) / r.height) * H
    const cell = this.cells?.find(c => x >= c.x && x < c.x + c.w && y >= c.y && y < c.y + c.h)
    this.at.textContent = cell ? `${cell.name}: ${short(cell.value)}` : ''
  }
}
