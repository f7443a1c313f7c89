// Panels beside the network: one at a time below it, opened by its name, closed by Escape, kept in the address.
import { el } from 'striate/dom'
import { shapeText } from 'striate/diagram'
import { Saliency } from 'striate/saliency'
import { Kernels } from 'striate/kernels'
import { Confusion } from 'striate/confusion'
import { Mistakes } from 'striate/mistakes'
import { Curves } from 'striate/curves'
import { Compare } from 'striate/compare'
import { Words } from 'striate/words'

/**
 * A panel: `there` says whether it has anything to show, `build` fills the box as `options` say, `refresh` follows new
 * values, `options` is what the address keeps of it.
 * @typedef {{name: string, title: string, there: boolean, build: (box: HTMLElement, options: string) => void, refresh?: () => void, options?: () => string}} Panel
 */

export class Panels {
  /** @param {any} page @param {HTMLElement} root */
  constructor(page, root) {
    this.page = page
    this.compare = new Compare(page)
    /** @type {Panel[]} */
    this.all = [new Words(page), new Saliency(page), new Kernels(page), new Mistakes(page), new Confusion(page), new Curves(page), new Table(page), this.compare].filter(p => p.there)
    this.tabs = el('div', { className: 'tabs', role: 'group', ariaLabel: 'Panels' })
    this.box = el('section', { id: 'panel', hidden: true })
    this.box.tabIndex = -1
    this.buttons = this.all.map((panel, i) => {
      const button = el('button', { title: `${panel.title} (${i + 1})`, onclick: () => this.toggle(panel.name) }, panel.title)
      button.setAttribute('aria-expanded', 'false')
      button.setAttribute('aria-controls', 'panel')
      return button
    })
    this.tabs.append(...this.buttons, el('span', { id: 'shown', role: 'status' }))
    root.append(this.tabs, this.box)
    this.box.addEventListener('keydown', e => { if (e.key === 'Escape') { e.stopPropagation(); this.close() } })
    /** @type {Panel|null} */
    this.opened = null
  }

  toggle(name) { this.opened?.name === name ? this.close() : this.open(name) }

  /** @param {string} name of a panel, with its options behind a colon: "kernels:c3" */
  open(name) {
    const [first, ...options] = name.split(':'), panel = this.all.find(p => p.name === first)
    if (!panel) return false
    this.opened = panel
    this.box.replaceChildren()
    this.box.hidden = false
    this.box.setAttribute('aria-label', panel.title)
    this.box.scrollTop = 0
    panel.build(this.box, options.join(':'))
    panel.refresh?.()
    this.mark()
    return true
  }

  close() {
    const was = this.opened
    this.opened = null
    this.box.hidden = true
    this.box.replaceChildren()
    this.mark()
    if (was) this.buttons[this.all.indexOf(was)].focus({ preventScroll: true })
  }

  mark() {
    this.all.forEach((panel, i) => this.buttons[i].setAttribute('aria-expanded', String(panel === this.opened)))
    this.page.store()
  }

  /** The digits open the panels. @returns {boolean} whether it was one of theirs */
  key(e) {
    const panel = this.all[Number(e.key) - 1]
    if (panel) this.toggle(panel.name)
    return !!panel
  }

  /** After new values. */
  refresh() { this.opened?.refresh?.() }

  /** For the address. */
  state() { const more = this.opened?.options?.(); return this.opened ? this.opened.name + (more ? `:${more}` : '') : null }
}

class Table {
  constructor(page) {
    this.page = page
    this.name = 'table'
    this.title = 'Table'
    this.there = true
  }

  build(box) {
    const { net, diagram } = this.page, number = v => (v === null || v === undefined ? 'unknown' : v.toLocaleString('en'))
    const table = el('table', { className: 'rows layers' }), body = el('tbody'), total = key => net.layers.reduce((sum, l) => sum + (l[key] ?? 0), 0)
    const heads = ['layer', 'operation', 'output', 'receptive field', 'parameters', 'MACs']
    for (const layer of net.layers) {
      const row = el('tr', {}, el('th', { scope: 'row' }, el('button', { className: 'link', onclick: () => this.page.look(layer.name) }, layer.name)),
        ...[layer.text, shapeText(layer.shape), layer.field ? layer.field.join('\u00d7') : 'unknown', number(layer.parameters), number(layer.macs)].map(text => el('td', {}, text)))
      const light = on => diagram.stageOf.get(layer.name)?.box.classList.toggle('lit', on)
      row.onmouseenter = () => light(true)
      row.onmouseleave = () => light(false)
      row.onfocus = row.onclick = () => this.page.look(layer.name)
      row.addEventListener('focusin', () => light(true))
      row.addEventListener('focusout', () => light(false))
      body.append(row)
    }
    table.append(el('thead', {}, el('tr', {}, ...heads.map(text => el('th', { scope: 'col' }, text)))), body,
      el('tfoot', {}, el('tr', {}, el('th', { scope: 'row' }, 'total'), el('td'), el('td'), el('td'), el('td', {}, number(total('parameters'))), el('td', {}, number(total('macs'))))))
    box.append(el('h2', {}, 'Layers, for one input'), table)
  }
}
