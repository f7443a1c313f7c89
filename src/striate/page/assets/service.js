// The page of the prediction service: an image is dropped, or a sentence typed, and the service's own answer is shown.

import { byId, darken, el } from 'striate/dom'

const MOST = 5  // rows of an answer
/** A share as a percentage, never quite 0 or 1 where it is not. @param {number} p */
const percent = p => p > 0 && p < 0.0005 ? '< 0.1%' : p < 1 && p > 0.9995 ? '> 99.9%' : `${(100 * p).toFixed(1)}%`

class Client {
  constructor() {
    this.token = decodeURIComponent(location.hash.slice(1))
    this.about = /** @type {any} */ (null)
  }
  /** @param {string} path @param {RequestInit} [how] */
  async ask(path, how = {}) {
    /** @type {Record<string, string>} */
    const headers = { ...(this.token && { Authorization: `Bearer ${this.token}` }), .../** @type {Record<string, string>} */ (how.headers) }
    let reply
    try { reply = await fetch(path, { ...how, headers }) } catch { throw new Error('the service does not answer; is it still running?') }
    const body = await reply.json().catch(() => ({ error: `the service answers ${reply.status}` }))
    if (!reply.ok) throw Object.assign(new Error(body.error), { status: reply.status })
    return body
  }
}

/** The rows of an answer: a name, a number between 0 and 1 or null, and what is written. @param {any} answer @returns {[string, number|null, string][]} */
function rows(answer) {
  const of = (/** @type {any[]} */ list, /** @type {string} */ key) => list.map(one => /** @type {[string, number, string]} */ ([one.class ?? one.label, one[key], percent(one[key])]))
  if (answer.top) return of(answer.top, 'probability')
  if (answer.probabilities) return of(answer.probabilities, 'probability').sort((a, b) => (b[1] ?? 0) - (a[1] ?? 0))
  if (answer.classes) return of(answer.classes, 'share')
  if (answer.values) return Object.entries(answer.values).map(([name, value]) => [name, null, Number(value).toPrecision(5)])
  return []
}

/** What an answer says, in a few words. @param {any} answer */
function says(answer) {
  if (answer.known === false) return `unknown (perhaps ${answer.class})`
  if (answer.class !== undefined) return answer.class
  if (answer.labels) return answer.labels.join(', ') || 'none of the labels'
  return ''
}

/** @param {any} answer @param {File|undefined} file @param {Record<string, string>} [colours] of the classes in a mask */
function shown(answer, file, colours = {}) {
  const text = el('div', {}, el('h2', {}, answer.text ?? file?.name ?? answer.file ?? ''))
  if (answer.error) text.append(el('p', { className: 'message', textContent: answer.error.replace(`${file?.name}: `, '') }))
  if (says(answer)) text.append(el('p', { className: 'says', textContent: says(answer) }))
  const all = rows(answer)
  if (all.length) text.append(el('table', {}, ...all.slice(0, MOST).map(([name, share, written]) => {
    const bar = el('div')
    bar.style.width = `${100 * (share ?? 0)}%`
    bar.style.background = colours[name] ?? ''
    return el('tr', {}, el('td', {}, name), el('td', {}, ...(share === null ? [] : [el('div', { className: 'track' }, bar)])), el('td', {}, written))
  })))
  const notes = [all.length > MOST ? `${all.length - MOST} more` : '', answer.unlike_training ? `unlike the training items: ${answer.unlike_training.join(', ')}` : answer.out_of_distribution ? 'unlike what the model was trained on' : '', answer.classes ? 'of the pixels' : '']
  if (notes.some(Boolean)) text.append(el('p', { className: 'note', textContent: notes.filter(Boolean).join('; ') }))
  if (!file?.type.startsWith('image/')) return el('article', { className: 'answer plain' }, text)
  const image = el('img', { alt: '', src: URL.createObjectURL(file) })
  image.onload = () => { image.classList.toggle('small', image.naturalWidth < 100); URL.revokeObjectURL(image.src) }
  const mask = answer.mask ? [el('img', { alt: 'The class of each pixel', src: `data:image/png;base64,${answer.mask}` })] : []
  return el('article', { className: 'answer' }, el('div', { className: 'pictures' }, image, ...mask), text)
}

export async function start() {
  const client = new Client(), fault = byId('fault'), answers = byId('answers'), key = byId('key')
  darken(matchMedia('(prefers-color-scheme: dark)').matches)
  byId('theme').onclick = () => darken(document.documentElement.dataset.theme !== 'dark')

  /** @param {() => Promise<void>} does */
  const trying = async does => {
    fault.textContent = ''
    document.body.setAttribute('aria-busy', 'true')
    try { await does() } catch (error) {
      fault.textContent = error.status !== 401 ? error.message : client.token ? 'this is not the token of this service' : ''
      if (error.status === 401) key.hidden = false
    }
    document.body.removeAttribute('aria-busy')
  }
  const about = () => trying(async () => {
    client.about = await client.ask('/model')
    const { contract } = client.about, text = contract.mode === 'text', images = ['L', 'RGB', 'RGBA'].includes(contract.mode)
    const of = contract.classes.slice(0, 6).join(', ') + (contract.classes.length > 6 ? ` and ${contract.classes.length - 6} more` : '')
    byId('facts').textContent = `${contract.task ?? 'classification'}: ${of}`
    byId('ask').hidden = false
    key.hidden = true
    byId('drop').hidden = text
    byId('sentence').hidden = !text
    const token = client.token && '-H "Authorization: Bearer TOKEN" '
    byId('command').textContent = `curl ${token}${text ? '-d "a sentence"' : `-F file=@${images ? 'photo.jpg' : 'item.npy'}`} ${location.origin}/predict`
    if (!text && !images) byId('drop').children[1].textContent = 'Drop a .npy file here'
  })
  /** @param {File[]} files */
  const predict = files => trying(async () => {
    if (!files.length) return
    const most = client.about.limits.max_bytes, size = files.reduce((sum, file) => sum + file.size, 0)
    if (size > most) throw new Error(`this is ${(size / 1e6).toFixed(1)} MB; the service takes ${(most / 1e6).toFixed(1)} MB at most`)
    const form = new FormData()
    for (const file of files) form.append('file', file)
    const found = await client.ask(Object.keys(client.about.mask_colours).length ? '/predict?mask=yes' : '/predict', { method: 'POST', body: form })
    answers.prepend(...found.map((/** @type {any} */ answer, /** @type {number} */ i) => shown(answer, files[i], client.about.mask_colours)))
  })

  const file = byId('file'), drop = byId('drop')
  file.onchange = async () => { await predict([...file.files ?? []]); file.value = '' }
  const over = (/** @type {DragEvent} */ event) => { event.preventDefault(); drop.classList.toggle('over', event.type === 'dragover') }
  document.ondragover = document.ondragleave = over
  document.ondrop = event => { over(event); if (!drop.hidden) predict([...event.dataTransfer?.files ?? []]) }
  document.onpaste = event => { if (!drop.hidden && event.clipboardData?.files.length) predict([...event.clipboardData.files]) }
  byId('sentence').onsubmit = event => {
    event.preventDefault()
    const text = byId('text').value
    trying(async () => { answers.prepend(...(await client.ask('/predict', { method: 'POST', body: JSON.stringify({ text }), headers: { 'Content-Type': 'application/json' } })).map((/** @type {any} */ answer) => shown(answer, undefined))) })
  }
  key.onsubmit = event => { event.preventDefault(); client.token = byId('token').value.trim(); about() }
  await about()
}
