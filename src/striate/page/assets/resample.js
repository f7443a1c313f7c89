// An image file as the network's input, as the contract says: the arithmetic of Pillow's resize, rows first, then columns, rounded to bytes between.

const KERNELS = {
  bilinear: [1, x => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, x => { const a = -0.5; x = Math.abs(x); return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0 }],
}

const BITS = 22  // Pillow's weights are whole numbers of 2^-22

/** For each output pixel: the first input pixel and the weights, as Pillow rounds them. */
function shares(from, start, end, to, kind) {
  const [support, f] = KERNELS[kind], scale = long(start, end) / to, stretch = Math.max(1, scale), reach = support * stretch
  return Array.from({ length: to }, (_, i) => {
    const centre = Math.fround(start) + (i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5)), last = Math.min(from, Math.trunc(centre + reach + 0.5))
    const weights = Array.from({ length: last - first }, (_, k) => f((k + first - centre + 0.5) * (1 / stretch))), sum = weights.reduce((a, b) => a + b, 0)
    return { first, weights: weights.map(w => { const share = (w / sum) * 2 ** BITS; return Math.trunc(share < 0 ? share - 0.5 : share + 0.5) }) }
  })
}

/** The length of a box along an axis, in single precision as Pillow has it. */
const long = (start, end) => Math.fround(Math.fround(end) - Math.fround(start))

/** One channel, bytes, from a box [left, top, right, bottom] of it to width x height. */
export function resized(bytes, w, h, box, width, height, kind) {
  if (kind === 'nearest') {
    const out = new Uint8Array(width * height), across = nearest(box[0], box[2], width), down = nearest(box[1], box[3], height)
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[y * width + x] = bytes[down[y] * w + across[x]]
    return out
  }
  const half = 1 << (BITS - 1), clip = sum => Math.min(255, Math.max(0, sum >> BITS))
  const across = shares(w, box[0], box[2], width, kind), down = shares(h, box[1], box[3], height, kind)
  const middle = new Uint8Array(width * h), out = new Uint8Array(width * height)
  for (let y = 0; y < h; y++) for (let x = 0; x < width; x++) { const { first, weights } = across[x]; let sum = half; for (let k = 0; k < weights.length; k++) sum += weights[k] * bytes[y * w + first + k]; middle[y * width + x] = clip(sum) }
  for (let y = 0; y < height; y++) { const { first, weights } = down[y]; for (let x = 0; x < width; x++) { let sum = half; for (let k = 0; k < weights.length; k++) sum += weights[k] * middle[(first + k) * width + x]; out[y * width + x] = clip(sum) } }
  return out
}

/** The input pixel of each output pixel, its place added up step by step as Pillow does. */
function nearest(start, end, to) {
  const step = long(start, end) / to, list = []
  for (let i = 0, at = Math.fround(start) + step * 0.5; i < to; i++, at += step) list.push(Math.floor(at))
  return list
}

/** To the nearest whole number, halves to the even one, as Python. */
const even = v => { const r = Math.round(v); return Math.abs(v % 1) === 0.5 && r % 2 ? r - 1 : r }

/** What of an image w x h is seen, the size that it gets, and where it lies in the input (striate/model/placing.py). */
function placement(w, h, { shape: [, H, W], resize, scaleTo }) {
  if (scaleTo) {
    const most = 8 * Math.min(w, h), cut = [Math.min(w, most), Math.min(h, most)], other = Math.floor((scaleTo * Math.max(...cut)) / Math.min(...cut))
    const room = cut[0] <= cut[1] ? [scaleTo, other] : [other, scaleTo]
    return { seen: [even((w - cut[0]) / 2), even((h - cut[1]) / 2), ...cut], box: [0, 0, ...cut], room, at: [-even((room[0] - W) / 2), -even((room[1] - H) / 2)] }
  }
  let room = [W, H], at = [0, 0], box = [0, 0, w, h]
  if (resize === 'fit') {
    const s = Math.min(W / w, H / h)
    room = [Math.max(1, even(w * s)), Math.max(1, even(h * s))]
    at = [Math.floor((W - room[0]) / 2), Math.floor((H - room[1]) / 2)]
  } else if (resize === 'crop' && w / h !== W / H) {
    const ratio = W / H, [x, y] = w / h > ratio ? [ratio * h, h] : [w, w / ratio], [left, top] = [(w - x) * 0.5, (h - y) * 0.5]
    box = [left, top, left + x, top + y]
  }
  return { seen: [0, 0, w, h], box, room, at }
}

const times = (v, a) => { const t = v * a + 128; return ((t >> 8) + t) >> 8 }  // v * a / 255, rounded

/** RGBA pixels as the prepared input, bytes (C, H, W). @param {ImageData} image @param {any} about the scene's input */
export function prepared(image, about) {
  const [C, H, W] = about.shape, { data } = image, { seen: [left, top, w, h], box, room, at } = placement(image.width, image.height, about)
  const kind = about.interpolation ?? 'bilinear', same = box[0] === 0 && box[1] === 0 && box[2] === w && box[3] === h && room[0] === w && room[1] === h
  const shaded = C < 4 || (kind !== 'nearest' && !same)  // what is transparent is black, or counts by its share
  const planes = Array.from({ length: C }, (_, c) => {
    const plane = new Uint8Array(w * h)
    for (let y = 0, i = 0; y < h; y++) for (let x = 0, n = 4 * ((y + top) * image.width + left); x < w; x++, i++, n += 4) {
      const a = data[n + 3], seen = k => (shaded && a < 255 ? times(data[n + k], a) : data[n + k])
      plane[i] = C === 1 ? (seen(0) * 19595 + seen(1) * 38470 + seen(2) * 7471 + 0x8000) >> 16 : c < 3 ? seen(c) : a
    }
    return same ? plane : resized(plane, w, h, box, room[0], room[1], kind)
  })
  if (C === 4 && shaded) for (let i = 0; i < planes[0].length; i++) { const a = planes[3][i]; if (a > 0 && a < 255) for (let c = 0; c < 3; c++) planes[c][i] = Math.min(255, Math.floor((255 * planes[c][i]) / a)) }
  const out = new Uint8Array(C * H * W), first = Math.max(0, at[0]), end = Math.min(W, at[0] + room[0])
  planes.forEach((plane, c) => {
    for (let y = Math.max(0, at[1]); y < Math.min(H, at[1] + room[1]); y++) {
      const row = (y - at[1]) * room[0] - at[0]
      out.set(plane.subarray(row + first, row + end), (c * H + y) * W + first)
    }
  })
  return out
}
