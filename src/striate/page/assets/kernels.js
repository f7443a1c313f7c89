// The learned kernels of a layer as pictures, in the palette of weights.
import { el } from 'striate/dom'
import { css, limitOf, short } from 'striate/colour'

const FEW = 64  // kernels that are shown before "all"
const MOST = 3_000_000  // weights that are asked for at once
const TALL = 72  // rows of weights up to which all slices of a kernel are shown at first

/**
 * A layer's weights as kernels: `at(o, i)` is where the slice of output o and its i-th input begins, -1 where there is none.
 * @returns {{outputs: number, inputs: number, height: number, width: number, at: (o: number, i: number) => number, of: (o: number, i: number) => number}|null}
 */
export function kernelsOf(net, layer) {
  const s = layer.settings, weight = layer.weights.weight, each = v => (Array.isArray(v) ? v : Array(layer.rank).fill(v))
  if (!weight) return null
  const input = net.values.get(layer.inputs[0]).shape, outputs = layer.shape4[0]
  if (layer.op === 'linear') {
    let source = layer.inputs[0]
    while (net.byName.get(source)?.op === 'flatten') source = net.byName.get(source).inputs[0]
    const [C, D, H, W] = net.values.get(source).shape
    return H * W === 1 || D > 1 ? null : { outputs, inputs: C, height: H, width: W, at: (o, i) => (o * C + i) * H * W, of: (o, i) => i }
  }
  if (!['conv', 'tableconv', 'convtranspose'].includes(layer.op)) return null
  const kernel = each(s.kernel), width = kernel.at(-1), height = kernel.length > 1 ? kernel.at(-2) : 1, depth = kernel.length > 2 ? kernel[0] : 1, K = width * height
  if (layer.op === 'tableconv') {
    const starts = [], rows = s.table
    rows.reduce((n, row) => { starts.push(n); return n + row.length }, 0)
    return { outputs, inputs: Math.max(...rows.map(r => r.length)), height, width, at: (o, i) => (i < rows[o].length ? (starts[o] + i) * K : -1), of: (o, i) => rows[o][i] }
  }
  const groups = s.groups ?? 1, per = input[0] / groups, out = outputs / groups, first = o => Math.floor(o / out) * per
  const at = layer.op === 'conv' ? (o, i) => (o * per * depth + i) * K : (o, i) => (((first(o) + Math.floor(i / depth)) * out + (o % out)) * depth + (i % depth)) * K
  return { outputs, inputs: per * depth, height, width, at, of: (o, i) => first(o) + Math.floor(i / depth) }
}

