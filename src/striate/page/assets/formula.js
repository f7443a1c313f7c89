// The arithmetic of a unit: windows, kernels, products, sums, what follows. What is shown adds up to what is shown.
import { css, inkOn, limitOf, real, short } from 'striate/colour'
import { flat, size, unflat } from 'striate/ops'
import { el } from 'striate/dom'

const SHOWN = 6  // channels (or inputs) that are shown before "all"

/** A unit's name as striate writes it: LAYER:C:Y:X. */
export function unitName(net, { layer, unit }) { const rank = net.byName.get(layer).shape.length - 1; return [layer, unit[0], ...unit.slice(4 - rank)].join(':') }
/** @returns {{layer: string, unit: number[]}|null} */
export function parsed(net, text) {
  const [layer, c, ...at] = String(text).split(':'), found = net.byName.get(layer), numbers = [c, ...at].map(Number)
  if (!found || numbers.length !== found.shape.length || numbers.some((v, i) => !Number.isInteger(v) || v < 0 || v >= found.shape[i])) return null
  return { layer, unit: [numbers[0], ...Array(4 - numbers.length).fill(0), ...numbers.slice(1)] }
}

export const digits = { whole: false }  // whole numbers alone: the lab's
const fixed = v => real(v.toFixed(digits.whole && Number.isInteger(v) ? 0 : 4))
/** What numbers add up to as they are written, where that is another number than the exact sum. @param {string[]} texts @param {number} exact */
function rounded(texts, exact) {
  const sum = texts.reduce((s, text) => s + written(text), 0)
  return Math.abs(sum - exact) >= 5e-5 ? ` (as shown: ${fixed(sum)})` : ''
}
/** A factor: where it is small, in as many digits as matter. */
export const factor = v => (Math.abs(v) < 1 && v && !digits.whole ? real(v.toPrecision(4)) : fixed(v))
const written = text => Number(text.replace('\u2212', '-'))
/** A result, and what the numbers give as they are written, where that is another one. @param {number} exact @param {number} shown */
const result = (exact, shown) => fixed(exact) + (fixed(exact) === fixed(shown) ? '' : ` (as shown: ${fixed(shown)})`)
/** What is subtracted. */
const less = v => (v < 0 ? `(${fixed(v)})` : fixed(v))
const signed = v => (v < 0 ? `\u2212 ${fixed(-v)}` : `+ ${fixed(v)}`)

const both = (/** @type {any[]} */ values, sign = '\u00d7') => (values.every(v => v === values[0]) ? `${values[0]}` : values.join(sign))

/** Kernels or windows of a layer in words, and the size of its output by the formula of the textbooks: (W - K + 2P) / S + 1. @param {any} layer @param {number[]} before the shape of its input, of four axes */
export function facts(layer, before) {
  const { op, rank, settings: { kernel, stride = kernel, padding, dilation, groups = 1, ceil = false } } = layer
  if (!['conv', 'maxpool', 'avgpool'].includes(op) || !Array.isArray(kernel)) return ''
  const all = (/** @type {any} */ v, /** @type {number} */ missing) => (Array.isArray(v) ? v : Array(rank).fill(v ?? missing)), [s, p, d] = [all(stride, 1), all(padding, 0), all(dilation, 1)]
  if (![...s, ...p, ...d].every(Number.isInteger)) return ''
  const sizes = before.slice(4 - rank), out = layer.shape.slice(1)
  const parts = kernel.map((k, a) => {
    const reach = d[a] * (k - 1) + 1, over = sizes[a] - reach + 2 * p[a], text = `(${sizes[a]} \u2212 ${reach} + 2\u00b7${p[a]}) / ${s[a]}`
    const [left, right, round] = over % s[a] === 0 ? ['', '', Math.floor] : ceil ? ['\u2308', '\u2309', Math.ceil] : ['\u230a', '\u230b', Math.floor]
    return round(over / s[a]) + 1 === out[a] ? `${left}${text}${right} + 1 = ${out[a]}` : ''
  })
  const what = op === 'conv' ? `${layer.shape[0]} kernel${layer.shape[0] === 1 ? '' : 's'} of ${[...kernel, before[0] / groups].join('\u00d7')} weights` : `windows of ${kernel.join('\u00d7')}`
  const set = `stride ${both(s)}, padding ${both(p)}${d.some(v => v > 1) ? `, dilation ${both(d)} (so it reaches over ${both(kernel.map((k, a) => d[a] * (k - 1) + 1))})` : ''}${groups > 1 ? `, ${groups} groups` : ''}`
  return `${what[0].toUpperCase()}${what.slice(1)}, ${set}.${parts.every(Boolean) ? ` Output: ${both(parts, '; ')}.` : ''}`
}

