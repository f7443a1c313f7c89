// Where the page is: kept in the address, so that a link or a reload shows the same.

/** @typedef {{unit: string|null, space: boolean, scale: string, dark: boolean, sample: number|null, drawing: string|null, text: string|null, edits: string[], off: string[], open: string[], panel: string|null, compare: string|null}} State */

/** @returns {State} */
export function read() {
  const q = new URLSearchParams(location.hash.slice(1))
  const list = name => (q.get(name) ? q.get(name).split(',') : [])
  return {
    unit: q.get('unit'), space: q.get('view') === '3d', scale: ['map', 'network'].includes(q.get('scale')) ? q.get('scale') : 'layer',
    dark: q.has('theme') ? q.get('theme') === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches,
    sample: q.has('sample') ? Number(q.get('sample')) : null, drawing: q.get('drawing'), text: q.get('text'), edits: list('edits'), off: list('off'), open: list('open'), panel: q.get('panel'), compare: q.get('compare'),
  }
}

let waiting = 0
/** Writes the state into the address, once the hand rests. @param {State} s */
export function write(s) {
  clearTimeout(waiting)
  waiting = setTimeout(() => now(s), 150)
}
export function now(s) {
  const q = new URLSearchParams()
  if (s.unit) q.set('unit', s.unit)
  if (s.space) q.set('view', '3d')
  if (s.scale !== 'layer') q.set('scale', s.scale)
  q.set('theme', s.dark ? 'dark' : 'light')
  if (s.text !== null) q.set('text', s.text)
  else if (s.drawing) q.set('drawing', s.drawing)
  else if (s.sample !== null) q.set('sample', String(s.sample))
  if (s.edits.length) q.set('edits', s.edits.join(','))
  if (s.open.length) q.set('open', s.open.join(','))
  if (s.off.length) q.set('off', s.off.join(','))
  if (s.panel) q.set('panel', s.panel)
  if (s.compare) q.set('compare', s.compare)
  try { history.replaceState(null, '', '#' + q) } catch { /* a frame without an address of its own */ }
}

/** Bytes as text for the address: runs of equal bytes are counted first. @param {Uint8Array} bytes */
export function packed(bytes) {
  const out = []
  for (let i = 0; i < bytes.length;) { let n = 1; while (n < 255 && bytes[i + n] === bytes[i] && i + n < bytes.length) n++; out.push(n, bytes[i]); i += n }
  return out.length > 6000 ? null : btoa(String.fromCharCode(...out)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}
/** @param {string} text @param {number} length @returns {Uint8Array|null} */
export function unpacked(text, length) {
  try {
    const runs = atob(text.replace(/-/g, '+').replace(/_/g, '/')), out = new Uint8Array(length)
    let at = 0
    for (let i = 0; i + 1 < runs.length; i += 2) { out.fill(runs.charCodeAt(i + 1), at, at + runs.charCodeAt(i)); at += runs.charCodeAt(i) }
    return at === length ? out : null
  } catch { return null }
}