export class Kernels {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.name = 'kernels'
    this.title = 'Kernels'
    this.layers = page.net.layers.filter(layer => kernelsOf(page.net, layer) && (!page.net.held || (page.net.ask && layer.weights.weight.length <= MOST)))
    this.there = this.layers.length > 0
  }

  build(box, options) {
    const [layer, slices] = options.split(':'), option = (value, text) => el('option', { value }, text)
    this.layer = el('select', { ariaLabel: 'Layer' }, ...this.layers.map(l => option(l.name, `${l.name}: ${l.label}`)))
    this.slices = el('select', { ariaLabel: 'Slices' }, option('all', 'all inputs'), option('largest', 'the input of largest norm'))
    this.layer.value = layer
    if (this.layer.selectedIndex < 0) this.layer.value = this.layers[0].name
    this.layer.onchange = () => { this.choose(); this.paint(); this.page.store() }
    this.slices.onchange = () => { this.paint(); this.page.store() }
    this.bar = el('canvas', { className: 'bar', width: 101, height: 1 })
    this.ends = [el('span'), el('span')]
    this.grid = el('div', { className: 'kernels' })
    this.note = el('p', { className: 'note' })
    box.append(el('div', { className: 'row' }, el('h2', {}, 'Kernels of'), this.layer, this.slices, el('p', { className: 'scale' }, this.ends[0], this.bar, this.ends[1])), this.note, this.grid)
    this.whole = false
    this.choose(slices)
    this.paint()
  }

  options() { return `${this.layer.value}:${this.slices.value}` }

  /** All slices where they fit, else the largest of each kernel. */
  choose(slices) {
    const k = kernelsOf(this.page.net, this.page.net.byName.get(this.layer.value))
    this.slices.value = slices ?? (k.inputs * k.height <= TALL ? 'all' : 'largest')
    if (this.slices.selectedIndex < 0) this.slices.value = 'all'
    this.slices.hidden = k.inputs === 1
  }

  /** Edits, comparisons and the kept unit. */
  refresh() {
    const { net, pinned } = this.page, key = `${this.page.weightsKey()}`
    if (key !== this.painted) this.paint()
    const own = pinned && this.page.diagram.stageOf.get(pinned.layer)?.names.includes(this.layer.value) ? pinned.unit[0] : -1
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.grid.querySelectorAll('button.kernel'))) button.setAttribute('aria-pressed', String(Number(button.dataset.kernel) === own))
    void net
  }

  paint() {
    const { page } = this, layer = page.net.byName.get(this.layer.value), k = kernelsOf(page.net, layer), weights = page.weightsOf(layer.name), K = k.height * k.width
    this.painted = weights ? `${page.weightsKey()}` : ''
    if (!weights) { this.grid.replaceChildren(); this.note.textContent = 'Asking PyTorch for the weights\u2026'; return }
    const limit = limitOf(weights), image = layer.inputs[0] === 'input' && page.scene.input.kind === 'image' && k.inputs === 3 && k.height > 1
    const norm = (o, i) => { const from = k.at(o, i); let sum = 0; if (from >= 0) for (let n = from; n < from + K; n++) sum += weights[n] ** 2; return sum }
    const slices = o => {
      const all = Array.from({ length: k.inputs }, (_, i) => i).filter(i => k.at(o, i) >= 0)
      return this.slices.value === 'all' ? all : [all.reduce((best, i) => (norm(o, i) > norm(o, best) ? i : best), all[0])]
    }
    const zoom = Math.max(2, Math.min(12, Math.floor(48 / Math.max(k.height, k.width)))), bias = page.net.whole(layer.name).bias
    this.slices.disabled = image
    const order = Array.from({ length: k.outputs }, (_, o) => o)
    const shown = this.whole ? order : order.slice(0, FEW)
    this.grid.replaceChildren(...shown.map(o => {
      const some = image ? [0] : slices(o), columns = some.length * k.height <= TALL ? 1 : Math.ceil(Math.sqrt(some.length)), rows = Math.ceil(some.length / columns), gap = 3
      const canvas = el('canvas', { width: columns * (k.width * zoom + gap) - gap, height: rows * (k.height * zoom + gap) - gap }), g = canvas.getContext('2d')
      some.forEach((i, n) => {
        const [left, top, from] = [(n % columns) * (k.width * zoom + gap), Math.floor(n / columns) * (k.height * zoom + gap), k.at(o, i)]
        for (let p = 0; p < K; p++) {
          const byte = c => Math.round(127.5 * (1 + weights[k.at(o, c) + p] / (limit || 1)))
          g.fillStyle = image ? `rgb(${byte(0)},${byte(1)},${byte(2)})` : css(weights[from + p], limit, 'weights')
          g.fillRect(left + (p % k.width) * zoom, top + Math.floor(p / k.width) * zoom, zoom, zoom)
        }
      })
      const about = `kernel ${o}${image || this.slices.value === 'all' || k.inputs === 1 ? '' : `, input ${k.of(o, some[0])}`}`
      const button = el('button', { className: 'kernel', title: `${about}${bias ? `, bias ${short(bias[o])}` : ''}: open a unit of map ${o}`, onclick: () => this.open(layer, o) }, canvas, el('span', {}, this.slices.value === 'all' || image ? String(o) : `${o} \u2190 ${k.of(o, some[0])}`))
      button.dataset.kernel = String(o)
      return button
    }))
    if (k.outputs > FEW) this.grid.append(el('button', { onclick: () => { this.whole = !this.whole; this.paint(); this.refresh() } }, this.whole ? 'Show fewer' : `Show all ${k.outputs}`))
    const g = this.bar.getContext('2d')
    for (let i = 0; i < 101; i++) { const v = Math.round(2.55 * i); g.fillStyle = image ? `rgb(${v},${v},${v})` : css(i - 50, 50, 'weights'); g.fillRect(i, 0, 1, 1) }
    this.ends[0].textContent = short(-limit)
    this.ends[1].textContent = `+${short(limit)}`
    const what = image ? 'Red, green and blue are the weights of these channels; mid grey is 0.' : k.inputs === 1 ? '' : this.slices.value === 'all' ? 'Below each other: its weights for each input map.' : 'number \u2190 the input map whose weights are shown.'
    this.note.textContent = `${k.outputs} kernels of ${k.height}\u00d7${k.width}${k.inputs > 1 ? `, ${k.inputs} inputs each` : ''}${page.weightsWord()}. ${what} A click opens the unit of that map that is strongest now.`
    this.refresh()
  }

  /** The unit of a map with the largest value. */
  open(layer, o) { this.page.pin(this.page.strongest(this.page.diagram.realOf.get(layer.name), o)); this.refresh() }
}
