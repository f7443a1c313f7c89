// The flat diagram: where every map lies, painting it, which unit is under the pointer, edges and receptive fields.
import { fill, limitOf, theme } from 'striate/colour'
import { unflat, size } from 'striate/ops'

const GAP = 4, SVG = 'http://www.w3.org/2000/svg'
const HEAD = 58  // above a column: its name, its layers, its shape
const EDGES = 48  // that are drawn at most, the strongest

/** @param {string} tag @param {any} attributes @param {Element} [parent] */
export function svg(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  parent?.append(element)
  return element
}

/**
 * A column of the diagram: layers whose maps are one picture.
 * @typedef {{names: string[], shown: string, depth: number, inputs: Stage[], x?: number, y?: number, width?: number, height?: number,
 *   box?: HTMLElement, canvas?: HTMLCanvasElement, name?: HTMLElement, atlas?: HTMLCanvasElement, columns?: number, mapWidth?: number,
 *   mapHeight?: number, gap?: number, rows?: number, down?: boolean, image?: ImageData, pixels?: Uint32Array, limit?: number, texture?: WebGLTexture}} Stage
 */

export class Diagram {
  /** @param {import('striate/net').Net} net @param {HTMLElement} root @param {{hover: Function, click: Function}} on */
  constructor(net, root, on) {
    this.net = net
    this.root = document.createElement('div')
    this.root.className = 'diagram'
    root.append(this.root)
    this.under = svg('svg', {}, this.root)
    this.stages = this.grouped()
    this.stageOf = new Map(this.stages.flatMap(stage => stage.names.map(name => [name, stage])))
    for (const stage of this.stages) this.element(stage, on)
    this.bars = document.createElement('div')
    this.bars.className = 'bars'
    this.root.append(this.bars)
    this.over = svg('svg', {}, this.root)
  }

  /** Layers that act on each number alone stand in one column with the layer before them. */
  grouped() {
    const readers = new Map()
    for (const layer of this.net.layers) for (const input of layer.inputs) readers.set(input, (readers.get(input) ?? 0) + 1)
    const /** @type {Stage[]} */ stages = [], /** @type {Map<string, Stage>} */ of = new Map()
    for (const layer of this.net.layers) {
      const [source] = layer.inputs, before = of.get(source)
      const alone = layer.inputs.length === 1 && before && before.names.at(-1) === source && readers.get(source) === 1
      const joins = alone && (layer.op === 'flatten' || (layer.op !== 'embedding' && size(layer.shape4) === size(this.net.values.get(source).shape) && ['map', 'norm', 'softmax'].includes(this.net.reads(layer.name, [0, 0, 0, 0]).kind)))
      if (joins) {
        before.names.push(layer.name)
        if (!['flatten', 'dropout', 'stochasticdepth'].includes(layer.op)) before.shown = layer.name
      } else stages.push({ names: [layer.name], shown: layer.name, depth: 1 + Math.max(0, ...layer.inputs.map(i => of.get(i)?.depth ?? 0)), inputs: [...new Set(layer.inputs.map(i => of.get(i)).filter(Boolean))] })
      of.set(layer.name, joins ? before : stages.at(-1))
    }
    return stages
  }

  element(stage, on) {
    const box = document.createElement('div')
    box.className = 'stage'
    const name = document.createElement('div')
    name.className = 'name'
    const title = document.createElement('b'), about = document.createElement('span')
    const main = this.net.byName.get(stage.shown)
    title.textContent = stage.names[0].split('.').slice(-2).join('.')
    title.title = stage.names.join(', ')
    const words = stage.names.map(n => this.net.byName.get(n).label).filter((w, i, all) => w !== 'flatten' || all.length === 1)
    about.textContent = `${words.join(' \u2192 ')}`
    about.append(document.createElement('br'), shapeText(main.shape))
    name.append(title, about)
    const canvas = document.createElement('canvas')
    box.append(name, canvas)
    this.root.append(box)
    Object.assign(stage, { box, canvas, name, atlas: document.createElement('canvas') })
    const at = event => { const r = canvas.getBoundingClientRect(); return this.hit(stage, event.clientX - r.left, event.clientY - r.top) }
    canvas.addEventListener('pointermove', event => on.hover(at(event), event))
    canvas.addEventListener('pointerleave', () => on.hover(null))
    canvas.addEventListener('click', event => { const unit = at(event); if (unit) on.click(unit) })
  }

