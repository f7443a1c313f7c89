// The flat diagram: where every map lies, painting it, which unit is under the pointer, edges and receptive fields.
import { calm, el, svg } from 'striate/dom'
import { fill, limitOf, real, theme } from 'striate/colour'
import { flat, unflat, size } from 'striate/ops'
import { arrange, link } from 'striate/arrange'
import { COLUMN, HEAD } from 'striate/words'
import { Blocks, shortNames, stagesIn } from 'striate/blocks'

export const EDGES = 48  // that are drawn at most, the strongest
const LEFT = 16, LIST = 180  // the margin; the classes at the right
const WIDE = 100  // pixels that the maps of a layer take beside each other, about
const SCALES = [...Array.from({ length: 22 }, (_, i) => 2.4 * 0.93 ** i), 0.8]  // of the maps; the last one where it has to be scrolled in any case
const COLUMNS = 12  // that are never folded unasked
const MOVES = 260  // milliseconds

/** @typedef {import('striate/blocks').Stage} Stage */

export class Diagram {
  /** @param {import('striate/net').Net} net @param {HTMLElement} root @param {{hover: Function, click: Function, fold: Function}} on */
  constructor(net, root, on) {
    this.net = net
    this.on = on
    this.everything = false  // all stages are painted, also those that are out of sight
    this.root = el('div', { className: 'diagram' })
    root.append(this.root)
    this.under = svg('svg', {}, this.root)
    this.all = this.grouped()
    this.realOf = new Map(this.all.flatMap(stage => stage.names.map(name => [name, stage])))
    this.blocks = new Blocks(net.scene.blocks ?? [{ tangle: net.layers.map(layer => layer.name) }], this.all, name => net.byName.get(name).op)
    this.short = shortNames([...this.all.map(stage => stage.names[0]), ...this.blocks.all.map(block => block.name)])
    this.frames = el('div')
    this.root.append(this.frames)
    this.bars = el('div', { className: 'bars' })
    this.names = Math.min(74, 4 + 8 * Math.max(1, ...net.scene.output.names.map(name => name.length)))
    this.bars.style.setProperty('--names', `${this.names}px`)
    this.source = net  // what bars and edges are of
    this.maps = net.values  // what is painted
    this.root.append(this.bars)
    this.over = svg('svg', {}, this.root)
    this.stages = []
    /** @type {import('striate/words').Words|null} of a network that reads words */
    this.sentence = null
  }

  /** Layers that act on each number alone stand in one column with the layer before them. */
  grouped() {
    const readers = new Map()
    for (const layer of this.net.layers) for (const input of layer.inputs) readers.set(input, (readers.get(input) ?? 0) + 1)
    const /** @type {Stage[]} */ stages = [], /** @type {Map<string, Stage>} */ of = new Map()
    for (const layer of this.net.layers) {
      const [source] = layer.inputs, before = of.get(source)
      const alone = layer.inputs.length === 1 && before && before.names.at(-1) === source && readers.get(source) === 1
      const joins = alone && (layer.op === 'flatten' || (layer.op !== 'embedding' && size(layer.shape4) === size(this.net.values.get(source).shape) && ['map', 'norm', 'softmax'].includes(this.net.kind(layer.name))))
      if (joins) {
        before.names.push(layer.name)
        if (!['flatten', 'dropout', 'stochasticdepth'].includes(layer.op)) before.shown = layer.name
      } else stages.push({ names: [layer.name], shown: layer.name, inputs: [] })
      of.set(layer.name, joins ? before : stages.at(-1))
    }
    return stages
  }

  /** The column of the network's output. */
  get last() { return this.stageOf.get(this.net.output) }

  /** Takes what the blocks say is shown: columns, which of them shows which layer, which reads which. */
  gather() {
    this.items = this.blocks.shown()
    const before = new Set(this.stages)
    let previous = this.frames
    this.stages = stagesIn(this.items)
    this.stageOf = new Map(this.stages.flatMap(stage => stage.names.map(name => [name, stage])))
    for (const stage of this.stages) {
      const own = new Set(stage.names), read = stage.names.flatMap(name => this.net.byName.get(name).inputs).filter(name => !own.has(name))
      stage.inputs = [...new Set(read.map(name => this.stageOf.get(name)).filter(Boolean))]
      stage.depth = 1 + Math.max(0, ...stage.inputs.map(s => s.depth - (s.bare ? 1 : 0)))
      stage.ofInput = read.includes('input')
      if (!stage.box) this.element(stage)
      if (previous.nextSibling !== stage.box) previous.after(stage.box)
      previous = stage.box
      before.delete(stage)
    }
    for (const gone of before) gone.box.remove()
  }

