// The page: brings input, network, diagram, space, arithmetic and address together.
import { netOf } from 'striate/held'
import { Diagram } from 'striate/diagram'
import { Space } from 'striate/space'
import { ARROWS, byId, calm, darken, el } from 'striate/dom'
import { Pad } from 'striate/pad'
import { Arithmetic, factor, parsed, unitName } from 'striate/formula'
import { Links, labButtons } from 'striate/links'
import { Mask } from 'striate/mask'
import { css, short } from 'striate/colour'
import { flat, size, unflat } from 'striate/ops'
import { contributions, gradCam, gradient } from 'striate/attribution'
import { Panels } from 'striate/panels'
import { testedItems } from 'striate/mistakes'
import * as address from 'striate/state'

const NEAR = 4_000_000  // multiply-accumulates behind a unit, up to which its gradient takes less than a second

/** @param {((question: any) => Promise<Float32Array>)|undefined} [ask] asks striate, where it serves the page */
export function start(ask) {
  const scene = JSON.parse(byId('scene').textContent)
  const page = new Page(scene, netOf(scene, byId('weights').textContent.trim(), ask))
  // @ts-ignore: the page's interface for teachers and tests
  window.striate = page.interface()
}

class Page {
  constructor(scene, net) {
    this.scene = scene
    this.net = net
    this.state = address.read()
    const asked = { ...this.state }
    this.pinned = null
    /** @type {import('striate/net').Net|null} computes while the other is shown */
    this.spare = null
    this.hovered = null
    this.verdict()
    byId('title').textContent = byId('title').title = scene.title
    byId('facts').textContent = `${scene.input.shape.join('\u00d7')}${scene.input.kind === 'text' ? ' words' : ''} in, ${scene.parameters.toLocaleString('en')} parameters, ${scene.macs === null ? 'its forward cannot be followed: layers in the order in which they run' : `${scene.macs.toLocaleString('en')} multiply-accumulates`}${scene.notes.length ? ` \u00b7 ${scene.notes.join('; ')}` : ''}`
    this.hint(false)
    this.dark(this.state.dark)
    const on = { hover: (unit, event) => this.hover(unit, event), click: unit => this.pin(unit), fold: block => this.fold(() => (block.open = !block.open), block) }
    this.diagram = new Diagram(this.net, byId('network'), on)
    this.legendBox = el('div', { className: 'legend' })
    byId('network').append(this.legendBox)
    this.space = new Space(this.diagram, byId('network'), on)
    this.arithmetic = new Arithmetic(this.net, byId('arithmetic'), {
      close: () => this.pin(null), play: () => this.play(), step: () => this.step(), toggle: (layer, c) => this.change(() => this.net.toggle(layer, c)),
      edit: (layer, weight, i, v) => this.change(() => this.net.edit(layer, weight, i, v)), open: unit => this.pin(this.visible(unit)), lab: (layer, unit, c, taps) => labButtons(this.arithmetic.net, layer, unit, c, taps),
      back: found => this.back(found),
      beside: found => { const { kind, show } = this.panels.compare; return kind && `${this.panels.compare.words(found)}; below: the arithmetic of ${show === 'a' ? 'A' : 'B'}` },
    })
    this.pad = new Pad(scene, byId('input'), () => this.computed())
    this.pad.also = { changes: () => this.net.changes(), change: was => { this.net.change(was); this.edited(false) } }
    this.space.before(this.pad)
    this.links = new Links(this.net, this.diagram, this.pad, byId('arithmetic'))
    if (scene.output.perPixel) {
      const unit = at => at && { layer: this.diagram.last.shown, unit: at }
      this.mask = new Mask(this.net, this.pad, byId('input'), { click: at => this.pin(unit(at)), hover: (at, event) => this.hover(unit(at), event) })
    }
    if (this.diagram.listed()) {
      this.answers = el('p', { className: scene.output.activation || scene.output.names.length === 1 ? 'answers' : 'answers equal' })
      this.prediction = el('div', { className: 'prediction' }, el('h2', {}, 'Prediction'), this.answers)
    }
    scene.offered = scene.samples.length  // behind them, unseen until a panel offers them, items of the test split
    if (scene.tested) { this.pad.samples.push(...testedItems(scene)); scene.samples = [...scene.samples, ...scene.tested.items.map(name => ({ name }))] }
    this.panels = new Panels(this, byId('panels'))
    this.pad.restore(asked)
    if (asked.open.length) { this.diagram.blocks.restore(asked.open); this.diagram.chosen = true }
    for (const text of asked.edits) { const [layer, weight, i, v] = text.split('/'); if (this.net.byName.get(layer)?.weights[weight] && Number.isFinite(Number(v))) this.net.set(layer, weight, Number(i), Number(v)) }
    for (const text of asked.off) { const at = text.lastIndexOf(':'), layer = this.net.byName.get(text.slice(0, at)); if (layer && Number(text.slice(at + 1)) < layer.shape[0]) this.net.off.add(text) }
    this.controls()
    this.layout()
    this.computed()
    const unit = asked.unit && parsed(this.net, asked.unit)
    if (unit) this.pin(unit)
    if (asked.space) this.turn(true, true)
    if (asked.compare) this.panels.compare.restore(asked.compare)
    if (asked.panel) this.panels.open(asked.panel)
    this.edited(false)
    this.ready = true
    if (location.href === 'about:srcdoc') this.framed()
    addEventListener('hashchange', () => location.reload())  // somebody put another link into the address
    new ResizeObserver(() => this.resized()).observe(byId('network'))
  }

