// Numbers and cells, linked both ways: a number of the arithmetic marks its cell, a cell the numbers that come from it.
import { svg } from 'striate/diagram'
import { flat, unflat } from 'striate/ops'

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