  element(stage) {
    const { block, bare, symbol, names } = stage, label = this.label(stage), about = block ? this.contents(block) : this.words(stage)
    const words = el('span', {}, ...label.split('.').flatMap((part, i) => (i ? ['.', el('wbr'), part] : [part])))
    const title = block ? this.folding(block, false, words) : el('b', { title: names.join(', ') }, words)
    const told = el('span', { className: 'about', title: block ? `${block.layers} layers: ${names[0]} to ${names.at(-1)}` : about }, about)
    const shape = el('span', { title: bare ? names[0] : '' }, shapeText(this.net.byName.get(stage.shown).shape))
    const name = el('div', { className: 'name' }, ...(bare ? [] : [title, told]), shape), canvas = el('canvas')
    const box = el('div', { className: `stage${block ? ' folded' : ''}${bare ? ' bare' : ''}` }, name, bare ? el('i', { className: 'join', title: names[0] }, symbol) : canvas)
    if (symbol && !bare && !block) box.append(el('i', { className: 'join before' }, symbol))
    Object.assign(stage, { box, canvas, name, label, atlas: el('canvas') })
    const at = event => { const r = canvas.getBoundingClientRect(); return this.hit(stage, event.clientX - r.left, event.clientY - r.top) }
    canvas.addEventListener('pointermove', event => this.on.hover(at(event), event))
    canvas.addEventListener('pointerleave', () => this.on.hover(null))
    canvas.addEventListener('click', event => { const unit = at(event); if (unit) this.on.click(unit) })
  }

  /** What stands over a column. */
  label({ block, names: [first] }) { return block ? this.short.get(block.name) + (block.run ? ` \u00d7${block.copies}` : '') : this.short.get(first) }

  /** What a block is made of: 3 x 7 layers. */
  contents({ copies, layers }) { return copies > 1 ? layers % copies ? `${copies} blocks` : `${copies} \u00d7 ${layers / copies} layers` : `${layers} layers` }

  /** Its layers in a few words. */
  words(stage) { return stage.names.map(name => this.net.byName.get(name).label).filter((w, i, all) => w !== 'flatten' || all.length === 1).join(', ') }

  /** Sizes and places for a room of so many pixels: as large as it fits beside each other. @param {number} width @param {number} height @param {boolean} moving whether what moves is seen to move */
  layout(width, height, moving = false) {
    const before = moving ? new Map(this.stages.map(stage => [stage, [stage.x, stage.y]])) : null
    if (!this.chosen) this.blocks.fit(Math.max(COLUMNS, Math.floor(width / 84)))  // a first choice, which stays
    this.chosen = true
    this.gather()
    const list = this.listed() ? Math.min(LIST, Math.max(this.names + 101, 0.16 * width)) : 0, tall = Math.max(268, height - 52), measure = (stage, own, scale) => this.measure(stage, own, scale), over = stage => this.overhead(stage)
    let room = tall - 49, found
    for (const scale of SCALES) {
      for (const again of [true, true, false]) {
        this.room = room
        found = arrange(this.items, { room, scale, measure, lines, needed, over })
        if (!again || found.height <= tall) break
        room = Math.max(200, room - (found.height - tall))
      }
      if (LEFT + found.width + list <= width) break
    }
    this.middle = 8 + found.up + Math.max(0, tall - found.height) / (window.innerWidth <= 820 ? 12 : 2)  // on a phone the first maps are seen at once
    found.place(LEFT, this.middle)
    const { last } = this
    if (list) Object.assign(this.bars.style, { left: `${last.x + last.width + 10}px`, top: `${last.y}px`, width: `${list - 16}px`, display: '' })
    else this.bars.style.display = 'none'
    this.width = Math.max(LEFT + found.width, last.x + last.width) + (list ? list - 4 : LEFT)
    this.height = Math.max(tall, found.height) + 30  // and the legend
    Object.assign(this.root.style, { width: `${this.width}px`, height: `${this.height}px` })
    for (const layer of [this.under, this.over]) { layer.setAttribute('width', String(this.width)); layer.setAttribute('height', String(this.height)) }
    for (const stage of this.stages) {
      Object.assign(stage.box.style, { left: `${stage.x}px`, top: `${stage.y}px`, width: `${stage.width}px`, height: `${stage.height}px` })
      stage.name.style.bottom = stage.over ? `calc(100% + ${stage.over}px)` : ''
      stage.name.style.width = `${Math.max(stage.slot, stage.width)}px`
      Object.assign(stage.canvas.style, { width: `${stage.width}px`, height: `${stage.height}px` })
    }
    this.frame(found.frames)
    this.links()
    if (before) this.glide(before)
  }

