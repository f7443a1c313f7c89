// Images of one's own: from a file, by drop, by paste, from the camera; each as its pixels.
import { el } from 'striate/dom'

/** @param {HTMLCanvasElement} canvas @param {CanvasImageSource} source */
function drawn(canvas, source, width, height) {
  Object.assign(canvas, { width, height })
  const g = canvas.getContext('2d', { willReadFrequently: true })
  g.fillStyle = '#000'  // what is transparent is black
  g.fillRect(0, 0, width, height)
  g.drawImage(source, 0, 0)
  return g.getImageData(0, 0, width, height)
}

/** The pixels with their alpha, which a 2-D canvas does not give back as they are. @param {ImageBitmap} bitmap */
function withAlpha(bitmap) {
  const { width, height } = bitmap, gl = el('canvas').getContext('webgl2'), image = new ImageData(width, height)
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) throw new Error('no texture')
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture())
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap)
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D)
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer())
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0)
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(image.data.buffer))
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return image
}

/**
 * The numbers in an image file, upright, without any colour management, as Pillow has them.
 * @param {Blob & {name?: string}} file @param {boolean} alpha @returns {Promise<ImageData>}
 */
export async function pixelsOf(file, alpha = false) {
  const name = file.name ?? 'the image'
  if (!file.size) throw new Error(`${name}: the file is empty`)
  let bitmap
  try { bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none', premultiplyAlpha: alpha ? 'none' : 'default' }) } catch { throw new Error(`${name}: not an image that this browser reads; use PNG, JPEG or WebP`) }
  try { return alpha ? withAlpha(bitmap) : drawn(el('canvas'), bitmap, bitmap.width, bitmap.height) } catch { throw new Error(`${name}: ${bitmap.width}\u00d7${bitmap.height} pixels are too many for this browser; use a smaller copy`) } finally { bitmap.close() }
}

const REFUSED = { NotAllowedError: 'the camera was not allowed', NotFoundError: 'no camera was found', NotReadableError: 'the camera is used by another program' }

export class OwnImages {
  /** @param {{take: (image: ImageData, name: string) => void, begin: () => void, live: (image: ImageData) => void, say: (text: string) => void, alpha: boolean}} on */
  constructor(on) {
    this.on = on
    const file = el('input', { type: 'file', accept: 'image/*', multiple: true, hidden: true, onchange: () => { this.open([...file.files]); file.value = '' } })
    const button = (text, title, act) => el('button', { title, onclick: act }, text)
    this.camera = button('Camera', 'The picture of the camera, live', () => (this.video ? this.stop() : this.film()))
    this.camera.setAttribute('aria-pressed', 'false')
    this.buttons = [button('Open\u2026', 'Image files of your own; they may be dropped or pasted too', () => file.click()), file, ...(navigator.mediaDevices ? [this.camera] : [])]
    document.addEventListener('paste', e => { const found = [...e.clipboardData.files]; if (found.length) this.open(found) })
    document.addEventListener('dragover', e => { e.preventDefault(); document.body.classList.add('dropping') })
    for (const name of ['dragleave', 'dragend']) document.addEventListener(name, e => { if (!/** @type {DragEvent} */ (e).relatedTarget) document.body.classList.remove('dropping') })
    document.addEventListener('drop', e => { e.preventDefault(); document.body.classList.remove('dropping'); this.open([...e.dataTransfer.files]) })
  }

  /** Takes every file that is an image, the first one last, so that it is what is seen. @param {File[]} files */
  async open(files) {
    this.stop()
    const faults = []
    for (const file of files.reverse()) {
      try { this.on.take(await pixelsOf(file, this.on.alpha), file.name) } catch (error) { faults.unshift(error.message) }
    }
    this.on.say(faults.length > 1 ? `${faults[0]}; and ${faults.length - 1} more` : (faults[0] ?? ''))
  }

  /** The camera's pictures, each as soon as the one before has been taken, until `stop`. */
  async film() {
    this.on.say('')
    const video = (this.video = el('video')), canvas = el('canvas')
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: 'environment' } })
      Object.assign(video, { srcObject: this.stream, muted: true, playsInline: true })
      await video.play()
    } catch (error) { this.stop(); this.on.say(`The picture of the camera: ${REFUSED[error.name] ?? error.message}.`); return }
    if (this.video !== video) return this.stop()
    this.on.begin()
    this.camera.textContent = 'Stop camera'
    this.camera.setAttribute('aria-pressed', 'true')
    const step = () => {
      if (this.video !== video) return
      if (video.videoWidth) this.on.live(drawn(canvas, video, video.videoWidth, video.videoHeight))
      video.requestVideoFrameCallback ? video.requestVideoFrameCallback(step) : requestAnimationFrame(step)
    }
    step()
  }

  /** Ends the camera; the last picture stays. */
  stop() {
    this.stream?.getTracks().forEach(track => track.stop())
    this.stream = this.video = null
    this.camera.textContent = 'Camera'
    this.camera.setAttribute('aria-pressed', 'false')
  }
}
