// The network in the page: weights, the forward pass, one unit's arithmetic, receptive fields, edits.
import { OPS, full, size, flat, unflat } from 'striate/ops'

/** Little-endian base64 as an array. @param {string} text @param {any} type */
export function decoded(text, type) {
  const letters = atob(text), bytes = new Uint8Array(letters.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i)  // a million letters in milliseconds
  return new type(bytes.buffer)
}

const STEP = 20_000_000  // multiply-accumulates after which the page may look up

export class Net {
  /** @param {any} scene @param {Float32Array} weights @param {(n: number) => Float32Array} room for the values of a layer */
  constructor(scene, weights, room = n => new Float32Array(n)) {
    this.scene = scene
    this.weights = weights
    this.inputShape = full(scene.input.kind === 'text' ? [1, ...scene.input.shape] : scene.input.shape)
    const rank = { input: scene.input.kind === 'text' ? 1 : scene.input.shape.length - 1 }
    this.layers = scene.layers.map(layer => {
      const own = {}
      for (const [name, at] of Object.entries(layer.weights)) own[name] = weights.subarray(at.offset, at.offset + size(at.shape))
      rank[layer.name] = layer.shape.length - 1
      return { ...layer, weights: own, shape4: full(layer.shape), rank: Math.max(1, rank[layer.inputs[0]]) }
    })
    this.byName = new Map(this.layers.map(layer => [layer.name, layer]))
    /** @type {Map<string, {shape: number[], data: Float32Array}>} */
    this.values = new Map([['input', { shape: this.inputShape, data: new Float32Array(size(this.inputShape)) }]])
    for (const layer of this.layers) this.values.set(layer.name, { shape: layer.shape4, data: room(size(layer.shape4)) })
    this.output = this.layers[this.layers.length - 1].name
    /** @type {Map<string, {layer: string, weight: string, index: number, before: number}>} */
    this.edits = new Map()
    /** @type {Set<string>} channels that are switched off: "conv1:3" */
    this.off = new Set()
    /** @type {Map<string, string>} */
    this.kinds = new Map()
    this.held = false
  }

  /** The same network, weights and edits, with values of its own. */
  copy() { return Object.assign(new Net(this.scene, this.weights), { edits: this.edits, off: this.off }) }

  inputsOf(name) { return this.byName.get(name).inputs.map(input => this.values.get(input)) }

  /** Computes every layer for a prepared input: bytes 0 to 255 of an image, values, or word numbers. @param {ArrayLike<number>} item */
  run(item) { this.load(item); this.again() }

  load(item) {
    const { kind, mean, std } = this.scene.input
    const x = this.values.get('input').data, plane = x.length / this.inputShape[0]
    for (let i = 0; i < x.length; i++) {
      const c = Math.floor(i / plane)
      x[i] = kind === 'text' ? item[i] : (Math.fround(kind === 'image' ? Math.fround(item[i] / 255) : item[i]) - mean[c]) / std[c]
    }
  }

  /** Computes the layers once more, as after an edit. */
  again() { for (const _ of this.steps()); }

  /** The same, in steps of about 20 million multiply-accumulates at most. @returns {Generator<string>} */
  *steps() {
    for (const layer of this.layers) {
      const out = this.values.get(layer.name)
      out.data.fill(0)
      const parts = layer.op === 'conv' ? Math.min(out.shape[0], Math.ceil((layer.macs ?? 0) / STEP)) : 1
      for (let p = 0; p < parts - 1; p++) { OPS[layer.op].forward(layer, this.inputsOf(layer.name), out, Math.round((p / parts) * out.shape[0]), Math.round(((p + 1) / parts) * out.shape[0])); yield layer.name }
      OPS[layer.op].forward(layer, this.inputsOf(layer.name), out, parts > 1 ? Math.round(((parts - 1) / parts) * out.shape[0]) : 0, out.shape[0])
      if (this.off.size) {
        const plane = size(out.shape.slice(1))
        for (let c = 0; c < out.shape[0]; c++) if (this.off.has(`${layer.name}:${c}`)) out.data.fill(0, c * plane, (c + 1) * plane)
      }
      yield layer.name
    }
  }

  /** What a unit rests on. @param {string} name @param {number[]} unit [c, d, h, w] */
  reads(name, unit, few = false) { const layer = this.byName.get(name); return OPS[layer.op].reads(layer, this.inputsOf(name), unit, few) }