  /** Whether the page computes what PyTorch did, said where anybody sees it. */
  verdict() {
    const held = { server: 'Values are PyTorch\u2019s own: striate computes them on this machine.', file: 'Values are PyTorch\u2019s own, stored for these samples in three digits; drawing and arithmetic need striate view.' }[this.scene.held]
    if (held) {
      this.checked = { share: 0, layer: '' }
      this.net.changed = waits => { this.say(waits ? 'PyTorch is computing\u2026' : held); if (!waits) this.paint() }
      this.net.failed = text => this.say(text, true)
      return this.say(held)
    }
    const { share, layer } = this.net.check(), banner = byId('banner'), right = share <= 1e-4
    banner.className = right ? 'quiet' : ''
    banner.textContent = right ? `Checked: this page computes what PyTorch computed, within ${share.toExponential(0)} of each layer's range.` : `Careful: in ${layer} this page differs from PyTorch by ${share.toExponential(1)} of the layer's range.`
    this.checked = { share, layer }
  }

  /** Lays out again where the room is another one. */
  resized(moving = false) {
    const box = byId('network'), room = `${box.clientWidth},${box.clientHeight},${window.devicePixelRatio}`
    if (room === this.room) return
    this.layout(moving)
    this.paint()
  }

  /** What can be done with the maps. @param {boolean} space */
  hint(space) {
    const touch = matchMedia('(hover: none)').matches, how = this.scene.held === 'file' ? '' : 'how it was computed', turn = touch ? ' Drag: turn it. Two fingers: zoom.' : ' Drag: turn it. Wheel: zoom.'
    byId('hint').textContent = (touch ? `Tap a cell of a map: its value${how && `, ${how}`}.` : `Point at a cell of a map: its value, and what it reads.${how && ` Click: ${how}.`}`) + (space ? turn : '')
  }

  say(text, loud = false) { byId('banner').className = loud ? '' : 'quiet'; byId('banner').textContent = text }

  layout(moving = false) {
    const box = byId('network'), narrow = matchMedia('(max-width: 820px)').matches  // there the class stays in sight above all
    if (this.prediction && narrow !== this.narrow) (narrow ? document.querySelector('main') : byId('input')).insertBefore(this.prediction, narrow ? byId('input') : (this.pad.grid?.previousSibling ?? null))
    this.narrow = narrow
    this.room = `${box.clientWidth},${box.clientHeight},${window.devicePixelRatio}`
    this.diagram.layout(box.clientWidth, Math.max(320, Math.min(1800, box.clientHeight || 560)), moving)
    this.folds()
  }

  /** Blocks fold or unfold: what was seen of them stays where it was. @param {() => void} change @param {any} [block] */
  fold(change, block) {
    const { diagram } = this, box = byId('network'), at = () => (diagram.stages.find(s => (block?.column.names ?? [diagram.stages[0].names[0]]).includes(s.names[0]))?.x ?? 0)
    const before = at() - box.scrollLeft
    change()
    if (this.pinned && this.hides(this.pinned.layer)) this.pin(null)
    this.layout(true)
    box.scrollLeft = at() - before
    this.paint()
    this.state.open = diagram.blocks.state()
    this.store()
    if (block) /** @type {HTMLElement} */ (box.querySelector(`.fold[data-block="${CSS.escape(block.id)}"]`))?.focus()
  }

