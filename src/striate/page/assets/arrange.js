// Where the columns lie: one after the other, branches as rows between a fork and its join, skips as lanes below.

import { stagesIn } from 'striate/blocks'

/** @typedef {import('striate/blocks').Stage} Stage @typedef {import('striate/blocks').Item} Item */
/** @typedef {{width: number, up: number, down: number, place: (x: number, middle: number) => void}} Box  above and below its middle line */

const LINE = 15  // of the words above a column: its name in one or more, its layers, its shape
const FRAME = 26  // above an open block: its name
const BETWEEN = 8  // rows
const LANE = 18  // below what a skip passes
const SLOT = 80  // that a column takes at least: its name
export const JOIN = { '+': 26, '\u00d7': 26, concat: 56 }  // that the symbol of a join takes
const SMALL = 56  // the height of maps below which a row does not shrink

/**
 * Sizes and places of all columns. Sets x, y of every stage; of a join the `lane` in which what passes the rows comes in
 * and the `ends` of its rows; of what goes off `aside`.
 * @param {Item[]} items @param {{room: number, scale: number, measure: (stage: any, room: number, scale: number) => void, lines: (stage: any, width: number) => number, needed: (stage: any) => number, over: (stage: any) => number}} about
 * @returns {Box & {height: number, frames: {block: any, x: number, y: number, width: number, height: number}[]}}
 */
export function arrange(items, about) {
  const gap = Math.max(26, Math.min(56, 56 * about.scale)), slot = SLOT * Math.max(0.75, Math.min(1, about.scale)), frames = []
  const head = 4 * LINE + 4

  /** @returns {Box} */
  const column = (stage, room) => {
    for (const key of ['lane', 'ends', 'aside']) delete stage[key]
    const symbol = JOIN[stage.symbol] && !stage.block ? JOIN[stage.symbol] : 0
    if (stage.bare) Object.assign(stage, { width: symbol, height: 24 })
    else about.measure(stage, room, about.scale)
    const lead = stage.bare ? 0 : symbol, wide = Math.max(stage.width, stage.bare ? 0 : Math.min(slot, about.needed(stage) - gap + 12))
    stage.slot = wide + gap - 12
    const over = 4 + (stage.over ?? 0) + LINE * (stage.bare ? 1 : 2 + about.lines(stage, stage.slot))
    return { width: lead + wide, up: stage.height / 2 + over, down: stage.height / 2 + (stage.block ? 8 : 0), place: (x, middle) => Object.assign(stage, { x: x + lead, y: middle - stage.height / 2, lead }) }
  }

  /** @returns {Box} */
  const series = (list, room) => {
    const heads = list.filter(item => item.kind === 'head')
    if (heads.length) return beside(list, room)
    const boxes = list.map(item => box(item, room))
    return {
      width: boxes.reduce((sum, b) => sum + b.width, 0) + gap * Math.max(0, boxes.length - 1),
      up: Math.max(0, ...boxes.map(b => b.up)), down: Math.max(0, ...boxes.map(b => b.down)),
      place: (x, middle) => { for (const b of boxes) { b.place(x, middle); x += b.width + gap } },
    }
  }

  /** What goes off and does not come back lies in a row of its own, below those columns that are beside it. */
  const beside = (list, room) => {
    const main = list.filter(item => item.kind !== 'head'), share = Math.max(SMALL, room * 0.14), starts = [], ends = []
    const heads = list.flatMap((item, i) => (item.kind === 'head' ? [{ x: 0, after: list.slice(0, i).filter(it => it.kind !== 'head').length, box: series(item.items, share), first: firstOf(item.items) }] : []))
    const low = i => heads.some(h => i >= h.after && starts[i] < h.x + h.box.width + gap && ends[i] > h.x)
    let boxes = main.map(item => box(item, room)), free = 0
    for (const again of [true, false]) {
      let x = free = 0
      boxes.forEach((b, i) => { starts[i] = x; ends[i] = x + b.width; x += b.width + gap })
      for (const head of heads) { head.x = Math.max(free, head.after ? ends[head.after - 1] + gap : 0); free = head.x + head.box.width + gap }
      if (again) boxes = main.map((item, i) => (low(i) ? box(item, Math.max(SMALL, room - 2 * (share + head + LANE))) : boxes[i]))
    }
    const under = Math.max(...boxes.map((b, i) => (low(i) ? b.down : 0))) + LANE, tall = Math.max(...heads.map(h => h.box.up)), bottom = Math.max(...heads.map(h => h.box.down))
    return {
      width: Math.max(ends.at(-1), free - gap), up: Math.max(...boxes.map(b => b.up)), down: Math.max(under + tall + bottom, ...boxes.map(b => b.down)),
      place: (at, middle) => {
        boxes.forEach((b, i) => b.place(at + starts[i], middle))
        for (const head of heads) { head.box.place(at + head.x, middle + under + tall); if (head.first) head.first.aside = true }
      },
    }
  }

  /** @returns {Box} */
  const fork = (item, room) => {
    const rows = item.branches.filter(branch => branch.length), skips = rows.length < item.branches.length
    const lane = skips ? LANE : 0, over = Math.max(0, ...rows.flatMap(stagesIn).map(about.over))
    const long = rows.map(row => Math.sqrt(Math.max(3, stagesIn(row).length))), sum = long.reduce((a, b) => a + b, 0)  // a long row is higher than a short one
    const free = room - lane - (rows.length - 1) * (head + over + BETWEEN)
    const boxes = rows.map((row, i) => series(row, Math.max(SMALL, (free * long[i]) / sum))), join = column(item.join, room - lane), wide = Math.max(0, ...boxes.map(b => b.width))
    const total = boxes.reduce((sum, b) => sum + b.up + b.down, 0) + BETWEEN * Math.max(0, boxes.length - 1)
    const up = boxes.length === 1 ? boxes[0].up : (total + (boxes[0]?.up ?? 0) - (boxes.at(-1)?.down ?? 0)) / 2, down = total - up
    return {
      width: wide + gap + join.width, up: Math.max(up, join.up), down: Math.max(down, join.down) + lane,
      place: (x, middle) => {
        let y = middle - up
        for (const b of boxes) { b.place(x, y + b.up); y += b.up + b.down + BETWEEN }
        join.place(x + wide + (boxes.length ? gap : 0), middle)
        item.join.ends = new Set(rows.map(lastOf))
        if (skips) item.join.lane = middle + Math.max(down, join.down) + LANE - 8
      },
    }
  }

  /** Columns by the longest way to them. @returns {Box} */
  const tangle = (item, room) => {
    const own = new Set(item.stages), depth = new Map(), columns = []
    for (const stage of item.stages) {
      depth.set(stage, Math.max(0, ...stage.inputs.filter(s => own.has(s)).map(s => depth.get(s) + 1)));
      (columns[depth.get(stage)] ??= []).push(stage)
    }
    const boxes = columns.map(stages => stages.map(stage => column(stage, Math.max(SMALL, (room - LANE - (stages.length - 1) * (head + BETWEEN)) / stages.length))))
    const tall = boxes.map(list => list.reduce((sum, b) => sum + b.up + b.down + BETWEEN, -BETWEEN)), most = Math.max(...tall), widths = boxes.map(list => Math.max(...list.map(b => b.width)))
    const up = (most + head) / 2, far = item.stages.filter(stage => stage.inputs.some(s => own.has(s) ? depth.get(s) < depth.get(stage) - 1 : depth.get(stage) > 0))
    return {
      width: widths.reduce((sum, w) => sum + w + gap, -gap), up, down: most - up + LANE + 9 * Math.max(0, far.length - 1),
      place: (x, middle) => boxes.forEach((list, i) => {
        let y = middle - (head + tall[i]) / 2
        list.forEach((b, k) => {
          b.place(x, y + b.up)
          y += b.up + b.down + BETWEEN
          const stage = columns[i][k]
          stage.ends = new Set(stage.inputs.filter(s => !own.has(s) ? i === 0 : depth.get(s) === i - 1))
          stage.lane = middle + most - up + LANE - 8 + 9 * Math.max(0, far.indexOf(stage))  // each its own
        })
        x += widths[i] + gap
      }),
    }
  }

  /** An open block: a frame with its name above its columns. @returns {Box} */
  const block = (item, room) => {
    const inner = series(item.items, Math.max(SMALL, room - FRAME))
    return {
      width: inner.width, up: inner.up + FRAME, down: inner.down,
      place: (x, middle) => {
        frames.push({ block: item.block, x, y: middle - inner.up - FRAME, width: inner.width, height: inner.up + inner.down + FRAME })
        inner.place(x, middle)
      },
    }
  }

  /** @returns {Box} */
  const box = (item, room) => item.kind === 'stage' ? column(item.stage, room) : item.kind === 'fork' ? fork(item, room) : item.kind === 'tangle' ? tangle(item, room) : block(item, room)

  const whole = series(items, about.room)
  return { ...whole, height: whole.up + whole.down, frames }
}

