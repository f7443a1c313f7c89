// The diagram in space: every map a plane, the layers one behind the other; the same canvases as textures.
import { theme } from 'striate/colour'
import { calm, el, svg } from 'striate/dom'
import { EDGES, edgeColour, shapeText } from 'striate/diagram'

const VERTEX = `#version 300 es
in vec4 at; in vec2 uv; out vec2 v; void main() { gl_Position = at; v = uv; }`
const FRAGMENT = `#version 300 es
precision mediump float; uniform sampler2D image; uniform vec4 line; in vec2 v; out vec4 colour;
void main() { colour = line.a > 0.0 ? line : texture(image, v); if (colour.a < 0.02) discard; }`

const FOCUS = 2.7  // focal length, in half heights of the view
const DEEP = 220, LONG = 2000  // that the maps of a layer take along the network at most, and those of all about
const FREE = 160, WIDEST = 480  // that a wall of numbers has along the network, and the width of a map: of a volume all slices
const FILLS = 0.88  // share of the view that the network takes at most
const NAMED = 20  // columns at most that have their names
const OUTLINED = 2.5  // half heights: outlines would hide smaller ones, such as rows of numbers
const SEEN = 16  // maps of a column that a label keeps clear of, and that are drawn at least
const TALL = 30  // pixels that the two lines of a label take
const CLASSES = [40, 3]  // outputs that stand in a column, of more a block; of a block so many have their names
const LINE = 13  // pixels from one class's name to the next, at least