  /** The control for all blocks. */
  folds() {
    const { all } = this.diagram.blocks, button = byId('folds')
    button.hidden = !all.length
    button.textContent = all.every(block => block.open) ? 'Fold all' : 'Unfold all'
  }

  foldAll() { const { all } = this.diagram.blocks, open = all.some(block => !block.open); this.fold(() => { for (const block of all) block.open = open }) }

  /** After a stroke: every layer again, and everything that is shown of it. */
  computed() {
    if (this.cost > 50 && this.ready && !this.net.held) this.computeBeside()
    else this.compute()
  }

  /** A network that takes long is computed beside what is shown, in steps between which the page is free. */
  async computeBeside() {
    this.stale = true
    if (this.busy) return
    this.busy = true
    const spare = (this.spare ??= this.net.copy())
    while (this.stale) {
      this.stale = false
      spare.load(this.pad.item)
      let begun = performance.now()
      for (const _ of spare.steps()) if (performance.now() - begun > 25) { await new Promise(rest => setTimeout(rest)); begun = performance.now() }
      [this.net.values, spare.values] = [spare.values, this.net.values]
      this.panels.compare.compute()
      this.paint()
      this.store()
    }
    this.busy = false
  }

  compute() {
    this.stale = true  // what is being computed beside it
    const begun = performance.now()
    this.net.run(this.pad.item)
    this.panels.compare.compute()
    this.cost = Math.min(this.cost ?? Infinity, performance.now() - begun)  // the first one is slow, or the machine was busy
    if (!this.net.ask || !this.ready) this.paint()
    this.store()
  }

  paint() {
    this.diagram.paint(this.state.scale, this.panels.compare.maps())
    this.answer()
    this.tell()
    this.legend()
    this.remark()
    if (this.pinned) this.arithmetic.show(this.pinned)
    this.mask?.paint()
    this.panels.refresh()
    if (this.space.goal || this.space.share) { this.space.upload(); this.space.draw() }
  }

  /** The likeliest classes beside the input, where they are seen while the last layer is not: on a phone, in 3-D, of a long network. */
  answer() {
    if (!this.answers) return
    const { names, activation } = this.scene.output, y = this.diagram.source.outputs(), order = names.map((_, i) => i), { last } = this.diagram
    if (activation) order.sort((a, b) => y[b] - y[a])
    order.slice(0, 3).forEach((c, i) => {  // the same buttons at every stroke: one that has the focus keeps it
      const button = /** @type {HTMLElement} */ (this.answers.children[i] ?? this.answers.appendChild(el('button')))
      button.title = `${names[c]}: open its arithmetic`
      button.onclick = () => this.pin({ layer: last.shown, unit: [c, 0, 0, 0] })
      button.replaceChildren(el('b', {}, names[c]), ` ${this.diagram.share(y[c])}`)
    })
  }

  legend() {
    const found = this.pinned ?? this.hovered, stage = found && this.diagram.cell(found)?.stage
    const limit = this.state.scale === 'network' ? this.diagram.legend : stage && this.state.scale === 'layer' ? (stage.limit ?? this.diagram.limit(stage)) : null
    if (!this.bar) {
      this.bar = el('canvas', { width: 101, height: 1 })
      this.ends = [el('span'), el('span')]
      this.legendBox.append(this.ends[0], this.bar, this.ends[1])
    }
    const g = this.bar.getContext('2d')
    for (let i = 0; i < 101; i++) { g.fillStyle = css(i - 50, 50); g.fillRect(i, 0, 1, 1) }
    const word = { map: 'map', layer: 'layer', network: 'network' }[this.state.scale]
    this.ends[0].textContent = limit === null ? `\u2212max of the ${word}` : short(-limit)
    this.ends[1].textContent = limit === null ? `+max of the ${word}` : `+${short(limit)}`
  }

  hover(found, event) {
    this.hovered = found
    this.links.unit(this.pinned && found)
    const tip = byId('tip')
    tip.hidden = !found
    if (found) {
      this.tell()
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`
      tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`
    }
    this.remark()
    this.legend()
  }

  /** The value under the pointer. */
  tell() {
    if (!this.hovered) return
    byId('tip').textContent = this.words(this.hovered)
  }

