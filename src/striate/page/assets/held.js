// A network that the page does not compute: PyTorch does, on this machine (`ask`), or did when the file was written.
// The same as a Net to all others, but that a number may not be there yet: reading it notes that it is missing.
import { Net, decoded, item } from 'striate/net'
import { flat, size } from 'striate/ops'

const KEPT = 1_000_000  // weights that are remembered

/** Numbers one behind the other, of which some are known; what is read and is not known is noted in `missing`. */
class Paged {
  constructor() {
    /** @type {Map<number, number>} */
    this.known = new Map()
    /** @type {Map<number, number>} */
    this.edited = new Map()
    /** @type {Set<number>|null} */
    this.missing = null
  }

  /** @param {number} i */
  at(i) {
    const v = this.edited.get(i) ?? this.known.get(i)
    if (v !== undefined) return v
    this.missing?.add(i)
    return 0
  }

  /** A part of them, to be read like an array. @param {number} from @param {number} to @returns {any} */
  subarray(from, to) {
    return new Proxy(/** @type {any} */ ([]), { get: (_, key) => (typeof key === 'symbol' ? undefined : key === 'length' ? to - from : this.at(from + Number(key))) })
  }

  /** @param {number[]} runs start, count, ... @param {Float32Array} numbers @param {number} at */
  take(runs, numbers, at) {
    for (let r = 0; r < runs.length; r += 2) for (let i = 0; i < runs[r + 1]; i++) this.known.set(runs[r] + i, numbers[at++])
    return at
  }
}

/** Places as runs: start, count, start, count, ... @param {Iterable<number>} places */
function runsOf(places) {
  const runs = []
  for (const i of [...places].sort((a, b) => a - b)) { if (runs.length && runs.at(-2) + runs.at(-1) === i) runs[runs.length - 1]++; else runs.push(i, 1) }
  return runs
}
const total = runs => runs.reduce((n, v, i) => n + (i % 2 ? v : 0), 0)

/** @typedef {{shape: number[], data: Float32Array, step: number, limits: Float32Array, version: number}} Picture */

export class Held extends Net {
  /** @param {any} scene @param {((question: Uint8Array) => Promise<Float32Array>)|null} ask @param {Uint8Array} stored */
  constructor(scene, ask, stored) {
    const weights = new Paged(), values = new Paged()
    let end = 0
    super(scene, /** @type {any} */ (weights), n => values.subarray(end, (end += n)))
    this.held = true
    this.pages = { weights, values }
    this.ask = ask
    this.stored = ask ? null : stored
    let first = 0
    this.firsts = new Map(this.layers.map(layer => { const own = first; first += size(layer.shape4); return [layer.name, own] }))
    this.numbers = new Map(this.layers.map((layer, i) => [layer.name, i]))
    const { shape } = this.values.get(this.output)
    this.values.set(this.output, { shape, data: new Float32Array(size(shape)) })
    /** @type {Map<string, Picture>} */
    this.pictures = new Map()
    /** @type {{name: string, step: number}[]} */
    this.shown = []
    /** What is read and not there, by who reads it. @type {Map<string, {values: Set<number>, weights: Set<number>}>} */
    this.wanted = new Map()
    this.version = 0
    this.arrived = -1  // the version whose output is there
    /** @type {(waits: boolean) => void} */
    this.changed = () => {}
    /** @type {(message: string) => void} */
    this.failed = () => {}
    /** @type {{done: (value?: any) => void, fail: (error: Error) => void}[]} who waits for what was asked last */
    this.waiting = []
    if (this.stored) this.items = scene.samples.map(item)
  }

  copy() { const other = new Held(this.scene, this.ask, this.stored); Object.assign(other, { edits: this.edits, off: this.off }); other.pages.weights.edited = this.pages.weights.edited; return other }

  run(input) { this.item = input.slice(); super.run(input) }

  again() {
    this.version++
    this.pages.values.known.clear()
    if (this.ask) this.later()
    else {
      const number = this.items.findIndex(own => own.every((v, i) => v === this.item[i]))
      this.places = this.scene.stored[Math.max(0, number)]
      this.pictures.clear()
      this.values.get(this.output).data.set(this.picture(this.output).data)
      this.arrived = this.version
    }
  }

  // ------------------------------------------------------------------------------------------------ asking the server
  later() { this.timer ??= setTimeout(() => { this.timer = undefined; this.refresh() }) }