  /** Whether a layer acts on each number alone: map, norm; or what else its units rest on. @param {string} name @returns {string} */
  kind(name) {
    if (!this.kinds.has(name)) this.kinds.set(name, this.reads(name, [0, 0, 0, 0]).kind)
    return this.kinds.get(name)
  }

  // What a network that is not computed in the page has otherwise (held.js):
  /** A layer's weights; null where they have to be asked for first. @param {string} name @returns {Object<string, Float32Array>|null} */
  whole(name) { return this.byName.get(name).weights }
  /** Whether maps can be switched off. */
  get switches() { return true }
  /** What has to be there for arithmetic, if it is not. */
  get needs() { return '' }
  /** Once the values are those of the input. @returns {Promise<any>} */
  settled() { return Promise.resolve() }
  /** @returns {Float32Array|Promise<Float32Array>} every value of a layer */
  all(name) { return this.values.get(name).data }
  /** What `f` reads. */
  get(f) { return f() }
  /** Whether all that a unit's arithmetic shows is there. */
  here(found, who) { return true }
  /** What is to be painted of a layer: of each map every `step`-th cell. @param {string} name @returns {{shape: number[], data: Float32Array, step: number, limits: Float32Array|null}|null} */
  picture(name) { return { .../** @type {any} */ (this.values.get(name)), step: 1, limits: null } }
  /** Says what is on the screen. @param {{name: string, step: number}[]} list */
  show(list) {}
  /** The unit next to this one whose value is there. @param {string} name @param {number[]} unit */
  snap(name, unit) { return unit }

  value(name, unit) { const map = this.values.get(name); return map.data[flat(map.shape, unit)] }

  /**
   * The receptive field of a unit: of every earlier layer the box [first, last] along depth, height, width.
   * @param {string} name @param {number[]} unit @returns {Map<string, number[][]>}
   */
  fields(name, unit) {
    const boxes = new Map([[name, unit.slice(1).map(v => [v, v])]])
    const last = this.layers.findIndex(layer => layer.name === name)
    for (let i = last; i >= 0; i--) {
      const layer = this.layers[i], box = boxes.get(layer.name)
      if (!box) continue
      let channels = [0]  // the place of a window is the same in all channels, but of a flatten and a concatenation
      if (layer.name === name) channels = [unit[0]]
      else if (layer.op === 'concat') channels = this.concatFirsts(layer)
      else if (layer.op === 'flatten') channels = [0, layer.shape4[0] - 1]
      for (const end of [0, 1]) for (const c of channels) this.corner(boxes, layer, c, box, end)
    }
    boxes.delete(name)
    return boxes
  }

  /**
   * What the units of a box read near one of its corners: as many of them as windows leave gaps, inwards until one reads,
   * which those in the padding of any axis do not; then outwards along each axis alone, for its padding may be narrower.
   */
  corner(boxes, layer, c, box, end) {
    const { dilation, stride } = layer.settings, gaps = Math.max(2, ...[dilation ?? 1].flat(), ...(layer.op === 'convtranspose' ? [stride].flat() : []))
    /** Whether the units so many steps inwards on each axis read anything. */
    const read = steps => {
      let any = false
      const near = box.map(([a, b], axis) => [...new Set(Array.from({ length: gaps }, (_, i) => (end ? Math.max(a, b - steps[axis] - i) : Math.min(b, a + steps[axis] + i))))])
      for (const z of near[0]) for (const y of near[1]) for (const x of near[2])
        for (const tap of this.reads(layer.name, [c, z, y, x], true).taps) if (tap.index >= 0) { any = true; this.grow(boxes, layer, tap) }
      return any
    }
    const most = box.map(([a, b]) => Math.floor((b - a) / gaps)), all = most[0] + most[1] + most[2]
    /** The nearest units to the corner that read. */
    const nearest = () => {
      for (let sum = 0; sum <= all; sum++)
        for (let z = 0; z <= Math.min(sum, most[0]); z++)
          for (let y = Math.max(0, sum - z - most[2]); y <= Math.min(sum - z, most[1]); y++) {
            const steps = [z, y, sum - z - y].map(n => n * gaps)
            if (read(steps)) return steps
          }
      return null
    }
    const inwards = nearest()
    inwards?.forEach((n, axis) => { for (let step = 0; step < n && !read(inwards.map((other, a) => (a === axis ? step : other))); step += gaps); })
  }

  concatFirsts(layer) { let n = 0; return layer.inputs.map(input => { const first = n; n += this.values.get(input).shape[0]; return first }) }

