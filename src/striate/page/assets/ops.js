// Every op of the vocabulary, once: how its output is computed, and which cells one of its outputs rests on.
// Hovering, edges, receptive fields, sliding and the arithmetic all come from `reads`.
// A map is {shape: [C, D, H, W], data: Float32Array}; maps of fewer axes have leading ones, flat features C alone.

/** @typedef {{shape: number[], data: Float32Array}} Map4 */
/** @typedef {{source: number, index: number, weight: number}} Tap  index -1: in the padding */
/** @typedef {{kind: string, taps: Tap[], bias?: number, grid?: {size: number[], channels: number, first: number}, text?: string, divisor?: number, values?: Object<string, number>}} Reads */
/** @typedef {{op: string, name: string, formula: string, settings: any, inputs: string[], shape: number[], weights: Object<string, Float32Array>, table?: number[][]}} Layer */

export const size = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1)

/** A shape without the batch as [C, D, H, W]. @param {number[]} shape */
export const full = shape => [shape[0], ...Array(4 - shape.length).fill(1), ...shape.slice(1)]

/** One number for each of the three axes; axes that a network has not get `missing`. @param {any} value @param {number} missing */
export function axes(value, missing) {
  if (value === undefined || value === null) return [missing, missing, missing]
  const list = Array.isArray(value) ? value : [value]
  return [...Array(3 - list.length).fill(missing), ...list]
}

/** Kernel, stride, padding, dilation for three axes. @param {Layer} layer */
function windowOf(layer) {
  const s = layer.settings
  const rank = layer.rank
  const each = (value, missing) => axes(Array.isArray(value) ? value : Array(rank).fill(value ?? missing), missing)
  return { kernel: each(s.kernel, 1), stride: each(s.stride ?? s.kernel, 1), padding: each(s.padding, 0), dilation: each(s.dilation, 1) }
}

/** The taps of one window in one channel. @returns {Tap[]} */
function windowTaps(input, c, at, w, weightOf, source = 0) {
  const [, D, H, W] = input.shape
  const taps = []
  const [z0, y0, x0] = [0, 1, 2].map(a => at[a] * w.stride[a] - w.padding[a])
  for (let i = 0, n = 0; i < w.kernel[0]; i++)
    for (let j = 0; j < w.kernel[1]; j++)
      for (let k = 0; k < w.kernel[2]; k++, n++) {
        const z = z0 + i * w.dilation[0], y = y0 + j * w.dilation[1], x = x0 + k * w.dilation[2]
        const inside = z >= 0 && z < D && y >= 0 && y < H && x >= 0 && x < W
        taps.push({ source, index: inside ? ((c * D + z) * H + y) * W + x : -1, weight: weightOf(n) })
      }
  return taps
}

/** out += weight * window of one input channel, over all positions. */
function slide(out, oc, input, ic, kernel, offset, w) {
  const [, D, H, W] = input.shape, [, OD, OH, OW] = out.shape
  const x = input.data, y = out.data
  const [KD, KH, KW] = w.kernel, [SD, SH, SW] = w.stride, [PD, PH, PW] = w.padding, [LD, LH, LW] = w.dilation
  for (let i = 0; i < KD; i++)
    for (let j = 0; j < KH; j++)
      for (let k = 0; k < KW; k++) {
        const weight = kernel[offset + (i * KH + j) * KW + k]
        const shift = k * LW - PW
        const first = shift >= 0 ? 0 : Math.ceil(-shift / SW)
        const last = Math.min(OW, Math.floor((W - 1 - shift) / SW) + 1)
        for (let d = 0; d < OD; d++) {
          const z = d * SD - PD + i * LD
          if (z < 0 || z >= D) continue
          for (let h = 0; h < OH; h++) {
            const r = h * SH - PH + j * LH
            if (r < 0 || r >= H) continue
            let p = ((ic * D + z) * H + r) * W + first * SW + shift
            const q = ((oc * OD + d) * OH + h) * OW
            for (let o = first; o < last; o++, p += SW) y[q + o] += weight * x[p]
          }
        }
      }
}

