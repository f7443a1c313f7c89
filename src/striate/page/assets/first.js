// The weights that a network began with, drawn again: PyTorch's generator (MT19937) and its ways to draw from it.

/** The Mersenne Twister of Matsumoto and Nishimura 1998, 32 bits at a time. @param {number} seed */
export function twister(seed) {
  const s = new Uint32Array(624)
  s[0] = seed >>> 0
  for (let i = 1; i < 624; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i
  let at = 624
  return () => {
    if (at === 624) {
      for (let i = 0; i < 624; i++) { const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff); s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0) }
      at = 0
    }
    let y = s[at++]
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }
}

/** Normal numbers as torch draws them: from 16 on in blocks of two halves, fewer one by one in double precision. */
function normals(out, std, random, state) {
  const share = () => (random() & 0xffffff) / 0x1000000, n = out.length
  if (n < 16) {
    const double = () => { const high = random(), low = random(); return ((high & 0x1fffff) * 0x100000000 + low) / 0x20000000000000 }
    for (let i = 0; i < n; i++) {
      if (state.next === null) { const u1 = double(), u2 = double(), r = Math.sqrt(-2 * Math.log1p(-u2)); state.next = r * Math.sin(2 * Math.PI * u1); out[i] = std * r * Math.cos(2 * Math.PI * u1) } else { out[i] = std * state.next; state.next = null }
    }
    return
  }
  const block = from => { for (let j = from; j < from + 8; j++) { const r = Math.sqrt(-2 * Math.log(1 - out[j])), theta = 2 * Math.PI * out[j + 8]; out[j] = std * r * Math.cos(theta); out[j + 8] = std * r * Math.sin(theta) } }
  for (let i = 0; i < n; i++) out[i] = share()
  for (let i = 0; i + 16 <= n; i += 16) block(i)
  if (n % 16) { for (let i = n - 16; i < n; i++) out[i] = share(); block(n - 16) }
}

/** @param {any} scene @param {Float32Array} weights those of today, of which the shapes and what is never learned are taken */
export function firstWeights(scene, weights) {
  const out = weights.slice(), random = twister(scene.first.seed), state = { next: null }
  for (const layer of scene.layers)
    for (const [name, at] of Object.entries(layer.weights)) {
      const n = at.shape.reduce((a, b) => a * b, 1)
      if (name !== 'codes') out.fill(name === 'weight' ? (layer.settings.value ?? 1) : name === 'running_var' ? 1 : 0, at.offset, at.offset + n)
    }
  for (const [from, n, kind, scale] of scene.first.draws) {
    const part = out.subarray(from, from + n)
    if (kind === 'normal') normals(part, scale, random, state)
    else for (let i = 0; i < n; i++) part[i] = Math.fround(Math.fround((random() & 0xffffff) / 0x1000000) * Math.fround(2 * scale)) - scale
  }
  return out
}
