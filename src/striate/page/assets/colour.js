// Colours for numbers, the same as in striate's figures: blue negative, near white zero, red positive; OKLCh in between.
// A second palette, green and violet, is for weights.

/** @param {number} l @param {number} c @param {number} h degrees @returns {number[]} bytes */
function srgb(l, c, h) {
  for (let i = 0; i < 40; i++) {
    const a = c * Math.cos((h * Math.PI) / 180), b = c * Math.sin((h * Math.PI) / 180)
    const [x, y, z] = [l + 0.3963377774 * a + 0.2158037573 * b, l - 0.1055613458 * a - 0.0638541728 * b, l - 0.0894841775 * a - 1.291485548 * b].map(v => v ** 3)
    const rgb = [4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z, -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z, -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z]
    if (rgb.every(v => v > -1e-4 && v < 1 + 1e-4)) return rgb.map(v => Math.round(255 * (v <= 0.0031308 ? 12.92 * Math.max(0, v) : 1.055 * Math.min(1, v) ** (1 / 2.4) - 0.055)))
    c *= 0.95  // what the screen cannot show loses chroma, not lightness
  }
  return [128, 128, 128]
}

const STEPS = 513
/** @param {number} negative hue @param {number} positive hue @param {boolean} dark */
function table(negative, positive, dark) {
  const colours = new Uint32Array(STEPS), css = []
  for (let i = 0; i < STEPS; i++) {
    const t = (2 * i) / (STEPS - 1) - 1, side = Math.abs(t), hue = t < 0 ? negative : positive
    const [r, g, b] = dark ? srgb(0.29 + 0.49 * side, 0.15 * side, hue) : srgb(0.976 - 0.536 * side, 0.16 * side, hue)
    colours[i] = (255 << 24) | (b << 16) | (g << 8) | r
    css.push(`rgb(${r},${g},${b})`)
  }
  return { colours, css }
}

const TABLES = { values: [table(258, 29, false), table(258, 29, true)], weights: [table(300, 150, false), table(300, 150, true)] }
export const theme = { dark: false }
const tableOf = kind => TABLES[kind][theme.dark ? 1 : 0]
const place = (v, limit) => (limit > 0 ? Math.round((Math.max(-1, Math.min(1, v / limit)) * 0.5 + 0.5) * (STEPS - 1)) : (STEPS - 1) / 2)

/** A number's colour as css. @param {number} v @param {number} limit @param {'values'|'weights'} kind */
export const css = (v, limit, kind = 'values') => tableOf(kind).css[place(v, limit)]
/** Black or white, which is read better on that colour; contrast is at least 4.5. */
export function inkOn(v, limit, kind = 'values') {
  const [r, g, b] = css(v, limit, kind).match(/\d+/g).map(n => { const c = Number(n) / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff'
}

/** Numbers as pixels. @param {Float32Array|Float64Array} data @param {number} from @param {number} count @param {number} limit @param {Uint32Array} pixels */
export function fill(data, from, count, limit, pixels, to = 0) {
  const { colours } = tableOf('values'), half = (STEPS - 1) / 2, factor = limit > 0 ? half / limit : 0
  for (let i = 0; i < count; i++) {
    let k = Math.round(data[from + i] * factor + half)
    pixels[to + i] = colours[k < 0 ? 0 : k > STEPS - 1 ? STEPS - 1 : k]
  }
}

/** The largest absolute value. */
export function limitOf(data, from = 0, end = data.length) { let m = 0; for (let i = from; i < end; i++) { const v = Math.abs(data[i]); if (v > m) m = v } return m }

/** The text of a number with a real minus sign; what is rounded to 0 has none. @param {string} text */
export const real = text => text.replace(/^-(?=[0.]+%?$)/, '').replace('-', '\u2212')

/** A number in few digits. */
export function short(v, tiny = 2) {
  const a = Math.abs(v)
  const text = Number.isInteger(v) && a < 1e5 ? String(v) : a >= 1e6 || a < 1e-4 ? v.toExponential(tiny) : a >= 100 ? v.toFixed(1) : a >= 10 ? v.toFixed(2) : v.toFixed(3)
  return real(text)
}

/** Distinct colours of the classes of a mask. */
export const classColour = (i, n) => { const [r, g, b] = srgb(i % 2 ? 0.72 : 0.6, 0.14, (i * 360) / Math.max(n, 1) + 20); return [r, g, b] }