/** Pooling windows at every output; `f(values, inside, all)` gives the output. */
function pooled(layer, input, out, f) {
  const w = windowOf(layer), x = input.data, [C, D, H, W] = input.shape, [, OD, OH, OW] = out.shape
  let n = 0
  for (let c = 0; c < C; c++)
    for (let d = 0; d < OD; d++)
      for (let h = 0; h < OH; h++)
        for (let o = 0; o < OW; o++, n++) {
          let max = -Infinity, sum = 0, count = 0
          for (let i = 0; i < w.kernel[0]; i++) {
            const z = d * w.stride[0] - w.padding[0] + i * w.dilation[0]
            if (z < 0 || z >= D) continue
            for (let j = 0; j < w.kernel[1]; j++) {
              const r = h * w.stride[1] - w.padding[1] + j * w.dilation[1]
              if (r < 0 || r >= H) continue
              for (let k = 0; k < w.kernel[2]; k++) {
                const q = o * w.stride[2] - w.padding[2] + k * w.dilation[2]
                if (q < 0 || q >= W) continue
                const v = x[((c * D + z) * H + r) * W + q]
                if (v > max) max = v
                sum += v
                count++
              }
            }
          }
          out.data[n] = f(max, sum, count, [d, h, o], w)
        }
}

/** What an average divides by: torch counts the padding, but nothing that lies beyond it. */
function divisor(layer, input, at, w, inside) {
  if (!layer.settings.count_padding) return inside
  return [0, 1, 2].reduce((n, a) => {
    const start = at[a] * w.stride[a] - w.padding[a]
    return n * (Math.min(start + w.kernel[a], input.shape[a + 1] + w.padding[a]) - start)
  }, 1)
}

/** First and end of the window of an adaptive pooling. */
const span = (i, from, to) => [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)]

function adaptiveTaps(input, out, /** @type {number[]} */ [c, ...at]) {
  const [, D, H, W] = input.shape
  const spans = at.map((i, a) => span(i, input.shape[a + 1], out[a + 1]))
  const taps = [], sizes = spans.map(([a, b]) => b - a)
  for (let z = spans[0][0]; z < spans[0][1]; z++)
    for (let y = spans[1][0]; y < spans[1][1]; y++)
      for (let x = spans[2][0]; x < spans[2][1]; x++) taps.push({ source: 0, index: ((c * D + z) * H + y) * W + x, weight: 1 / size(sizes) })
  return { taps, grid: { size: sizes, channels: 1, first: c } }
}

function adaptive(input, out, f) {
  let n = 0
  const [C, OD, OH, OW] = out.shape
  for (let c = 0; c < C; c++)
    for (let d = 0; d < OD; d++)
      for (let h = 0; h < OH; h++)
        for (let o = 0; o < OW; o++, n++) {
          const values = adaptiveTaps(input, out.shape, [c, d, h, o]).taps.map(t => input.data[t.index])
          out.data[n] = f(values)
        }
}

const erf = x => {  // series near 0, continued fraction beyond: both to the last digits of float32
  const a = Math.abs(x)
  if (a < 2.5) {
    let term = x, sum = x
    for (let n = 1; n < 60; n++) { term *= (-x * x) / n; sum += term / (2 * n + 1) }
    return (2 / Math.sqrt(Math.PI)) * sum
  }
  let f = 0
  for (let n = 40; n > 0; n--) f = n / 2 / (a + f)
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + f))
}
const softplus = x => (x > 30 ? x : Math.log1p(Math.exp(x)))

/** Functions of one value. @type {Object<string, (x: number, s: any) => number>} */
export const ACTIVATIONS = {
  relu: x => (x > 0 ? x : 0),
  tanh: x => Math.tanh(x),
  sigmoid: x => 1 / (1 + Math.exp(-x)),
  gelu: x => (x * (1 + erf(x / Math.SQRT2))) / 2,
  silu: x => x / (1 + Math.exp(-x)),
  mish: x => x * Math.tanh(softplus(x)),
  softplus: (x, s) => (s.beta * x > s.threshold ? x : Math.log1p(Math.exp(s.beta * x)) / s.beta),
  elu: (x, s) => (x > 0 ? x : s.alpha * Math.expm1(x)),
  leakyrelu: (x, s) => (x > 0 ? x : s.slope * x),
  relu6: x => Math.min(Math.max(0, x), 6),
  hardsigmoid: x => Math.min(Math.max(0, x + 3), 6) / 6,
  hardswish: x => (x * Math.min(Math.max(0, x + 3), 6)) / 6,
  scaledtanh: (x, s) => s.amplitude * Math.tanh(s.slope * x),
}

