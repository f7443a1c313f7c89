// Bytes that Python's zlib has compressed (RFC 1950, 1951), at once: the browser's own way would make the page wait.

const EXTRA = [[3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258], [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577]]
const more = (kind, i) => (kind ? Math.max(0, (i >> 1) - 1) : i === 28 ? 0 : Math.max(0, (i >> 2) - 1))  // bits behind a length, behind a distance

/** @param {Uint8Array} bytes @param {number} size of what comes out */
export function inflate(bytes, size) {
  const out = new Uint8Array(size)
  let at = 2, bit = 0, n = 0, last = 0
  const bits = k => { let v = 0; for (let i = 0; i < k; i++) { v |= ((bytes[at] >> bit) & 1) << i; if (++bit === 8) { bit = 0; at++ } } return v }
  /** Canonical Huffman codes of these lengths: reads the next symbol. @param {number[]} lengths */
  const codes = lengths => {
    const count = new Uint16Array(16), first = new Uint16Array(16), symbols = []
    for (const l of lengths) if (l) count[l]++
    for (let l = 1; l < 15; l++) first[l + 1] = first[l] + count[l]
    lengths.forEach((l, symbol) => { if (l) symbols[first[l]++] = symbol })
    return () => { let code = 0, start = 0, index = 0; for (let l = 1; l < 16; l++) { code |= bits(1); if (code - count[l] < start) return symbols[index + code - start]; index += count[l]; start = (start + count[l]) << 1; code <<= 1 } throw new Error('no such code') }
  }
  const run = (length, value) => Array(length).fill(value)
  while (!last) {
    last = bits(1)
    const kind = bits(2)
    if (kind === 0) { if (bit) { bit = 0; at++ } const length = bytes[at] | (bytes[at + 1] << 8); out.set(bytes.subarray(at + 4, at + 4 + length), n); at += 4 + length; n += length; continue }
    let literals = [...run(144, 8), ...run(112, 9), ...run(24, 7), ...run(8, 8)], distances = run(30, 5)
    if (kind === 2) {
      const [a, b, c] = [bits(5) + 257, bits(5) + 1, bits(4) + 4], lengths = run(19, 0), found = []
      for (const place of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].slice(0, c)) lengths[place] = bits(3)
      const next = codes(lengths)
      while (found.length < a + b) { const s = next(); found.push(...(s < 16 ? [s] : s === 16 ? run(3 + bits(2), found.at(-1)) : run(s === 17 ? 3 + bits(3) : 11 + bits(7), 0))) }
      literals = found.slice(0, a)
      distances = found.slice(a)
    }
    const literal = codes(literals), distance = codes(distances)
    for (let s = literal(); s !== 256; s = literal()) {
      if (s < 256) { out[n++] = s; continue }
      const length = EXTRA[0][s - 257] + bits(more(0, s - 257)), d = distance(), back = EXTRA[1][d] + bits(more(1, d))
      for (let i = 0; i < length; i++, n++) out[n] = out[n - back]
    }
  }
  return out
}