  grow(boxes, layer, tap) {
    const source = layer.inputs[tap.source], at = unflat(this.values.get(source).shape, tap.index).slice(1)
    const box = boxes.get(source)
    if (!box) boxes.set(source, at.map(v => [v, v]))
    else at.forEach((v, a) => { box[a][0] = Math.min(box[a][0], v); box[a][1] = Math.max(box[a][1], v) })
  }

  /** Whether a layer has maps of more than one place. @param {string} name */
  slides(name) { return size(this.byName.get(name).shape4.slice(1)) > 1 }

  /** The layers behind `name` that act on each of its numbers alone, `name` itself last: conv, batch norm, relu. */
  chain(name) {
    const names = [name]
    for (;;) {
      const layer = this.byName.get(names[0])
      const source = layer.inputs[0]
      const single = ['norm', 'map'].includes(this.kind(layer.name)) && layer.inputs.length === 1
      if (!single || source === 'input' || !this.byName.has(source) || ['flatten', 'embedding', 'crop', 'padchannels'].includes(layer.op)) return names
      names.unshift(source)
    }
  }

  edit(layer, weight, index, value) { this.set(layer, weight, index, value); this.again() }

  /** The same, not yet computed. */
  set(layer, weight, index, value) {
    const key = `${layer}/${weight}/${index}`, own = this.byName.get(layer).weights[weight]
    if (!this.edits.has(key)) this.edits.set(key, { layer, weight, index, before: own[index] })
    own[index] = value
    if (own[index] === this.edits.get(key).before) this.edits.delete(key)
  }

  toggle(layer, channel) { const key = `${layer}:${channel}`; this.off.has(key) ? this.off.delete(key) : this.off.add(key); this.again() }

  /** What is edited, and which maps are switched off. @returns {{edits: any[], off: string[]}} */
  changes() { return { edits: [...this.edits.values()].map(({ layer, weight, index }) => [layer, weight, index, this.byName.get(layer).weights[weight][index]]), off: [...this.off] } }

  /** These changes and no others, not yet computed. */
  change({ edits, off }) {
    this.original()
    for (const [layer, weight, index, value] of edits) this.set(layer, weight, index, value)
    for (const map of off) this.off.add(map)
  }

  reset() { this.original(); this.again() }

  /** Without any edit, not yet computed. */
  original() {
    for (const { layer, weight, index, before } of this.edits.values()) this.byName.get(layer).weights[weight][index] = before
    this.edits.clear(); this.off.clear()
  }

  /** Probabilities (or values) of the outputs; of a segmentation for every pixel, channel after channel. */
  outputs() {
    const { activation, mean, std, temperature: T } = this.scene.output, last = this.byName.get(this.output), x = this.values.get(this.output)
    const C = x.shape[0], plane = size(x.shape.slice(1)), y = new Float64Array(x.data)
    if (activation === last.op && T !== 1) for (let i = 0; i < y.length; i++) y[i] = Math.log(y[i]) - (activation === 'sigmoid' ? Math.log(1 - y[i]) : 0)
    if (activation === 'softmax' && (last.op !== 'softmax' || T !== 1))
      for (let i = 0; i < plane; i++) {
        let max = -Infinity, sum = 0
        for (let c = 0; c < C; c++) max = Math.max(max, y[c * plane + i])
        for (let c = 0; c < C; c++) sum += y[c * plane + i] = Math.exp((y[c * plane + i] - max) / T)
        for (let c = 0; c < C; c++) y[c * plane + i] /= sum
      }
    if (activation === 'sigmoid' && (last.op !== 'sigmoid' || T !== 1)) for (let i = 0; i < y.length; i++) y[i] = 1 / (1 + Math.exp(-y[i] / T))
    if (mean.length) for (let c = 0; c < C; c++) y[c] = y[c] * std[c] + mean[c]
    return y
  }

  /** The largest difference from PyTorch's values, as a share of each layer's range, and where. */
  check() {
    const { input, layers } = this.scene.check
    this.run(item(input))
    let worst = { share: 0, layer: '' }
    for (const [name, { at, values, range }] of Object.entries(layers)) {
      const mine = this.values.get(name).data
      at.forEach((n, i) => { const share = Math.abs(mine[n] - values[i]) / (range || 1); if (!(share <= worst.share)) worst = { share, layer: name } })
    }
    return worst
  }
}

/** The numbers of a sample. @param {{type: string, data: string}} sample */
export const item = sample => decoded(sample.data, { u1: Uint8Array, '<f4': Float32Array }[sample.type])