  /** A unit, its value, and the words that it reads. */
  words(found) {
    const { layer, unit } = found, value = this.net.value(layer, unit), name = unitName(this.net, found)
    return this.panels.compare.kind ? `${name}: ${this.panels.compare.words(found)}` : `${name} = ${Number.isNaN(value) ? '\u2026' : short(value)}${this.arithmetic.words ? ` ${this.arithmetic.words.phrase(layer, unit)}` : ''}`
  }

  /** Edges and receptive fields of what is hovered, else of what is kept. */
  remark() {
    const found = this.hovered ?? this.pinned, fields = found ? this.net.fields(found.layer, found.unit) : new Map()
    this.diagram.mark(found, fields)
    if (this.space?.goal) this.space.mark(found)
    else if (this.space) this.space.marked = found
    this.pad.showField((found && this.arithmetic.words?.box(found)) ?? fields.get('input') ?? null)
  }

  /** A unit that is drawn: that of the shown layer of its column. */
  visible(found) {
    const stage = this.diagram.realOf.get(found.layer)
    return this.net.values.get(stage.shown).shape.join() === this.net.values.get(found.layer).shape.join() ? { ...found, layer: stage.shown } : found
  }

  pin(found) {
    if (!found || !this.pinned || found.layer !== this.pinned.layer) this.stop()
    this.pinned = found
    if (found) this.reveal(found.layer)
    this.arithmetic.show(found)
    this.panels.refresh()
    this.resized(true)
    if (found) { this.bring(this.diagram.stageOf.get(found.layer), this.diagram.cell(found)); this.uncover(found) }
    this.remark()
    this.legend()
    this.store()
  }

  /** Unfolds the blocks in which a layer is folded away. @param {string} layer */
  reveal(layer) {
    const { blocks, realOf } = this.diagram
    if (this.hides(layer)) this.fold(() => { for (const block of blocks.around(layer)) if (block.column.last !== realOf.get(layer)) block.open = true })
  }

  /** Whether a layer is folded away. @param {string} layer */
  hides(layer) { const [outer] = this.diagram.blocks.around(layer); return !!outer && outer.column.last !== this.diagram.realOf.get(layer) }

  /** Scrolls to a stage that is out of sight; of one that is wider than the room to its beginning, or as far as the cell. */
  bring(stage, cell) {
    const box = byId('network')
    if (cell && stage.width > box.clientWidth - 120) box.scrollLeft = Math.max(stage.x - 60, cell.x + 60 - box.clientWidth)
    else if (stage.x < box.scrollLeft + 60 || stage.x + stage.width > box.scrollLeft + box.clientWidth - 60) box.scrollLeft = stage.x + stage.width / 2 - box.clientWidth / 2
  }

  /** On a narrow screen the arithmetic lies over the lower part: what is kept moves above it. */
  uncover(found) {
    const sheet = byId('arithmetic'), box = byId('network'), cell = this.diagram.cell(found)
    if (!cell || this.state.space || getComputedStyle(sheet).position !== 'fixed') return
    const under = box.getBoundingClientRect().top + cell.y + cell.height + 24 - box.scrollTop - sheet.getBoundingClientRect().top
    if (under > 0) scrollBy(0, under)
  }

  /** The kernel's slide over the map: every place of a small map, coarse steps on a large one. */
  play() {
    if (this.timer) return this.stop()
    if (!this.pinned || !this.net.slides(this.pinned.layer)) return
    this.arithmetic.playing = true
    this.slide()
    this.timer = setInterval(() => this.slide(), calm() ? 1000 : 220)
  }

  /** One step of it. */
  step() {
    if (!this.pinned || !this.net.slides(this.pinned.layer)) return
    this.stop()
    this.slide()
    this.store()
  }

  slide() {
    const { layer, unit: [c, d, h, w] } = this.pinned, [, D, H, W] = this.net.values.get(layer).shape, jump = Math.max(1, Math.round(Math.sqrt((H * W) / 200)))
    let [z, y, x] = [d, h, w + jump]
    if (x >= W) { x = 0; y += jump }
    if (y >= H) { y = 0; z = (z + 1) % D }
    this.pinned = { layer, unit: [c, z, y, x] }
    this.arithmetic.show(this.pinned)
    this.remark()
  }

  stop() { clearInterval(this.timer); this.timer = 0; this.arithmetic.playing = false; if (this.pinned) this.arithmetic.show(this.pinned); this.store() }