/** A layer's name, and what such a layer does. */
const heading = layer => [el('h2', {}, `${layer.name}: ${layer.label}`), ...(layer.about ? [el('p', { className: 'what' }, layer.about)] : [])]

export class Arithmetic {
  /** @param {import('striate/net').Net} net @param {HTMLElement} root @param {{close: Function, play: Function, step: Function, toggle: Function, edit: Function, open: Function, beside: Function, back?: Function, lab?: Function}} on */
  constructor(net, root, on) {
    this.net = net
    this.root = root
    /** @type {import('striate/words').Words|null} of a network that reads words */
    this.words = null
    this.on = on
    this.all = false
    this.playing = false
    this.fixed = false  // no weight can be typed over
    /** @type {{layer: string, unit: number[]}|null} */
    this.found = null
  }

  /** @param {{layer: string, unit: number[]}|null} found */
  show(found) {
    this.root.hidden = !found
    if (!found) return
    if (!this.found || this.found.layer !== found.layer) this.all = false
    this.found = found
    const { net } = this
    if (!net.here(found, 'arithmetic')) return this.later(found)
    this.root.classList.remove('waits')
    const chain = net.chain(found.layer), value = net.value(found.layer, found.unit), first = net.byName.get(chain[0])
    const where = unitName(net, found), off = net.off.has(`${found.layer}:${found.unit[0]}`)
    const scrolled = this.root.scrollTop
    this.root.replaceChildren(el('div', { className: 'head' }, el('h2', {}, `${where} = ${fixed(value)}`),
      ...(net.slides(found.layer) ? [el('button', { title: 'The window slides over the whole map (p)', onclick: () => this.on.play() }, this.playing ? 'Stop' : 'Play'),
        el('button', { title: 'The window moves on by one step (s)', onclick: () => this.on.step() }, 'Step')] : []),
      ...(net.switches ? [el('button', { title: 'Switch this map off, or on again (x)', ariaPressed: String(off), onclick: () => this.on.toggle(found.layer, found.unit[0]) }, off ? 'Switch on' : 'Switch off')] : []),
      this.closing()))
    const also = this.on.beside(found)
    if (also) this.root.append(el('p', {}, also))
    this.operation(first, found.unit)
    for (const name of chain.slice(1)) this.following(net.byName.get(name), found.unit)
    this.answer(found)
    this.root.append(...(this.on.back?.(found) ?? []))
    if (off) this.root.append(el('p', { className: 'note' }, 'This map is switched off: its values count as 0.'))
    this.root.scrollTop = scrolled
  }

  /** The numbers are not there yet, or never: what is shown stays until they come. @param {{layer: string, unit: number[]}} found */
  later(found) {
    this.root.classList.toggle('waits', this.net.needs === '')
    if (this.root.childElementCount && this.net.needs === '') return
    const value = this.net.value(found.layer, found.unit), name = unitName(this.net, found)
    this.root.replaceChildren(el('div', { className: 'head' }, el('h2', {}, Number.isNaN(value) ? name : `${name} = ${short(value)}`), this.closing()), el('p', { className: 'note' }, this.net.needs || 'Asking PyTorch for the numbers\u2026'))
  }

  closing() { return el('button', { title: 'Close (Escape)', ariaLabel: 'Close', onclick: () => this.on.close() }, '\u00d7') }

