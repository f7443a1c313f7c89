// Which inputs contribute to an output: gradients by walking `reads` backwards, so that every op of the page is covered.
import { ACTIVATIONS, flat, size, unflat } from 'striate/ops'

export const MAX_TAPS = 40_000_000  // of a network that this is offered for: some seconds

/** Derivatives of activations that have corners, as torch has them. */
const SLOPES = {
  relu: x => (x > 0 ? 1 : 0), leakyrelu: (x, s) => (x > 0 ? 1 : s.slope), relu6: x => (x > 0 && x < 6 ? 1 : 0), elu: (x, s) => (x > 0 ? 1 : s.alpha * Math.exp(x)),
  hardsigmoid: x => (x > -3 && x < 3 ? 1 / 6 : 0), hardswish: x => (x <= -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1),
}
function slope(layer, x) {
  if (SLOPES[layer.op]) return SLOPES[layer.op](x, layer.settings)
  const f = ACTIVATIONS[layer.op]
  if (!f) return 1  // the same number: flatten, crop, concatenation, dropout
  const h = 1e-4 * Math.max(1, Math.abs(x))
  return (f(x + h, layer.settings) - f(x - h, layer.settings)) / (2 * h)
}

/**
 * The derivative of an output by every value of a layer, or of the normalised input. @param {import('striate/net').Net} net
 * @param {string} name @param {number[]} unit @param {string} [by] the layer @returns {Float64Array} of its shape
 */
export function gradient(net, name, unit, by = 'input') {
  const grads = new Map([...net.values].map(([key, map]) => [key, new Float64Array(map.data.length)]))
  grads.get(name)[flat(net.values.get(name).shape, unit)] = 1
  for (let i = net.layers.findIndex(l => l.name === name); i >= 0 && net.layers[i].name !== by; i--) {
    const layer = net.layers[i], own = grads.get(layer.name), shape = layer.shape4, inputs = net.inputsOf(layer.name)
    for (let n = 0; n < own.length; n++) {
      const g = own[n]
      if (g === 0 || net.off.has(`${layer.name}:${unflat(shape, n)[0]}`)) continue
      const reads = net.reads(layer.name, unflat(shape, n)), v = reads.values ?? {}
      const add = (tap, d) => { if (tap.index >= 0) grads.get(layer.inputs[tap.source])[tap.index] += g * d }
      const x = tap => inputs[tap.source].data[tap.index]
      if (reads.kind === 'sum' || reads.kind === 'norm') for (const tap of reads.taps) add(tap, tap.weight)
      else if (reads.kind === 'max') add(reads.taps.find(t => t.index >= 0 && x(t) === net.values.get(layer.name).data[n]), 1)
      else if (reads.kind === 'map') { if (reads.taps.length) add(reads.taps[0], slope(layer, x(reads.taps[0]))) }
      else if (reads.kind === 'product') for (const tap of reads.taps) add(tap, reads.taps.reduce((p, t) => (t === tap ? p : p * x(t)), 1))
      else if (reads.kind === 'rbf') for (const tap of reads.taps) add(tap, -2 * (x(tap) - tap.weight))
      else if (reads.kind === 'softmax') { const p = t => Math.exp(x(t) - v.max) / v.sum, c = unflat(shape, n)[0]; reads.taps.forEach((t, k) => add(t, p(reads.taps[c]) * ((k === c ? 1 : 0) - p(t)))) }
      else if (reads.kind === 'layernorm') { const c = unflat(shape, n)[0], m = reads.taps.length, s = Math.sqrt(v.var + v.eps); reads.taps.forEach((t, k) => add(t, (v.weight / s) * ((k === c ? 1 : 0) - 1 / m - ((v.x - v.mean) * (x(t) - v.mean)) / (m * s * s)))) }
      else if (reads.kind === 'lrn') { const own = flat(inputs[0].shape, unflat(shape, n)), base = v.k + (v.alpha / v.size) * v.sum; for (const t of reads.taps) add(t, (t.index === own ? base ** -v.beta : 0) - v.x * v.beta * base ** (-v.beta - 1) * (v.alpha / v.size) * 2 * x(t)) }
    }
    own.fill(0)
  }
  return grads.get(by)
}

/**
 * Grad-CAM: the maps of a layer, each times the mean of the score's gradient over it, summed (Selvaraju et al. 2017,
 * equations 1 and 2). @param {import('striate/net').Net} net that was computed @param {string} name of the score's layer
 * @param {number[]} unit @param {string} at the layer @param {boolean} relu positive values alone
 */
export function gradCam(net, name, unit, at, relu = true) {
  const slopes = gradient(net, name, unit, at), { shape, data } = net.values.get(at), plane = size(shape.slice(1)), out = new Float64Array(plane)
  for (let c = 0; c < shape[0]; c++) {
    let mean = 0
    for (let i = 0; i < plane; i++) mean += slopes[c * plane + i] / plane
    for (let i = 0; i < plane; i++) out[i] += mean * data[c * plane + i]
  }
  return relu ? out.map(v => Math.max(0, v)) : out
}

export const STEPS = 24  // of the integral

/**
 * The contribution of every input value to a score, before any softmax. Gives what there is after each step; the last is whole.
 * @param {import('striate/net').Net} net that is computed with @param {string} method gradient_x_input or integrated_gradients
 * @param {ArrayLike<number>} item @param {string} name @param {number[]} unit @returns {Generator<Float64Array>}
 */
export function* contributions(net, method, item, name, unit) {
  net.run(item)
  const there = net.values.get('input').data.slice()
  if (method === 'gradient_x_input') return void (yield gradient(net, name, unit).map((g, i) => g * there[i]))
  net.run(new Float32Array(item.length))
  const x = net.values.get('input').data, from = x.slice(), found = new Float64Array(there.length)
  for (let k = 0; k < STEPS; k++) {  // the midpoint rule along the line from black
    const t = (k + 0.5) / STEPS
    for (let i = 0; i < x.length; i++) x[i] = from[i] + t * (there[i] - from[i])
    net.again()
    gradient(net, name, unit).forEach((g, i) => (found[i] += (g * (there[i] - from[i])) / STEPS))
    yield found
  }
}

/** The sum over channels, one number a pixel. @param {Float64Array} values @param {number[]} shape */
export function overChannels(values, shape) {
  const plane = size(shape.slice(1)), out = new Float64Array(plane)
  values.forEach((v, i) => (out[i % plane] += v))
  return out
}
