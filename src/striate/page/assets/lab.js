// The convolution lab: a picture, a kernel of one's own, the output and the arithmetic of each of its pixels.
// The window is a layer of a network, computed and explained by the same modules, in double precision as striate does.
import { Net, decoded } from 'striate/net'
import { OPS, size } from 'striate/ops'
import { Arithmetic, digits } from 'striate/formula'
import { ARROWS, byId, calm, darken, el, svg } from 'striate/dom'
import { Pad } from 'striate/pad'
import { css, fill, inkOn, limitOf, short } from 'striate/colour'
import { packed, unpacked } from 'striate/state'

const LARGEST = 15  // the side of a kernel that is typed
const LISTED = 16  // the side of a map whose numbers are written into it
const ROOM = 320  // the longer side of a picture of one's own
const POOLS = { max: 'maxpool', average: 'mean', sum: 'sumpool' }
const FUNCTIONS = { relu: 'max(0, x)', tanh: '(e^x \u2212 e^\u2212x) / (e^x + e^\u2212x)', sigmoid: '1 / (1 + e^\u2212x)' }
const COLOURS = ['red', 'green', 'blue']

const squared = v => `${v < 0 ? `(${short(v)})` : short(v)}\u00b2`

OPS.length = {  // of two kernels together
  forward(L, [a, b], out) { for (let i = 0; i < out.data.length; i++) out.data[i] = Math.sqrt(a.data[i] ** 2 + b.data[i] ** 2) },
  reads(L, maps, [c, , y, x]) {
    const taps = maps.map((map, source) => ({ source, index: (c * map.shape[2] + y) * map.shape[3] + x, weight: 1 }))
    return { kind: 'map', text: `\u221a(${maps.map((m, i) => squared(m.data[taps[i].index])).join(' + ')})`, taps: [] }
  },
}
OPS.mean = {  // of the whole window: padding counts as zeros, wherever it is
  forward(L, inputs, out) { OPS.sumpool.forward(L, inputs, out); out.data.forEach((v, i) => (out.data[i] = v / size(L.settings.kernel))) },
  reads(L, inputs, unit) { const found = OPS.sumpool.reads(L, inputs, unit), n = size(L.settings.kernel); return { ...found, divisor: n, taps: found.taps.map(t => ({ ...t, weight: 1 / n })) } },
}

export function start() {
  const lab = new Lab(JSON.parse(byId('scene').textContent))
  // @ts-ignore: the page's interface for teachers and tests
  window.striate = lab.interface()
}

/** @typedef {{parts: Float64Array[][], h: number, w: number}} Kernel  of each part its planes; two parts are combined to their length */

/** A number as it is typed: 1/9 and a real minus sign too. @param {string} text */
function number(text) {
  const [above, below] = text.trim().replace('\u2212', '-').replace(',', '.').split('/')
  const v = above.trim() === '' || below?.trim() === '' ? NaN : Number(above) / (below === undefined ? 1 : Number(below))
  return Number.isFinite(v) ? v : null
}

/** "1 0; 0 1" as rows of equal length; null where it is none. @param {string} text @returns {number[][]|null} */
function rowsOf(text) {
  const rows = text.replace(/^[\s;]+|[\s;]+$/g, '').split(';').map(row => row.trim().split(/[\s,]+/).map(number))
  return rows.every(row => row.length === rows[0].length && row.every(v => v !== null)) ? rows : null
}
const textOf = (values, w) => Array.from({ length: values.length / w }, (_, y) => Array.from(values.slice(y * w, (y + 1) * w)).join(' ')).join('; ')

/** The kernel that a text spells: rows by ";", channels by "|", two that are combined by "&". @returns {Kernel|null} */
function kernelOf(text) {
  const parts = text.split('&').map(part => part.split('|').map(rowsOf)), all = parts.flat()
  if (all.some(rows => !rows || rows.length !== all[0].length || rows[0].length !== all[0][0].length) || Math.max(all[0].length, all[0][0].length) > 101) return null
  return { parts: parts.map(planes => planes.map(rows => Float64Array.from(rows.flat()))), h: all[0].length, w: all[0][0].length }
}
const kernelText = ({ parts, w }) => parts.map(planes => planes.map(p => textOf(p, w)).join(' | ')).join(' & ')