  /** Sizes and places for a room of so many pixels: as large as it fits beside each other. @param {number} width @param {number} height */
  layout(width, height) {
    const room = Math.max(260, height - HEAD - 44), columns = []
    for (const stage of this.stages) (columns[stage.depth - 1] ??= []).push(stage)
    let x = 0
    for (const shrink of [1, 0.85, 0.7, 0.55]) {
      x = this.placed(columns, room, shrink)
      if (x + (this.listed() ? 150 : 0) <= width) break
      if (shrink === 0.55) x = this.placed(columns, room, 0.8)  // it has to be scrolled in any case
    }
    const last = this.stages.at(-1)
    const list = this.listed()
    if (list) Object.assign(this.bars.style, { left: `${last.x + last.width + 10}px`, top: `${last.y}px`, display: '' })
    else this.bars.style.display = 'none'
    this.width = x + (list ? 160 : 0)
    this.height = room + HEAD + 24
    Object.assign(this.root.style, { width: `${this.width}px`, height: `${this.height}px` })
    for (const layer of [this.under, this.over]) { layer.setAttribute('width', String(this.width)); layer.setAttribute('height', String(this.height)) }
    const ratio = window.devicePixelRatio || 1
    for (const stage of this.stages) {
      Object.assign(stage.box.style, { left: `${stage.x}px`, top: `${stage.y}px`, width: `${stage.width}px` })
      stage.canvas.width = Math.round(stage.width * ratio)
      stage.canvas.height = Math.round(stage.height * ratio)
      Object.assign(stage.canvas.style, { width: `${stage.width}px`, height: `${stage.height}px` })
    }
    this.links()
  }

  /** Places all columns; returns where they end. */
  placed(columns, room, shrink) {
    let x = 16
    for (const column of columns) {
      let widest = 0
      const share = (room - (column.length - 1) * HEAD) / column.length
      for (const stage of column) { this.measure(stage, Math.max(60, share), shrink); widest = Math.max(widest, stage.width) }
      const total = column.reduce((sum, s) => sum + s.height, 0) + (column.length - 1) * HEAD
      let y = HEAD + Math.max(0, (room - total) / 2)
      for (const stage of column) { stage.x = x + (widest - stage.width) / 2; stage.y = y; y += stage.height + HEAD }
      x += Math.max(widest, 76) + 60 * shrink
    }
    return x - 60 * shrink
  }

  listed() { const { perPixel } = this.net.scene.output; return !perPixel && this.net.scene.output.names.length > 0 }

  /** How large the maps of a stage are drawn, in how many columns. */
  measure(stage, room, shrink) {
    const [n, d, h, w] = this.net.values.get(stage.shown).shape
    if (h * w * d === 1) {
      const last = stage === this.stages.at(-1)
      const tall = last && n <= 30 ? Math.min(26, Math.max(12, Math.floor(room / n))) : n <= 30 ? 14 : n <= 400 ? 11 : 6
      const gap = tall > 10 ? 1 : 0, rows = Math.min(n, Math.max(1, Math.floor((room + gap) / (tall + gap))))
      Object.assign(stage, { rows, columns: Math.ceil(n / rows), mapWidth: tall === 6 ? 6 : Math.max(11, Math.min(tall, 16)), mapHeight: tall, gap, down: true })
    } else if (h * d === 1) {
      const tall = Math.max(4, Math.min(14, Math.floor(room / n) - 2)), rows = Math.min(n, Math.max(1, Math.floor(room / (tall + 2))))
      Object.assign(stage, { rows, columns: Math.ceil(n / rows), mapWidth: Math.max(24, Math.min(200 * shrink, w * 4, Math.round(280 / Math.ceil(n / rows)))), mapHeight: tall, gap: 2, down: true })
    } else {
      const aim = n <= 8 ? 60 : n <= 20 ? 44 : n <= 64 ? 32 : n <= 160 ? 24 : 16
      const wide = (w * d) / h, most = (h > 40 ? 108 : 84) * shrink
      let columns = 1
      while (columns < n && (room - GAP * Math.ceil(n / columns)) / Math.ceil(n / columns) < aim * shrink) columns++
      const rows = Math.ceil(n / columns), tall = Math.max(8, Math.min(most, Math.floor((room - GAP * (rows - 1)) / rows)))
      Object.assign(stage, { rows, columns, mapWidth: Math.max(4, Math.round(tall * wide)), mapHeight: tall, gap: GAP, down: false })
    }
    stage.width = stage.columns * (stage.mapWidth + stage.gap) - stage.gap
    stage.height = stage.rows * (stage.mapHeight + stage.gap) - stage.gap
  }

