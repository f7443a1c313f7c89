// The input: a pad to draw on, samples, own files; for texts a sentence; for signals a curve.
import { fill } from 'striate/colour'
import { OwnImages } from 'striate/images'
import { item } from 'striate/net'
import { prepared, resized } from 'striate/resample'
import { packed, unpacked } from 'striate/state'
import { el, svg } from 'striate/dom'

/** A sample's name without the beginning that all have, as files' names do. */
function caption(name, samples) {
  let n = 0
  while (n < name.length && samples.length > 1 && samples.every(s => s.name[n] === name[n])) n++
  return n > 3 && n < name.length && name.length > 6 ? `\u2026${name.slice(n)}` : name
}

/** The pixels of a prepared image or array, for a canvas. */
export function picture(bytes, about) {
  const [C, H, W] = about.shape.length === 3 ? about.shape : [about.shape[0], 1, about.shape[1] ?? 1]
  const image = new ImageData(W, H), plane = W * H
  let low = 0, high = 255
  if (about.limit) { fill(bytes, 0, plane, about.limit, new Uint32Array(image.data.buffer)); return image }
  if (about.kind === 'values') { low = Math.min(...bytes); high = Math.max(...bytes) }
  for (let i = 0; i < plane; i++) {
    const at = c => ((bytes[c * plane + i] - low) * 255) / (high - low || 1)
    image.data.set(C >= 3 ? [at(0), at(1), at(2), 255] : [at(0), at(0), at(0), 255], 4 * i)
  }
  return image
}

/** A slice of a volume; black and white are the smallest and the largest value of all of it. */
function slicePicture(values, { shape: [C, D, H, W], kind }, z) {
  const plane = H * W, cut = new Float32Array(C * plane), ends = kind === 'values' ? values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]) : [0, 255]
  for (let c = 0; c < C; c++) for (let i = 0; i < plane; i++) cut[c * plane + i] = (255 * (values[(c * D + z) * plane + i] - ends[0])) / (ends[1] - ends[0] || 1)
  return picture(cut, { shape: [C, H, W], kind: 'image' })
}

export class Pad {
  /** @param {any} scene @param {HTMLElement} root @param {() => void} changed */
  constructor(scene, root, changed) {
    this.scene = scene
    this.about = scene.input
    this.root = root
    this.changed = changed
    this.samples = scene.samples.map(sample => sample.item ?? item(sample))
    this.sample = null
    this.past = []
    this.future = []
    this.begun = null  // a text as it was when its field was entered
    this.also = { changes: () => null, change: was => {} }  // what a step back restores beside the input: the page's edits
    this.offers = []
    this.fixed = scene.held === 'file'  // nothing but the samples is known
    const { kind, shape } = this.about
    this.rank = shape.length - 1
    if (kind === 'text') this.text()
    else if (kind === 'values' && this.rank < 2) this.curve()
    else if (this.rank === 2) this.drawing()
    else this.volume()
    if (!this.own) for (const name of ['dragover', 'drop']) document.addEventListener(name, e => e.preventDefault())  // else the browser would leave the page for the file
    const length = shape.reduce((a, b) => a * b, 1)
    this.item ??= kind === 'values' ? new Float32Array(length) : kind === 'text' ? new Float32Array(length) : new Uint8Array(length)
    this.offered()
  }