/** Pictures to begin with. */
function pictures() {
  const grey = (name, n, f) => ({ name, shape: [1, n, n], kind: 'image', limit: 0, item: Uint8Array.from({ length: n * n }, (_, i) => f((i % n) + 0.5, Math.floor(i / n) + 0.5)) })
  const W = 160, H = 120, scene = new Uint8Array(3 * W * H)
  for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) {
    const hill = 66 + 9 * Math.sin(x / 16) + 5 * Math.sin(x / 7 + 2), near = 84 + 4 * Math.sin(x / 28 + 1), sun = Math.hypot(x - 122, y - 26), house = x > 34 && x < 76 && y > 66 && y < 98
    let c = [112 + y, 164 + 0.6 * y, 228]
    if (sun < 13) c = [255, 236, 150]
    if (y > hill) c = [92 + 8 * Math.sin(x / 5), 126, 132]
    if (y > near) c = [92 + 0.2 * y, 136 + 6 * Math.sin(x / 3 + y / 2), 56]
    if (y > 44 && y < 67 && Math.abs(x - 55) < (y - 42) * 1.05) c = [158, 62, 48]
    if (house) c = x > 42 && x < 51 && y > 76 ? [84, 56, 38] : x > 58 && x < 70 && y > 74 && y < 84 && x !== 64 && y !== 79 ? [88, 128, 168] : [226, 214, 190]
    c.forEach((v, k) => (scene[(k * H + y) * W + x] = Math.max(0, Math.min(255, Math.round(v)))))
  }
  return [
    { name: 'scene', shape: [3, H, W], kind: 'image', limit: 0, item: scene },
    { name: 'by hand', shape: [1, 5, 5], kind: 'values', limit: 1, item: Float64Array.of(1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0) },
    { name: 'one pixel', shape: [1, 15, 15], kind: 'values', limit: 1, item: Float64Array.from({ length: 225 }, (_, i) => +(i === 112)) },
    grey('disc', 64, (x, y) => (Math.hypot(x - 32, y - 32) < 18 ? 255 : 40)),
    grey('steps', 64, x => 32 * Math.floor(x / 8) + 16),
    grey('rings', 96, (x, y) => 127.5 + 127.5 * Math.cos(((x - 48) ** 2 + (y - 48) ** 2) / 38)),
    grey('board', 32, (x, y) => 255 * ((Math.floor(x / 4) + Math.floor(y / 4)) % 2)),
    grey('empty', 28, () => 0),
  ]
}

class Lab {
  constructor(scene) {
    this.scene = scene
    this.named = new Map(scene.kernels.map(k => [k.name, k]))
    const s = scene.settings
    this.s = { op: s.op, name: s.name, stride: s.stride, padding: s.padding, dilation: s.dilation, flip: s.flip, channels: s.channels, show: 'colour', cell: null, dark: matchMedia('(prefers-color-scheme: dark)').matches }
    this.kernel = kernelOf(s.kernel)
    this.dark(/theme=(dark|light)/.exec(location.hash)?.[1] === 'dark' || (!location.hash.includes('theme=') && this.s.dark))
    const own = scene.image && { name: scene.image.name, shape: scene.image.shape, kind: scene.image.kind, limit: scene.image.limit, item: decoded(scene.image.data, scene.image.kind === 'image' ? Uint8Array : Float64Array) }
    const samples = [...(own ? [own] : []), ...pictures()]
    this.pad = new Pad({ input: { shape: samples[0].shape, kind: 'image', room: ROOM, limit: 0 }, samples, output: {} }, byId('input'), () => this.built && this.rebuild())
    this.typed = el('textarea', { rows: 3, spellcheck: false, placeholder: '1 0 2; 0 1 0' })
    this.typed.setAttribute('aria-label', 'The input as numbers, rows separated by semicolons')
    this.typed.onchange = () => { if (!this.numbers(this.typed.value)) this.pad.say('Expected numbers, rows of equal length separated by ";", such as 1 0; 0 1, at most 64 a side.'); else { this.pad.say(''); this.pad.done() } }
    byId('input').append(el('details', {}, el('summary', {}, 'Type the numbers'), this.typed))
    this.arithmetic = new Arithmetic(null, byId('arithmetic'), { close: () => {}, play: () => this.play(), step: () => { this.stop(); this.step(1) }, toggle: () => {}, edit: (layer, weight, i, v) => this.editTap(layer, i, v), open: () => {}, beside: () => null })
    this.controls()
    this.restore(samples)
    this.built = true
    this.rebuild()
  }

  // ------------------------------------------------------------------------------------------------------ the layer
  /** The input as the operation takes it: one channel, or three. */
  image() {
    const { shape: [C, H, W], kind } = this.pad.about, x = this.pad.item
    const by = kind === 'image' && ['tanh', 'sigmoid'].includes(this.s.op) ? 255 : 1  // both are flat beyond 5
    if (C === 1 || this.s.channels !== 'grey') return { shape: [C, 1, H, W], data: Float64Array.from(x, v => v / by) }
    const n = H * W, data = new Float64Array(n)
    for (let i = 0; i < n; i++) data[i] = ((x[i] * 19595 + x[n + i] * 38470 + x[2 * n + i] * 7471 + 0x8000) >> 16) / by
    return { shape: [1, 1, H, W], data }
  }

  /** How the window moves (striate/filtering/sliding.py), or why it cannot. */
  window(/** @type {number[]} */ [C, , H, W]) {
    const { parts } = this.kernel, { op } = this.s, single = op in FUNCTIONS, d = op === 'convolve' ? this.s.dilation : 1
    const [h, w, padding, stride] = single ? [1, 1, 'valid', [1, 1]] : [this.kernel.h, this.kernel.w, this.s.padding, this.s.stride], span = [(h - 1) * d + 1, (w - 1) * d + 1]
    const each = f => span.map(f), pads = { valid: [each(() => 0), each(() => 0)], same: [each(n => (n - 1) >> 1), each(n => n >> 1)], full: [each(n => n - 1), each(n => n - 1)] }
    const [before, after] = pads[padding] ?? [each(() => Number(padding)), each(() => Number(padding))], room = [H, W].map((n, a) => n + before[a] + after[a] - span[a])
    let fault = ''
    if (op === 'convolve' && parts[0].length > 1 && parts[0].length !== C) fault = `the kernel has ${parts[0].length} channels, the image ${C}; they must be equal`
    else if (op === 'max' && before.some((p, a) => p > Math.floor([h, w][a] / 2))) fault = `padding ${Math.max(...before)} is more than half of the ${h}x${w} window`
    else if (Math.min(...room) < 0) fault = `a ${span.join('x')} window does not fit the ${H}x${W} image; use a smaller window or more padding`
    return { fault, h, w, stride, d, span, before, after, out: room.map((r, a) => Math.floor(r / stride[a]) + 1) }
  }