/** Each place of the input with its own factor and shift, by channel. */
function affine(input, out, factor, shift) {
  const plane = size(input.shape.slice(1))
  for (let c = 0, n = 0; c < input.shape[0]; c++) {
    const [a, b] = [factor(c), shift(c)]
    for (let i = 0; i < plane; i++, n++) out.data[n] = a * input.data[n] + b
  }
}
const normFactor = (L, c) => L.weights.weight[c] / Math.sqrt(L.weights.running_var[c] + L.settings.eps)
const normShift = (L, c) => L.weights.bias[c] - L.weights.running_mean[c] * normFactor(L, c)

/** The flat number of a unit [c, d, h, w]. */
/** The place of a unit in its map's data. @param {number[]} shape @param {number[]} unit */
export const flat = (shape, unit) => ((unit[0] * shape[1] + unit[1]) * shape[2] + unit[2]) * shape[3] + unit[3]
/** The unit of a flat number. */
export function unflat(shape, n) {
  const w = n % shape[3], h = Math.floor(n / shape[3]) % shape[2], d = Math.floor(n / (shape[3] * shape[2])) % shape[1]
  return [Math.floor(n / (shape[3] * shape[2] * shape[1])), d, h, w]
}

const same = (input, u) => [{ source: 0, index: flat(input.shape, u), weight: 1 }]
/** All channels at one position. */
function column(input, u) {
  return Array.from({ length: input.shape[0] }, (_, c) => ({ source: 0, index: flat(input.shape, [c, ...u.slice(1)]), weight: 1 }))
}

/** The places that linear interpolation mixes, with their shares, along one axis. */
function mixed(i, scale, n) {
  const x = Math.max(0, (i + 0.5) / scale - 0.5), low = Math.min(Math.floor(x), n - 1), high = Math.min(low + 1, n - 1)
  return high === low ? [[low, 1]] : [[low, 1 - (x - low)], [high, x - low]].filter(([, share]) => share > 0)
}

function upsampleTaps(L, input, /** @type {number[]} */ [c, ...at]) {
  const scale = axes(L.settings.scale, 1)
  if (L.settings.mode === 'nearest') return [{ source: 0, index: flat(input.shape, [c, ...at.map((i, a) => Math.floor(i / scale[a]))]), weight: 1 }]
  const each = at.map((i, a) => mixed(i, scale[a], input.shape[a + 1]))
  const taps = []
  for (const [z, p] of each[0]) for (const [y, q] of each[1]) for (const [x, r] of each[2]) taps.push({ source: 0, index: flat(input.shape, [c, z, y, x]), weight: p * q * r })
  return taps
}

function everywhere(out, f) {
  const [C, D, H, W] = out.shape
  for (let c = 0, n = 0; c < C; c++) for (let d = 0; d < D; d++) for (let h = 0; h < H; h++) for (let w = 0; w < W; w++, n++) out.data[n] = f([c, d, h, w])
}

const sumOf = (taps, inputs) => taps.reduce((total, t) => total + (t.index < 0 ? 0 : t.weight * inputs[t.source].data[t.index]), 0)

