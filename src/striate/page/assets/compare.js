// Two inputs, or the weights of today and those of the beginning, side by side: every layer can show A, B or B - A.
import { Net } from 'striate/net'
import { el } from 'striate/dom'
import { firstWeights } from 'striate/first'
import { real, short } from 'striate/colour'
import { packed, unpacked } from 'striate/state'

const SHOWS = /** @type {[string, string][]} */ ([['a', 'A'], ['b', 'B'], ['d', 'B \u2212 A']])

export class Compare {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.name = 'compare'
    this.title = 'Compare'
    this.there = !page.net.held
    /** @type {'input'|'weights'|null} */
    this.kind = null
    this.show = 'b'
    /** @type {any} the network that computes A */
    this.other = null
  }

  // ------------------------------------------------------------------------------------------------ what is compared
  /** The input of now is kept as A. @param {ArrayLike<number>} item @param {string|null} [text] */
  keep(item = this.page.pad.item, text = this.page.pad.field?.value ?? null) {
    this.kind = 'input'
    this.item = item.slice()
    this.text = text
    this.begin(this.page.net.copy())
  }

  /** The same network with random weights is A. */
  untrained() {
    this.kind = 'weights'
    this.begin(new Net(this.page.scene, firstWeights(this.page.scene, this.page.net.weights)))
  }

  begin(other) {
    this.other = other
    this.compute()
    this.page.edited()
    if (this.box?.isConnected) this.build(this.box)
  }

  end() {
    if (!this.kind) return
    this.kind = this.other = null
    this.show = 'b'
    this.page.edited()
    if (this.box?.isConnected) this.build(this.box)
  }

  /** After a stroke or an edit. */
  compute() {
    if (this.kind === 'input') this.other.run(this.item)
    else if (this.kind === 'weights') this.other.run(this.page.pad.item)
  }

  /** What the diagram draws. @returns {Map<string, {shape: number[], data: Float32Array}>} */
  maps() {
    const { net } = this.page
    if (!this.kind || this.show === 'b') return net.values
    if (this.show === 'a') return this.other.values
    return new Map([...net.values].map(([name, b]) => { const a = this.other.values.get(name).data; return [name, { shape: b.shape, data: b.data.map((v, i) => v - a[i]) }] }))
  }

  /** Both values of a unit in words; nothing where nothing is compared. */
  words({ layer, unit }) {
    if (!this.kind) return ''
    const a = this.other.value(layer, unit), b = this.page.net.value(layer, unit)
    return `A ${short(a)}, B ${short(b)}, B \u2212 A ${short(b - a)}`
  }

  choose(show) {
    this.show = show
    this.page.edited()
  }

  /** A, B and their difference, one after the other. */
  step() { this.kind ? this.choose({ a: 'b', b: 'd', d: 'a' }[this.show]) : this.keep() }

  // ------------------------------------------------------------------------------------------------------- the panel
  build(box) {
    this.box = box
    const { page } = this, first = page.scene.first, button = (text, title, act) => el('button', { title, onclick: act }, text)
    const init = first && `initialisation ${first.init}, seed ${first.seed}`
    const words = {
      input: 'A is the input that was kept, B the one of now. Draw, or choose another.',
      weights: `A has random weights, as before any training (${init}; drawn in this page as PyTorch draws them), B those that were learned. The input is the same.`,
    }
    const choices = SHOWS.map(([show, text]) => { const b = button(text, `Every layer shows ${text} (a)`, () => this.choose(show)); b.dataset.show = show; return b })
    box.replaceChildren(el('div', { className: 'row' }, el('h2', {}, 'Compare'), button('Keep this input as A', 'Then draw B (a)', () => this.keep()),
      ...(first ? [button('Untrained network as A', 'The same network with random weights, as before any training', () => this.untrained())] : []),
      ...(this.kind ? [el('span', { className: 'row' }, 'Show', ...choices), button('End', 'Compare nothing (r)', () => this.end())] : [])))
    if (this.kind) {
      this.pictures = el('div', { className: 'pictures' })
      this.table = el('table', { className: 'rows' })
      box.append(el('p', { className: 'note' }, `${words[this.kind]} Hover and arithmetic say both values; of B \u2212 A blue is less, red is more than in A.`), el('div', { className: 'beside' }, this.pictures, this.table))
    } else box.append(el('p', { className: 'note' }, 'Keep an input as A, then draw or choose B: every layer can show A, B or their difference. Or compare with what the network was before it was trained.'))
    this.refresh()
  }

  refresh() {
    if (!this.box?.isConnected || !this.kind || !this.table?.isConnected) return
    for (const b of this.box.querySelectorAll('[data-show]')) b.setAttribute('aria-pressed', String(b.dataset.show === this.show))
    const { pad, scene, net } = this.page, names = scene.output.names
    const one = (letter, item, text) => {
      if (pad.about.kind === 'text') return el('figure', {}, el('q', {}, text ?? ''), el('figcaption', {}, letter))
      const canvas = el('canvas', {})
      pad.thumbnail(canvas, item)
      return el('figure', {}, canvas, el('figcaption', {}, letter))
    }
    this.pictures.replaceChildren(...(this.kind === 'input' ? [one('A', this.item, this.text), one('B', pad.item, pad.field?.value)] : [one('A and B', pad.item, pad.field?.value)]))
    if (scene.output.perPixel || !names.length) { this.table.replaceChildren(); return }
    const a = this.other.outputs(), b = net.outputs(), share = scene.output.activation, write = v => (share ? real(`${(100 * v).toFixed(1)}%`) : short(v))
    const order = names.map((_, i) => i).sort((i, j) => Math.max(a[j], b[j]) - Math.max(a[i], b[i])).slice(0, 12)
    this.table.replaceChildren(el('thead', {}, el('tr', {}, ...['output', 'A', 'B', 'B \u2212 A'].map(text => el('th', { scope: 'col' }, text)))),
      el('tbody', {}, ...order.map(i => el('tr', {}, el('th', { scope: 'row' }, names[i]), ...[a[i], b[i], b[i] - a[i]].map(v => el('td', {}, write(v)))))))
  }

  // ----------------------------------------------------------------------------------------------------- the address
  /** "weights:d", "input:b:3" (a sample) or "input:b:~..." (a drawing); null where nothing is compared. */
  state() {
    if (!this.kind) return null
    if (this.kind === 'weights') return `weights:${this.show}`
    if (this.text !== null) return `input:${this.show}:"${this.text}`
    const { samples } = this.page.pad, same = samples.findIndex(s => s.length === this.item.length && s.every((v, i) => v === this.item[i]))
    if (same >= 0) return `input:${this.show}:${same}`
    const drawing = this.item instanceof Uint8Array ? packed(this.item) : null
    return drawing ? `input:${this.show}:~${drawing}` : null
  }

  /** @param {string} text */
  restore(text) {
    const [kind, show, ...rest] = text.split(':'), what = rest.join(':'), { pad, scene } = this.page
    if (!SHOWS.some(([known]) => known === show)) return
    if (kind === 'weights' && scene.first) { this.show = show; this.untrained() }
    if (kind !== 'input') return
    const item = what[0] === '"' ? pad.encoded(what.slice(1)) : what[0] === '~' ? unpacked(what.slice(1), pad.item.length) : pad.samples[Number(what)]
    if (item) { this.show = show; this.keep(item, what[0] === '"' ? what.slice(1) : null) }
  }
}