  rebuild() {
    const x = this.image(), [C, , H, W] = x.shape, { op, flip, channels } = this.s, { parts } = this.kernel
    const m = (this.m = this.window(x.shape)), { h, w } = m, K = h * w, own = parts[0].length > 1, summed = op === 'convolve' && (channels === 'volume' || own), planes = summed ? 1 : C
    this.fault = m.fault
    for (const element of document.querySelectorAll('.colouring')) /** @type {HTMLElement} */ (element).hidden = this.pad.about.shape[0] === 1
    if (!m.fault) {
      const settings = { kernel: [h, w], stride: m.stride, padding: m.before, dilation: [m.d, m.d], groups: summed ? 1 : C }, shape = [planes, ...m.out], weights = new Float64Array(parts.length * C * K)
      const layer = (name, layerOp, inputs, label, own = {}) => ({ name, op: layerOp, label, formula: FUNCTIONS[op] ?? '', settings, inputs, shape, weights: own })
      const turned = plane => (flip ? plane.slice().reverse() : plane)
      if (op === 'convolve') parts.forEach((p, k) => { for (let c = 0; c < C; c++) weights.set(turned(p[own ? c : 0]), (k * C + c) * K) })
      const names = parts.length > 1 ? ['x', 'y'] : ['output'], what = `${h}\u00d7${w} kernel${flip ? ', turned by 180\u00b0' : ''}`
      const layers = op === 'convolve' ? parts.map((_, k) => layer(names[k], 'conv', ['input'], what, { weight: { shape: [planes, C / settings.groups, h, w], offset: k * C * K } })) : [layer('output', POOLS[op] ?? op, ['input'], POOLS[op] ? `${op} of ${h}\u00d7${w}` : op)]
      if (parts.length > 1 && op === 'convolve') layers.push(layer('output', 'length', names, '\u221a(x\u00b2 + y\u00b2)'))
      const net = (this.net = new Net({ input: { shape: [C, H, W], kind: 'values', mean: [], std: [] }, layers }, /** @type {any} */ (weights)))
      for (const [name, map] of net.values) net.values.set(name, { shape: map.shape, data: /** @type {any} */ (name === 'input' ? x.data : new Float64Array(map.data.length)) })
      net.again()
      this.arithmetic.net = net
      this.out = net.values.get('output')
      this.photo = this.pad.about.kind === 'image' && (op === 'max' || op === 'average' || op === 'relu' || (op === 'convolve' && parts.length === 1 && Math.abs(this.kernelSum() - 1) < 0.05))
      digits.whole = x.data.every(Number.isInteger) && (op !== 'convolve' || weights.every(Number.isInteger))
      this.limit = limitOf(this.out.data)
      const [c, y, z] = this.s.cell ?? [0, m.out[0] >> 1, m.out[1] >> 1]
      this.s.cell = [Math.min(c, planes - 1), Math.min(y, m.out[0] - 1), Math.min(z, m.out[1] - 1)]
    }
    this.paint()
    this.store()
  }

  kernelSum() { const planes = this.kernel.parts[0], sum = planes.reduce((s, p) => s + p.reduce((a, b) => a + b, 0), 0); return planes.length === 1 && this.s.channels === 'volume' ? sum * this.pad.about.shape[0] : sum }

  // ------------------------------------------------------------------------------------------------------- painting
  paint() {
    this.pad.paint()
    byId('fault').textContent = this.fault ? `${this.fault[0].toUpperCase()}${this.fault.slice(1)}.` : ''
    for (const id of ['maps', 'arithmetic', 'legend']) byId(id).hidden = !!this.fault
    this.sizes()
    if (this.fault) { this.pad.marks.replaceChildren(); return }
    this.outputs()
    this.show()
  }

  /** The size formula, with the numbers put in, and what no window reads. */
  sizes() {
    const { about: { shape: [, H, W] } } = this.pad, { h, w, stride, before, after, out, d, fault } = this.m, box = byId('sizes')
    if (this.s.op in FUNCTIONS) return box.replaceChildren(el('p', { className: 'note' }, 'Each number by itself: the size stays.'))
    box.replaceChildren(el('p', { className: 'formula' }, '\u230a(i + 2p \u2212 d(k \u2212 1) \u2212 1) / s\u230b + 1'))
    for (const [a, word, i, k] of /** @type {[number, string, number, number][]} */ ([[0, 'height', H, h], [1, 'width', W, w]])) {
      const p = before[a] === after[a] ? `2\u00b7${before[a]}` : `${before[a]} + ${after[a]}`
      box.append(el('p', { className: 'formula' }, `${word}: \u230a(${i} + ${p} \u2212 ${d}\u00b7(${k} \u2212 1) \u2212 1) / ${stride[a]}\u230b + 1 = `, el('b', {}, fault && out[a] < 1 ? 'none' : String(out[a]))))
    }
    const lost = fault ? [] : [[H, 'row'], [W, 'column']].flatMap(([n, what], a) => this.lost(Number(n), String(what), a))
    box.append(el('p', { className: 'note', id: 'unread' }, lost.length ? `Never read: ${lost.join(', ')} (stride ${stride[0] === stride[1] ? stride[0] : stride.join('x')}).` : ''))
  }