/** The taps of a transposed convolution: the inputs whose window, laid down, covers this output. */
function transposedTaps(L, input, /** @type {number[]} */ [c, ...at], few) {
  const w = windowOf(L), groups = L.settings.groups, [C, D, H, W] = input.shape, perGroup = L.shape4[0] / groups
  const inGroup = C / groups, g = Math.floor(c / perGroup), K = size(w.kernel), taps = []
  for (let ic = g * inGroup; ic < (few ? g * inGroup + 1 : (g + 1) * inGroup); ic++)
    for (let i = 0; i < w.kernel[0]; i++) for (let j = 0; j < w.kernel[1]; j++) for (let k = 0; k < w.kernel[2]; k++) {
      const from = [i, j, k].map((t, a) => at[a] + w.padding[a] - t * w.dilation[a])
      if (from.some((v, a) => v % w.stride[a] !== 0)) continue
      const [z, y, x] = from.map((v, a) => v / w.stride[a])
      if (z < 0 || y < 0 || x < 0 || z >= D || y >= H || x >= W) continue
      const n = (i * w.kernel[1] + j) * w.kernel[2] + k
      taps.push({ source: 0, index: ((ic * D + z) * H + y) * W + x, weight: L.weights.weight[(ic * perGroup + (c % perGroup)) * K + n] })
    }
  return taps
}

function transposed(L, input, out) {
  const w = windowOf(L), groups = L.settings.groups, [C, D, H, W] = input.shape, [O, OD, OH, OW] = out.shape
  const perGroup = O / groups, inGroup = C / groups, K = size(w.kernel), y = out.data
  if (L.weights.bias) everywhere(out, u => L.weights.bias[u[0]])
  for (let ic = 0; ic < C; ic++)
    for (let oc = 0; oc < perGroup; oc++) {
      const target = Math.floor(ic / inGroup) * perGroup + oc, base = (ic * perGroup + oc) * K
      for (let d = 0; d < D; d++) for (let h = 0; h < H; h++) for (let v = 0; v < W; v++) {
        const value = input.data[((ic * D + d) * H + h) * W + v]
        if (value === 0) continue
        for (let i = 0, n = base; i < w.kernel[0]; i++) for (let j = 0; j < w.kernel[1]; j++) for (let k = 0; k < w.kernel[2]; k++, n++) {
          const z = d * w.stride[0] - w.padding[0] + i * w.dilation[0], r = h * w.stride[1] - w.padding[1] + j * w.dilation[1], q = v * w.stride[2] - w.padding[2] + k * w.dilation[2]
          if (z >= 0 && z < OD && r >= 0 && r < OH && q >= 0 && q < OW) y[((target * OD + z) * OH + r) * OW + q] += value * L.weights.weight[n]
        }
      }
    }
}

const zeroed = (L, out) => { const b = L.weights.bias; if (b) { const plane = size(out.shape.slice(1)); for (let c = 0; c < out.shape[0]; c++) out.data.fill(b[c], c * plane, (c + 1) * plane) } }

/**
 * forward(layer, inputs, out) fills `out`; that of a convolution also a part of its channels after the other. reads(layer, inputs, unit) says what `unit` = [c, d, h, w] rests on.
 * With `few` the channels of a convolution's window are left at one: its place is all that is wanted.
 * kinds: sum (of input x weight, + bias), max, map (a function of one value), softmax, lrn, norm, product, rbf.
 * @type {Object<string, {forward: (L: any, inputs: Map4[], out: Map4, from?: number, to?: number) => void, reads: (L: any, inputs: Map4[], u: number[], few?: boolean) => Reads}>}
 */
