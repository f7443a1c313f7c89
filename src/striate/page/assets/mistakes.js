// The items of the test split on which the network is most wrong.
import { el } from 'striate/dom'
import { decoded } from 'striate/net'
import { inflate } from 'striate/inflate'
import { size } from 'striate/ops'

/** The items of the test split that the page carries. @param {any} scene */
export function testedItems({ tested, input }) {
  const kind = { u1: Uint8Array, '<f4': Float32Array }[tested.type], each = size(input.shape) * kind.BYTES_PER_ELEMENT
  const bytes = inflate(decoded(tested.pixels, Uint8Array), each * tested.items.length)
  return tested.items.map((_, i) => new kind(bytes.slice(i * each, (i + 1) * each).buffer))
}

/** A button with an item of the test split, which becomes the input. @param {any} page @param {[number, string, string]} row */
export function thumbnail(page, [item, what, how]) {
  const { pad, scene } = page, number = scene.offered + item, name = scene.samples[number].name, text = pad.about.kind === 'text'
  const button = el('button', { className: 'thumb', title: name, onclick: () => pad.choose(number) })
  if (text) button.append(el('q', {}, name))
  else { const canvas = el('canvas', {}); pad.thumbnail(canvas, pad.samples[number]); button.append(canvas) }
  button.append(el('b', {}, what), el('span', {}, how))
  return button
}

export class Mistakes {
  /** @param {any} page */
  constructor(page) {
    this.page = page
    this.tested = page.scene.tested
    this.there = !!this.tested?.worst.length
    this.name = 'mistakes'
    this.title = 'Worst mistakes'
  }

  build(box) {
    const { title, headline, worst } = this.tested
    box.append(el('h2', {}, title), el('p', { className: 'note' }, `Test split: ${headline}. A click makes one the input.`),
      el('div', { className: 'thumbs' }, ...worst.map(row => thumbnail(this.page, row))))
  }
}
