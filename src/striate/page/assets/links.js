// Numbers and cells, linked both ways: a number of the arithmetic marks its cell, a cell the numbers that come from it.
import { limitOf, theme } from 'striate/colour'
import { el, svg } from 'striate/dom'
import { flat, unflat } from 'striate/ops'

const IN_LAB = { conv: 'convolve', maxpool: 'max', adaptivemaxpool: 'max', avgpool: 'average', adaptiveavgpool: 'average', sumpool: 'sum' }

/**
 * The settings of the convolution lab in which a window moves as a layer's does over one of its maps, of a volume over a slice; null where it has none.
 * @param {any} layer @param {number[]} before the shape of its input, of four axes
 */
function settingsOf({ op, rank, shape, settings }, before) {
  const out = shape.slice(1), even = op.startsWith('adaptive') && before.slice(4 - rank).map((n, a) => n / out[a])  // whose windows are all alike, side by side
  const { kernel = even, stride = kernel, padding = 0, dilation = 1 } = settings, word = IN_LAB[op]
  if (!word || !Array.isArray(kernel) || !kernel.every(Number.isInteger)) return null
  const two = (v, missing) => [...(rank < 2 ? [missing] : []), ...(Array.isArray(v) ? v : Array(rank).fill(v))].slice(-2), [k, s, p, d] = [two(kernel, 1), two(stride ?? kernel, 1), two(padding, 0), two(dilation, 1)], last = d[1]
  const span = k.map(n => (n - 1) * last + 1), words = { valid: () => 0, same: n => (n - 1) / 2, full: n => n - 1 }
  const name = Object.keys(words).find(word => p.every((v, a) => v === words[word](span[a]))) ?? (p[0] === p[1] ? String(p[0]) : '')
  const fits = two(out, 1).every((n, a) => n === Math.floor((before[a + 2] + 2 * p[a] - span[a]) / s[a]) + 1) && (settings.count_padding !== false || p.every(v => v === 0))
  return name && fits && two(dilation, last).every(v => v === last) && (op === 'conv' || last === 1) ? { op: word, name: 'typed', size: k, stride: s, padding: name, dilation: last, flip: false, channels: 'grey' } : null
}

/**
 * Buttons that open the lab with what a unit reads of one map (of a volume of each slice): the map, the kernel, its stride and its padding; or none.
 * @param {import('striate/net').Net} net @param {any} layer @param {number[]} unit @param {number} c the map @param {{index: number, weight: number}[]} taps the window in it
 */
export function labButtons(net, layer, unit, c, taps) {
  const { shape } = net.inputsOf(layer.name)[0], settings = net.needs || !document.getElementById('lab') || location.href === 'about:srcdoc' ? null : settingsOf(layer, shape)
  if (!settings) return []
  const per = settings.size[0] * settings.size[1], slices = Array.from({ length: taps.length / per }, (_, i) => taps.slice(i * per, (i + 1) * per))
  return slices.flatMap(window => {
    const inside = window.find(tap => tap.index >= 0), z = inside ? unflat(shape, inside.index)[1] : 0
    const act = () => { const tab = open(); openLab(tab, net, layer, settings, unit, c, z, window.map(tap => tap.weight)).catch(error => { tab.document.body.textContent = error.message }) }
    return inside ? [el('button', { className: 'link', title: 'This map and this window in the convolution lab, where the kernel, stride and padding can be changed', onclick: act }, shape[1] > 1 ? `Slice ${z} in the lab` : 'Open in the lab')] : []
  })
}

/** @param {Window} tab */
async function openLab(tab, net, layer, settings, unit, c, z, weights) {
  const [source] = layer.inputs, [, D, H, W] = net.values.get(source).shape, { html, style, kernels } = JSON.parse(document.getElementById('lab').textContent)
  const first = (c * D + z) * H * W, map = Float64Array.from((await net.all(source)).subarray(first, first + H * W)), rows = Array.from({ length: settings.size[0] }, (_, y) => weights.slice(y * settings.size[1], (y + 1) * settings.size[1]).join(' ')).join('; ')
  let bytes = ''
  for (const byte of new Uint8Array(map.buffer)) bytes += String.fromCharCode(byte)
  const scene = { striate: '', kernels, settings: { ...settings, kernel: rows }, image: { name: `${source}, map ${c}${D > 1 ? `, slice ${z}` : ''}`, shape: [1, H, W], kind: 'values', limit: limitOf(map) || 1, data: btoa(bytes) }, reduced: '' }
  const own = { TITLE: 'Convolution lab', POLICY: /** @type {HTMLMetaElement} */ (document.querySelector('meta[http-equiv]')).content, STYLE: document.querySelector('style').textContent + style, IMPORTS: document.querySelector('script[type=importmap]').textContent, SCENE: JSON.stringify(scene).replace(/</g, '\\u003c') }
  tab.location.href = `${URL.createObjectURL(new Blob([html.replace(/{{(\w+)}}/g, (_, name) => own[name])], { type: 'text/html' }))}#at=0:${unit[2]}:${unit[3]}&theme=${theme.dark ? 'dark' : 'light'}`
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
