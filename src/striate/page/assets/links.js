// Numbers and cells, linked both ways: a number of the arithmetic marks its cell, a cell the numbers that come from it.
import { limitOf, theme } from 'striate/colour'
import { svg } from 'striate/diagram'
import { el } from 'striate/pad'
import { flat, unflat } from 'striate/ops'

/**
 * The settings of the convolution lab in which a window moves as a layer's does over one of its maps; null where it has none.
 * @param {any} layer @param {number[]} before the shape of its input, of four axes
 */
function settingsOf({ op, rank, shape, settings: { kernel, stride = kernel, padding = 0, dilation = 1 } }, before) {
  const word = { conv: 'convolve', maxpool: 'max' }[op]
  if (!word || !Array.isArray(kernel) || rank > 2) return null
  const two = (v, missing) => [...Array(2 - rank).fill(missing), ...(Array.isArray(v) ? v : Array(rank).fill(v))], [k, s, p, d] = [two(kernel, 1), two(stride, 1), two(padding, 0), two(dilation, 1)], last = d[1]
  const span = k.map(n => (n - 1) * last + 1), words = { valid: () => 0, same: n => (n - 1) / 2, full: n => n - 1 }
  const name = Object.keys(words).find(word => p.every((v, a) => v === words[word](span[a]))) ?? (p[0] === p[1] ? String(p[0]) : '')
  const fits = two(shape.slice(1), 1).every((n, a) => n === Math.floor((before[a + 2] + 2 * p[a] - span[a]) / s[a]) + 1)
  return name && fits && two(dilation, last).every(v => v === last) && (op === 'conv' || last === 1) ? { op: word, name: 'typed', size: k, stride: s, padding: name, dilation: last, flip: false, channels: 'grey' } : null
}

/**
 * A button that opens the lab with what a unit reads of one map: the map, the kernel, its stride and its padding; or nothing.
 * @param {import('striate/net').Net} net @param {any} layer @param {number[]} unit @param {number} c the map @param {number[]} weights
 */
export function labButton(net, layer, unit, c, weights) {
  const input = net.inputsOf(layer.name)[0], [, , H, W] = input.shape, settings = net.held || !document.getElementById('lab') || location.href === 'about:srcdoc' ? null : settingsOf(layer, input.shape)
  if (!settings) return ''
  const { size: [h, w] } = settings, rows = Array.from({ length: h }, (_, y) => Array.from({ length: w }, (_, x) => weights[y * w + x] ?? 0).join(' ')).join('; ')
  const act = () => {
    const map = Float64Array.from(input.data.subarray(c * H * W, (c + 1) * H * W)), { html, style, kernels } = JSON.parse(document.getElementById('lab').textContent)
    let bytes = ''
    for (const byte of new Uint8Array(map.buffer)) bytes += String.fromCharCode(byte)
    const scene = { striate: '', kernels, settings: { ...settings, kernel: rows }, image: { name: `${layer.inputs[0]}, map ${c}`, shape: [1, H, W], kind: 'values', limit: limitOf(map) || 1, data: btoa(bytes) }, reduced: '' }
    const own = { TITLE: 'Convolution lab', POLICY: /** @type {HTMLMetaElement} */ (document.querySelector('meta[http-equiv]')).content, STYLE: document.querySelector('style').textContent + style, IMPORTS: document.querySelector('script[type=importmap]').textContent, SCENE: JSON.stringify(scene).replace(/</g, '\\u003c') }
    const text = html.replace(/{{(\w+)}}/g, (_, name) => own[name])
    open(`${URL.createObjectURL(new Blob([text], { type: 'text/html' }))}#at=0:${unit[2]}:${unit[3]}&theme=${theme.dark ? 'dark' : 'light'}`)
  }
  return el('button', { className: 'link', title: 'This map and this window in the convolution lab, where the kernel, stride and padding can be changed', onclick: act }, 'Open in the lab')
}

export class Links {
  /** @param {import('striate/net').Net} net @param {import('striate/diagram').Diagram} diagram @param {import('striate/pad').Pad} pad @param {HTMLElement} root of the arithmetic */
  constructor(net, diagram, pad, root) {
    this.net = net
    this.diagram = diagram
    this.pad = pad
    this.root = root
    const number = e => this.cell(/** @type {HTMLElement} */ (/** @type {HTMLElement} */ (e.target).closest('[data-source]')))
    root.addEventListener('pointerover', number)
    root.addEventListener('focusin', number)
    for (const name of ['pointerleave', 'focusout']) root.addEventListener(name, () => this.cell(null))
    const canvas = pad.marks && pad.canvas
    canvas?.addEventListener('pointermove', e => {
      const r = canvas.getBoundingClientRect(), [, , h, w] = net.inputShape
      const y = Math.floor(((e.clientY - r.top) / r.height) * h), x = Math.floor(((e.clientX - r.left) / r.width) * w)
      this.numbers((source, index) => { const at = source === 'input' && unflat(net.inputShape, index); return at && at[2] === y && at[3] === x && (!pad.slice || at[1] === Number(pad.slice.value)) })
    })
    canvas?.addEventListener('pointerleave', () => this.numbers(() => false))
  }

  /** Marks the cell that a number is the value of. @param {HTMLElement|null} number */
  cell(number) {
    for (const mark of this.marks ?? []) mark.remove()
    this.marks = []
    const source = number?.dataset.source, index = Number(number?.dataset.index)
    if (!source) return
    const style = { fill: 'none', stroke: 'var(--accent)', 'stroke-width': 2, class: 'linked' }
    if (source === 'input') {
      const [, z, y, x] = unflat(this.net.inputShape, index)
      if (this.pad.slice) { this.pad.slice.value = String(z); this.pad.paint() }
      if (this.pad.marks) this.marks.push(svg('rect', { x, y, width: 1, height: 1, ...style, 'vector-effect': 'non-scaling-stroke' }, this.pad.marks))
      return
    }
    const at = this.diagram.place(source, index)
    if (at) this.marks.push(svg('rect', { ...this.diagram.rect(at.stage, at.unit[0], at.unit.slice(1).map(v => [v, v])), ...style }, this.diagram.over))
  }

  /** Marks the numbers that are the value of a cell. @param {{layer: string, unit: number[]}|null} found */
  unit(found) {
    const stage = found && this.diagram.stageOf.get(found.layer), n = found && flat(this.net.values.get(found.layer).shape, found.unit)
    this.numbers((source, index) => {
      const at = stage && source !== 'input' && this.diagram.place(source, index)
      return at && at.stage === stage && flat(this.net.values.get(stage.shown).shape, at.unit) === n
    })
  }

  /** @param {(source: string, index: number) => any} same */
  numbers(same) { if (!this.root.hidden) for (const el of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll('[data-source]'))) el.classList.toggle('linked', !!same(el.dataset.source, Number(el.dataset.index))) }
}
