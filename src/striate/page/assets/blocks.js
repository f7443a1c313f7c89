// The columns of the diagram: layers, gathered; branches and joins; blocks that fold into one column and unfold.

/**
 * One column: `names` of its layers, the one whose maps are `shown`; of a folded block the `block` and its `last` column. What
 * joins several has the `symbol` of its circle; it is `bare` where its maps are those of its branches over again: no maps, then.
 * @typedef {{names: string[], shown: string, inputs: Stage[], depth?: number, ofInput?: boolean, block?: Block, last?: Stage, symbol?: string, bare?: boolean,
 *   x?: number, y?: number, width?: number, height?: number, lead?: number, slot?: number, lane?: number, ends?: Set<Stage>, aside?: boolean,
 *   label?: string, box?: HTMLElement, canvas?: HTMLCanvasElement, name?: HTMLElement, atlas?: HTMLCanvasElement, columns?: number, mapWidth?: number,
 *   mapHeight?: number, gap?: number, across?: number, rows?: number, down?: boolean, image?: ImageData, pixels?: Uint32Array, limit?: number, texture?: WebGLTexture, span?: number[], flag?: any}} Stage
 * @typedef {{kind: 'stage', stage: Stage}} One
 * @typedef {{kind: 'fork', branches: Item[][], join: Stage}} Fork
 * @typedef {{kind: 'tangle', stages: Stage[]}} Tangle
 * @typedef {{kind: 'head', items: Item[]}} Head
 * @typedef {{kind: 'block', id: string, name: string, items: Item[], copies: number, run: boolean, layers: number, open: boolean, depth: number, stages: Stage[], column: Stage}} Block
 * @typedef {One|Fork|Tangle|Head|Block} Item
 */

const FEW = 3  // columns that are worth folding
const WHOLE = 0.6  // a group with so large a share of the network is the network: it is never one column

/** The stages of some items, in order. @param {Item[]} items @returns {Stage[]} */
export const stagesIn = items => items.flatMap(item =>
  item.kind === 'stage' ? [item.stage] : item.kind === 'fork' ? [...item.branches.flatMap(stagesIn), item.join] : item.kind === 'tangle' ? item.stages : stagesIn(item.items))

/** The tree of the network, with what is folded. */
export class Blocks {
  /** @param {any[]} tree the scene's @param {Stage[]} stages in order @param {(name: string) => string} op */
  constructor(tree, stages, op) {
    this.stages = stages
    this.first = new Map(stages.map(stage => [stage.names[0], stage]))
    /** @type {Block[]} */
    this.all = []
    this.ids = new Set()
    for (const stage of stages) {
      const joins = { add: '+', multiply: '\u00d7', concat: 'concat' }[op(stage.names[0])]
      if (joins) stage.symbol = joins
      stage.bare = joins === 'concat' && stage.names.length === 1 && stage !== stages.at(-1)
    }
    this.items = this.read(tree, 0)
  }

  /** @returns {Item[]} */
  read(list, depth) {
    /** @type {Item[]} */
    const items = []
    for (const entry of list) {
      if (typeof entry === 'string') { const stage = this.first.get(entry); if (stage) items.push({ kind: 'stage', stage }) }
      else if (entry.branches) items.push({ kind: 'fork', branches: entry.branches.map(branch => this.read(branch, depth)), join: this.first.get(entry.join[0]) })
      else if (entry.tangle) items.push({ kind: 'tangle', stages: entry.tangle.map(name => this.first.get(name)).filter(Boolean) })
      else if (entry.head) items.push({ kind: 'head', items: this.block(names(entry.head), [entry.head], entry.head, depth) })
      else if (entry.run) items.push(...this.run(entry.run, depth))
      else {
        const [only, ...more] = entry.items  // a group of nothing but copies is one block
        items.push(...(only.run && !more.length ? this.block(entry.block, only.run, null, depth) : this.block(entry.block, [entry.items], entry.items, depth)))
      }
    }
    return items
  }

  /** Copies of the same. */
  run(copies, depth) {
    const of = names(copies[0]) === names(copies.at(-1)) ? copy => layersIn(copy)[0] : names
    const [a, z] = [of(copies[0]), of(copies.at(-1)).split('.').at(-1)], same = /^(\D*)(.*)$/.exec(a.split('.').at(-1))[1]
    return this.block(`${a}\u2013${z.startsWith(same) ? z.slice(same.length) : z}`, copies, null, depth, true)  // block2-3
  }

