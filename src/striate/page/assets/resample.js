// An image file as the network's input, as the contract says: the arithmetic of Pillow's resize, in two passes of bytes.

const KERNELS = {
  bilinear: [1, x => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, x => { const a = -0.5; x = Math.abs(x); return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0 }],
}

/** For each output pixel: the first input pixel and the weights. */
function shares(from, start, length, to, kind) {
  const [support, f] = KERNELS[kind], scale = length / to, stretch = Math.max(1, scale), reach = support * stretch
  return Array.from({ length: to }, (_, i) => {
    const centre = start + (i + 0.5) * scale
    const first = Math.max(0, Math.floor(centre - reach + 0.5)), end = Math.min(from, Math.floor(centre + reach + 0.5))
    const weights = Array.from({ length: end - first }, (_, k) => f((k + first - centre + 0.5) / stretch)), sum = weights.reduce((a, b) => a + b, 0)
    return { first, weights: weights.map(w => w / sum) }
  })
}

/** One channel, bytes, from a box of it to width x height. */
function resized(bytes, w, h, box, width, height, kind) {
  if (kind === 'nearest') {
    const out = new Uint8Array(width * height)
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[y * width + x] = bytes[Math.floor(box[1] + ((y + 0.5) * box[3]) / height) * w + Math.floor(box[0] + ((x + 0.5) * box[2]) / width)]
    return out
  }
  const clip = v => (v < 0 ? 0 : v > 255 ? 255 : Math.round(v))
  const across = shares(w, box[0], box[2], width, kind), down = shares(h, box[1], box[3], height, kind)
  const middle = new Uint8Array(width * h), out = new Uint8Array(width * height)
  for (let y = 0; y < h; y++) for (let x = 0; x < width; x++) { const { first, weights } = across[x]; let sum = 0; for (let k = 0; k < weights.length; k++) sum += weights[k] * bytes[y * w + first + k]; middle[y * width + x] = clip(sum) }
  for (let y = 0; y < height; y++) { const { first, weights } = down[y]; for (let x = 0; x < width; x++) { let sum = 0; for (let k = 0; k < weights.length; k++) sum += weights[k] * middle[(first + k) * width + x]; out[y * width + x] = clip(sum) } }
  return out
}

/** RGBA pixels as the prepared input, bytes (C, H, W). @param {ImageData} image @param {any} about the scene's input */
export function prepared(image, about) {
  const [C, H, W] = about.shape, { width: w, height: h, data } = image
  let room = [W, H], at = [0, 0], box = [0, 0, w, h]
  if (about.resize === 'fit') {
    const s = Math.min(W / w, H / h)
    room = [Math.max(1, Math.round(w * s)), Math.max(1, Math.round(h * s))]
    at = [Math.floor((W - room[0]) / 2), Math.floor((H - room[1]) / 2)]
  } else if (about.resize === 'crop') {
    const s = about.scaleTo ? about.scaleTo / Math.min(w, h) : Math.max(W / w, H / h)
    box = [Math.max(0, (w - W / s) / 2), Math.max(0, (h - H / s) / 2), Math.min(w, W / s), Math.min(h, H / s)]
  }
  const out = new Uint8Array(C * H * W)
  for (let c = 0; c < C; c++) {
    const plane = new Uint8Array(w * h)
    for (let i = 0; i < plane.length; i++) {
      const [r, g, b, a] = data.subarray(4 * i, 4 * i + 4)
      plane[i] = C === 1 ? (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16 : c < 3 ? [r, g, b][c] : a
    }
    const small = w === W && h === H ? plane : resized(plane, w, h, box, room[0], room[1], about.interpolation ?? 'bilinear')
    for (let y = 0; y < room[1]; y++) out.set(small.subarray(y * room[0], (y + 1) * room[0]), (c * H + y + at[1]) * W + at[0])
  }
  return out
}