const firstOf = items => { const [a] = items; return !a ? null : a.kind === 'stage' ? a.stage : a.kind === 'fork' ? firstOf(a.branches.find(b => b.length) ?? []) ?? a.join : a.kind === 'tangle' ? a.stages[0] : firstOf(a.items) }
const lastOf = items => { const a = items.filter(item => item.kind !== 'head').at(-1); return !a ? null : a.kind === 'stage' ? a.stage : a.kind === 'fork' ? a.join : a.kind === 'tangle' ? a.stages.at(-1) : lastOf(a.items) }

const R = 8  // of the rounded corners

/** A link from one column to the next, as the path of an svg. @param {any} from @param {any} to @param {number} gap */
export function link(from, to) {
  const x0 = from.x + from.width + (from.block ? 12 : 5), y0 = from.y + from.height / 2, circle = to.lead || to.bare, y1 = to.y + to.height / 2
  const x1 = to.bare ? to.x : to.x - (to.lead || 6)
  if (to.lane !== undefined && to.ends && !to.ends.has(from)) {  // passes others: down, along the lane, and up into the join
    const a = x0 + 7, b = circle ? x1 + (to.bare ? to.width : to.lead - 4) / 2 : x1 - 8, low = to.lane
    const end = circle ? `V${y1 + 11}` : `V${y1 + R} Q${b},${y1} ${b + R},${y1} H${x1}`
    return `M${x0},${y0} Q${a},${y0} ${a},${y0 + R} V${low - R} Q${a},${low} ${a + R},${low} H${b - R} Q${b},${low} ${b},${low - R} ${end}`
  }
  if (to.aside) { const a = x0 + 7; return `M${x0},${y0} Q${a},${y0} ${a},${y0 + R} V${y1 - R} Q${a},${y1} ${a + R},${y1} H${x1}` }
  const bend = Math.min(x1 - x0, 44)
  return y0 === y1 ? `M${x0},${y0} H${x1}` : `M${x0},${y0} H${x1 - bend} C${x1 - bend / 2},${y0} ${x1 - bend / 2},${y1} ${x1},${y1}`
}