export const OPS = {
  conv: {
    forward(L, [input], out, from = 0, to = out.shape[0]) {
      const w = windowOf(L), groups = L.settings.groups, inGroup = input.shape[0] / groups, perGroup = out.shape[0] / groups, K = size(w.kernel)
      if (from === 0) zeroed(L, out)
      for (let oc = from; oc < to; oc++)
        for (let i = 0; i < inGroup; i++) slide(out, oc, input, Math.floor(oc / perGroup) * inGroup + i, L.weights.weight, (oc * inGroup + i) * K, w)
    },
    reads(L, [input], [c, ...at], few = false) {
      const w = windowOf(L), groups = L.settings.groups, n = few ? 1 : input.shape[0] / groups, K = size(w.kernel)
      const first = Math.floor(c / (L.shape4[0] / groups)) * n, taps = []
      for (let i = 0; i < n; i++) taps.push(...windowTaps(input, first + i, at, w, t => L.weights.weight[(c * n + i) * K + t]))
      return { kind: 'sum', taps, bias: L.weights.bias?.[c] ?? 0, grid: { size: w.kernel, channels: n, first } }
    },
  },
  tableconv: {
    forward(L, [input], out) {
      const w = windowOf(L), K = size(w.kernel)
      zeroed(L, out)
      let pair = 0
      L.settings.table.forEach((row, oc) => row.forEach(ic => slide(out, oc, input, ic, L.weights.weight, pair++ * K, w)))
    },
    reads(L, [input], [c, ...at]) {
      const w = windowOf(L), K = size(w.kernel), row = L.settings.table[c], taps = []
      const before = L.settings.table.slice(0, c).reduce((n, r) => n + r.length, 0)
      row.forEach((ic, i) => taps.push(...windowTaps(input, ic, at, w, t => L.weights.weight[(before + i) * K + t])))
      return { kind: 'sum', taps, bias: L.weights.bias?.[c] ?? 0, grid: { size: w.kernel, channels: row.length, first: -1 } }
    },
  },
  convtranspose: {
    forward: (L, [input], out) => transposed(L, input, out),
    reads: (L, [input], u, few) => ({ kind: 'sum', taps: transposedTaps(L, input, u, few), bias: L.weights.bias?.[u[0]] ?? 0 }),
  },
  linear: {
    forward(L, [input], out) {
      const x = input.data, weight = L.weights.weight, n = x.length
      for (let o = 0, k = 0; o < out.data.length; o++) {
        let sum = L.weights.bias ? L.weights.bias[o] : 0
        for (let i = 0; i < n; i++) sum += weight[k++] * x[i]
        out.data[o] = sum
      }
    },
    reads(L, [input], [c]) {
      const n = input.data.length
      return { kind: 'sum', bias: L.weights.bias?.[c] ?? 0, taps: Array.from({ length: n }, (_, i) => ({ source: 0, index: i, weight: L.weights.weight[c * n + i] })) }
    },
  },
  embedding: {
    forward(L, [input], out) {
      const W = out.shape[3], C = out.shape[0]
      for (let i = 0; i < W; i++) for (let c = 0; c < C; c++) out.data[c * W + i] = L.weights.weight[input.data[i] * C + c]
    },
    reads: (L, [input], [c, , , w]) => ({ kind: 'map', taps: [{ source: 0, index: w, weight: 1 }], text: `row ${input.data[w]} of the table, column ${c}` }),
  },
  rbf: {
    forward(L, [input], out) {
      const n = input.data.length
      for (let o = 0; o < out.data.length; o++) { let sum = 0; for (let i = 0; i < n; i++) sum += (input.data[i] - L.weights.codes[o * n + i]) ** 2; out.data[o] = -sum }
    },
    reads: (L, [input], [c]) => ({ kind: 'rbf', taps: Array.from({ length: input.data.length }, (_, i) => ({ source: 0, index: i, weight: L.weights.codes[c * input.data.length + i] })) }),
  },
  maxpool: {
    forward: (L, [input], out) => pooled(L, input, out, max => max),
    reads(L, [input], [c, ...at]) { const w = windowOf(L); return { kind: 'max', taps: windowTaps(input, c, at, w, () => 1), grid: { size: w.kernel, channels: 1, first: c } } },
  },
  avgpool: {
    forward: (L, [input], out) => pooled(L, input, out, (max, sum, n, at, w) => sum / divisor(L, input, at, w, n)),
    reads(L, [input], [c, ...at]) {
      const w = windowOf(L), taps = windowTaps(input, c, at, w, () => 1), n = divisor(L, input, at, w, taps.filter(t => t.index >= 0).length)
      taps.forEach(t => (t.weight = 1 / n))
      return { kind: 'sum', taps, bias: 0, divisor: n, grid: { size: w.kernel, channels: 1, first: c } }
    },
  },
  sumpool: {
    forward: (L, [input], out) => pooled(L, input, out, (max, sum) => sum),
    reads(L, [input], [c, ...at]) { const w = windowOf(L); return { kind: 'sum', bias: 0, divisor: 1, taps: windowTaps(input, c, at, w, () => 1), grid: { size: w.kernel, channels: 1, first: c } } },
  },
  adaptiveavgpool: {
    forward: (L, [input], out) => adaptive(input, out, v => v.reduce((a, b) => a + b, 0) / v.length),
    reads(L, [input], u) { const { taps, grid } = adaptiveTaps(input, L.shape4, u); return { kind: 'sum', bias: 0, divisor: taps.length, taps, grid } },
  },
  adaptivemaxpool: {
    forward: (L, [input], out) => adaptive(input, out, v => v.reduce((a, b) => Math.max(a, b))),
    reads(L, [input], u) { const { taps, grid } = adaptiveTaps(input, L.shape4, u); taps.forEach(t => (t.weight = 1)); return { kind: 'max', taps, grid } },
  },
  batchnorm: {
    forward: (L, [input], out) => affine(input, out, c => normFactor(L, c), c => normShift(L, c)),
    reads(L, [input], u) {
      const c = u[0], w = L.weights
      return { kind: 'norm', taps: [{ ...same(input, u)[0], weight: normFactor(L, c) }], bias: normShift(L, c), values: { mean: w.running_mean[c], var: w.running_var[c], eps: L.settings.eps, weight: w.weight[c], bias: w.bias[c] } }
    },
  },
  scale: {
    forward: (L, [input], out) => affine(input, out, c => L.weights.weight[c], c => L.weights.bias?.[c] ?? 0),
    reads: (L, [input], u) => ({ kind: 'sum', taps: [{ ...same(input, u)[0], weight: L.weights.weight[u[0]] }], bias: L.weights.bias?.[u[0]] ?? 0 }),
  },
  layernorm: {
    forward(L, [input], out) {
      const C = input.shape[0], plane = size(input.shape.slice(1)), x = input.data
      for (let i = 0; i < plane; i++) {
        let mean = 0, sq = 0
        for (let c = 0; c < C; c++) mean += x[c * plane + i] / C
        for (let c = 0; c < C; c++) sq += (x[c * plane + i] - mean) ** 2 / C
        for (let c = 0; c < C; c++) out.data[c * plane + i] = ((x[c * plane + i] - mean) / Math.sqrt(sq + L.settings.eps)) * L.weights.weight[c] + L.weights.bias[c]
      }
    },
    reads(L, [input], u) {
      const taps = column(input, u), v = taps.map(t => input.data[t.index]), mean = v.reduce((a, b) => a + b, 0) / v.length
      return { kind: 'layernorm', taps, values: { x: v[u[0]], mean, var: v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length, eps: L.settings.eps, weight: L.weights.weight[u[0]], bias: L.weights.bias[u[0]] } }
    },
  },
  lrn: {
    forward(L, [input], out) {
      const { size: n, alpha, beta, k } = L.settings, C = input.shape[0], plane = size(input.shape.slice(1)), x = input.data, before = Math.floor(n / 2)
      for (let i = 0; i < plane; i++) for (let c = 0; c < C; c++) {
        let sum = 0
        for (let j = Math.max(0, c - before); j < Math.min(C, c - before + n); j++) sum += x[j * plane + i] ** 2
        out.data[c * plane + i] = x[c * plane + i] / (k + (alpha / n) * sum) ** beta
      }
    },
    reads(L, [input], u) {
      const { size: n, alpha, beta, k } = L.settings, first = u[0] - Math.floor(n / 2)
      const taps = column(input, u).slice(Math.max(0, first), Math.min(input.shape[0], first + n))
      const sum = taps.reduce((a, t) => a + input.data[t.index] ** 2, 0)
      return { kind: 'lrn', taps, values: { x: input.data[flat(input.shape, u)], sum, size: n, alpha, beta, k } }
    },
  },
  softmax: {
    forward(L, [input], out) {
      const C = input.shape[0], plane = size(input.shape.slice(1)), x = input.data
      for (let i = 0; i < plane; i++) {
        let max = -Infinity, sum = 0
        for (let c = 0; c < C; c++) max = Math.max(max, x[c * plane + i])
        for (let c = 0; c < C; c++) sum += out.data[c * plane + i] = Math.exp(x[c * plane + i] - max)
        for (let c = 0; c < C; c++) out.data[c * plane + i] /= sum
      }
    },
    reads(L, [input], u) {
      const taps = column(input, u), v = taps.map(t => input.data[t.index]), max = Math.max(...v), sum = v.reduce((a, b) => a + Math.exp(b - max), 0)
      return { kind: 'softmax', taps, values: { x: v[u[0]], max, sum } }
    },
  },
  flatten: { forward: (L, [input], out) => out.data.set(input.data), reads: (L, inputs, [c]) => ({ kind: 'map', text: 'the same number', taps: [{ source: 0, index: c, weight: 1 }] }) },
  upsample: {
    forward: (L, [input], out) => everywhere(out, u => sumOf(upsampleTaps(L, input, u), [input])),
    reads: (L, [input], u) => ({ kind: 'sum', bias: 0, taps: upsampleTaps(L, input, u) }),
  },
  crop: {
    forward(L, [input], out) { const m = axes(L.settings.margin, 0); everywhere(out, ([c, d, h, w]) => input.data[flat(input.shape, [c, d + m[0], h + m[1], w + m[2]])]) },
    reads(L, [input], [c, d, h, w]) { const m = axes(L.settings.margin, 0); return { kind: 'map', text: 'the same number', taps: same(input, [c, d + m[0], h + m[1], w + m[2]]) } },
  },
  padchannels: {
    forward: (L, [input], out) => out.data.set(input.data),
    reads: (L, [input], u) => ({ kind: 'map', text: u[0] < input.shape[0] ? 'the same number' : 'a channel of zeros', taps: u[0] < input.shape[0] ? same(input, u) : [] }),
  },
  add: {
    forward(L, inputs, out) { for (const x of inputs) everyBroadcast(x, out, (n, v) => (out.data[n] += v)) },
    reads: (L, inputs, u) => ({ kind: 'sum', bias: 0, taps: inputs.map((x, source) => ({ source, index: flat(x.shape, clipped(x, u)), weight: 1 })) }),
  },
  multiply: {
    forward(L, inputs, out) { out.data.fill(1); for (const x of inputs) everyBroadcast(x, out, (n, v) => (out.data[n] *= v)) },
    reads: (L, inputs, u) => ({ kind: 'product', taps: inputs.map((x, source) => ({ source, index: flat(x.shape, clipped(x, u)), weight: 1 })) }),
  },
  concat: {
    forward(L, inputs, out) { let n = 0; for (const x of inputs) { out.data.set(x.data, n); n += x.data.length } },
    reads(L, inputs, [c, ...at]) {
      let source = 0
      while (c >= inputs[source].shape[0]) c -= inputs[source++].shape[0]
      return { kind: 'map', text: 'the same number', taps: [{ source, index: flat(inputs[source].shape, [c, ...at]), weight: 1 }] }
    },
  },
}