  /** The open blocks: a line over their columns, with their name. */
  frame(frames) {
    this.frames.replaceChildren(...frames.map(({ block, x, y, width, height }) => {
      const box = el('div', { className: 'frame' }, this.folding(block, true, this.label(block.column)))
      Object.assign(box.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` })
      return box
    }))
  }

  /** The button that folds a block, or unfolds it. @param {any} block @param {boolean} open @param {...(Node|string)} words */
  folding(block, open, ...words) {
    const button = el('button', { className: 'fold', title: open ? `Fold ${block.name}` : 'Unfold', 'aria-expanded': String(open), onclick: () => this.on.fold(block) }, ...words)
    button.dataset.block = block.id
    return button
  }

  /** What was there moves to its place, what is new appears. */
  glide(before) {
    if (calm()) return
    const timing = { duration: MOVES, easing: 'ease-out' }
    for (const stage of this.stages) {
      const was = before.get(stage)
      if (!was) stage.box.animate([{ opacity: 0 }, { opacity: 1 }], timing)
      else if (was[0] !== stage.x || was[1] !== stage.y) stage.box.animate([{ transform: `translate(${was[0] - stage.x}px, ${was[1] - stage.y}px)` }, { transform: 'none' }], timing)
    }
    for (const element of [this.under, this.over, this.frames, this.bars]) element.animate([{ opacity: 0 }, { opacity: 0, offset: 0.6 }, { opacity: 1 }], timing)
  }

  listed() { const { perPixel } = this.net.scene.output; return !perPixel && this.net.scene.output.names.length > 0 }

  /** The words above a column's maps. */
  overhead(stage) { return !stage.bare && this.sentence?.labels(stage) ? HEAD : 0 }

  /** How large the maps of a stage are drawn, in how many columns. */
  measure(stage, room, scale) {
    stage.over = this.overhead(stage)
    const [n, d, h, w] = this.net.values.get(stage.shown).shape, coarse = room > 0.75 * this.room ? this.room : room  // stages alike look alike
    if (h * w * d === 1) {
      const last = stage === this.last
      const tall = last && n <= 30 ? Math.min(26, Math.max(12, Math.floor((room + 1) / n) - 1)) : Math.min(n <= 30 ? 14 : 11, Math.max(3, Math.floor(Math.sqrt((room * 1.6 * WIDE) / n))))
      const gap = tall > 10 ? 1 : 0, rows = Math.min(n, Math.max(1, Math.floor((room + gap) / (tall + gap))))
      Object.assign(stage, { rows, columns: Math.ceil(n / rows), mapWidth: tall < 11 ? tall : Math.min(tall, 16), mapHeight: tall, gap, down: true })
    } else if (h * d === 1) {
      // a row for each map, close together where there are many: a picture of positions by maps
      const gap = room / n >= 8 ? 2 : 0, tall = Math.max(stage.over ? Math.min(1, room / n) : 2, Math.min(14, Math.floor(room / n) - gap)), columns = Math.ceil(n / Math.max(1, Math.floor(room / (tall + gap) + 1e-6))), rows = Math.ceil(n / columns)
      Object.assign(stage, { rows, columns, mapWidth: stage.over ? w * Math.max(COLUMN, Math.min(22, Math.round(320 / w))) : Math.max(12, Math.min(w * 14, Math.round((1.6 * WIDE * Math.min(1.3, scale)) / columns))), mapHeight: tall, gap, down: true })
    } else {
      const most = (h > 40 ? 100 : 84) * Math.max(1, Math.min(2, this.room / 640)), wide = (w * d) / h, across = WIDE * scale * Math.min(3, Math.sqrt(d))  // the slices of a volume lie beside each other
      const aim = Math.max(6, Math.min(most, Math.sqrt((coarse * across) / (n * wide)))), gap = aim < 12 ? 1 : aim < 20 ? 2 : aim < 32 ? 3 : 4
      let columns = 1
      while (columns < n && (coarse - gap * (Math.ceil(n / columns) - 1)) / Math.ceil(n / columns) < 0.8 * aim) columns++
      const rows = Math.ceil(n / columns)
      const tall = Math.max(5, Math.min(1.2 * aim, most, Math.floor((room - gap * (rows - 1)) / rows), (1.25 * across - gap * (columns - 1)) / (columns * wide)))
      Object.assign(stage, { rows, columns, mapWidth: Math.max(4, Math.round(tall * wide)), mapHeight: Math.round(tall), gap, down: false })
    }
    stage.across = Math.max(stage.gap, h * d === 1 && w > 1 ? 4 : 0)
    stage.width = stage.columns * (stage.mapWidth + stage.across) - stage.across
    stage.height = stage.rows * (stage.mapHeight + stage.gap) - stage.gap
  }

  /** Where a map lies within its stage: [x, y]. */
  mapAt(stage, c) {
    const [column, row] = stage.down ? [Math.floor(c / stage.rows), c % stage.rows] : [c % stage.columns, Math.floor(c / stage.columns)]
    return [column * (stage.mapWidth + stage.across), row * (stage.mapHeight + stage.gap)]
  }

  /** A box of cells of one map, in pixels of the diagram. @param {number[][]} box [first, last] of depth, height, width */
  rect(stage, c, box) {
    const [, d, h, w] = this.net.values.get(stage.shown).shape, [x, y] = this.mapAt(stage, c)
    const cw = stage.mapWidth / (w * d), ch = stage.mapHeight / h
    return { x: stage.x + x + (box[0][0] * w + box[2][0]) * cw, y: stage.y + y + box[1][0] * ch, width: (box[2][1] - box[2][0] + 1 + (box[0][1] - box[0][0]) * w) * cw, height: (box[1][1] - box[1][0] + 1) * ch }
  }

  /** The unit at a place of a stage. @returns {{layer: string, unit: number[]}|null} */
  hit(stage, px, py) {
    const [n, d, h, w] = this.net.values.get(stage.shown).shape
    const column = Math.floor(px / (stage.mapWidth + stage.across)), row = Math.floor(py / (stage.mapHeight + stage.gap))
    const c = stage.down ? column * stage.rows + row : row * stage.columns + column
    if (column < 0 || row < 0 || column >= stage.columns || row >= stage.rows || c >= n) return null
    const [x, y] = this.mapAt(stage, c)
    const i = Math.min(w * d - 1, Math.floor(((px - x) / stage.mapWidth) * w * d)), j = Math.min(h - 1, Math.floor(((py - y) / stage.mapHeight) * h))
    return { layer: stage.shown, unit: this.net.snap(stage.shown, [c, Math.floor(i / w), Math.max(0, j), i % w]) }
  }

  /** The stages that are on the screen; all where the values are at hand, and all in space. @returns {Stage[]} */
  seen() {
    const { scrollLeft, clientWidth } = this.root.parentElement, all = this.stages.filter(stage => !stage.bare)
    return this.net.held && !this.everything ? all.filter(s => s.x + s.width > scrollLeft - 200 && s.x < scrollLeft + clientWidth + 200) : all
  }

  /** Paints the stages that are seen. @param {string} scope map, layer or network @param {Map<string, {shape: number[], data: Float32Array}>} [maps] other values than the network's */
  paint(scope, maps = this.net.values) {
    this.maps = maps
    const seen = this.seen()
    this.net.show(seen.map(stage => ({ name: stage.shown, step: this.step(stage) })))
    const all = scope === 'network' ? Math.max(0, ...this.all.map(s => this.limit(s))) : 0
    for (const stage of seen) this.paintStage(stage, scope, all)
    this.sentence?.paint(this)
    if (this.net.held) for (const stage of this.stages) if (!seen.includes(stage)) { stage.canvas.width = stage.canvas.height = stage.atlas.width = stage.atlas.height = 0; stage.image = stage.pixels = undefined }  // no memory for what is out of sight
    this.legend = scope === 'network' ? all : 0
    this.paintBars()
  }

  /** Of every how many cells one is painted: as many as there are pixels. @param {Stage} stage */
  step(stage) {
    const [, , h, w] = this.net.values.get(stage.shown).shape, ratio = window.devicePixelRatio || 1
    return Math.max(1, Math.floor(Math.min(h / (stage.mapHeight * ratio), w / (stage.mapWidth * ratio))))
  }

  /** What is painted of a stage. */
  picture(stage) { return this.maps === this.net.values ? this.net.picture(stage.shown) : { ...this.maps.get(stage.shown), step: 1, limits: null } }
  /** Its largest absolute value. */
  limit(stage) { const p = this.picture(stage); return p ? limitOf(p.limits ?? p.data) : 0 }

  paintStage(stage, scope, all) {
    const ratio = window.devicePixelRatio || 1, [wide, tall] = [Math.round(stage.width * ratio), Math.round(stage.height * ratio)]
    if (stage.canvas.width !== wide || stage.canvas.height !== tall) Object.assign(stage.canvas, { width: wide, height: tall })
    const picture = this.picture(stage)
    if (!picture) return
    const { shape: [n, d, h, w], data, step, limits } = picture, [, , H, W] = this.net.values.get(stage.shown).shape
    const whole = scope === 'network' ? all : this.limit(stage), plane = d * h * w
    stage.limit = whole
    const atlas = stage.atlas
    if (atlas.width !== w * d || atlas.height !== h * n) {
      Object.assign(atlas, { width: w * d, height: h * n })
      stage.image = new ImageData(w * d, h * n)
      stage.pixels = new Uint32Array(stage.image.data.buffer)
    }
    for (let c = 0; c < n; c++) {
      const limit = scope === 'map' && plane > 1 ? (limits ? limits[c] : limitOf(data, c * plane, (c + 1) * plane)) : whole
      if (d === 1) fill(data, c * plane, plane, limit, stage.pixels, c * plane)
      else for (let z = 0; z < d; z++) for (let y = 0; y < h; y++) fill(data, ((c * d + z) * h + y) * w, w, limit, stage.pixels, (c * h + y) * w * d + z * w)
    }
    atlas.getContext('2d').putImageData(stage.image, 0, 0)
    const g = stage.canvas.getContext('2d')
    g.setTransform(ratio, 0, 0, ratio, 0, 0)
    g.clearRect(0, 0, stage.width, stage.height)
    g.imageSmoothingEnabled = stage.mapHeight < h
    const end = this.sentence?.end(stage) ?? -1
    g.fillStyle = theme.dark ? '#14161a' : '#fff'
    for (let c = 0; c < n; c++) {
      const [x, y] = this.mapAt(stage, c)
      g.drawImage(atlas, 0, c * h, d === 1 ? W / step : w * d, H / step, x, y, stage.mapWidth, stage.mapHeight)
      if (d > 1) for (let z = 1; z < d; z++) g.fillRect(Math.round(x + (z * stage.mapWidth) / d), y, 1, stage.mapHeight)  // between slices
      if (this.net.off.has(`${stage.shown}:${c}`)) { g.strokeStyle = theme.dark ? '#fff' : '#000'; g.beginPath(); g.moveTo(x, y); g.lineTo(x + stage.mapWidth, y + stage.mapHeight); g.stroke() }
    }
    g.globalAlpha = 0.75  // faint is what lies behind the end of a sentence
    for (let k = 0; end >= 0 && k < stage.columns; k++) g.fillRect(k * (stage.mapWidth + stage.across) + (end * stage.mapWidth) / w, 0, stage.mapWidth * (1 - end / w), stage.height)
    g.globalAlpha = 1
  }

  paintBars() {
    if (!this.listed()) return
    const { names, activation } = this.net.scene.output, y = this.source.outputs(), { last } = this
    const beside = names.length <= 30 && last.columns === 1 && y.length === names.length
    const order = names.map((_, i) => i)
    if (!beside) order.sort((a, b) => y[b] - y[a])
    const top = y.indexOf(Math.max(...y)), most = Math.max(...y.map(Math.abs)) || 1
    const rows = beside ? names.length : Math.min(names.length, 20)
    while (this.bars.children.length < rows) this.bars.append(el('div', {}, el('span'), el('i'), el('em')))
    order.slice(0, rows).forEach((c, r) => {
      const row = /** @type {HTMLElement} */ (this.bars.children[r]), [name, bar, number] = /** @type {HTMLElement[]} */ ([...row.children])
      row.style.height = beside ? `${last.mapHeight + last.gap}px` : '18px'
      row.className = c === top && names.length > 1 && activation ? 'top' : ''  // numbers of different units have no largest
      row.dataset.class = String(c)
      row.title = names[c]
      name.textContent = names[c]
      bar.style.width = '100%'
      bar.style.transform = `scaleX(${activation ? y[c] : Math.abs(y[c]) / most})`
      number.textContent = this.share(y[c])
    })
  }

  /** An output as a person reads it. @param {number} y */
  share(y) { return Number.isNaN(y) ? '\u2026' : this.net.scene.output.activation ? `${(100 * y).toFixed(1)}%` : short4(y) }

  /** The thin lines between columns. */
  links() {
    this.under.replaceChildren()
    const begin = { x: -6, y: 0, width: 6, height: 0 }
    for (const stage of this.stages) {
      for (const source of stage.inputs) svg('path', { d: link(source, stage) }, this.under)
      if (stage.ofInput && stage.inputs.length) svg('path', { d: link({ ...begin, y: stage.y + stage.height / 2 }, stage) }, this.under)
      if (stage.lead) svg('path', { d: `M${stage.x - 7},${stage.y + stage.height / 2} H${stage.x - 2}` }, this.under)
    }
  }

  /** Where a unit's number is drawn, if it is: in the column of its layer, or, of what only hands on, where it comes from. @returns {{stage: any, unit: number[]}|null} */
  place(name, index) {
    const real = this.realOf.get(name), stage = this.stageOf.get(name)
    if (!stage || (stage !== real && stage.last !== real)) return null
    if (stage.bare) {
      const [tap] = this.net.reads(name, unflat(this.net.values.get(name).shape, index)).taps
      return this.place(this.net.byName.get(name).inputs[tap.source], tap.index)
    }
    const shape = this.net.values.get(stage.shown).shape
    return size(shape) === size(this.net.values.get(name).shape) ? { stage, unit: unflat(shape, index) } : null
  }

  /** The cell of a unit, in pixels of the diagram, and its stage; null of a layer that is folded away. */
  cell({ layer, unit }) {
    const at = this.place(layer, flat(this.net.values.get(layer).shape, unit))
    return at && { ...at, ...this.rect(at.stage, at.unit[0], at.unit.slice(1).map(v => [v, v])) }
  }

  /** Draws what a unit rests on: its own cell, the window before it with edges by contribution, the receptive fields. */
  mark(found, fields) {
    this.over.replaceChildren()
    const cell = found && this.cell(found), seen = new Set(this.seen())
    if (!cell) return
    for (const [name, box] of fields) {
      const s = this.stageOf.get(name)
      if (!s || s === cell.stage || s.shown !== name || s.bare) continue
      const channels = Math.min(this.net.values.get(name).shape[0], 64)
      if (size(this.net.values.get(name).shape.slice(1)) === 1 || !seen.has(s)) continue
      const boxes = Array.from({ length: channels }, (_, c) => { const r = this.rect(s, c, box); return `M${r.x},${r.y}h${r.width}v${r.height}h${-r.width}z` })
      svg('path', { d: boxes.join(''), fill: 'none', stroke: 'var(--ink)', 'stroke-width': 0.75, 'stroke-opacity': 0.55 }, this.over)
    }
    for (const edge of this.edges(found.layer, found.unit, fields).slice(0, EDGES)) {
      const r = edge.rect, colour = edgeColour(edge)
      svg('rect', { ...r, fill: 'none', stroke: colour, 'stroke-width': 1.25 }, this.over)
      svg('line', { x1: r.x + r.width, y1: r.y + r.height / 2, x2: cell.x, y2: cell.y + cell.height / 2, stroke: colour, 'stroke-width': 0.6 + 2 * edge.share, 'stroke-opacity': 0.25 + 0.6 * edge.share }, this.over)
    }
    const grown = { x: cell.x - 1.5, y: cell.y - 1.5, width: cell.width + 3, height: cell.height + 3 }
    svg('rect', { ...grown, fill: 'none', stroke: 'var(--paper)', 'stroke-width': 3 }, this.over)
    svg('rect', { ...grown, fill: 'none', stroke: 'var(--accent)', 'stroke-width': 2 }, this.over)
  }

  /**
   * The windows that a unit rests on, a rectangle per map, strongest contribution first. What is folded away between is
   * passed over: then it is the field in the nearest column before, whose contribution (null) is no single product.
   */
  edges(layer, unit, fields = this.net.fields(layer, unit)) {
    const own = this.stageOf.get(layer), [first] = this.net.chain(layer), groups = new Map()
    const node = this.net.byName.get(first), there = this.net.here({ layer, unit }, 'edges'), reads = this.source.reads(first, unit), reached = new Set()
    for (const tap of there ? reads.taps : []) {
      if (tap.index < 0) continue
      const source = node.inputs[tap.source], at = source === 'input' ? null : this.place(source, tap.index)
      if (!at || at.stage === own) continue
      reached.add(this.stageOf.get(source)).add(at.stage)
      const amount = this.source.values.get(source).data[tap.index] * (reads.kind === 'rbf' ? 1 : tap.weight)
      const key = `${at.stage.x},${at.stage.y},${at.unit[0]}`
      const group = groups.get(key) ?? { stage: at.stage, channel: at.unit[0], amount: 0, box: at.unit.slice(1).map(v => [v, v]) }
      group.amount += amount
      at.unit.slice(1).forEach((v, a) => { group.box[a][0] = Math.min(group.box[a][0], v); group.box[a][1] = Math.max(group.box[a][1], v) })
      groups.set(key, group)
    }
    const list = [...groups.values()].filter(g => g.amount || g.box.some(([a, b]) => b > a)).sort((a, b) => Math.abs(b.amount) - Math.abs(a.amount)), most = Math.abs(list[0]?.amount) || 1
    const found = list.map(g => ({ ...g, share: Math.abs(g.amount) / most, rect: this.rect(g.stage, g.channel, g.box) }))
    for (const stage of own.inputs) {
      const box = fields.get(stage.shown)
      if (reached.has(stage) || !box || stage.bare) continue
      const channels = Math.min(this.net.values.get(stage.shown).shape[0], 16)
      for (let channel = 0; channel < channels; channel++) found.push({ stage, channel, box, amount: null, share: 0.2, rect: this.rect(stage, channel, box) })
    }
    return found
  }
}

/** Contributions by their sign; grey is none, and what is no single product. */
export const edgeColour = ({ amount }) => (!amount ? 'var(--soft)' : amount > 0 ? 'var(--positive)' : 'var(--negative)')

/** The width that the words over a column need at least. */
const needed = stage => Math.max(7.2 * Math.max(...stage.label.split('.').map(part => part.length)) + (stage.block ? 17 : 0), 6.6 * Math.min(14, stage.name.children[1]?.textContent.length ?? 0), 52)

/** The lines that a column's name takes: it breaks behind its dots. */
function lines(stage, width) {
  let n = 1, x = stage.block ? 17 : 0
  for (const part of stage.label.split('.')) { const wide = 7.2 * (part.length + 1); if (x && x + wide > width) { n++; x = 0 } x += wide }
  return n
}

const short4 = v => real(Math.abs(v) >= 1000 ? v.toFixed(0) : v.toPrecision(4))
/** 6@28x28; of flat features the number. */
export const shapeText = shape => (shape.length === 1 ? `${shape[0]}` : `${shape[0]}@${shape.slice(1).join('\u00d7')}`)
