// What the pages make their elements with, and what they all ask of keys, motion and theme.
import { theme } from 'striate/colour'

const SVG = 'http://www.w3.org/2000/svg'

/** @returns {any} */
export const byId = id => document.getElementById(id)

/** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {any} [properties] @param {...(Node|string)} children @returns {HTMLElementTagNameMap[K]} */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) name in element ? (element[name] = value) : element.setAttribute(name, value)
  element.append(...children)
  return element
}

/** @param {string} tag @param {any} attributes @param {Element} [parent] */
export function svg(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  parent?.append(element)
  return element
}

/** Where the arrow keys lead: down, right. @type {Object<string, number[]>} */
export const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }

/** Whether nothing is to move. */
export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches

/** Dark or light; the button names the other. @param {boolean} on */
export function darken(on) { theme.dark = on; document.documentElement.dataset.theme = on ? 'dark' : 'light'; byId('theme').textContent = on ? 'Light' : 'Dark' }