  /** The first op of the chain: a sum over a window, a maximum, ... */
  operation(layer, unit) {
    const { net } = this, reads = net.reads(layer.name, unit), inputs = net.inputsOf(layer.name)
    const x = tap => (tap.index < 0 ? 0 : inputs[tap.source].data[tap.index])
    const total = net.value(layer.name, unit)
    this.reading = layer
    const step = el('div', { className: 'step' }, ...heading(layer))
    this.root.append(step)
    const about = this.on.lab ? facts(layer, inputs[0].shape) : ''  // the lab says it beside its output
    if (about) step.append(el('p', { className: 'note' }, about))
    if (reads.kind === 'sum') this.sum(step, layer, unit, reads, x, total)
    else if (reads.kind === 'max') this.max(step, layer, unit, reads, x, total)
    else this.line(step, layer, unit, reads, x, total)
  }

  sum(step, layer, unit, reads, x, total) {
    const { taps, grid, bias = 0 } = reads, per = grid ? size(grid.size) : 1, groups = []
    for (let i = 0; i < taps.length; i += per) {
      const some = taps.slice(i, i + per)
      groups.push({ index: i / per, taps: some, sum: some.reduce((s, t) => s + x(t) * t.weight, 0) })
    }
    const pooling = reads.divisor !== undefined, by = [...groups].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum))
    const shown = this.all ? by : by.slice(0, SHOWN), rest = by.slice(shown.length)
    const limits = [limitOf(Float32Array.from(taps.map(x))), limitOf(Float32Array.from(taps.map(t => t.weight))), limitOf(Float32Array.from(taps.map(t => x(t) * t.weight)))]
    const rows = []
    if (grid && per <= 150) {
      for (const group of shown) {
        const channel = group.taps.find(t => t.index >= 0), c = channel ? unflat(this.net.inputsOf(layer.name)[channel.source].shape, channel.index)[0] : grid.first + group.index
        const three = el('div', { className: 'three' }, this.grid(group, grid, t => x(t), limits[0], 'values', 'input'))
        if (!pooling) three.append(el('div', {}, '\u00d7', this.grid(group, grid, t => t.weight, limits[1], 'weights', 'weight', layer, unit)), el('div', {}, '=', this.grid(group, grid, t => x(t) * t.weight, limits[2], 'values', 'product')))
        step.append(el('div', { className: 'channel' }, el('small', {}, `input map ${c} `, ...(this.on.lab?.(layer, unit, c, group.taps) ?? [])), three))
        const exact = pooling ? group.sum * reads.divisor : group.sum
        rows.push([(pooling ? 'sum of the window' : `products of input map ${c}`) + rounded(group.taps.map(t => short(pooling ? x(t) : x(t) * t.weight, 0)), exact), exact])
      }
    } else {
      const weighted = taps.some(t => t.weight !== 1), heads = weighted ? ['input', 'value', 'weight', 'product'] : ['input', 'value']
      const table = el('table', { className: 'sum' }, el('tr', {}, ...heads.map(t => el('th', { scope: 'col' }, t))))
      for (const group of shown) {
        const [tap] = group.taps, source = layer.inputs[tap.source]
        const place = this.origin(source, tap.index), row = el('tr', {}, el('td', {}, place.text), el('td', {}, fixed(x(tap))))
        if (weighted) row.append(el('td', {}, this.editor(layer, this.weightAt(layer, unit, group.index), tap.weight, 4)), el('td', {}, fixed(group.sum)))
        row.tabIndex = 0
        this.from(row, tap)
        if (place.unit) { row.style.cursor = 'pointer'; row.onclick = e => { if (!(e.target instanceof HTMLInputElement)) this.on.open(place.unit) }; row.onkeydown = e => { if (e.key === 'Enter' && e.target === row) this.on.open(place.unit) } }
        table.append(row)
      }
      step.append(el('p', { className: 'note' }, `${taps.length.toLocaleString('en')} inputs${rest.length ? `; the ${shown.length} that contribute most:` : ':'}`), table)
      const sum = shown.reduce((s, g) => s + g.sum, 0)
      rows.push([`these ${shown.length} ${weighted ? 'products' : 'values'}${rounded(shown.map(g => fixed(g.sum)), sum)}`, sum])
    }
    const left = rest.reduce((s, g) => s + g.sum, 0)
    if (rest.length) rows.push([`the other ${rest.length.toLocaleString('en')} ${grid && per <= 150 ? 'input maps' : 'products'}`, left])
    if (rest.length || this.all) step.append(el('button', { onclick: () => { this.all = !this.all; this.show(this.found) } }, this.all ? 'Show fewer' : rest.length > 600 ? 'Show all (slow)' : 'Show all'))
    if (pooling) {
      const n = reads.divisor
      step.append(this.sums([...rows, [n === 1 ? 'sum' : `divided by ${n}`, total]], null))
      return
    }
    if (layer.weights.bias) rows.push(['bias', bias, this.editor(layer, { weight: 'bias', index: unit[0] }, bias, 4)])
    step.append(this.sums(rows, total))
  }

  /** Numbers that add up, in the digits that are shown: what rounding leaves is said. */
  sums(rows, total) {
    const table = el('table', { className: 'sum' })
    for (const [name, value, editor] of rows) table.append(el('tr', {}, el('td', {}, name), el('td', {}, editor ?? fixed(value))))
    if (total === null) return table
    const digits = rows.reduce((s, [, v]) => s + Math.round(v * 1e4), 0) / 1e4, difference = total - digits
    if (Math.abs(Math.round(difference * 1e4)) >= 1) table.append(el('tr', {}, el('td', {}, 'rounding of the numbers above'), el('td', {}, fixed(Math.round(total * 1e4) / 1e4 - digits))))
    table.append(el('tr', { className: 'total' }, el('td', {}, 'sum'), el('td', {}, fixed(total))))
    return table
  }

  max(step, layer, unit, reads, x, total) {
    const winner = reads.taps.findIndex(t => t.index >= 0 && x(t) === total)
    const group = { taps: reads.taps, index: 0 }
    if (reads.grid && size(reads.grid.size) <= 150) step.append(el('div', { className: 'channel' }, el('div', { className: 'three' }, this.grid(group, reads.grid, x, limitOf(Float32Array.from(reads.taps, x)), 'values', `the largest of ${reads.taps.length} wins`, null, null, winner))))
    step.append(el('small', {}, ...(this.on.lab?.(layer, unit, unit[0], reads.taps) ?? [])))
    const tap = reads.taps[winner]
    if (tap) step.append(el('p', {}, `The largest value is ${fixed(total)}, at ${this.origin(layer.inputs[0], tap.index).text}.`))
  }

  /** Ops of one value, or of a column of channels. */
  line(step, layer, unit, reads, x, total) {
    const v = reads.values ?? {}, say = text => step.append(el('p', { className: 'formula' }, text)), n = reads.taps.map(x)
    const word = this.words && layer.op === 'embedding' ? `${this.words.phrase(layer.name, unit)}: ` : ''
    if (reads.kind === 'map') say(`${word}${reads.text}${n.length ? `   x = ${fixed(n[0])}` : ''}   gives ${fixed(total)}`)
    else if (reads.kind === 'norm') say(this.norm(reads, n[0], total))
    else if (reads.kind === 'product') say(`${n.map(fixed).join(' \u00d7 ')} = ${fixed(total)}`)
    else if (reads.kind === 'softmax') {
      say(`exp(${fixed(v.x)} \u2212 ${less(v.max)}) / ${fixed(v.sum)} = ${fixed(Math.exp(v.x - v.max))} / ${fixed(v.sum)} = ${fixed(total)}`)
      step.append(el('p', { className: 'note' }, `The largest score, ${fixed(v.max)}, is subtracted first; ${fixed(v.sum)} is the sum of all ${n.length} exponentials.`))
    } else if (reads.kind === 'lrn') say(`${fixed(v.x)} / (${v.k} + ${v.alpha} / ${v.size} \u00d7 ${fixed(v.sum)})^${v.beta} = ${fixed(total)}; ${fixed(v.sum)} is the sum of the squares of ${n.length} neighbouring maps`)
    else if (reads.kind === 'layernorm') say(`${this.norm(reads, v.x, total)}; mean and variance over ${n.length} maps`)
    else if (reads.kind === 'opaque') say(`${reads.text}, ${fixed(total)}`)
    else if (reads.kind === 'rbf') say(`\u2212 the sum of (input \u2212 code)\u00b2 over ${n.length} inputs = ${fixed(total)}`)
  }

  norm(reads, x, total) {
    const v = reads.values
const [top, mean, bias] = [x, v.mean, v.bias].map(n => written(fixed(n))), [variance, weight] = [v.var, v.weight].map(factor)
    return `(${fixed(x)} \u2212 ${less(v.mean)}) / \u221a(${variance} + ${v.eps}) \u00d7 ${weight} ${signed(v.bias)} = ${result(total, ((top - mean) / Math.sqrt(written(variance) + v.eps)) * written(weight) + bias)}`
  }

  following(layer, unit) {
    const reads = this.net.reads(layer.name, unit), x = this.net.inputsOf(layer.name)[0].data[reads.taps[0].index], y = this.net.value(layer.name, unit)
    const text = reads.kind === 'norm' ? this.norm(reads, x, y) : `${reads.text}   x = ${fixed(x)}   gives ${fixed(y)}`
    this.root.append(el('div', { className: 'step' }, ...heading(layer), el('p', { className: 'formula' }, text)))
  }

  /** From the scores of the last layer to the answer that the bars show. @param {{layer: string, unit: number[]}} found */
  answer({ layer, unit }) {
    const { net } = this, { activation, mean, std, names, temperature: T } = net.scene.output
    if (layer !== net.output || net.byName.get(layer).op === activation || !(activation || mean.length)) return
    const { shape, data } = net.values.get(layer), plane = size(shape.slice(1)), at = flat([1, ...shape.slice(1)], [0, ...unit.slice(1)]), own = unit[0], name = c => names[c] ?? c
    const scores = Array.from({ length: shape[0] }, (_, c) => data[c * plane + at]), y = net.outputs()[own * plane + at], x = fixed(scores[own])
    const step = el('div', { className: 'step' }), say = (title, text) => step.append(el('h2', {}, title), el('p', { className: 'formula' }, text))
    if (activation === 'softmax') {
      const max = Math.max(...scores), powers = scores.map(v => Math.exp((v - max) / T)), power = v => (T === 1 ? `exp(${v} \u2212 ${less(max)})` : `exp((${v} \u2212 ${less(max)}) / ${fixed(T)})`), total = powers.reduce((s, v) => s + v, 0)
      const by = scores.map((_, c) => c).sort((a, b) => powers[b] - powers[a]), shown = this.all ? by : by.slice(0, SHOWN), rest = by.slice(shown.length)
      say(`softmax: the probability of ${name(own)}`, `${power(x)} / ${fixed(total)} = ${factor(powers[own])} / ${fixed(total)} = ${y < 1e-4 ? factor(y) : result(y, written(factor(powers[own])) / written(fixed(total)))}`)
      const rows = shown.map(c => [`${power(fixed(scores[c]))}, of ${name(c)}`, powers[c]])
      if (rest.length) rows.push([`the other ${rest.length.toLocaleString('en')} exponentials`, rest.reduce((s, c) => s + powers[c], 0)])
      step.append(el('p', { className: 'note' }, `The largest score is subtracted first${T === 1 ? '' : `, and the difference divided by the temperature ${fixed(T)}, which was fitted on validation`}; the exponentials of all scores add up to what divides:`), this.sums(rows, total))
    } else if (activation) say(`sigmoid: the probability of ${name(own)}`, `1 / (1 + exp(${fixed(-scores[own])}${T === 1 ? '' : ` / ${fixed(T)}`})) = ${fixed(y)}`)
    else say(`In the units of ${name(own)}`, `${x} \u00d7 ${factor(std[own])} ${signed(mean[own])} = ${result(y, written(x) * written(factor(std[own])) + written(fixed(mean[own])))}`)
    this.root.append(step)
  }

  /** A window as a table of numbers on their colours; of a kernel the numbers can be changed. */
  grid(group, grid, value, limit, kind, title, layer = null, unit = null, winner = -1) {
    const flat = grid.size[0] * grid.size[1] === 1, table = el('table', { className: 'grid' })
    const columns = flat ? Math.min(grid.size[2], 16) : grid.size[2], rows = Math.ceil(size(grid.size) / columns)
    if (this.words && rows === 1) table.append(el('tr', {}, ...group.taps.map(tap => { const text = tap.index < 0 ? '' : this.words.phrase(this.reading.inputs[tap.source], unflat(this.net.inputsOf(this.reading.name)[tap.source].shape, tap.index)); return el('th', { title: text }, text.replace(/[\u201c\u201d]/g, '')) })))
    for (let r = 0; r < rows; r++) {
      const row = el('tr', { className: !flat && r && r % grid.size[1] === 0 ? 'slice' : '' })
      for (let k = 0; k < columns && r * columns + k < size(grid.size); k++) {
        const i = r * columns + k, tap = group.taps[i], v = value(tap)
        const cell = el('td', { className: winner === i ? 'win' : '' })
        cell.dataset.tap = String(i)
        this.from(cell, tap)
        if (tap.index < 0 && kind === 'values') { cell.classList.add('pad0'); cell.title = 'in the padding'; cell.textContent = '0' } else {
          cell.style.background = css(v, limit, kind)
          cell.style.color = inkOn(v, limit, kind)
          if (layer) cell.append(this.editor(layer, this.weightAt(layer, unit, group.index * group.taps.length + i), v))
          else cell.textContent = short(v, 0)
        }
        cell.onmouseenter = () => this.link(table, i, true)
        cell.onmouseleave = () => this.link(table, i, false)
        row.append(cell)
      }
      table.append(row)
    }
    return el('div', {}, el('small', {}, title), table)
  }

  /** Says of an element which value it shows. @param {HTMLElement} element */
  from(element, tap) { if (tap.index >= 0) Object.assign(element.dataset, { source: this.reading.inputs[tap.source], index: tap.index }) }

  /** The same place in the window, the kernel and the products. */
  link(table, i, on) { for (const cell of table.closest('.three').querySelectorAll(`td[data-tap="${i}"]`)) cell.classList.toggle('on', on) }

  /** Which weight belongs to a tap. */
  weightAt(layer, unit, tap) {
    if (layer.op === 'conv') return { weight: 'weight', index: unit[0] * (layer.weights.weight.length / layer.shape4[0]) + tap }
    if (layer.op === 'linear') return { weight: 'weight', index: unit[0] * (layer.weights.weight.length / layer.shape4[0]) + tap }
    return null
  }

  /** A weight that can be typed over, in so many decimals. */
  editor(layer, at, value, decimals = 3) {
    if (!at) return document.createTextNode(fixed(value))
    const key = `${layer.name}/${at.weight}/${at.index}`, shown = real(value.toFixed(digits.whole && Number.isInteger(value) ? 0 : decimals))
    if (this.fixed) return document.createTextNode(shown)
    const input = el('input', { type: 'text', inputMode: 'decimal', className: 'edit' + (this.net.edits.has(key) ? ' edited' : ''), value: shown, title: `${at.weight} ${at.index} of ${layer.name}: type another number` })
    input.setAttribute('aria-label', `${at.weight} ${at.index} of ${layer.name}`)
    input.onkeydown = e => { e.stopPropagation(); if (e.key === 'Enter') input.blur(); if (e.key === 'Escape') { input.value = shown; input.blur() } }
    input.onchange = () => { const v = Number(input.value.replace('\u2212', '-').replace(',', '.')); if (Number.isFinite(v) && input.value.trim()) this.on.edit(layer.name, at.weight, at.index, v); else input.value = shown }
    return input
  }

  /** Of a network that reads words: those of a span, quoted. */
  quote(span) { return span ? ` ${this.words.quoted(span)}` : '' }

  /** Where an input of a layer is: the unit's name behind a flatten. */
  origin(source, index) {
    if (source === 'input') {
      const unit = unflat(this.net.values.get('input').shape, index), rank = this.net.scene.input.shape.length
      return { text: this.words ? `word ${unit[3]}${this.quote([unit[3], unit[3]])}` : `input ${[unit[0], ...unit.slice(5 - rank)].join(':')}`, unit: null }
    }
    let name = source
    while (this.net.byName.get(name).op === 'flatten' && this.net.byName.get(name).inputs[0] !== 'input') name = this.net.byName.get(name).inputs[0]
    const unit = { layer: name, unit: unflat(this.net.values.get(name).shape, index) }
    return { text: unitName(this.net, unit) + (this.words ? this.quote(this.words.trace(name, unit.unit).span) : ''), unit }
  }
}