  /** What folds, or its items where folding would gain nothing or take all. */
  block(name, copies, items, depth, run = false) {
    const at = this.all.length, found = items ? this.read(items, depth + 1) : copies.flatMap(copy => (copy.length > 1 ? this.block(names(copy), [copy], copy, depth + 1) : this.read(copy, depth + 1)))
    const stages = stagesIn(found)
    if (stages.length < FEW || (items && stages.length > WHOLE * this.stages.length)) return found
    let id = name
    for (let n = 2; this.ids.has(id); n++) id = `${name} ${n}`
    this.ids.add(id)
    const last = stagesIn(found.filter(item => item.kind !== 'head')).at(-1)
        /** @type {any} */
    const block = { kind: 'block', id, name, items: found, copies: items ? found.filter(item => item.kind === 'block').reduce((n, b) => n + (b.run ? b.copies : 1), 0) : copies.length, run, layers: layersIn(copies.flat()).length, open: true, depth, stages }
    block.column = { names: stages.flatMap(stage => stage.names), shown: last.shown, inputs: [], block, last }
    this.all.splice(at, 0, block)  // before those inside it
    return [block]
  }

  /** What stands on the page: items in which a folded block is its column. @param {Item[]} items @returns {Item[]} */
  shown(items = this.items) {
    return items.map(item =>
      item.kind === 'block' ? (item.open ? { ...item, block: item, items: this.shown(item.items) } : { kind: 'stage', stage: item.column })
        : item.kind === 'fork' ? { ...item, branches: item.branches.map(branch => this.shown(branch)) }
          : item.kind === 'head' ? { ...item, items: this.shown(item.items) } : item)
  }

  /** The columns that have maps. */
  count() { return stagesIn(this.shown()).filter(stage => !stage.bare).length }

  /** Unfolds as many levels as there are columns for. @param {number} columns */
  fit(columns) {
    const deepest = Math.max(0, ...this.all.map(block => block.depth + 1))
    for (let level = deepest; level >= 0; level--) {
      for (const block of this.all) block.open = block.depth < level
      if (this.count() <= columns) return
    }
  }

  /** The blocks around a layer that are folded, the outermost first. @param {string} name */
  around(name) { return this.all.filter(block => !block.open && block.column.names.includes(name)).sort((a, b) => a.depth - b.depth) }

  /** What the address says of it: "all", "none", or the open ones. */
  state() { const open = this.all.filter(block => block.open); return open.length === this.all.length ? ['all'] : open.length ? open.map(block => block.id) : ['none'] }
  /** @param {string[]} ids */
  restore(ids) { for (const block of this.all) block.open = ids[0] === 'all' || ids.includes(block.id) }
}

/** What the names of all layers in a list begin with, or the first. */
function names(list) {
  const all = layersIn(list), parts = all.map(name => name.split('.'))
  let n = 0
  while (n < parts[0].length - 1 && parts.every(p => p[n] === parts[0][n])) n++
  return n ? parts[0].slice(0, n).join('.') : all[0]
}
const layersIn = list => list.flatMap(entry => (typeof entry === 'string' ? [entry] : entry.branches ? [...entry.branches.flatMap(layersIn), ...entry.join] : layersIn(entry.tangle ?? entry.head ?? entry.items ?? entry.run.flat())))

/** The parts of a name; a number belongs to what it counts: backbone, layer1.0, conv2. @param {string} name @returns {string[]} */
const parted = name => name.split('.').reduce((parts, part) => (parts.length && /^\d/.test(part) ? [...parts.slice(0, -1), `${parts.at(-1)}.${part}`] : [...parts, part]), [])

/**
 * Short names that are all different: of the beginning that no other name has the last part, and before it those parts in
 * which names with the same last part differ. @param {string[]} names @returns {Map<string, string>}
 */
export function shortNames(names) {
  const short = new Map(), begins = new Map(), cut = new Map()
  const beginnings = name => parted(name).map((_, i, parts) => parts.slice(0, i + 1).join('.'))
  for (const name of new Set(names)) for (const begin of beginnings(name)) begins.set(begin, (begins.get(begin) ?? 0) + 1)
  for (const name of new Set(names)) cut.set(name, beginnings(name).find(begin => begins.get(begin) === 1) ?? name)
  /** Names that agree in their last part and in the first `at`; `kept` are the parts that are kept of those. */
  const part = (group, at, kept) => {
    if (group.length === 1) return void short.set(group[0].join('.'), [...kept, group[0].at(-1)].join('.'))
    const next = new Map()
    for (const parts of group) { const key = at < parts.length - 1 ? parts[at] : ''; next.set(key, [...(next.get(key) ?? []), parts]) }
    for (const [key, some] of next) part(some, at + 1, next.size > 1 && key ? [...kept, key] : kept)
  }
  const byLast = new Map()
  for (const name of cut.values()) { const parts = parted(name); byLast.set(parts.at(-1), [...(byLast.get(parts.at(-1)) ?? []), parts]) }
  for (const group of byLast.values()) part(group, 0, [])
  const taken = new Map()
  for (const s of short.values()) taken.set(s, (taken.get(s) ?? 0) + 1)
  return new Map([...cut].map(([name, begin]) => [name, taken.get(short.get(begin)) > 1 ? name : short.get(begin)]))
}