const clipped = (x, u) => u.map((v, a) => (x.shape[a] === 1 ? 0 : v))
function everyBroadcast(x, out, f) {
  if (x.data.length === out.data.length) for (let n = 0; n < x.data.length; n++) f(n, x.data[n])
  else { let n = 0; const [C, D, H, W] = out.shape; for (let c = 0; c < C; c++) for (let d = 0; d < D; d++) for (let h = 0; h < H; h++) for (let w = 0; w < W; w++, n++) f(n, x.data[flat(x.shape, clipped(x, [c, d, h, w]))]) }
}

for (const [op, f] of Object.entries(ACTIVATIONS))
  OPS[op] = {
    forward(L, [input], out) { const x = input.data, y = out.data, s = L.settings; for (let i = 0; i < x.length; i++) y[i] = f(x[i], s) },
    reads: (L, [input], u) => ({ kind: 'map', text: L.formula, taps: same(input, u) }),
  }
for (const op of ['dropout', 'stochasticdepth'])
  OPS[op] = { forward: (L, [input], out) => out.data.set(input.data), reads: (L, [input], u) => ({ kind: 'map', text: 'the same number: it acts in training alone', taps: same(input, u) }) }
/** Somebody's own layer, or code between layers: what it does is not known here. */
OPS.opaque = { forward(L) { throw new Error(`${L.name} is not computed in a page`) }, reads: () => ({ kind: 'opaque', taps: [], text: 'what this layer does is not known to striate: the value is PyTorch\'s own' }) }