  /** Where a map lies within its stage: [x, y]. */
  mapAt(stage, c) {
    const [column, row] = stage.down ? [Math.floor(c / stage.rows), c % stage.rows] : [c % stage.columns, Math.floor(c / stage.columns)]
    return [column * (stage.mapWidth + stage.gap), row * (stage.mapHeight + stage.gap)]
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
    const column = Math.floor(px / (stage.mapWidth + stage.gap)), row = Math.floor(py / (stage.mapHeight + stage.gap))
    const c = stage.down ? column * stage.rows + row : row * stage.columns + column
    if (column < 0 || row < 0 || column >= stage.columns || row >= stage.rows || c >= n) return null
    const [x, y] = this.mapAt(stage, c)
    const i = Math.min(w * d - 1, Math.floor(((px - x) / stage.mapWidth) * w * d)), j = Math.min(h - 1, Math.floor(((py - y) / stage.mapHeight) * h))
    return { layer: stage.shown, unit: [c, Math.floor(i / w), Math.max(0, j), i % w] }
  }

  /** Paints every stage. @param {string} scope map, layer or network */
  paint(scope) {
    const all = scope === 'network' ? Math.max(...this.stages.map(s => limitOf(this.net.values.get(s.shown).data))) : 0
    for (const stage of this.stages) this.paintStage(stage, scope, all)
    this.legend = scope === 'network' ? all : 0
    this.paintBars()
  }

  paintStage(stage, scope, all) {
    const { shape: [n, d, h, w], data } = this.net.values.get(stage.shown)
    const whole = scope === 'network' ? all : limitOf(data), plane = d * h * w
    stage.limit = whole
    const atlas = stage.atlas
    if (atlas.width !== w * d || atlas.height !== h * n) {
      Object.assign(atlas, { width: w * d, height: h * n })
      stage.image = new ImageData(w * d, h * n)
      stage.pixels = new Uint32Array(stage.image.data.buffer)
    }
    for (let c = 0; c < n; c++) {
      const limit = scope === 'map' && plane > 1 ? limitOf(data, c * plane, (c + 1) * plane) : whole
      if (d === 1) fill(data, c * plane, plane, limit, stage.pixels, c * plane)
      else for (let z = 0; z < d; z++) for (let y = 0; y < h; y++) fill(data, ((c * d + z) * h + y) * w, w, limit, stage.pixels, (c * h + y) * w * d + z * w)
    }
    atlas.getContext('2d').putImageData(stage.image, 0, 0)
    const g = stage.canvas.getContext('2d'), ratio = window.devicePixelRatio || 1
    g.setTransform(ratio, 0, 0, ratio, 0, 0)
    g.clearRect(0, 0, stage.width, stage.height)
    g.imageSmoothingEnabled = stage.mapHeight < h
    for (let c = 0; c < n; c++) {
      const [x, y] = this.mapAt(stage, c)
      g.drawImage(atlas, 0, c * h, w * d, h, x, y, stage.mapWidth, stage.mapHeight)
      if (this.net.off.has(`${stage.shown}:${c}`)) { g.strokeStyle = theme.dark ? '#fff' : '#000'; g.beginPath(); g.moveTo(x, y); g.lineTo(x + stage.mapWidth, y + stage.mapHeight); g.stroke() }
    }
  }

  paintBars() {
    if (!this.listed()) return
    const { names, activation } = this.net.scene.output, y = this.net.outputs(), last = this.stages.at(-1)
    const beside = names.length <= 30 && last.columns === 1 && y.length === names.length
    const order = names.map((_, i) => i)
    if (!beside) order.sort((a, b) => y[b] - y[a])
    const top = y.indexOf(Math.max(...y)), most = Math.max(...y.map(Math.abs)) || 1
    const rows = beside ? names.length : Math.min(names.length, 20)
    while (this.bars.children.length < rows) { const row = document.createElement('div'); row.append(document.createElement('span'), document.createElement('i'), document.createElement('em')); this.bars.append(row) }
    order.slice(0, rows).forEach((c, r) => {
      const row = /** @type {HTMLElement} */ (this.bars.children[r]), [name, bar, number] = /** @type {HTMLElement[]} */ ([...row.children])
      row.style.height = beside ? `${last.mapHeight + last.gap}px` : '18px'
      row.className = c === top && names.length > 1 ? 'top' : ''
      row.dataset.class = String(c)
      row.title = names[c]
      name.textContent = names[c]
      bar.style.width = '100%'
      bar.style.transform = `scaleX(${activation ? y[c] : Math.abs(y[c]) / most})`
      number.textContent = activation ? `${(100 * y[c]).toFixed(1)}%` : short4(y[c])
    })
  }