  edited(again = true) {
    const some = this.net.edits.size + this.net.off.size, { compare } = this.panels
    this.edition = (this.edition ?? 0) + 1
    this.stale = true  // what is being computed
    byId('reset').hidden = !some && !compare.kind
    byId('reset').textContent = some ? `Reset ${some} edit${some === 1 ? '' : 's'}` : 'End comparison'
    this.showing()
    if (again) { compare.compute(); if (!this.net.ask) this.paint(); this.store() }
  }

  /** Changes weights, or switches a map, so that it can be undone. @param {() => void} act */
  change(act) { this.pad.remember(this.pad.sample); act(); this.edited() }

  /** Undoes every edit and ends a comparison. */
  reset() {
    if (this.net.edits.size + this.net.off.size) this.pad.remember(this.pad.sample)
    this.net.reset()
    this.panels.compare.end()
    this.edited()
  }

  /** Says what the diagram shows while something is compared; of A the arithmetic is A's, and nothing in it is edited. */
  showing() {
    const { kind, show, other } = this.panels.compare, a = !!kind && show === 'a'
    Object.assign(this.arithmetic, { net: a ? other : this.net, fixed: a })
    this.diagram.source = a ? other : this.net
    byId('shown').textContent = kind ? `All layers show ${{ a: 'A', b: 'B', d: 'B \u2212 A' }[show]}` : ''
  }

  /** The weights of a layer that kernels show, what changes when they do, and whose they are. */
  weightsOf(name) {
    const { kind, show, other } = this.panels.compare, own = this.net.whole(name)?.weight
    if (kind !== 'weights' || show === 'b') return own
    const first = other.byName.get(name).weights.weight
    return show === 'a' ? first : own.map((v, i) => v - first[i])
  }
  weightsKey() { return `${this.edition},${this.state.dark}` }
  weightsWord() { const { kind, show } = this.panels.compare; return kind !== 'weights' ? '' : { a: ', of the untrained network', b: ', learned', d: ': learned less untrained' }[show] }

  /** Brings a layer into view. */
  look(name) { this.reveal(name); this.diagram.stageOf.get(name)?.box.scrollIntoView({ block: 'nearest', inline: 'center', behavior: calm() ? 'auto' : 'smooth' }) }

  turn(into, still = false) {
    this.diagram.everything = into
    if (into && this.net.held) this.paint()
    if (!this.space.show(into, still)) { byId('banner').className = ''; byId('banner').textContent = 'This browser has no WebGL 2, so the network stays flat.'; return }
    this.state.space = into
    this.hint(into)
    byId('space').setAttribute('aria-pressed', String(into))
    this.store()
  }

  dark(on) { this.state.dark = on; darken(on) }