  /** Asks for what is shown and not there, one question at a time. */
  async refresh() {
    if (this.busy || !this.ask || !this.item) return
    const { version } = this, out = [this.firsts.get(this.output), this.values.get(this.output).data.length]
    const pictures = this.shown.filter(({ name, step }) => { const p = this.pictures.get(name); return p?.version !== version || p.step !== step })
    const [values, weights] = ['values', 'weights'].map(kind => runsOf(new Set([...this.wanted.values()].flatMap(sets => [...sets[kind]]))))
    const whole = this.arrived !== version
    this.wanted.clear()
    if (!whole && !pictures.length && !values.length && !weights.length) return
    this.busy = true
    const slow = setTimeout(() => this.changed(true), 300)
    try { await this.question(pictures, whole ? [...out, ...values] : values, weights, whole) } catch (error) {
      if (version !== this.version) this.later()  // of an input that is not there any more
      else { this.failed(error.message); this.waiting.splice(0).forEach(({ fail }) => fail(error)) }
      return
    } finally { this.busy = false; clearTimeout(slow) }
    this.changed(false)
    if (this.arrived === this.version) this.waiting.splice(0).forEach(({ done }) => done())
    this.later()
  }

  /** @param {{name: string, step: number}[]} pictures @param {number[]} values @param {number[]} weights @returns {Promise<Float32Array>} */
  answer(pictures, values, weights) {
    const off = [...this.off].map(text => { const at = text.lastIndexOf(':'); return [this.numbers.get(text.slice(0, at)), Number(text.slice(at + 1))] })
    const head = { edits: [...this.pages.weights.edited], off, pictures: pictures.map(p => [this.numbers.get(p.name), p.step]), values, weights }
    const text = new TextEncoder().encode(JSON.stringify(head) + '\n'), item = this.scene.input.kind === 'image' ? Uint8Array.from(this.item) : Float32Array.from(this.item)
    const body = new Uint8Array(text.length + item.byteLength)
    body.set(text)
    body.set(new Uint8Array(item.buffer), text.length)
    return this.ask(body)
  }

  /** Asks, and keeps the answer. @param {{name: string, step: number}[]} pictures @param {number[]} values @param {number[]} weights @param {boolean} whole the first of the values are the output's */
  async question(pictures, values, weights, whole = false) {
    const { version } = this, found = await this.answer(pictures, values, weights)
    let at = 0
    for (const { name, step } of pictures) {
      const [n, d, h, w] = this.byName.get(name).shape4, shape = [n, d, Math.ceil(h / step), Math.ceil(w / step)]
      const limits = found.subarray(at, (at += n)), data = found.subarray(at, (at += size(shape)))
      if (version >= (this.pictures.get(name)?.version ?? 0)) this.pictures.set(name, { shape, data, step, limits, version })
    }
    if (version === this.version) {
      if (whole) { this.values.get(this.output).data.set(found.subarray(at, at + values[1])); this.arrived = version }
      const rest = whole ? 2 : 0
      this.pages.values.take(values.slice(rest), found, at + (rest && values[1]))
    }
    if (this.pages.weights.known.size > KEPT) this.pages.weights.known.clear()
    this.pages.weights.take(weights, found, at + total(values))
  }

  /** Does something that reads, and notes what is missing. @template T @param {() => T} f */
  noting(f) {
    const { values, weights } = this.pages, before = [values.missing, weights.missing], sets = { values: new Set(), weights: new Set() }
    values.missing = sets.values
    weights.missing = sets.weights
    try { return { result: f(), sets, whole: !sets.values.size && !sets.weights.size } } finally { [values.missing, weights.missing] = before }
  }

  /** What `f` reads, once it is there. @template T @param {() => T} f @returns {Promise<T>} */
  async get(f) {
    for (;;) {
      await this.settled()
      const { result, sets, whole } = this.noting(f)
      if (whole) return result
      if (!this.ask) throw new Error(this.needs)
      await this.question([], runsOf(sets.values), runsOf(sets.weights))
    }
  }

  /** Every value of a layer. @param {string} name @returns {Promise<Float32Array>} */
  async all(name) {
    const { length } = this.values.get(name).data, first = this.firsts.get(name)
    for (;;) {
      await this.settled()
      if (name === 'input' || name === this.output) return Float32Array.from(this.values.get(name).data)
      if (!this.ask) throw new Error(this.needs)
      const { version } = this, found = await this.answer([], [first, length], [])
      if (version === this.version) return found
    }
  }

  /** Once what was asked last is there. @returns {Promise<any>} */
  settled() { return this.arrived === this.version ? Promise.resolve() : new Promise((done, fail) => { this.waiting.push({ done, fail }) }) }