  lost(n, what, a) {
    const { h, w, stride, before, out, d } = this.m, k = [h, w][a], read = new Set()
    for (let o = 0; o < out[a]; o++) for (let i = 0; i < k; i++) read.add(o * stride[a] - before[a] + i * d)
    const lines = Array.from({ length: n }, (_, i) => i).filter(i => !read.has(i)), m = lines.length
    if (!m) return []
    return [lines[0] === n - m ? (m > 1 ? `the last ${m} ${what}s` : `the last ${what}`) : `${m} of the ${n} ${what}s`]
  }

  /** The output's maps: one, or red, green and blue beside each other. */
  outputs() {
    const { shape: [C, , H, W], data } = this.out, [, ih, iw] = this.pad.about.shape, colour = this.photo && C === 3 && this.s.show === 'colour', n = colour ? 1 : C, plane = H * W
    const box = byId('maps')
    if (box.childElementCount !== n) box.replaceChildren(...Array.from({ length: n }, (_, c) => this.map(c)))
    const [low, high] = data.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity])
    const byte = this.s.show === 'grey' ? v => Math.round(((v - low) * 255) / (high - low || 1)) : v => Math.max(0, Math.min(255, Math.round(v)))
    const grey = this.photo || this.s.show === 'grey', upto = this.timer ? this.s.cell[1] * W + this.s.cell[2] : plane
    const figures = /** @type {HTMLElement[]} */ ([...box.children])
    figures.forEach((figure, c) => {
      const canvas = figure.querySelector('canvas'), marks = figure.querySelector('svg'), image = new ImageData(W, H), pixels = new Uint32Array(image.data.buffer)
      Object.assign(canvas, { width: W, height: H })
      if (grey) for (let i = 0; i < plane; i++) { const [r, g, b] = [0, 1, 2].map(k => byte(data[(colour ? k : c) * plane + i])); pixels[i] = (255 << 24) | (b << 16) | (g << 8) | r }
      else fill(data, c * plane, plane, this.limit, pixels)
      for (let i = upto + 1; i < plane; i++) pixels[i] = (pixels[i] & 0xffffff) | (36 << 24)
      canvas.getContext('2d').putImageData(image, 0, 0)
      figure.style.maxWidth = `${Math.max(n > 1 ? 30 : 40, Math.min(n > 1 ? 32 : 100, (100 * W) / Math.max(iw, W, (W / H) * ih)))}%`
      figure.querySelector('figcaption').textContent = n > 1 ? COLOURS[c] : ''
      canvas.setAttribute('aria-label', `Output${n > 1 ? `, ${COLOURS[c]}` : ''}, ${H} by ${W}; arrow keys move the window`)
      marks.setAttribute('viewBox', `0 0 ${W} ${H}`)
      marks.replaceChildren()
      if (H <= LISTED && W <= LISTED && n === 1 && !colour) this.written(marks, data.subarray(c * plane, c * plane + Math.min(plane, upto + 1)), W, v => (grey ? (byte(v) > 127 ? '#000' : '#fff') : inkOn(v, this.limit)))
    })
    byId('size').textContent = `${H}\u00d7${W}${C > 1 ? `, ${C} channels` : ''}: ${short(low)} to ${short(high)}`
    const bar = /** @type {HTMLCanvasElement} */ (byId('bar')), g = bar.getContext('2d'), [left, right] = byId('legend').querySelectorAll('span')
    for (let i = 0; i < 101; i++) { g.fillStyle = grey ? `rgb(${Array(3).fill(Math.round(i * 2.55))})` : css(i - 50, 50); g.fillRect(i, 0, 1, 1) }
    left.textContent = !grey ? short(-this.limit) : this.s.show === 'grey' ? short(low) : '0'
    right.textContent = !grey ? `+${short(this.limit)}` : this.s.show === 'grey' ? short(high) : '255'
  }

  map(c) {
    const canvas = el('canvas', { className: 'pad map', tabIndex: 0 }), marks = svg('svg', { preserveAspectRatio: 'none' })
    const at = e => { const { shape: [C, , H, W] } = this.out, r = canvas.getBoundingClientRect(), clip = (v, n) => Math.max(0, Math.min(n - 1, Math.floor(v * n))); return [C > 1 && byId('maps').childElementCount === 1 ? this.s.cell[0] : c, clip((e.clientY - r.top) / r.height, H), clip((e.clientX - r.left) / r.width, W)] }
    canvas.addEventListener('pointermove', e => { if (!this.timer) { this.hovered = at(e); this.show() } })
    canvas.addEventListener('pointerleave', () => { this.hovered = null; this.show() })
    canvas.addEventListener('click', e => { this.stop(); this.go(at(e)) })
    return el('figure', {}, el('figcaption', {}), el('div', { className: 'padbox' }, canvas, marks))
  }

  /** Numbers in the cells of a small map. */
  written(marks, values, W, ink) {
    const texts = Array.from(values, v => short(v)), large = Math.min(0.36, 1.5 / Math.max(...texts.map(t => t.length)))
    values.forEach((v, i) => { const text = texts[i], t = svg('text', { x: (i % W) + 0.5, y: Math.floor(i / W) + 0.5, 'font-size': large, fill: ink(v), 'text-anchor': 'middle', 'dominant-baseline': 'central', class: 'number' }, marks); t.textContent = text })
  }

  /** The window of a pixel of the output, in the input, and its arithmetic. */
  show() {
    if (this.fault) return
    const [c, y, x] = this.hovered ?? this.s.cell, { h, w, stride, before, after, span, d, out } = this.m, { shape: [C, H, W], kind, limit } = this.pad.about
    const marks = this.pad.marks, top = y * stride[0] - before[0], left = x * stride[1] - before[1], box = this.pad.canvas.parentElement
    marks.replaceChildren()
    marks.setAttribute('viewBox', `${-before[1]} ${-before[0]} ${W + before[1] + after[1]} ${H + before[0] + after[0]}`)
    const share = n => `${(100 * n) / (W + before[1] + after[1])}%`
    Object.assign(box.style, { padding: `${share(before[0])} ${share(after[1])} ${share(after[0])} ${share(before[1])}` })
    box.classList.toggle('padded', before[1] + after[1] + before[0] + after[0] > 0)
    if (C === 1 && H <= LISTED && W <= LISTED) this.written(marks, this.pad.item, W, v => (kind === 'values' ? inkOn(v, limit) : v > 127 ? '#000' : '#fff'))
    if (d > 1 && h * w <= 225) for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) svg('rect', { x: left + j * d, y: top + i * d, width: 1, height: 1, class: 'tap' }, marks)
    for (const kind of ['halo', 'window']) svg('rect', { x: left, y: top, width: span[1], height: span[0], class: kind }, marks)
    const figures = [...byId('maps').children], k = Math.min(c, figures.length - 1)
    figures.forEach((figure, i) => {
      const over = figure.querySelector('svg')
      over.querySelectorAll('.halo, .window').forEach(old => old.remove())
      if (i === k) for (const kind of ['halo', 'window']) svg('rect', { x, y, width: 1, height: 1, class: kind }, over)
    })
    this.explain([c, y, x])
    const at = y * out[1] + x, slider = /** @type {HTMLInputElement} */ (byId('step'))
    Object.assign(slider, { max: String(out[0] * out[1] - 1), value: String(at) })
    slider.setAttribute('aria-valuetext', `row ${y}, column ${x}`)
  }

  explain([c, y, x]) {
    const { net, root } = Object.assign(this.arithmetic, { found: null }), unit = [c, 0, y, x], value = net.value('output', unit), channel = this.out.shape[0] > 1 ? `${COLOURS[c]}, ` : ''
    byId('where').textContent = `${channel}row ${y}, column ${x}: ${short(value)}`
    root.replaceChildren()
    for (const layer of net.layers) this.arithmetic.operation(layer, unit)
  }

  // -------------------------------------------------------------------------------------------------------- moving
  go(cell) {
    if (this.fault) return
    this.s.cell = [0, 2, 3].map((axis, i) => Math.max(0, Math.min(this.out.shape[axis] - 1, Math.round(cell[i]) || 0)))
    this.hovered = null
    this.show()
    this.store()
  }

  /** The window moves on by so many pixels of the output, at the end of a row to the next. */
  step(by) {
    const [c, y, x] = this.s.cell, [OH, OW] = this.m.out, n = OH * OW
    const at = (y * OW + x + by + n) % n
    this.go([c, Math.floor(at / OW), at % OW])
  }

  move(dy, dx) { const [c, y, x] = this.s.cell, [OH, OW] = this.m.out; this.go([c, Math.max(0, Math.min(OH - 1, y + dy)), Math.max(0, Math.min(OW - 1, x + dx))]) }

  /** The slide over the whole output: every pixel of a small one, coarse steps on a large one. */
  play() {
    if (this.timer) return this.stop()
    if (this.fault) return
    const [OH, OW] = this.m.out, jump = Math.max(1, Math.round(Math.sqrt((OH * OW) / 200)))
    let [c, y, x] = this.s.cell
    if (y >= OH - jump && x >= OW - jump) [y, x] = [0, 0]
    else if (!this.paused) [y, x] = [0, 0]
    const step = () => {
      this.s.cell = [c, y, x]
      this.outputs()
      this.show()
      x += jump
      if (x >= OW) { x = 0; y += jump }
      if (y >= OH) { this.stop(); this.paused = false }
    }
    byId('play').textContent = 'Stop'
    this.timer = setInterval(step, calm() ? 1000 : 220)
    step()
  }

  stop() {
    if (!this.timer) return
    clearInterval(this.timer)
    this.timer = 0
    this.paused = true
    byId('play').textContent = 'Play'
    this.outputs()
    this.show()
    this.store()
  }

  // ------------------------------------------------------------------------------------------------------- controls
  controls() {
    const on = (id, f, event = 'onchange') => { byId(id)[event] = () => { f(/** @type {any} */ (byId(id))); this.s.cell = null; this.sync(); this.rebuild() } }
    const whole = (field, least) => { const v = Math.round(Number(field.value)); return Number.isFinite(v) && v >= least ? v : least }
    byId('kernels').append(...[...this.named.keys()].map(name => el('option', { value: name }, name)), el('option', { value: 'typed' }, 'typed'))
    on('op', f => { this.s.op = f.value; if (POOLS[f.value]) { this.s.stride = [this.kernel.h, this.kernel.w]; this.s.padding = 'valid' } else this.s.stride = [1, 1] })
    on('kernels', f => this.choose(f.value))
    for (const [a, id] of ['rows', 'columns'].entries()) on(id, f => this.resize(a, Math.min(LARGEST, whole(f, 1))))
    for (const [a, id] of ['stride-y', 'stride-x'].entries()) on(id, f => { this.s.stride = this.s.stride.map((v, i) => (i === a ? whole(f, 1) : v)) })
    on('padding', f => { this.s.padding = f.value === 'pixels' ? '1' : f.value })
    on('pixels', f => { this.s.padding = String(whole(f, 0)) })
    on('dilation', f => { this.s.dilation = whole(f, 1) })
    on('flip', f => { this.s.flip = f.checked })
    on('channels', f => { this.s.channels = f.value })
    on('show', f => { this.s.show = f.value })
    on('normalise', () => this.each(this.scaled()), 'onclick')
    on('turn', () => { const { h, w } = this.kernel; Object.assign(this.kernel, { h: w, w: h }); this.each(p => p.map((_, i) => { const y = Math.floor(i / h), x = i % h; return p[x * w + (w - 1 - y)] })) }, 'onclick')
    on('mirror', () => { const { w } = this.kernel; this.each(p => p.map((_, i) => p[i - (i % w) + w - 1 - (i % w)])) }, 'onclick')
    byId('play').onclick = () => this.play()
    byId('back').onclick = () => { this.stop(); this.step(-1) }
    byId('next').onclick = () => { this.stop(); this.step(1) }
    byId('step').oninput = () => { this.stop(); const n = Number(/** @type {HTMLInputElement} */ (byId('step')).value), W = this.m.out[1]; this.go([this.s.cell[0], Math.floor(n / W), n % W]) }
    byId('theme').onclick = () => { this.dark(!this.s.dark); this.pad.offers.forEach((offer, i) => this.pad.thumbnail(this.pad.grid.children[i].firstChild, this.pad.samples[i], offer)); this.sync(); this.paint(); this.store() }
    byId('help').onclick = () => /** @type {HTMLDialogElement} */ (byId('keys')).showModal()
    document.addEventListener('keydown', e => this.key(e))
  }

  key(e) {
    const element = /** @type {HTMLElement} */ (document.activeElement)
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(element?.tagName ?? '') || /** @type {HTMLDialogElement} */ (byId('keys')).open || this.fault) return
    const moves = ARROWS[e.key]
    if (moves) { e.preventDefault(); if (element === this.pad.canvas) this.pad.nudge(moves[1], moves[0]); else { this.stop(); this.move(moves[0], moves[1]) } }
    else if (e.key === 'p') this.play()
    else if (e.key === 'n') this.step(1)
    else if (e.key === '[' || e.key === ']') { const C = this.out.shape[0], [c, y, x] = this.s.cell; this.go([(c + (e.key === ']' ? 1 : C - 1)) % C, y, x]) }
    else if (e.key === 'c') this.pad.clear()
    else if (e.key === 'u') this.pad.undo()
    else if (e.key === 'U') this.pad.redo()
    else if (e.key === 'e') this.pad.erase(!this.pad.erasing)
  }

  dark(on) { this.s.dark = on; darken(on) }

  // --------------------------------------------------------------------------------------------------------- kernel
  choose(name) {
    const found = this.named.get(name)
    if (found) this.kernel = kernelOf(found.weights.map(w => w.map(row => row.join(' ')).join(';')).join('&'))
    this.s.name = found ? name : 'typed'
  }

  /** Another kernel from each plane of this one. */
  each(f) { this.kernel.parts = this.kernel.parts.map(planes => planes.map(f)); this.s.name = 'typed' }

  /** Weights that sum to 1; whose absolute values do, where their sum is 0. */
  scaled() {
    const { parts: [planes] } = this.kernel, total = f => planes.reduce((s, p) => s + p.reduce((a, v) => a + f(v), 0), 0), sum = total(v => v), by = Math.abs(sum) > 1e-9 ? sum : total(Math.abs)
    return p => (by ? p.map(v => v / by) : p)
  }

  /** More or fewer rows (0) or columns (1), around the middle. */
  resize(axis, n) {
    const { h, w } = this.kernel, to = axis ? [h, n] : [n, w], shift = [h - to[0], w - to[1]].map(v => Math.floor(v / 2)), pooling = this.s.op !== 'convolve'
    const changed = this.kernel.parts.map(planes => planes.map(p => Float64Array.from({ length: to[0] * to[1] }, (_, i) => { const y = Math.floor(i / to[1]) + shift[0], x = (i % to[1]) + shift[1]; return y >= 0 && y < h && x >= 0 && x < w ? p[y * w + x] : 0 })))
    if (n !== [h, w][axis]) this.s.name = 'typed'
    Object.assign(this.kernel, { parts: changed, h: to[0], w: to[1] })
    if (pooling && this.s.stride[axis] === [h, w][axis]) this.s.stride[axis] = n
  }

  /** A weight of the layer, which may lie turned, as the kernel's own. */
  editTap(layer, index, value) {
    const { parts, h, w } = this.kernel, K = h * w, part = parts[layer === 'y' ? 1 : 0], plane = part[part.length > 1 ? Math.floor(index / K) : 0], i = index % K
    plane[this.s.flip ? K - 1 - i : i] = value
    this.s.name = 'typed'
    this.sync()
    this.rebuild()
  }

  /** All controls as the settings are. */
  sync() {
    const set = (id, property, value) => { byId(id)[property] = value }, { op, padding, stride, dilation, flip, channels, show, name } = this.s, { h, w, parts } = this.kernel, pooling = op !== 'convolve'
    set('op', 'value', op); set('kernels', 'value', name); set('rows', 'value', h); set('columns', 'value', w)
    set('stride-y', 'value', stride[0]); set('stride-x', 'value', stride[1]); set('dilation', 'value', dilation); set('flip', 'checked', flip); set('channels', 'value', channels); set('show', 'value', show)
    const pixels = !['valid', 'same', 'full'].includes(padding)
    set('padding', 'value', pixels ? 'pixels' : padding); set('pixels', 'value', pixels ? padding : '0'); set('pixels', 'hidden', !pixels)
    for (const element of document.querySelectorAll('.convolving')) /** @type {HTMLElement} */ (element).hidden = pooling
    for (const element of document.querySelectorAll('.sliding')) /** @type {HTMLElement} */ (element).hidden = op in FUNCTIONS
    byId('purpose').textContent = pooling ? { max: 'the largest number of every window', average: 'the mean of every window; padding counts as zeros', sum: 'the sum of every window', ...FUNCTIONS }[op] : (this.named.get(name)?.purpose ?? 'your own numbers')
    const sum = parts[0].reduce((s, p) => s + p.reduce((a, b) => a + b, 0), 0)
    byId('total').textContent = pooling ? '' : `The weights sum to ${short(Math.round(sum * 1e9) / 1e9)}.`
    const box = byId('kernel'), large = Math.max(h, w) > LARGEST
    box.replaceChildren()
    if (!pooling) parts.forEach((planes, k) => planes.forEach((p, c) => box.append(large ? this.drawn(p) : this.table(p, parts.length > 1 ? ['x', 'y'][k] : planes.length > 1 ? COLOURS[c] : ''))))
  }

  /** A kernel that is too large to be typed. */
  drawn(p) {
    const { h, w } = this.kernel, canvas = el('canvas', { className: 'pad', width: w, height: h }), image = new ImageData(w, h), limit = limitOf(p)
    const pixels = [...p].flatMap(v => [...css(v, limit, 'weights').match(/\d+/g).map(Number), 255])
    image.data.set(pixels)
    canvas.getContext('2d').putImageData(image, 0, 0)
    return canvas
  }

  /** Fields for the numbers; arrow keys go from one to the next. */
  table(p, title) {
    const { h, w } = this.kernel, limit = limitOf(p), table = el('table', { className: 'weights' }), fields = []
    if (title) table.append(el('caption', {}, title))
    for (let y = 0; y < h; y++) {
      const row = el('tr')
      for (let x = 0; x < w; x++) {
        const i = y * w + x, shown = short(p[i]).replace('\u2212', '-').replace(/^(-?)0\./, '$1.').replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''), field = el('input', { type: 'text', inputMode: 'decimal', value: shown, title: String(p[i]) })
        field.setAttribute('aria-label', `weight, row ${y + 1}, column ${x + 1}${title ? `, ${title}` : ''}`)
        field.style.background = css(p[i], limit, 'weights')
        field.style.color = inkOn(p[i], limit, 'weights')
        field.onfocus = () => { field.value = String(p[i]); field.select() }
        field.onblur = () => { if (field.value === String(p[i])) field.value = shown }
        field.oninput = () => {
          const v = number(field.value)
          field.classList.toggle('wrong', v === null)
          if (v !== null) { p[i] = v; this.s.name = 'typed'; /** @type {HTMLSelectElement} */ (byId('kernels')).value = 'typed'; this.rebuild() }
        }
        field.onchange = () => { if (number(field.value) === null) { field.value = shown; field.classList.remove('wrong') } }
        field.onkeydown = e => {
          const by = { ArrowUp: -w, ArrowDown: w, ArrowLeft: field.selectionStart === 0 && x > 0 ? -1 : 0, ArrowRight: field.selectionEnd === field.value.length && x < w - 1 ? 1 : 0, Enter: i + 1 < h * w ? 1 : 0 }[e.key]
          if (by && fields[i + by]) { e.preventDefault(); fields[i + by].focus() }
        }
        fields.push(field)
        row.append(el('td', {}, field))
      }
      table.append(row)
    }
    table.addEventListener('focusout', e => { if (!table.contains(/** @type {any} */ (e).relatedTarget)) setTimeout(() => { if (!table.contains(document.activeElement)) this.sync() }) })
    table.style.setProperty('--cell', `${Math.max(24, Math.min(46, Math.floor(276 / w)))}px`)
    return table
  }

  // ------------------------------------------------------------------------------------------- input, address, tests
  /** Typed numbers as the input. @param {string} text */
  numbers(text) {
    const rows = rowsOf(text)
    if (!rows || Math.max(rows.length, rows[0].length) > 64) return false
    this.pad.keep()
    this.pad.replace(Float64Array.from(rows.flat()), { shape: [1, rows.length, rows[0].length], kind: 'values', limit: limitOf(rows.flat()) || 1 })
    return true
  }

  state() {
    const { op, name, padding, stride, dilation, flip, channels, show, cell, dark } = this.s, { pad } = this, { shape, kind } = pad.about, sample = pad.sample === null ? null : pad.scene.samples[pad.sample]
    const drawing = sample || kind !== 'image' ? null : packed(/** @type {Uint8Array} */ (pad.item))
    return {
      op, kernel: op !== 'convolve' ? `${this.kernel.h}x${this.kernel.w}` : name === 'typed' ? kernelText(this.kernel) : name, padding, stride: stride.join('x'), dilation, flip, channels, show, at: cell?.join(':') ?? null, dark,
      image: sample?.name ?? null, numbers: !sample && kind === 'values' && pad.item.length <= 1024 ? textOf(pad.item, shape[2]) : null, drawing: drawing && `${shape.join('.')}.${drawing}`,
    }
  }

  store() {
    clearTimeout(this.waiting)
    this.waiting = setTimeout(() => this.write(), 150)
    this.typed.value = this.pad.about.shape[0] === 1 && this.pad.item.length <= 1024 ? textOf(this.pad.item, this.pad.about.shape[2]) : ''
  }

  write() {
    const q = new URLSearchParams(), usual = { op: 'convolve', dilation: 1, flip: false, channels: 'grey', show: 'colour' }, { dark, ...state } = this.state()
    for (const [name, value] of Object.entries(state)) if (value !== null && value !== usual[name]) q.set(name, String(value))
    q.set('theme', dark ? 'dark' : 'light')
    try { history.replaceState(null, '', '#' + q) } catch { /* a frame without an address of its own */ }
  }

  restore(samples) {
    const q = new URLSearchParams(location.hash.slice(1)), at = samples.findIndex(sample => sample.name === q.get('image'))
    this.set({ op: q.get('op') ?? undefined, kernel: q.get('kernel') ?? undefined, padding: q.get('padding') ?? undefined, stride: q.get('stride') ?? undefined, dilation: q.get('dilation') ?? undefined, flip: q.has('flip') ? q.get('flip') === 'true' : undefined, channels: q.get('channels') ?? undefined, show: q.get('show') ?? undefined }, false)
    const [C, H, W, bytes] = (q.get('drawing') ?? '').split('.'), item = bytes && unpacked(bytes, Number(C) * Number(H) * Number(W))
    if (item) this.pad.replace(item, { shape: [C, H, W].map(Number), kind: 'image', limit: 0 })
    else if (!(q.has('numbers') && this.numbers(q.get('numbers')))) this.pad.choose(at < 0 ? 0 : at)
    this.pad.past = []
    const cell = q.get('at')?.split(':').map(Number)
    if (cell?.length === 3 && cell.every(v => Number.isInteger(v) && v >= 0)) this.s.cell = cell
    this.sync()
  }

  /** Settings by name; what is not given stays. Arrays of numbers as an image: {shape: [C, H, W], data}. */
  set({ image, kernel, op, padding, stride, dilation, flip, channels, show } = /** @type {any} */ ({}), again = true) {
    const { s } = this, whole = v => Number.isInteger(Number(v)) && Number(v) >= 1
    if (['convolve', ...Object.keys(POOLS), ...Object.keys(FUNCTIONS)].includes(op)) s.op = op
    if (kernel !== undefined && /^\d+x\d+$/.test(kernel)) { const [h, w] = kernel.split('x').map(Number); if (h >= 1 && w >= 1 && h <= 101 && w <= 101) { this.kernel = { parts: [[new Float64Array(h * w)]], h, w }; s.name = 'typed' } }
    else if (this.named.has(kernel)) this.choose(kernel)
    else if (kernel !== undefined) { const found = kernelOf(kernel); if (found) { this.kernel = found; s.name = 'typed' } }
    if (padding !== undefined && /^(valid|same|full|\d{1,3})$/.test(String(padding))) s.padding = String(padding)
    if (stride !== undefined) { const sides = String(stride).split('x'); if (sides.length <= 2 && sides.every(whole)) s.stride = [Number(sides[0]), Number(sides.at(-1))] }
    if (dilation !== undefined && whole(dilation)) s.dilation = Number(dilation)
    if (flip !== undefined) s.flip = flip
    if (['grey', 'each', 'volume'].includes(channels)) s.channels = channels
    if (['colour', 'grey'].includes(show)) s.show = show
    if (typeof image === 'string') this.numbers(image)
    else if (image) this.pad.keep()
    if (image?.data) this.pad.replace(image.kind === 'image' ? Uint8Array.from(image.data) : Float64Array.from(image.data), { shape: image.shape, kind: image.kind ?? 'values', limit: image.kind === 'image' ? 0 : limitOf(image.data) || 1 })
    if (!again) return
    s.cell = null
    this.sync()
    this.rebuild()
  }

  /** What `window.striate` offers. */
  interface() {
    return {
      ready: Promise.resolve(true),
      set: settings => this.set(settings),
      output: () => (this.fault ? { fault: this.fault } : { shape: this.out.shape.filter((_, a) => a !== 1), data: Array.from(this.out.data) }),
      open: text => this.go(text.split(':').map(Number)),
      state: () => { this.write(); return this.state() },
    }
  }
}
