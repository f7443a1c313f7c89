// The course of the training: losses and metric over the epochs, as SVG.
import { el, svg } from 'striate/dom'

const W = 440, H = 230, LEFT = 52, RIGHT = 14, TOP = 10, BOTTOM = 38

/** Round steps that take in low to high. @returns {number[]} */
export function ticks(low, high, most = 5) {
  if (!(high > low)) { const d = Math.abs(low) * 0.05 || 0.5; low -= d; high += d }
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find(m => m * power >= rough * (1 - 1e-9)) * power, found = []
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i++) found.push(Number((i * step).toPrecision(12)))
  return found
}

const powers = (low, high) => { const found = []; for (let d = Math.floor(Math.log10(low)); d <= Math.ceil(Math.log10(high)); d++) found.push(10 ** d); return found.length > 1 ? found : [found[0] / 10, found[0]] }

export class Curves {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.name = 'curves'
    this.title = 'Curves'
    this.history = page.scene.history
    this.there = !!this.history
  }

  build(box) {
    const { rows, best, metric } = this.history, share = v => `${(100 * v).toFixed(2)}%`, plain = v => v.toPrecision(4)
    box.append(el('h2', {}, `Training: ${rows.length} epoch${rows.length === 1 ? '' : 's'}`), el('div', { className: 'charts' },
      this.chart('Loss', [['train/loss', 'training', 'train'], ['val/loss', 'validation', 'val']], plain, rows, best),
      this.chart(metric.title, [[metric.column, 'validation', 'val']], metric.share ? share : plain, rows, best)))
  }

  /** One chart. @param {string} title @param {string[][]} curves column, name, class @param {(v: number) => string} write */
  chart(title, curves, write, rows, best) {
    const drawn = curves.filter(([column]) => rows.some(row => typeof row[column] === 'number'))
    if (!drawn.length) return el('span')
    const values = drawn.flatMap(([column]) => rows.map(row => row[column])).filter(v => typeof v === 'number'), low = Math.min(...values), high = Math.max(...values)
    const log = title === 'Loss' && low > 0 && high / low > 20, ys = log ? powers(low, high) : ticks(title === 'Loss' ? Math.min(0, low) : low, high), map = log ? Math.log10 : v => v
    const epochs = rows.map(row => row.epoch), xs = ticks(Math.min(...epochs), Math.max(...epochs)).filter(Number.isInteger), x0 = Math.min(...epochs), x1 = Math.max(...epochs)
    const x = e => LEFT + (x1 > x0 ? (e - x0) / (x1 - x0) : 0.5) * (W - LEFT - RIGHT), y = v => H - BOTTOM - ((map(v) - map(ys[0])) / (map(ys.at(-1)) - map(ys[0]))) * (H - BOTTOM - TOP)
    const picture = svg('svg', { viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: 'img', 'aria-label': `${title} over ${rows.length} epochs: ${drawn.map(([c, name]) => `${name} from ${this.text(rows[0][c], write)} to ${this.text(rows.at(-1)[c], write)}`).join('; ')}. Arrow keys step through the epochs.` })
    for (const v of ys) { svg('line', { x1: LEFT, x2: W - RIGHT, y1: y(v), y2: y(v), class: 'grid' }, picture); svg('text', { x: LEFT - 6, y: y(v) + 4, 'text-anchor': 'end' }, picture).textContent = title !== 'Loss' && this.history.metric.share ? `${Number((100 * v).toFixed(4))}%` : String(v) }
    for (const e of xs) if (e >= x0 && e <= x1) svg('text', { x: x(e), y: H - BOTTOM + 17, 'text-anchor': 'middle' }, picture).textContent = String(e)
    svg('text', { x: (LEFT + W - RIGHT) / 2, y: H - 4, 'text-anchor': 'middle' }, picture).textContent = 'epoch'
    if (best !== null) svg('line', { x1: x(best), x2: x(best), y1: TOP, y2: H - BOTTOM, class: 'best' }, picture)
    for (const [column, , kind] of drawn) {
      let path = ''
      rows.forEach((row, i) => { if (typeof row[column] === 'number') path += `${typeof rows[i - 1]?.[column] === 'number' ? 'L' : 'M'}${x(row.epoch).toFixed(1)},${y(row[column]).toFixed(1)}` })
      svg('path', { d: path, class: `curve ${kind}` }, picture)
      if (rows.length <= 40) for (const row of rows) if (typeof row[column] === 'number') svg('circle', { cx: x(row.epoch), cy: y(row[column]), r: 2.5, class: kind }, picture)
    }
    const cursor = svg('line', { y1: TOP, y2: H - BOTTOM, class: 'cursor', visibility: 'hidden' }, picture), say = el('p', { className: 'note' })
    say.setAttribute('aria-live', 'polite')
    let at = -1
    const go = i => {
      at = i
      cursor.setAttribute('visibility', i < 0 ? 'hidden' : 'visible')
      if (i >= 0) { cursor.setAttribute('x1', String(x(epochs[i]))); cursor.setAttribute('x2', String(x(epochs[i]))) }
      say.textContent = i < 0 ? (best === null ? '' : `kept epoch: ${best}`) : `epoch ${epochs[i]}: ${drawn.map(([c, name]) => `${name} ${this.text(rows[i][c], write)}`).join(', ')}${epochs[i] === best ? ' (kept)' : ''}`
    }
    go(-1)
    picture.addEventListener('pointermove', e => { const r = picture.getBoundingClientRect(), e0 = ((/** @type {PointerEvent} */ (e).clientX - r.left) / r.width) * W; go(epochs.reduce((found, epoch, i) => (Math.abs(x(epoch) - e0) < Math.abs(x(epochs[found]) - e0) ? i : found), 0)) })
    picture.addEventListener('pointerleave', () => go(-1))
    picture.addEventListener('keydown', e => { const key = /** @type {KeyboardEvent} */ (e).key, step = { ArrowLeft: -1, ArrowRight: 1 }[key]; if (!step) return; e.preventDefault(); e.stopPropagation(); go(Math.max(0, Math.min(rows.length - 1, at + step))) })
    const legend = drawn.map(([, name, kind]) => el('span', {}, el('i', { className: `key ${kind}` }), name))
    if (best !== null) legend.push(el('span', {}, el('i', { className: 'key best' }), 'kept epoch'))
    return el('figure', { className: 'chart' }, el('figcaption', {}, el('b', {}, log ? `${title}, log scale` : title), ...legend), picture, say)
  }

  text(v, write) { return typeof v === 'number' ? write(v) : 'none' }
}