  /** The thin lines between columns. */
  links() {
    this.under.replaceChildren()
    for (const stage of this.stages)
      for (const source of stage.inputs) {
        const x0 = source.x + source.width + 6, y0 = source.y + source.height / 2, x1 = stage.x - 6, y1 = stage.y + stage.height / 2
        // what passes layers by runs below them
        const far = stage.depth - source.depth > 1, low = this.height - 14, r = 6, a = x0 + 6, b = x1 - 6
        const path = far
          ? `M${x0},${y0} H${a - r} Q${a},${y0} ${a},${y0 + r} V${low - r} Q${a},${low} ${a + r},${low} H${b - r} Q${b},${low} ${b},${low - r} V${y1 + r} Q${b},${y1} ${b + r},${y1} H${x1}`
          : `M${x0},${y0} C${(x0 + x1) / 2},${y0} ${(x0 + x1) / 2},${y1} ${x1},${y1}`
        svg('path', { d: path, fill: 'none', stroke: 'var(--line)', 'stroke-width': 1.5 }, this.under)
      }
  }

  /** A tap's place where it is drawn: the shown layer of its stage, if it has the same numbers. */
  place(name, index) {
    const stage = this.stageOf.get(name)
    if (!stage) return null
    const shape = this.net.values.get(stage.shown).shape
    return size(shape) === size(this.net.values.get(name).shape) ? { stage, unit: unflat(shape, index) } : null
  }

  /** Draws what a unit rests on: its own cell, the window before it with edges by contribution, the receptive fields. */
  mark(found, fields) {
    this.over.replaceChildren()
    if (!found) return
    const { layer, unit } = found, stage = this.stageOf.get(layer), cell = this.rect(stage, unit[0], unit.slice(1).map(v => [v, v]))
    for (const [name, box] of fields) {
      const s = this.stageOf.get(name)
      if (!s || s === stage || s.shown !== name) continue
      const channels = Math.min(this.net.values.get(name).shape[0], 64)
      if (size(this.net.values.get(name).shape.slice(1)) > 1) for (let c = 0; c < channels; c++) svg('rect', { ...this.rect(s, c, box), fill: 'none', stroke: 'var(--ink)', 'stroke-width': 0.75, 'stroke-opacity': 0.55 }, this.over)
    }
    for (const edge of this.edges(layer, unit).slice(0, EDGES)) {
      const r = edge.rect, colour = edge.amount >= 0 ? 'var(--positive)' : 'var(--negative)'
      svg('rect', { ...r, fill: 'none', stroke: colour, 'stroke-width': 1.25 }, this.over)
      svg('line', { x1: r.x + r.width, y1: r.y + r.height / 2, x2: cell.x, y2: cell.y + cell.height / 2, stroke: colour, 'stroke-width': 0.6 + 2 * edge.share, 'stroke-opacity': 0.25 + 0.6 * edge.share }, this.over)
    }
    const grown = { x: cell.x - 1.5, y: cell.y - 1.5, width: cell.width + 3, height: cell.height + 3 }
    svg('rect', { ...grown, fill: 'none', stroke: 'var(--paper)', 'stroke-width': 3 }, this.over)
    svg('rect', { ...grown, fill: 'none', stroke: 'var(--accent)', 'stroke-width': 2 }, this.over)
  }

  /** The windows that a unit rests on, a rectangle per map, strongest contribution first. */
  edges(layer, unit) {
    const [first] = this.net.chain(layer), groups = new Map()
    const node = this.net.byName.get(first), reads = this.net.reads(first, unit)
    for (const tap of reads.taps) {
      if (tap.index < 0) continue
      const source = node.inputs[tap.source], at = source === 'input' ? null : this.place(source, tap.index)
      if (!at || at.stage === this.stageOf.get(layer)) continue
      const amount = this.net.values.get(source).data[tap.index] * (reads.kind === 'rbf' ? 1 : tap.weight)
      const key = `${at.stage.x},${at.stage.y},${at.unit[0]}`
      const group = groups.get(key) ?? { stage: at.stage, channel: at.unit[0], amount: 0, box: at.unit.slice(1).map(v => [v, v]) }
      group.amount += amount
      at.unit.slice(1).forEach((v, a) => { group.box[a][0] = Math.min(group.box[a][0], v); group.box[a][1] = Math.max(group.box[a][1], v) })
      groups.set(key, group)
    }
    const list = [...groups.values()].sort((a, b) => Math.abs(b.amount) - Math.abs(a.amount)), most = Math.abs(list[0]?.amount) || 1
    return list.map(g => ({ ...g, share: Math.abs(g.amount) / most, rect: this.rect(g.stage, g.channel, g.box) }))
  }
}

const short4 = v => (Math.abs(v) >= 1000 ? v.toFixed(0) : v.toPrecision(4)).replace('-', '\u2212')
/** 6@28x28; of flat features the number. */
export const shapeText = shape => (shape.length === 1 ? `${shape[0]}` : `${shape[0]}@${shape.slice(1).join('\u00d7')}`)