  // ------------------------------------------------------------------------------------------------------- images
  drawing() {
    const [C, H, W] = this.about.shape, photo = C >= 3, image = this.about.kind === 'image'
    this.canvas = el('canvas', { className: 'pad', width: W, height: H, tabIndex: 0 })
    this.marks = svg('svg', { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none' })
    this.named()
    const box = el('div', { className: 'padbox' }, this.canvas, this.marks)
    if (this.fixed) { this.canvas.style.cursor = 'default'; this.root.append(el('h2', {}, 'Input'), box); return }
    const button = (text, title, act) => el('button', { title, onclick: act }, text)
    this.size = el('input', { type: 'range', min: 0.5, step: 0.25, title: 'Size of the brush' })
    this.brush()
    this.size.setAttribute('aria-label', 'Size of the brush')
    this.colour = el('input', { type: 'color', value: '#ffffff', title: 'Colour of the brush' })
    this.colour.setAttribute('aria-label', 'Colour of the brush')
    this.eraser = el('button', { title: 'Draw in black (e)', onclick: () => this.erase(!this.erasing) }, 'Eraser')
    this.eraser.setAttribute('aria-pressed', 'false')
    const moves = /** @type {[string, string, number, number][]} */ ([['\u2190', 'left', -1, 0], ['\u2192', 'right', 1, 0], ['\u2191', 'up', 0, -1], ['\u2193', 'down', 0, 1]])
    const nudges = moves.map(([sign, word, x, y]) => el('button', { title: `Move the drawing ${word} by a pixel`, ariaLabel: `Move ${word}`, onclick: () => this.nudge(x, y) }, sign))
    if (image) this.own = new OwnImages({ take: (pixels, name) => this.take(pixels, name), begin: () => this.remember(), live: pixels => this.become(pixels), say: text => this.say(text), alpha: C === 4 })
    this.message = el('p', { className: 'message' })
    this.advice = el('p', { className: 'note', role: 'status' })
    this.message.setAttribute('role', 'status')
    this.root.append(el('h2', {}, image ? 'Input: draw, drop or paste an image' : 'Input: draw here'), box, this.message,
      el('div', { className: 'row tight' }, button('Clear', 'An empty pad (c)', () => this.clear()), button('Undo', 'One step back: of the drawing, a weight, a map that was switched off (u)', () => this.undo()), button('Redo', 'One step on again (U)', () => this.redo()), this.eraser, ...(this.usual ? [button('Fit', 'Make the drawing as large as the samples are, and put it where they are (g)', () => this.fit())] : []), ...(photo ? [this.colour] : []), ...(image ? this.own.buttons : [])),
      el('div', { className: 'row tight' }, this.size, ...nudges), this.advice)
    let last = null
    const at = e => { const [, H, W] = this.about.shape, r = this.canvas.getBoundingClientRect(); return [((e.clientX - r.left) / r.width) * W, ((e.clientY - r.top) / r.height) * H] }
    const width = e => Number(this.size.value) * (e.pointerType === 'pen' && e.pressure ? 0.4 + 1.2 * e.pressure : 1)
    this.canvas.addEventListener('pointerdown', e => {
      if (!e.isPrimary || e.button > 0) return
      this.keep()
      this.canvas.setPointerCapture(e.pointerId)
      last = at(e)
      this.line(last, last, width(e))
      this.done()
    })
    this.canvas.addEventListener('pointermove', e => {
      if (!last || !e.isPrimary) return
      for (const each of e.getCoalescedEvents?.().length ? e.getCoalescedEvents() : [e]) { const now = at(each); this.line(last, now, width(each)); last = now }
      this.done()
    })
    for (const name of ['pointerup', 'pointercancel']) this.canvas.addEventListener(name, () => { last = null; this.advise() })
  }

  /** Where a drawing on black has its ink: its middle and its longer side; null of an empty pad, and of what is no drawing on black. */
  ink(item) {
    const [, H, W] = this.about.shape, dark = [0, W - 1, (H - 1) * W, H * W - 1].every(i => item[i] < 64)
    let [x0, y0, x1, y1] = [W, H, 0, 0]
    if (dark) for (let y = 0, i = 0; y < H; y++) for (let x = 0; x < W; x++, i++) if (item[i] >= 64) { x0 = Math.min(x0, x); x1 = Math.max(x1, x + 1); y0 = Math.min(y0, y); y1 = Math.max(y1, y + 1) }
    return x1 > x0 ? { middle: [(x0 + x1) / 2, (y0 + y1) / 2], long: Math.max(x1 - x0, y1 - y0) } : null
  }

  /** The usual place and size of the samples' drawings; null where most of them are no drawings on black. */
  get usual() {
    if (this.about.kind !== 'image' || this.about.shape[0] !== 1 || this.about.limit || this.about.room) return null
    const some = this.samples.slice(0, this.scene.samples.length), found = some.map(item => this.ink(item)).filter(Boolean), mean = of => found.reduce((s, f) => s + of(f), 0) / found.length
    return found.length > 0.8 * some.length ? { middle: [mean(f => f.middle[0]), mean(f => f.middle[1])], long: mean(f => f.long) } : null
  }

  /** A network knows drawings of the size and at the place of those that it learned from: the drawing gets both. */
  fit() {
    const own = this.ink(this.item), { usual } = this
    if (!own || !usual) return
    this.keep()
    const [, H, W] = this.about.shape, s = usual.long / own.long, [w, h] = [W, H].map(v => Math.round(v * s)), large = resized(this.item, W, H, [0, 0, W, H], w, h, 'bilinear'), [dx, dy] = [0, 1].map(a => Math.round(usual.middle[a] - own.middle[a] * s))
    const fitted = this.item.slice().fill(0)
    for (let y = Math.max(0, dy); y < Math.min(H, dy + h); y++) for (let x = Math.max(0, dx); x < Math.min(W, dx + w); x++) fitted[y * W + x] = large[(y - dy) * w + x - dx]
    this.item = fitted
    this.done()
  }

  /** Says of a drawing that is much smaller than the samples what helps. */
  advise() {
    const own = this.ink(this.item), { usual } = this
    this.advice.textContent = own && usual && own.long < 0.8 * usual.long ? 'Smaller than what the network has learned from: Fit enlarges it.' : ''
  }

  // ------------------------------------------------------------------------------------------------------ volumes
  volume() {
    const [, D, H, W] = this.about.shape
    this.canvas = el('canvas', { className: 'pad', width: W, height: H })
    this.canvas.style.cursor = 'default'
    this.marks = svg('svg', { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none' })
    this.slice = el('input', { type: 'range', min: 0, max: D - 1, step: 1, value: D >> 1, title: 'Which slice of the volume is shown', oninput: () => this.paint() })
    this.slice.setAttribute('aria-label', 'Slice of the volume')
    this.depth = el('span')
    this.root.append(el('h2', {}, 'Input: a volume'), el('div', { className: 'padbox' }, this.canvas, this.marks), el('div', { className: 'row tight' }, this.slice, this.depth),
      el('p', { className: 'note' }, `An array of ${this.about.shape.join('\u00d7')}; striate view MODEL FILE.npy shows one of yours.`))
  }

  brush() { const [, , W] = this.about.shape; Object.assign(this.size, { max: Math.max(4, W / 6), value: this.about.limit ? 0.5 : Math.max(1, W / 18) }) }
  named() { const [, H, W] = this.about.shape; this.canvas.setAttribute('aria-label', `Drawing pad, ${W} by ${H} pixels. Arrow keys move the drawing.`) }

  /** Another input; in the lab, whose pad has no size of its own, of another shape too. */
  replace(values, about = {}) {
    const typed = !!this.about.limit
    Object.assign(this.about, about)
    this.item = values
    const [C, H, W] = this.about.shape
    if (this.colour) this.colour.hidden = C < 3
    if (this.canvas && this.rank === 2 && (this.canvas.width !== W || this.canvas.height !== H || typed !== !!this.about.limit)) {
      Object.assign(this.canvas, { width: W, height: H })
      this.marks.setAttribute('viewBox', `0 0 ${W} ${H}`)
      this.brush()
      this.named()
    }
  }

  erase(on) { this.erasing = on; this.eraser.setAttribute('aria-pressed', String(on)) }
  keep() {
    this.own?.stop()
    this.remember()
  }

  /** What is there now can be had again; what comes is no sample unless it is said. @param {number|null} [sample] */
  remember(sample = null, was = this.present()) {
    this.past.push(was)
    if (this.past.length > 60) this.past.shift()
    this.future = []
    this.sample = sample
  }

  present() {
    const { shape, kind, limit } = this.about
    return { item: this.item.slice(), about: { shape, kind, limit }, sample: this.sample, text: this.field?.value, changes: this.also.changes() }
  }

  undo(from = this.past, to = this.future) {
    const was = this.fixed ? null : from.pop()
    if (!was) return
    to.push(this.present())
    this.own?.stop()
    this.also.change(was.changes)
    if (this.field) { this.field.value = was.text; this.encode(true) } else this.replace(was.item, was.about)
    this.sample = was.sample
    this.done()
  }
  redo() { this.undo(this.future, this.past) }
  clear() { if (this.fixed) return; this.keep(); this.item = this.item.slice().fill(0); this.done() }

  /** A round brush with a soft edge of a pixel. */
  line(/** @type {number[]} */ [x0, y0], /** @type {number[]} */ [x1, y1], r = Number(this.size.value)) {
    const [C, H, W] = this.about.shape, typed = this.about.limit > 0, soft = typed ? 0.01 : 0.75
    if (typed) [x0, y0, x1, y1] = [x0, y0, x1, y1].map(v => Math.floor(v) + 0.5)  // whole cells
    const hex = this.colour.value, rgb = this.erasing ? [0, 0, 0] : C >= 3 ? [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16)) : [255]
    const top = typed ? this.about.limit / 255 : this.about.kind === 'values' ? Math.max(1, ...this.samples.flatMap(s => [Math.max(...s)])) / 255 : 1
    const dx = x1 - x0, dy = y1 - y0, long = dx * dx + dy * dy
    for (let y = Math.max(0, Math.floor(Math.min(y0, y1) - r - 1)); y <= Math.min(H - 1, Math.ceil(Math.max(y0, y1) + r + 1)); y++)
      for (let x = Math.max(0, Math.floor(Math.min(x0, x1) - r - 1)); x <= Math.min(W - 1, Math.ceil(Math.max(x0, x1) + r + 1)); x++) {
        const t = long ? Math.max(0, Math.min(1, ((x + 0.5 - x0) * dx + (y + 0.5 - y0) * dy) / long)) : 0
        const d = Math.hypot(x + 0.5 - x0 - t * dx, y + 0.5 - y0 - t * dy), ink = Math.max(0, Math.min(1, (r + soft - d) / (2 * soft)))
        if (ink > 0) for (let c = 0; c < C; c++) {
          const i = (c * H + y) * W + x, to = c < 3 ? (rgb[c] ?? rgb[0]) : 255, from = this.item[i] / top
          this.item[i] = (C < 3 && !this.erasing ? Math.max(from, ink * to) : from + (to - from) * ink) * top
        }
      }
  }

  /** @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    if (this.rank !== 2 || this.about.kind === 'text' || this.fixed) return
    this.keep()
    const [C, H, W] = this.about.shape, before = this.item, after = before.slice().fill(0)
    for (let c = 0; c < C; c++) for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) {
      const u = x - dx, v = y - dy
      if (u >= 0 && u < W && v >= 0 && v < H) after[(c * H + y) * W + x] = before[(c * H + v) * W + u]
    }
    this.item = after
    this.done()
  }

  /** An image of one's own is the input now, and one of the samples. @param {ImageData} pixels @param {string} name */
  take(pixels, name) {
    this.keep()
    this.become(pixels)
    this.samples.push(this.item.slice())
    this.offer({ name, ...(this.about.room ? { shape: this.about.shape, kind: 'image', limit: 0 } : {}) }, this.samples.length - 1)
  }

  /** Prepares it as the network's; where there is none, as it is, made smaller to fit in `room`. */
  become(pixels) {
    const { room } = this.about, s = Math.min(1, room / Math.max(pixels.width, pixels.height))
    const about = room ? { shape: [3, ...[pixels.height, pixels.width].map(v => Math.max(1, Math.round(v * s)))], kind: 'image', limit: 0 } : this.about
    this.replace(prepared(pixels, about), about)
    this.done()
  }

  say(text) { this.message.textContent = text }

  // -------------------------------------------------------------------------------------------------- texts, signals
  text() {
    this.field = el('textarea', { value: '', placeholder: 'Type a sentence', onfocus: () => { this.begun = this.present() }, oninput: () => this.typed() })
    this.field.setAttribute('aria-label', 'Sentence')
    this.field.readOnly = this.fixed
    this.tokens = el('p', {})
    this.unknown = el('p', { className: 'note', role: 'status' })
    this.root.append(el('h2', {}, 'Input: a sentence'), this.field, this.tokens, this.unknown)
    this.numbers = new Map(this.about.vocabulary.map((word, i) => [word, i + 2]))
    this.encode(true)
  }

  /** The first change since the field was entered is a step that can be undone. */
  typed() {
    if (this.begun) this.remember(null, this.begun)
    this.begun = null
    this.sample = null
    this.encode()
  }

  /** The numbers of the words of a text. @param {string} text */
  encoded(text) {
    const item = new Float32Array(this.about.shape[0])
    wordsOf(text).slice(0, item.length).forEach((w, i) => { item[i] = this.numbers.get(w) ?? 1 })
    return item
  }

  encode(quiet = false) {
    const length = this.about.shape[0], words = wordsOf(this.field.value)
    this.item = this.encoded(this.field.value)
    this.words = words.slice(0, length)
    const strange = this.words.filter(w => !this.numbers.has(w)).length
    this.unknown.textContent = strange ? `${strange === 1 ? 'One word is' : `${strange} words are`} not in the vocabulary (dotted): the network reads ${strange === 1 ? 'it' : 'each'} as "unknown".` : ''
    this.tokens.replaceChildren(...this.words.map(w => el('span', { className: 'token' + (this.numbers.has(w) ? '' : ' unknown'), title: this.numbers.has(w) ? '' : 'not in the vocabulary' }, w)))
    if (words.length > length) this.tokens.append(el('span', { className: 'note' }, ` and ${words.length - length} more, which the network does not read`))
    if (!quiet) this.done()
  }

  curve() {
    const n = this.about.shape.at(-1), C = this.about.shape.length > 1 ? this.about.shape[0] : 1
    this.canvas = el('canvas', { className: 'pad curve', width: 920, height: 400, tabIndex: 0 })
    this.canvas.setAttribute('aria-label', `A signal of ${n} values: drag to draw it`)
    this.marks = svg('svg', { viewBox: `0 0 ${n} 1`, preserveAspectRatio: 'none' })
    this.root.append(el('h2', {}, this.fixed ? 'Input' : 'Input: draw the signal'), el('div', { className: 'padbox' }, this.canvas, this.marks), el('div', { className: 'row', hidden: this.fixed }, el('button', { onclick: () => this.clear() }, 'Clear'), el('button', { onclick: () => this.undo() }, 'Undo'), el('button', { onclick: () => this.redo() }, 'Redo')))
    this.reach = Math.max(1, ...this.samples.flatMap(s => [Math.max(...s.map(Math.abs))]))
    this.channels = C
    if (this.fixed) return
    let last = null
    const at = e => { const r = this.canvas.getBoundingClientRect(); return [Math.max(0, Math.min(n - 1, Math.floor(((e.clientX - r.left) / r.width) * n))), (1 - (2 * (e.clientY - r.top)) / r.height) * this.reach] }
    const set = (a, b) => { for (let i = Math.min(a[0], b[0]); i <= Math.max(a[0], b[0]); i++) { const t = a[0] === b[0] ? 1 : (i - a[0]) / (b[0] - a[0]); this.item[i] = a[1] + (b[1] - a[1]) * t } this.done() }
    this.canvas.addEventListener('pointerdown', e => { this.keep(); this.canvas.setPointerCapture(e.pointerId); last = at(e); set(last, last) })
    this.canvas.addEventListener('pointermove', e => { if (last) { const now = at(e); set(last, now); last = now } })
    this.canvas.addEventListener('pointerup', () => { last = null })
  }

  // ------------------------------------------------------------------------------------------------------- samples
  offered() { this.scene.samples.forEach((sample, i) => this.offer(sample, i)) }

  /** A button for an input. */
  offer(sample, i) {
    const text = this.about.kind === 'text'
    if (!this.grid) { this.grid = el('div', { className: text ? 'words' : 'samples' }); this.root.append(el('h2', {}, 'Samples'), this.grid) }
    const button = el('button', { title: sample.name, onclick: () => this.choose(i) })
    if (!text && this.rank >= 2) { const canvas = el('canvas', {}); this.thumbnail(canvas, this.samples[i], sample); button.append(canvas) }
    button.append(el('span', {}, text ? sample.name : caption(sample.name, this.scene.samples)))
    this.grid.append(button)
    this.offers[i] = sample
  }

  thumbnail(canvas, bytes, { shape: own, kind = this.about.kind, limit = this.about.limit } = /** @type {any} */ ({})) {
    const full = own ?? this.about.shape, shape = full.length === 4 ? [full[0], ...full.slice(2)] : full
    const image = full.length === 4 ? slicePicture(bytes, this.about, full[1] >> 1) : picture(bytes, { kind, limit, shape })
    Object.assign(canvas, { width: image.width, height: image.height })
    canvas.getContext('2d').putImageData(image, 0, 0)
  }

  /** @param {number} i */
  choose(i) {
    if (!this.samples[i]) return
    this.keep()
    const { shape, kind, limit, name } = this.offers[i] ?? this.scene.samples[i]
    if (this.about.kind === 'text') { this.field.value = name; this.encode(true) } else this.replace(this.samples[i].slice(), this.about.room ? { shape, kind, limit } : {})
    this.sample = i
    this.done()
  }

  // --------------------------------------------------------------------------------------------------- for the page
  done() { if (this.advice) this.advice.textContent = ''; this.paint(); this.changed() }

  paint() {
    if (!this.canvas) return
    if (this.about.kind === 'values' && this.rank < 2) {
      const g = this.canvas.getContext('2d'), { width: w, height: h } = this.canvas, n = this.about.shape.at(-1), style = getComputedStyle(document.documentElement)
      g.clearRect(0, 0, w, h)
      g.lineWidth = 4  // of a canvas that is shown in a quarter of its width
      g.strokeStyle = style.getPropertyValue('--line')
      g.beginPath(); g.moveTo(0, h / 2); g.lineTo(w, h / 2); g.stroke()
      for (let c = 0; c < this.item.length / n; c++) {
        g.strokeStyle = style.getPropertyValue(c ? '--soft' : '--accent')
        g.beginPath()
        for (let i = 0; i < n; i++) g.lineTo(((i + 0.5) / n) * w, (h / 2) * (1 - this.item[c * n + i] / this.reach))
        g.stroke()
      }
    } else if (this.slice) {
      const z = Number(this.slice.value)
      this.depth.textContent = `slice ${z} of 0 to ${this.about.shape[1] - 1}`
      this.canvas.getContext('2d').putImageData(slicePicture(this.item, this.about, z), 0, 0)
    } else this.canvas.getContext('2d').putImageData(picture(this.item, this.about), 0, 0)
  }

  /** Shows a receptive field [first, last] of depth, height, width; null for none. */
  showField(box) {
    if (this.about.kind === 'text') { [...this.tokens.children].forEach((token, i) => token.classList.toggle('field', !!box && i >= box[2][0] && i <= box[2][1])); return }
    this.marks?.replaceChildren()
    if (box && this.slice) this.depth.textContent = `slices ${box[0][0]} to ${box[0][1]} are read`
    if (box && this.marks) svg('rect', { x: box[2][0], y: this.rank >= 2 ? box[1][0] : 0, width: box[2][1] - box[2][0] + 1, height: this.rank >= 2 ? box[1][1] - box[1][0] + 1 : 1, fill: 'none', stroke: 'var(--accent)', 'stroke-width': 2, 'vector-effect': 'non-scaling-stroke' }, this.marks)
  }

  /** For the address. */
  state() {
    if (this.about.kind === 'text') return { sample: null, drawing: null, text: this.field.value }
    if ((this.sample !== null && this.sample < this.scene.samples.length) || this.about.kind === 'values') return { sample: this.sample, drawing: null, text: null }
    return { sample: null, drawing: packed(/** @type {Uint8Array} */ (this.item)), text: null }
  }

  restore({ sample, drawing, text }) {
    if (this.about.kind === 'text') { this.field.value = text ?? this.scene.samples[0]?.name ?? 'this is not a bad example at all'; this.encode(true) }
    else if (drawing && !this.fixed) { const bytes = unpacked(drawing, this.item.length); if (bytes) this.item = bytes }
    else if (this.samples.length) { const i = this.samples[sample ?? 0] ? (sample ?? 0) : 0; this.item = this.samples[i].slice(); this.sample = i }
    else if (this.rank === 2 && this.about.kind === 'image') { const [, H, W] = this.about.shape; this.seven(W, H) }
    this.paint()
  }

  /** What stands on the pad at first, so that something is to be seen. */
  seven(W, H) {
    const p = [[0.28, 0.25], [0.72, 0.25], [0.45, 0.78]].map(([x, y]) => [x * W, y * H])
    this.line(p[0], p[1])
    this.line(p[1], p[2])
  }
}

/** The words of a text as striate's model takes them apart (striate/model/words.py). @param {string} text */
export function wordsOf(text) {
  const t = text.normalize('NFC').replace(/[\u2019\u2018\u02bc]/g, "'").toLowerCase()
  const m = '(?:(?=\\p{M})[\\u0300-\\ufe2f])*', l = '\\p{L}\\p{N}', c = '[\\u3041-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3134f}]'
  const n = `(?:(?!${c})[${l}]${m})`, space = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
  return t.match(new RegExp(`${c}${m}|\\p{Nd}+(?:[.,]\\p{Nd}+)+(?!${n})|${n}+?(?=n't(?!${n}))|n't(?!${n})|'(?:s|ve|re|d|ll|m)(?!${n})|${n}+|[^${l}_${space}]${m}|_`, 'gu')) ?? []
}