  // ------------------------------------------------------------------------------------------------- what is there
  /** Whether all that a unit's arithmetic shows is there; if not, it is asked for. @param {{layer: string, unit: number[]}} found @param {string} who reads it */
  here({ layer, unit }, who) {
    if (!this.ask || this.arrived !== this.version) return false
    const { sets, whole } = this.noting(() => {
      const [first, ...rest] = this.chain(layer), inputs = this.inputsOf(first)
      for (const tap of this.reads(first, unit).taps) if (tap.index >= 0) inputs[tap.source].data[tap.index]
      for (const name of [first, ...rest]) { if (name !== this.output) this.pages.values.at(this.firsts.get(name) + flat(this.byName.get(name).shape4, unit)); this.reads(name, unit) }
    })
    if (whole) this.wanted.delete(who)
    else { this.wanted.set(who, sets); this.later() }
    return whole
  }

  kind(name) { return this.noting(() => super.kind(name)).result }

  value(name, unit) {
    if (name === 'input' || (name === this.output && this.arrived === this.version)) return super.value(name, unit)
    const known = this.pages.values.known.get(this.firsts.get(name) + flat(this.byName.get(name).shape4, unit))
    if (known !== undefined) return known
    const p = this.picture(name), [c, d, h, w] = unit
    if (!p || p.version !== this.version || h % p.step || w % p.step) { super.value(name, unit); return NaN }
    return p.data[flat(p.shape, [c, d, h / p.step, w / p.step])]
  }

  /** @param {string} name @returns {Picture|null} what is to be painted of a layer */
  picture(name) {
    if (!this.pictures.has(name) && this.stored && this.places[name]) this.pictures.set(name, this.unpacked(name))
    return this.pictures.get(name) ?? null
  }

  show(list) { this.shown = list; if (this.ask) this.later() }

  /** A picture of the file (striate/page/stored.py). @returns {Picture} */
  unpacked(name) {
    const [step, offset] = this.places[name], [n, d, h, w] = this.byName.get(name).shape4, shape = [n, d, Math.ceil(h / step), Math.ceil(w / step)]
    const limits = new Float32Array(this.stored.buffer, offset, n), most = Math.max(...limits) || 1, halves = new Uint16Array(this.stored.buffer, offset + 4 * n, size(shape))
    return { shape, data: Float32Array.from(halves, v => most * half(v)), step, limits, version: this.version }
  }

  /** The unit next to this one whose value is there. */
  snap(name, [c, d, h, w]) { const step = (this.stored && this.picture(name)?.step) || 1; return [c, d, h - (h % step), w - (w % step)] }

  get needs() { return this.ask ? '' : 'This file has pictures of its samples; drawing, and the arithmetic of a unit, need striate: striate view MODEL.' }

  whole(name) {
    if (this.asked?.name !== name) {
      const at = Object.entries(this.scene.layers.find(layer => layer.name === name).weights).filter(([kind]) => kind === 'weight' || kind === 'bias')
      const asked = (this.asked = { name, /** @type {Object<string, Float32Array>|null} */ found: null, at })
      this.answer([], [], at.flatMap(([, { offset, shape }]) => [offset, size(shape)])).then(numbers => {
        let n = 0
        asked.found = Object.fromEntries(at.map(([kind, { shape }]) => [kind, numbers.subarray(n, (n += size(shape)))]))
        this.changed(false)
      }, error => { this.asked = undefined; this.failed(error.message) })
    }
    const { found, at } = this.asked
    if (found) for (const [kind, { offset }] of at) for (const [place, value] of this.pages.weights.edited) if (place - offset in found[kind]) found[kind][place - offset] = value
    return found
  }

  get switches() { return !!this.ask && this.scene.macs !== null }

  check() { return { share: 0, layer: '' } }

  set(layer, weight, index, value) {
    const place = this.scene.layers.find(l => l.name === layer).weights[weight].offset + index, { known, edited } = this.pages.weights, key = `${layer}/${weight}/${index}`
    if (known.get(place) === Math.fround(value)) { this.asked = undefined; edited.delete(place); this.edits.delete(key) }
    else { edited.set(place, Math.fround(value)); this.edits.set(key, { layer, weight, index, before: NaN }) }
  }

  original() { this.asked = undefined; this.pages.weights.edited.clear(); this.edits.clear(); this.off.clear() }
}

/** A half-precision number. @param {number} bits */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24)
}

/** The network of a scene: one that the page computes, or one that it asks for. @param {any} scene @param {string} weights @param {any} ask */
export const netOf = (scene, weights, ask) => (scene.held ? new Held(scene, ask ?? null, decoded(weights, Uint8Array)) : new Net(scene, decoded(weights, Float32Array)))