export class Space {
  /** @param {import('striate/diagram').Diagram} diagram @param {HTMLElement} root @param {{hover: Function, click: Function}} on */
  constructor(diagram, root, on) {
    this.diagram = diagram
    this.root = root
    this.canvas = el('canvas', { id: 'space-canvas', 'aria-label': 'The network in three dimensions' })
    root.append(this.canvas)
    this.over = svg('svg', { class: 'over' }, root)  // what is marked: hovering draws nothing else anew
    this.turn = { ...(innerWidth < innerHeight ? { yaw: 1.15, pitch: 0.55 } : { yaw: 0.85, pitch: 0.3 }), zoom: 1 }  // on a high screen it goes into the depth
    this.share = 0  // 0: flat; 1: in space
    this.goal = 0
    /** @type {any} the input as a column of one plane, once there is one */
    this.input = null
    this.classes = el('div')
    root.append(this.classes)
    /** @type {Map<number, number[]>} */
    const down = new Map()
    let moved = 0
    const apart = () => { const [a, b] = [...down.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]) }
    this.canvas.addEventListener('pointerdown', e => { if (!down.size) moved = 0; down.set(e.pointerId, [e.clientX, e.clientY]); this.canvas.setPointerCapture(e.pointerId) })
    this.canvas.addEventListener('pointermove', e => {
      const last = down.get(e.pointerId)
      if (!last) { if (!down.size) on.hover(this.pick(e), e); return }
      const dx = e.clientX - last[0], dy = e.clientY - last[1], before = down.size === 2 ? apart() : 0
      if (!moved) on.hover(null)
      moved += Math.abs(dx) + Math.abs(dy)
      down.set(e.pointerId, [e.clientX, e.clientY])
      if (before) this.zoom(apart() / before)  // two fingers
      else {
        this.turn.yaw += dx * 0.006
        this.turn.pitch = Math.max(-1.4, Math.min(1.4, this.turn.pitch + dy * 0.006))
        this.fitted = ''  // seen from another side it takes another room
      }
      this.moving()
    })
    this.canvas.addEventListener('pointerup', e => { const tap = down.size === 1 && moved < 5; down.delete(e.pointerId); if (tap) { const unit = this.pick(e); if (unit) on.click(unit) } })
    this.canvas.addEventListener('pointercancel', e => { down.delete(e.pointerId) })
    this.canvas.addEventListener('pointerleave', () => on.hover(null))
    this.canvas.addEventListener('wheel', e => { e.preventDefault(); this.zoom(Math.exp(-e.deltaY * 0.0012)); this.moving() }, { passive: false })
  }

  /** The picture that the pad paints, before all layers. @param {import('striate/pad').Pad} pad */
  before({ canvas, about, slice }) {
    if (!canvas) return  // a text
    const { width, height } = canvas, [h, w] = about.shape.length > 2 ? about.shape.slice(-2) : [1, about.shape.at(-1)], mapHeight = 100, mapWidth = (mapHeight * width) / height
    this.input = { names: ['input'], shown: 'input', label: 'input', about: shapeText(about.shape) + (slice ? ', one slice' : ''), inputs: [], depth: 0, canvas, shape: [1, 1, h, w], x: -mapWidth - 40, y: 100, width: mapWidth, height: mapHeight, mapWidth, mapHeight, columns: 1, rows: 1, across: 0, gap: 0 }
  }

  /** A stage's maps, depth, height and width. */
  shape(stage) { return stage.shape ?? this.diagram.net.values.get(stage.shown).shape }

  /** How many of a stage stand one behind the other. */
  maps(stage) { return stage.span[1] > stage.span[0] ? this.shape(stage)[0] : 1 }

  /** Draws while it is turned: once a frame and, where there is no graphics card, coarsely, and some of many maps alone, until the hand rests. */
  moving() {
    clearTimeout(this.rest)
    if (this.soft) this.rest = setTimeout(() => { this.coarse = false; this.draw() }, 160)
    this.coarse = this.soft
    this.next ??= requestAnimationFrame(() => { this.next = undefined; this.draw() })
  }

  /** @param {number} factor */
  zoom(factor) { this.turn.zoom = Math.max(0.3, Math.min(6, this.turn.zoom * factor)) }

  /** @returns {boolean} whether the browser can */
  prepare() {
    if (this.gl) return true
    const gl = (this.gl = this.canvas.getContext('webgl2', { antialias: true, alpha: true, premultipliedAlpha: false }))
    if (!gl) return false
    const info = gl.getExtension('WEBGL_debug_renderer_info')
    this.soft = !!info && /swiftshader|llvmpipe|software|basic render/i.test(gl.getParameter(info.UNMASKED_RENDERER_WEBGL))
    const shader = (type, text) => { const s = gl.createShader(type); gl.shaderSource(s, text); gl.compileShader(s); return s }
    const program = (this.program = gl.createProgram())
    gl.attachShader(program, shader(gl.VERTEX_SHADER, VERTEX))
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, FRAGMENT))
    gl.linkProgram(program)
    gl.useProgram(program)
    this.buffer = gl.createBuffer()
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer)
    for (const [name, n, offset] of /** @type {[string, number, number][]} */ ([['at', 4, 0], ['uv', 2, 16]])) {
      const place = gl.getAttribLocation(program, name)
      gl.enableVertexAttribArray(place)
      gl.vertexAttribPointer(place, n, gl.FLOAT, false, 24, offset)
    }
    this.line = gl.getUniformLocation(program, 'line')
    gl.enable(gl.DEPTH_TEST)
    gl.depthFunc(gl.LEQUAL)
    return true
  }

  /** Turns the diagram into space, or back. @param {boolean} into @param {boolean} [still] without motion */
  show(into, still = false) {
    if (into && !this.prepare()) return false
    this.goal = into ? 1 : 0
    if (into) { this.canvas.style.display = 'block'; this.diagram.root.style.visibility = 'hidden' }
    this.upload()
    const from = this.share, begun = performance.now(), long = still || calm() ? 0 : 400
    const step = now => {
      const t = long ? Math.min(1, (now - begun) / long) : 1
      this.share = from + (this.goal - from) * (t * t * (3 - 2 * t))
      this.draw()
      if (t < 1) requestAnimationFrame(step)
      else if (!this.goal) { this.canvas.style.display = 'none'; this.diagram.root.style.visibility = '' }
    }
    requestAnimationFrame(step)
    return true
  }

  /** The painted stages as textures. */
  upload() {
    const gl = this.gl
    if (!gl) return
    for (const stage of this.stages) {
      if (!stage.canvas.width) continue  // out of sight
      stage.texture ??= gl.createTexture()
      gl.bindTexture(gl.TEXTURE_2D, stage.texture)
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, stage.canvas)
      for (const [key, value] of [[gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE], [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.NEAREST]]) gl.texParameteri(gl.TEXTURE_2D, key, value)
    }
  }

  /** Where each map is in space: the middle, half its height and half its width, in pixels of the diagram. */
  places() {
    const d = this.diagram, /** @type {any[]} */ list = [], { middle } = d, deep = Math.max(60, Math.min(DEEP, LONG / this.stages.length)), apart = Math.max(36, deep * 0.32)
    let x = 0
    const depths = new Map()
    for (const stage of this.stages) depths.set(stage.depth, [...(depths.get(stage.depth) ?? []), stage])
    for (const [, column] of [...depths].sort((a, b) => a[0] - b[0])) {
      let longest = 0
      for (const stage of column) {
        const [n, , h, w] = this.shape(stage), vector = h * w === 1, sheet = h === 1  // rows of numbers stand above each other
        const space = sheet ? 0 : Math.min(16, deep / n), off = column.length > 1 ? (middle - stage.y - stage.height / 2) * 1.15 : 0
        // features stand as a block, the outputs as a column
        const rows = stage === d.last && n <= CLASSES[0] ? n : Math.ceil(Math.sqrt(n) * 1.2), columns = Math.ceil(n / rows)
        const wide = vector ? Math.min(FREE, columns * (stage.mapWidth + 1)) : 0  // walls of numbers stand clear of each other
        for (let c = 0; c < n; c++) {
          const [mx, my] = d.mapAt(stage, c), big = sheet ? 1 : Math.min(150, 26 + 3.6 * Math.max(h, w), (WIDEST * stage.mapHeight) / stage.mapWidth) / stage.mapHeight
          const half = [(stage.mapWidth / 2) * big, (stage.mapHeight / 2) * big]
          const side = vector ? [(Math.floor(c / rows) - (columns - 1) / 2) * (stage.mapWidth + 1), ((rows - 1) / 2 - (c % rows)) * (stage.mapHeight + 1)] : sheet ? [mx + (stage.mapWidth - stage.width) / 2, (stage.height - stage.mapHeight) / 2 - my] : [0, 0]
          list.push({ stage, c, flat: [stage.x + mx + stage.mapWidth / 2, stage.y + my + stage.mapHeight / 2], flatHalf: [stage.mapWidth / 2, stage.mapHeight / 2], mid: [x + wide / 2 + c * space, side[1] + off, side[0]], half })
        }
        stage.span = [x + wide / 2, x + wide / 2 + (sheet ? 0 : (n - 1) * space), off]
        longest = Math.max(longest, vector ? wide : sheet ? stage.width : n * space)
      }
      x += longest + apart
    }
    const centre = (x - apart) / 2
    for (const p of list) p.mid[0] -= centre
    for (const stage of this.stages) { stage.span[0] -= centre; stage.span[1] -= centre }
    this.length = x
    return list
  }

  /** The columns that have maps, the input first. */
  get stages() { return [...(this.input ? [this.input] : []), ...this.diagram.stages.filter(stage => !stage.bare)] }

  /** The lines between columns in space: pairs of points; what passes others runs beside them. */
  links() {
    const points = []
    for (const stage of this.stages) {
      const sources = new Set(), find = of => { for (const s of of.inputs) { if (s.bare) find(s); else sources.add(s) } if (of.ofInput && this.input) sources.add(this.input) }
      find(stage)
      for (const source of sources) {
        const a = [source.span[1], source.span[2]], b = [stage.span[0], stage.span[2]], far = stage.depth - source.depth > 1, steps = far ? 16 : 8
        const at = t => { const s = t * t * (3 - 2 * t); return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * s - (far ? Math.min(130, 40 + (b[0] - a[0]) * 0.16) * 4 * t * (1 - t) : 0), 0] }
        for (let i = 0; i < steps; i++) points.push(at(i / steps), at((i + 1) / steps))
      }
    }
    return points
  }

  /** From space to clip coordinates, in perspective. At yaw 0 the network runs to the right. @param {number[]} point */
  project(point, W, H) {
    const [px, py, pz] = point, { yaw, pitch, zoom } = this.turn, cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch)
    const x = cy * px + sy * pz, z0 = -sy * px + cy * pz, y = cp * py - sp * z0, z = sp * py + cp * z0
    const { distance, shift } = this.camera, w = distance / zoom - z, near = distance * 0.04, far = distance * 5
    return [((x - shift[0]) * FOCUS * H) / W, (y - shift[1]) * FOCUS, (w * (far + near) - 2 * far * near) / (far - near), w]
  }

  /** So far away, and so much to the side, that all of it is seen: a corner at x, z of the turned space is, where |x - shift| <= k (distance - z). */
  fit(list, W, H) {
    const zoom = this.turn.zoom, names = 1.1 + 0.02 * Math.min(NAMED, this.stages.length), room = [(FILLS * W) / (FOCUS * H), FILLS / names / FOCUS]
    this.turn.zoom = 1
    let distance = 0
    for (const last of [false, true]) {  // the second time with room for the names of the classes, which are as large at any distance
      const ends = [[-Infinity, -Infinity], [-Infinity, -Infinity]], d = this.diagram
      this.camera = { distance: 0, shift: [0, 0] }
      for (const q of list) for (const a of [-1, 1]) for (const b of [-1, 1]) {
        const [x, y, , w] = this.project([q.mid[0], q.mid[1] + b * q.half[1], q.mid[2] + a * q.half[0]], W, H)
        const words = last && q.stage === d.last && d.listed() ? (2 * Math.min(W / 4, 46 + 7 * Math.max(...d.net.scene.output.names.map(name => name.length)))) / (FOCUS * H) : 0
        for (const [i, v] of [(x * W) / (FOCUS * H), y / FOCUS].entries()) ends[i] = [Math.max(ends[i][0], v - room[i] * w + (i ? 0 : words * (distance + w))), Math.max(ends[i][1], -v - room[i] * w)]
      }
      distance = Math.max(300, ...ends.map(([p, m], i) => (p + m) / (2 * room[i])))
      this.camera = { distance, shift: ends.map(([p, m]) => (p - m) / 2) }
    }
    this.turn.zoom = zoom
  }

  draw() {
    const gl = this.gl
    if (!gl) return
    const ratio = (window.devicePixelRatio || 1) * (this.coarse ? 0.5 : 1), W = this.root.clientWidth, H = this.root.clientHeight
    const [wide, tall] = [W, H].map(v => Math.round(v * ratio))
    if (this.canvas.width !== wide || this.canvas.height !== tall) Object.assign(this.canvas, { width: wide, height: tall })
    for (const layer of [this.canvas, this.over]) Object.assign(layer.style, { width: `${W}px`, height: `${H}px`, left: `${this.root.scrollLeft}px`, top: `${this.root.scrollTop}px` })
    gl.viewport(0, 0, this.canvas.width, this.canvas.height)
    const paper = theme.dark ? [0.078, 0.086, 0.102] : [1, 1, 1]
    gl.clearColor(paper[0], paper[1], paper[2], 1)
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT)
    this.quads = this.places()
    const list = this.coarse ? this.quads.filter(q => !(q.c % Math.ceil(this.maps(q.stage) / SEEN)) || q.c === this.maps(q.stage) - 1) : this.quads
    const fitted = `${W},${H},${this.stages.map(stage => stage.names[0])}`
    if (!this.camera || this.fitted !== fitted) { this.fit(this.quads, W, H); this.fitted = fitted }
    const t = this.share, sx = this.root.scrollLeft, sy = this.root.scrollTop
    for (const q of this.quads) {
      q.corners = [[-1, 1], [1, 1], [-1, -1], [1, -1]].map(([a, b]) => {
        const there = this.project([q.mid[0], q.mid[1] + b * q.half[1], q.mid[2] + a * q.half[0]], W, H)
        if (t === 1) return there
        const w = there[3], fx = ((q.flat[0] + a * q.flatHalf[0] - sx) / W) * 2 - 1, fy = 1 - ((q.flat[1] - b * q.flatHalf[1] - sy) / H) * 2
        return [fx * w * (1 - t) + there[0] * t, fy * w * (1 - t) + there[1] * t, there[2], w]
      })
    }
    const data = new Float32Array(list.length * 36 + list.length * 48)
    let n = 0
    for (const q of list) {
      const s = q.stage, [mx, my] = this.diagram.mapAt(s, q.c)
      const u = [mx / s.width, (mx + s.mapWidth) / s.width], v = [my / s.height, (my + s.mapHeight) / s.height]
      for (const k of [0, 1, 2, 2, 1, 3]) { data.set(q.corners[k], n); data[n + 4] = u[k % 2]; data[n + 5] = v[k < 2 ? 0 : 1]; n += 6 }
    }
    // many maps close to each other have fainter outlines
    const lines = n / 6, many = q => q.stage.span[1] - q.stage.span[0] < 7 * (this.shape(q.stage)[0] - 1), faint = list.filter(q => many(q) && q.half[1] >= OUTLINED), clear = list.filter(q => !many(q))
    for (const q of [...clear, ...faint]) for (const k of [0, 1, 1, 3, 3, 2, 2, 0]) { data.set(q.corners[k], n); n += 6 }
    gl.bufferData(gl.ARRAY_BUFFER, data.subarray(0, n), gl.DYNAMIC_DRAW)
    let first = 0
    for (let i = 0; i < list.length;) {
      let end = i
      while (end < list.length && list[end].stage === list[i].stage) end++
      gl.bindTexture(gl.TEXTURE_2D, list[i].stage.texture)
      gl.uniform4f(this.line, 0, 0, 0, 0)
      gl.drawArrays(gl.TRIANGLES, first, (end - i) * 6)
      first += (end - i) * 6
      i = end
    }
    const grey = theme.dark ? [0.5, 0.26] : [0.5, 0.84]
    gl.uniform4f(this.line, grey[0], grey[0], grey[0], 1)
    gl.drawArrays(gl.LINES, lines, clear.length * 8)
    gl.uniform4f(this.line, grey[1], grey[1], grey[1], 1)
    gl.drawArrays(gl.LINES, lines + clear.length * 8, faint.length * 8)
    if (this.share === 1) {
      const points = this.links().map(p => this.project(p, W, H)), ends = new Float32Array(points.length * 6)
      points.forEach((p, k) => ends.set(p, k * 6))
      gl.bufferData(gl.ARRAY_BUFFER, ends, gl.DYNAMIC_DRAW)
      gl.uniform4fv(this.line, theme.dark ? [0.42, 0.45, 0.5, 1] : [0.66, 0.69, 0.73, 1])
      gl.drawArrays(gl.LINES, 0, points.length)
    }
    this.size = [W, H]
    this.drawMarks()
    this.labels(W, H)
  }

  /** What is marked: the unit, the windows that it rests on, and a line to each. @param {{layer: string, unit: number[]}|null} found */
  mark(found) { this.marked = found; this.drawMarks() }

  drawMarks() {
    this.over.replaceChildren()
    const d = this.diagram, [W, H] = this.size ?? [0, 0], own = this.marked && this.share === 1 && this.quads && d.cell(this.marked)
    if (!own) return
    const { layer, unit } = this.marked
    const box = (stage, c, [, y, x], z) => {
      const q = this.quads.find(q => q.stage === stage && q.c === c), [, depth, h, w] = this.shape(stage), [a, b, e] = q.corners
      const at = (s, t) => { const [px, py, , pw] = a.map((v, i) => v + s * (b[i] - v) + t * (e[i] - v)); return pw > 0 ? `${((px / pw + 1) / 2) * W},${((1 - py / pw) / 2) * H}` : '' }
      const [s0, s1] = [(z[0] * w + x[0]) / (w * depth), (z[1] * w + x[1] + 1) / (w * depth)], [t0, t1] = [y[0] / h, (y[1] + 1) / h]
      return { around: `M${[at(s0, t0), at(s1, t0), at(s1, t1), at(s0, t1)].join('L')}z`, middle: at((s0 + s1) / 2, (t0 + t1) / 2) }
    }
    const path = (d, stroke, width, opacity = 1) => { if (!/ML|LL|Lz|L$/.test(d)) svg('path', { d, fill: 'none', stroke, 'stroke-width': width, 'stroke-opacity': opacity }, this.over) }  // of what lies before the eye nothing
    const [c, z, y, x] = own.unit, cell = box(own.stage, c, [0, [y, y], [x, x]], [z, z])
    for (const edge of d.edges(layer, unit).slice(0, EDGES)) {
      const there = box(edge.stage, edge.channel, edge.box, edge.box[0]), stroke = edgeColour(edge)
      path(there.around, stroke, 1.25)
      path(`M${there.middle}L${cell.middle}`, stroke, 0.6 + 2 * edge.share, 0.25 + 0.6 * edge.share)
    }
    const field = this.input && d.net.fields(layer, unit).get('input')
    if (field) {  // of a volume, and of a signal's curve, the whole height
      const { shape } = this.input, there = box(this.input, 0, /** @type {any} */ (field.map(([a, b], axis) => [Math.min(a, shape[axis + 1] - 1), Math.min(b, shape[axis + 1] - 1)])), [0, 0])
      path(there.around, 'var(--accent)', 1.5)
      if (d.net.byName.get(d.net.chain(layer)[0]).inputs.includes('input')) path(`M${there.middle}L${cell.middle}`, 'var(--accent)', 1)
    }
    path(cell.around, 'var(--paper)', 4)
    path(cell.around, 'var(--accent)', 2)
  }

  /** The layers' names over their maps. */
  labels(W, H) {
    const shown = this.share === 1 && this.stages.length <= NAMED, placed = []  // more would lie on each other
    const old = new Set(this.root.querySelectorAll('.space-label'))
    /** @type {Map<any, number[][]>} of each column some of its maps on the screen: left, top, right, bottom */
    const seen = new Map()
    if (shown) for (const stage of this.stages) {
      const own = this.quads.filter(q => q.stage === stage), every = Math.ceil(own.length / SEEN)
      const boxes = own.filter((q, i) => i % every === 0 || i === own.length - 1).map(q => {
        const x = q.corners.map(p => ((p[0] / p[3] + 1) / 2) * W), y = q.corners.map(p => ((1 - p[1] / p[3]) / 2) * H)
        return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)]
      })
      const whole = stage.span[0] === stage.span[1]  // numbers beside each other: one wall
      seen.set(stage, whole ? [[0, 1, 2, 3].map(k => Math[k < 2 ? 'min' : 'max'](...boxes.map(box => box[k])))] : boxes)
    }
    for (const [stage, own] of seen) {
      const label = (stage.flag ??= this.label(stage))
      if (!label.isConnected) this.root.append(label)
      old.delete(label)
      const left = own.reduce((sum, box) => sum + box[0] + box[2], 0) / (2 * own.length), half = (label.wide ||= label.offsetWidth) / 2
      const over = Math.min(...own.map(box => box[1])) - 4
      let bottom = over
      for (let i = 0; i < 6; i++) {  // above the maps of others
        const on = [...seen].flatMap(([other, boxes]) => (other === stage ? [] : boxes.filter(box => box[2] > left - half && box[0] < left + half && box[3] > bottom - TALL && box[1] < bottom)))
        if (!on.length) break
        bottom = Math.min(...on.map(box => box[1])) - 3
      }
      if (bottom < over - 3 * TALL) bottom = over  // too far from its own
      for (let on; (on = placed.find(o => Math.abs(o.left - left) < o.half + half && Math.abs(o.bottom - bottom) < TALL)); ) bottom = on.bottom - TALL - 1  // above one that is there
      bottom = Math.max(bottom, TALL)
      label.style.visibility = placed.some(o => Math.abs(o.left - left) < o.half + half && Math.abs(o.bottom - bottom) < TALL) ? 'hidden' : ''  // seen along the network there is not room for all
      placed.push({ left, half, bottom })
      label.style.left = `${this.root.scrollLeft + left}px`
      label.style.top = `${this.root.scrollTop + bottom}px`
    }
    for (const label of old) label.remove()
    this.outputs(this.share === 1, W, H)
  }

  /** The classes' names and shares beside their cells, the likeliest first, as far as there is room for them. */
  outputs(shown, W, H) {
    const d = this.diagram, { names } = d.net.scene.output, y = d.source.outputs(), own = d.listed() && shown ? this.quads.filter(q => q.stage === d.last) : [], block = own.length > CLASSES[0], /** @type {number[]} */ tops = []
    const right = cells => Math.max(...cells.flatMap(q => q.corners.map(p => ((p[0] / p[3] + 1) / 2) * W))) + 5
    const order = names.map((_, c) => c).sort((a, b) => y[b] - y[a]).slice(0, block ? CLASSES[1] : own.length)
    this.classes.replaceChildren(...order.flatMap((c, i) => {
      const corners = own[c]?.corners ?? [], top = Math.round(corners.reduce((sum, p) => sum + ((1 - p[1] / p[3]) / 8) * H, 0))
      if (!corners.length || tops.some(other => Math.abs(other - top) < LINE)) return []
      tops.push(top)
      const label = el('div', { className: 'space-class' }, el(i ? 'span' : 'b', {}, names[c]), ` ${d.share(y[c])}`)
      Object.assign(label.style, { left: `${this.root.scrollLeft + right(block ? own : [own[c]])}px`, top: `${this.root.scrollTop + top}px` })
      return [label]
    }))
  }

  /** @returns {any} */
  label(stage) {
    const shape = el('span', {}, stage.about ?? shapeText(this.diagram.net.byName.get(stage.shown).shape))
    const name = stage.block ? el('button', { className: 'fold', 'aria-expanded': 'false', onclick: () => this.diagram.on.fold(stage.block) }, el('span', {}, stage.label)) : stage.label
    return el('div', { className: 'space-label' }, name, shape)
  }

  /** The unit under the pointer: the nearest plane that the ray meets. */
  pick(event) {
    if (!this.quads || this.share < 1) return null
    const r = this.canvas.getBoundingClientRect(), X = ((event.clientX - r.left) / r.width) * 2 - 1, Y = 1 - ((event.clientY - r.top) / r.height) * 2
    let best = null
    for (const q of this.quads) {
      const [a, b, c] = [q.corners[0], q.corners[1], q.corners[2]]  // top left, top right, bottom left
      // a point of the plane is a + s (b - a) + t (c - a) in clip coordinates; its x - X w and y - Y w are both 0
      const row = k => { const p = k ? Y : X; return [(b[k] - a[k]) - p * (b[3] - a[3]), (c[k] - a[k]) - p * (c[3] - a[3]), p * a[3] - a[k]] }
      const [a1, b1, c1] = row(0), [a2, b2, c2] = row(1), det = a1 * b2 - a2 * b1
      if (!det) continue
      const s = (c1 * b2 - c2 * b1) / det, t = (a1 * c2 - a2 * c1) / det
      if (s < 0 || s >= 1 || t < 0 || t >= 1) continue
      const w = a[3] + s * (b[3] - a[3]) + t * (c[3] - a[3])
      if (w > 0 && (!best || w < best.w)) best = { w, q, s, t }
    }
    if (!best || best.q.stage === this.input) return null
    const [, d, h, w] = this.shape(best.q.stage), i = Math.floor(best.s * w * d)
    return { layer: best.q.stage.shown, unit: [best.q.c, Math.floor(i / w), Math.floor(best.t * h), i % w] }
  }
}