  controls() {
    byId('space').onclick = () => this.turn(!this.state.space)
    byId('folds').onclick = () => this.foldAll()
    byId('input').addEventListener('input', e => { if (e.target === this.pad.slice && this.space.goal) { this.space.upload(); this.space.draw() } })
    byId('theme').onclick = () => { this.dark(!this.state.dark); this.pad.paint(); this.paint(); this.store() }
    byId('reset').onclick = () => this.reset()
    byId('help').onclick = () => /** @type {HTMLDialogElement} */ (byId('keys')).showModal()
    const scale = /** @type {HTMLSelectElement} */ (byId('scale'))
    scale.value = this.state.scale
    scale.onchange = () => { this.state.scale = scale.value; this.paint(); this.store() }
    this.diagram.bars.onclick = e => { const row = /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (e.target).closest('[data-class]')); if (row) this.pin({ layer: this.diagram.last.shown, unit: [Number(row.dataset.class), 0, 0, 0] }) }
    byId('network').addEventListener('scroll', () => { if (this.space.goal) this.space.draw(); else if (this.net.held) requestAnimationFrame(() => this.paint()) })
    document.addEventListener('keydown', e => this.key(e))
  }

  key(e) {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? '')
    if ((e.ctrlKey || e.metaKey) && /^[zy]$/i.test(e.key) && !typing) { e.preventDefault(); e.shiftKey || e.key === 'y' ? this.pad.redo() : this.pad.undo(); return }
    if (e.ctrlKey || e.metaKey || e.altKey || typing || /** @type {HTMLDialogElement} */ (byId('keys')).open) return
    const moves = ARROWS[e.key]
    if (moves) { e.preventDefault(); this.pinned ? this.move(moves) : this.pad.nudge(moves[1], moves[0]) }
    else if (e.key === '[' || e.key === ']') this.channel(e.key === '[' ? -1 : 1)
    else if (e.key === ',' || e.key === '.') this.along(e.key === ',' ? -1 : 1)
    else if (e.key === 'Escape') this.pinned ? this.pin(null) : this.panels.opened ? this.panels.close() : this.state.space && this.turn(false)
    else if (e.key === 'f') this.turn(!this.state.space)
    else if (e.key === 'o') this.foldAll()
    else if (e.key === 'r') this.reset()
    else if (e.key === 'a') { this.panels.compare.step(); if (!this.panels.opened) this.panels.open('compare') }
    else if (this.panels.key(e)) return
    else if (e.key === 'p') this.play()
    else if (e.key === 's') this.step()
    else if (e.key === 'x' && this.pinned && this.net.switches) this.change(() => this.net.toggle(this.pinned.layer, this.pinned.unit[0]))
    else if (e.key === 'c' && this.pad.canvas) this.pad.clear()
    else if (e.key === 'u') this.pad.undo()
    else if (e.key === 'U') this.pad.redo()
    else if (e.key === 'g' && this.pad.advice) this.pad.fit()
    else if (e.key === 'e' && this.pad.eraser) this.pad.erase(!this.pad.erasing)
  }

  move([dy, dx]) {
    const { layer, unit: [c, d, h, w] } = this.pinned, [, , H, W] = this.net.values.get(layer).shape
    if (H * W === 1) return this.channel(dy || dx)
    this.pin({ layer, unit: [c, d, Math.max(0, Math.min(H - 1, h + dy)), Math.max(0, Math.min(W - 1, w + dx))] })
  }

  /** The strongest unit of the column before or after; without a kept unit, of the first. */
  along(by) {
    const stages = this.diagram.stages.filter(stage => !stage.bare), next = stages[this.pinned ? stages.indexOf(this.diagram.stageOf.get(this.pinned.layer)) + by : 0]
    if (next) this.pin(this.strongest(next))
  }

  /** The unit of a column with the largest absolute value, or of one of its maps; of what is painted. */
  strongest(stage, c = -1) {
    const picture = this.net.picture(stage.shown)
    if (!picture) return { layer: stage.shown, unit: [Math.max(0, c), 0, 0, 0] }
    const { shape, data, step } = picture, plane = size(shape.slice(1)), end = c < 0 ? data.length : (c + 1) * plane
    let best = Math.max(0, c) * plane
    for (let n = best; n < end; n++) if (Math.abs(data[n]) > Math.abs(data[best])) best = n
    const [map, d, h, w] = unflat(shape, best)
    return { layer: stage.shown, unit: [map, d, h * step, w * step] }
  }

  channel(by) {
    if (!this.pinned) return
    const { layer, unit } = this.pinned, n = this.net.values.get(layer).shape[0]
    this.pin({ layer, unit: [(unit[0] + by + n) % n, ...unit.slice(1)] })
  }

  /** How the score of the predicted class depends on a unit: backpropagation through all behind it, once the hand rests. */
  back({ layer, unit }) {
    clearTimeout(this.backing)
    const { net } = this, { names, perPixel, activation } = this.scene.output, score = this.scoreLayer(), behind = net.layers.slice(net.layers.findIndex(l => l.name === layer) + 1)
    if (net.held || perPixel || !(activation || names.length === 1) || this.panels.compare.kind || !behind.some(l => l.name === score) || behind.reduce((sum, l) => sum + (l.macs ?? 0), 0) > NEAR) return []
    const line = el('p', { className: 'formula' }, '\u2026'), note = el('p', { className: 'note' })
    this.backing = setTimeout(() => {
      const y = net.outputs(), c = y.indexOf(Math.max(...y)), own = `${activation ? 'the score of' : 'the output'} ${names[c] ?? c}`, slope = gradient(net, score, [c, 0, 0, 0], layer)[flat(net.values.get(layer).shape, unit)]
      line.textContent = `\u2202 ${own} / \u2202 ${unitName(net, { layer, unit })} = ${factor(slope)}`
      note.textContent = `So much does ${own}, ${short(net.value(score, [c, 0, 0, 0]))}, change for each 1 that this value grows, by the chain rule through all layers behind it.`
    }, 150)
    return [el('div', { className: 'step back' }, el('h2', {}, 'Backpropagation'), line, note)]
  }

  /** The layer that gives the scores: before a softmax or sigmoid at the end. */
  scoreLayer() { const last = this.net.byName.get(this.net.output); return ['softmax', 'sigmoid'].includes(last.op) && this.net.byName.has(last.inputs[0]) ? last.inputs[0] : this.net.output }

  // ------------------------------------------------------------------------------------------------ address, interface
  store() {
    Object.assign(this.state, this.now())
    address.write(this.state)
    if (this.told) parent.postMessage({ striate: this.state }, '*')
    clearTimeout(this.saying)
    this.saying = setTimeout(() => { byId('said').textContent = this.pinned ? this.words(this.pinned) : this.answers ? `Prediction: ${[...this.answers.children].map(answer => answer.textContent).join(', ')}` : '' }, 500)
  }

  /** In the frame of a notebook's widget: does what Python says, and tells it the state. */
  framed() {
    addEventListener('message', ({ source, data }) => {
      if (source !== parent || !data.striate) return
      this.told = true
      // @ts-ignore: the page's interface
      for (const verb of ['input', 'open', 'panel']) if (verb in data.striate) window.striate[verb](data.striate[verb])
      this.store()
    })
  }

  now() {
    const { edits, off } = this.net.changes()
    return { ...this.state, unit: this.pinned ? unitName(this.net, this.pinned) : null, ...this.pad.state(), edits: edits.map(edit => edit.join('/')), off, panel: this.panels.state(), compare: this.panels.compare.state() }
  }

  /** What `window.striate` offers; shapes are the network's own, without the batch. */
  interface() {
    const net = this.net, shape = name => (name === 'input' ? this.scene.input.shape : net.byName.get(name).shape)
    return {
      ready: net.settled().then(() => true, () => false),
      check: this.checked,
      settled: async () => { while (this.busy) await new Promise(rest => setTimeout(rest, 10)); await net.settled() },
      layers: () => net.layers.map(({ name, op, shape: s }) => ({ name, op, shape: s })),
      input: array => { this.pad.keep(); this.pad.item = this.pad.about.kind === 'image' ? Uint8Array.from(array) : Float32Array.from(array); this.pad.paint(); this.compute(); return net.settled() },
      values: name => (net.held ? Promise.resolve(net.all(name)).then(data => ({ shape: shape(name), data: Array.from(data) })) : { shape: shape(name), data: Array.from(net.values.get(name).data) }),
      unit: text => net.get(() => this.unit(text)),
      probabilities: () => Array.from(net.outputs()),
      contributions: (method, output) => Array.from([...contributions(net.copy(), method, this.pad.item, this.scoreLayer(), [output, 0, 0, 0])].at(-1)),
      open: text => { const found = parsed(net, text); if (found) this.pin(found); return !!found },
      edit: (layer, weight, index, value) => this.change(() => net.edit(layer, weight, index, value)),
      gradCam: (layer, output, relu = true) => Array.from(gradCam(net, this.scoreLayer(), [output, 0, 0, 0], layer, relu)),
      panel: name => (name ? this.panels.open(name) : this.panels.close()),
      reset: () => this.reset(),
      state: () => { const s = this.now(); address.now(s); return s },
    }
  }

  /** The arithmetic of a unit as numbers; the sum is over all that it rests on, the bias included. */
  unit(text) {
    const net = this.net, found = parsed(net, text)
    if (!found) return null
    const [first, ...rest] = net.chain(found.layer), layer = net.byName.get(first), reads = net.reads(first, found.unit), inputs = net.inputsOf(first)
    const window = reads.taps.map(t => (t.index < 0 ? (reads.kind === 'max' ? null : 0) : inputs[t.source].data[t.index])), weights = reads.taps.map(t => t.weight)
    const products = reads.kind === 'sum' ? window.map((v, i) => v * weights[i]) : null
    const sum = products ? products.reduce((a, b) => a + b, 0) + (reads.bias ?? 0) : reads.kind === 'max' ? Math.max(...window.filter(v => v !== null)) : net.value(first, found.unit)
    return { value: net.value(found.layer, found.unit), layer: layer.name, kind: reads.kind, window, weights, products, bias: reads.bias ?? null, sum, then: rest.map(name => ({ layer: name, value: net.value(name, found.unit) })) }
  }
}
