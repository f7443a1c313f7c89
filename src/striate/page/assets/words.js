// A network that reads words: which words each unit rests on, who wins the maximum over time, which filters decide.
import { el, svg } from 'striate/dom'
import { css, limitOf, real, short } from 'striate/colour'
import { unflat } from 'striate/ops'
import { unitName } from 'striate/formula'

const SHOWN = 12, CELL = 16  // rows at first; pixels of a word in a row
const LABELLED = 64  // positions up to which the columns of a map are as wide as a word needs
const THIN = 5  // pixels of a map below which an outline would hide it
export const COLUMN = 11, HEAD = 72  // pixels of a labelled column, and of the words above it

export class Words {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.net = page.net
    this.name = 'words'
    this.title = 'Words'
    this.chosen = ''
    this.all = false
    /** @type {Map<string, number[]>} the first word of each column of a map */
    this.starts = new Map()
    this.there = page.scene.input.kind === 'text' && !page.net.held
    if (!this.there) return
    page.arithmetic.words = page.diagram.sentence = this
    const score = this.net.reads(page.scoreLayer(), [0, 0, 0, 0])
    this.there = score.kind === 'sum' && !!this.trace(page.scoreLayer(), [0, 0, 0, 0], score.taps[0]).map
    this.marks = svg('svg', { class: 'winners' }, page.diagram.root)
  }

  /** The words that the network reads. @returns {string[]} */
  get words() { return this.page.pad.words }

  /**
   * Back from a unit through what takes over one number alone: the winner of a maximum, an activation, a concatenation.
   * @returns {{layer: string, unit: number[], span: number[]|null, map: string|null}} where it comes from, the first and last
   * word that it rests on, and the map along which a maximum was taken
   */
  trace(layer, unit, first = null) {
    const { net } = this
    let map = null
    while (layer !== 'input') {
      const node = net.byName.get(layer)
      if (node.op === 'embedding') return { layer, unit, span: [unit[3], unit[3]], map }
      const reads = first ? null : net.reads(layer, unit), value = net.value(layer, unit)
      const tap = first ?? (reads.kind === 'max' ? reads.taps.find(t => t.index >= 0 && net.values.get(node.inputs[t.source]).data[t.index] === value) : ['map', 'norm'].includes(reads.kind) && reads.taps.length === 1 ? reads.taps[0] : null)
      if (!tap || tap.index < 0) break
      layer = node.inputs[tap.source]
      unit = unflat(net.values.get(layer).shape, tap.index)
      if (reads?.kind === 'max') map ??= layer
      first = null
    }
    const box = layer === 'input' ? [[0, 0], [0, 0], [unit[3], unit[3]]] : net.fields(layer, unit).get('input')
    return { layer, unit, span: box ? box[2] : null, map }
  }

  /** Words first to last as they are quoted; what lies behind the end as dots. */
  quoted(span) {
    if (!span) return ''
    const some = this.words.slice(span[0], span[1] + 1), behind = span[1] - span[0] + 1 - some.length
    return some.length > 12 ? `all ${some.length} words` : some.length ? `\u201c${some.join(' ')}${' \u00b7'.repeat(Math.min(behind, 4))}\u201d` : 'behind the end'
  }

  /** The first word of each column of a map. @param {string} name */
  columns(name) {
    const w = this.net.values.get(name).shape[3]
    if (!this.starts.has(name)) this.starts.set(name, Array.from({ length: w }, (_, i) => this.trace(name, [0, 0, 0, i]).span?.[0] ?? 0))
    return this.starts.get(name)
  }

  /** The first column of a stage's maps behind the end of the sentence; -1 without one. */
  end(stage) { const [, d, h, w] = this.net.values.get(stage.shown).shape; return d * h > 1 || w === 1 ? -1 : this.columns(stage.shown).findIndex(start => start >= this.words.length) }

  phrase(layer, unit) { return this.quoted(this.trace(layer, unit).span) }

  /** The box of the input that a unit rests on, of a maximum its winner alone. */
  box({ layer, unit }) { const { span } = this.trace(layer, unit); return span && [[0, 0], [0, 0], span] }

  // ---------------------------------------------------------------------------------------------------- the diagram
  /** Whether a column of maps is labelled by words. */
  labels(stage) { const [, d, h, w] = this.net.values.get(stage.shown).shape; return d * h === 1 && w > 1 && w <= LABELLED }

  /** Words above the columns of the maps; outlines of the winners. */
  paint(diagram) {
    const { net } = this
    this.marks.replaceChildren()
    for (const name of ['width', 'height']) this.marks.setAttribute(name, String(diagram[name]))
    for (const stage of diagram.stages) {
      const [, , , w] = net.values.get(stage.shown).shape
      if (stage.bare || stage.block || !this.labels(stage)) continue
      const wide = stage.mapWidth / w, starts = this.columns(stage.shown), end = this.end(stage), left = k => k * (stage.mapWidth + stage.across)
      if (!stage.words) { stage.words = el('div', { className: 'above', ariaHidden: 'true' }); stage.box.append(stage.words) }
      const labels = Array.from({ length: stage.columns }, (_, k) => starts.map((start, i) => (this.words[start] === undefined ? '' : el('span', { style: `left:${left(k) + i * wide}px;width:${wide}px` }, this.words[start])))).flat()
      if (end >= 0) labels.push(el('span', { className: 'end', style: `left:${end * wide + 4}px` }, 'behind the end'))
      stage.words.replaceChildren(...labels.filter(Boolean))
    }
    for (const layer of net.layers) {
      const stage = diagram.stageOf.get(layer.inputs[0])
      if (!stage || stage.bare || stage.block || !this.labels(stage) || stage.shown !== layer.inputs[0] || stage.mapHeight < THIN || net.reads(layer.name, [0, 0, 0, 0]).kind !== 'max') continue
      const [n, , , w] = layer.shape4
      for (let c = 0; c < n; c++) for (let i = 0; i < w; i++) {
        const value = net.value(layer.name, [c, 0, 0, i]), tap = net.reads(layer.name, [c, 0, 0, i]).taps.find(t => t.index >= 0 && net.values.get(layer.inputs[0]).data[t.index] === value)
        if (!tap || value === 0) continue
        const [, , , x] = unflat(net.values.get(layer.inputs[0]).shape, tap.index)
        svg('rect', { ...diagram.rect(stage, c, [[0, 0], [0, 0], [x, x]]), class: 'winner' }, this.marks)
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------ the panel
  /** The filters behind an output, strongest contribution first: what each saw, where it won, and what it added. */
  deciding(c) {
    const { net, page } = this, score = page.scoreLayer(), reads = net.reads(score, [c, 0, 0, 0]), [x] = net.inputsOf(score)
    return reads.taps.map(tap => ({ ...this.trace(score, [c, 0, 0, 0], tap), value: x.data[tap.index], weight: tap.weight, product: x.data[tap.index] * tap.weight }))
      .sort((a, b) => Math.abs(b.product) - Math.abs(a.product))
  }

  build(box, options) {
    const { names } = this.page.scene.output, outputs = this.net.byName.get(this.page.scoreLayer()).shape4[0]
    this.chosen = options
    this.target = el('select', { onchange: () => { this.chosen = this.target.value; this.refresh(); this.page.store() } }, el('option', { value: '' }, 'predicted'), ...Array.from({ length: outputs }, (_, i) => el('option', { value: String(i) }, names[i] ?? `output ${i}`)))
    this.target.setAttribute('aria-label', 'Class whose score is explained')
    this.target.value = options
    this.heading = el('h2')
    this.body = el('div', { className: 'deciding' })
    this.more = el('button', { onclick: () => { this.all = !this.all; this.refresh() } })
    box.append(el('div', { className: 'row' }, this.heading, this.target), this.body)
  }

  options() { return this.chosen }

  refresh() {
    const { net, page, words } = this, y = net.outputs(), c = this.chosen === '' ? y.indexOf(Math.max(...y)) : Number(this.chosen), score = page.scoreLayer()
    const rows = this.deciding(c), shown = this.all ? rows : rows.slice(0, SHOWN), length = Math.max(1, words.length)
    const limit = Math.max(...rows.map(row => (row.map ? limitOf(net.values.get(row.map).data) : 0)))
    this.heading.textContent = `Filters that decide ${page.scene.output.names[c] ?? `output ${c}`}`
    const head = el('div', { className: 'above', style: `width:${length * CELL}px` }, ...words.map((word, i) => el('span', { style: `left:${i * CELL}px;width:${CELL}px` }, word)))
    const table = el('table', { className: 'sum' }, el('tr', {}, ...['filter', '', 'won by', 'largest', 'weight', 'product'].map((text, i) => el('th', { scope: 'col' }, i === 1 ? head : text))))
    for (const row of shown) {
      const open = () => page.pin(page.visible({ layer: row.layer, unit: row.unit }))
      const name = el('button', { className: 'link', onclick: open }, unitName(net, { layer: row.layer, unit: [row.unit[0], 0, 0, 0] }).split(':').slice(0, 2).join(':'))
      table.append(el('tr', {}, el('td', {}, name), el('td', {}, this.strip(row, length, limit)), el('td', {}, row.value === 0 ? 'none: it is silent' : this.quoted(row.span)), ...[row.value, row.weight, row.product].map(v => el('td', {}, real(v.toFixed(4))))))
    }
    const total = list => list.reduce((sum, row) => sum + row.product, 0), bias = net.reads(score, [c, 0, 0, 0]).bias ?? 0, rest = rows.slice(shown.length)
    const sums = /** @type {[string, number][]} */ ([[`these ${shown.length} filters`, total(shown)], ...(rest.length ? [[`the other ${rest.length}`, total(rest)]] : []), ['bias', bias]])
    this.more.textContent = this.all ? 'Show fewer' : `Show all ${rows.length}`
    this.body.replaceChildren(table, ...(rows.length > SHOWN ? [this.more] : []), page.arithmetic.sums(sums, net.value(score, [c, 0, 0, 0])), el('p', { className: 'note' }, `Colours up to \u00b1${short(limit)}. A column is the filter's answer to the words that begin there; the outline is the maximum over time.`))
  }

  /** A filter's answers along the sentence, the winner outlined. */
  strip(row, length, limit) {
    const canvas = el('canvas', { width: length * CELL * 2, height: 32, style: `width:${length * CELL}px;height:16px` }), g = canvas.getContext('2d')
    canvas.setAttribute('role', 'img')
    canvas.setAttribute('aria-label', `Answers of ${row.layer}:${row.unit[0]} along the sentence`)
    if (!row.map) return canvas
    const map = this.net.values.get(row.map), w = map.shape[3], at = row.unit[3]
    g.scale(2, 2)
    this.columns(row.map).forEach((start, i) => {
      if (start >= length) return
      const v = map.data[row.unit[0] * w + i]
      g.fillStyle = css(v, limit)
      g.fillRect(start * CELL, 0, CELL - 1, 16)
      if (i === at && row.value !== 0) { g.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--ink'); g.lineWidth = 2; g.strokeRect(start * CELL + 1, 1, CELL - 3, 14) }
    })
    return canvas
  }
}
