// The confusion matrix of the test split, and the items of its cells.
import { ARROWS, el } from 'striate/dom'
import { css, inkOn } from 'striate/colour'
import { thumbnail } from 'striate/mistakes'

const LARGEST = 120, PAIRS = 60  // classes of a matrix at most; of more, the pairs that are listed

const percent = v => `${(100 * v).toFixed(v > 0 && v < 0.1 ? 1 : 0)}%`

export class Confusion {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.name = 'confusion'
    this.title = 'Confusion matrix'
    this.tested = page.scene.tested
    this.there = !!this.tested?.confusion
    if (!this.there) return
    this.names = page.scene.output.names
    this.counts = new Map(this.tested.confusion.map(([i, j, n]) => [`${i}:${j}`, n]))
    this.rows = this.names.map((_, i) => this.tested.confusion.reduce((sum, [row, , n]) => sum + (row === i ? n : 0), 0))
    this.cells = new Map(this.tested.cells.map(([i, j, rows]) => [`${i}:${j}`, rows]))
  }

  build(box, options) {
    const shares = options.split(':')[2] === 'shares', many = this.names.length > 20
    this.kind = el('select', { ariaLabel: 'Numbers' }, el('option', { value: 'counts' }, this.tested.counted), el('option', { value: 'shares' }, 'percent of the row'))
    this.kind.value = shares ? 'shares' : 'counts'
    this.kind.onchange = () => { this.numbers(); this.page.store() }
    const long = Math.max(...this.names.map(n => n.length)) > (many ? 1 : 4)
    this.table = this.names.length > LARGEST ? this.pairs() : el('table', { className: `matrix${many ? ' many' : ''}` }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'prediction \u2192', el('br'), 'label \u2193'), ...this.names.map(name => el('th', { scope: 'col', className: long ? 'upright' : '', title: name }, el('span', {}, name))))),
      el('tbody', {}, ...this.names.map((name, i) => el('tr', {}, el('th', { scope: 'row', title: name }, name), ...this.names.map((_, j) => this.cell(i, j))))))
    this.table.addEventListener('keydown', e => this.key(e))
    this.shown = el('div', { className: 'chosen' })
    this.shown.setAttribute('aria-live', 'polite')
    box.append(el('div', { className: 'row' }, el('h2', {}, 'Confusion matrix of the test split'), this.kind, el('p', { className: 'note' }, this.tested.headline)), el('div', { className: 'beside' }, el('div', { className: 'scroll' }, this.table), this.shown))
    this.numbers()
    const [i, j] = options.split(':'), chosen = this.counts.has(`${i}:${j}`) && j !== undefined ? [Number(i), Number(j)] : null
    chosen ? this.choose(chosen[0], chosen[1]) : this.shown.append(el('p', { className: 'note' }, 'A click on a number shows its items.'))
    if (!chosen) this.table.querySelector('button')?.setAttribute('tabindex', '0')
  }

  options() { return [...(this.chosen ?? ['', '']), this.kind.value === 'shares' ? 'shares' : ''].join(':').replace(/:+$/, '') }

  /** Of too many classes for a matrix: which are most often taken for which. */
  pairs() {
    const wrong = this.tested.confusion.filter(([i, j]) => i !== j).sort((a, b) => b[2] - a[2]).slice(0, PAIRS)
    return el('table', { className: 'matrix' }, el('tbody', {}, ...wrong.map(([i, j]) => el('tr', {}, el('th', { scope: 'row' }, `${this.names[i]} \u2192 ${this.names[j]}`), this.cell(i, j)))))
  }

  cell(i, j) {
    const n = this.counts.get(`${i}:${j}`)
    if (!n) return el('td')
    const share = n / this.rows[i], strength = (i === j ? -1 : 1) * (0.1 + 0.7 * Math.sqrt(share))  // by the root, so that one mistake is seen
    const button = el('button', { title: this.words(i, j), onclick: () => { this.choose(i, j); this.page.store() } })
    button.tabIndex = -1
    Object.assign(button.dataset, { row: String(i), column: String(j) })
    button.setAttribute('aria-label', this.words(i, j))
    button.style.background = css(strength, 1)
    button.style.color = inkOn(strength, 1)
    return el('td', {}, button)
  }

  words(i, j) { const n = this.counts.get(`${i}:${j}`); return `${this.names[i]} \u2192 ${this.names[j]}: ${n.toLocaleString('en')} of ${this.rows[i].toLocaleString('en')} ${this.tested.counted} (${percent(n / this.rows[i])})` }

  numbers() {
    for (const button of this.table.querySelectorAll('button')) {
      const i = Number(button.dataset.row), j = Number(button.dataset.column), n = this.counts.get(`${i}:${j}`)
      button.textContent = this.kind.value === 'counts' ? n.toLocaleString('en') : (100 * n / this.rows[i]).toFixed(n / this.rows[i] < 0.1 ? 1 : 0)
    }
  }

  choose(i, j) {
    this.chosen = [i, j]
    for (const button of this.table.querySelectorAll('button')) { const own = button.dataset.row === String(i) && button.dataset.column === String(j); button.setAttribute('aria-pressed', String(own)); button.tabIndex = own ? 0 : -1 }
    const rows = this.cells.get(`${i}:${j}`) ?? [], n = this.counts.get(`${i}:${j}`)
    const note = !rows.length ? '' : rows.length < n ? `the ${rows.length} most confident that this page carries` : 'the most confident first'
    this.shown.replaceChildren(el('h2', {}, this.words(i, j)), el('p', { className: 'note' }, note), el('div', { className: 'thumbs' }, ...rows.map(row => thumbnail(this.page, [row[0], row[2], '']))))
  }

  /** Arrows go to the next number in their direction. */
  key(e) {
    const step = ARROWS[e.key], from = e.target.dataset
    if (!step || from.row === undefined) return
    e.preventDefault()
    e.stopPropagation()
    let i = Number(from.row), j = Number(from.column)
    do { i += step[0]; j += step[1] } while (i >= 0 && j >= 0 && i < this.names.length && j < this.names.length && !this.counts.has(`${i}:${j}`))
    const next = /** @type {HTMLElement|null} */ (this.table.querySelector(`button[data-row="${i}"][data-column="${j}"]`))
    if (!next) return
    e.target.tabIndex = -1
    next.tabIndex = 0
    next.focus()
  }
}
