// @ts-check
// `h` makes elements, and nothing parses markup: what an event says stays text.

/**
 * @param {string} tag with classes: 'p.note'
 * @param {Record<string, any> | null} [props] attributes; functions as `onclick`; undefined and false are left out
 * @param {...(Node | string | number | null | undefined | false | (Node | string | null | undefined | false)[])} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split('.')
  const element = document.createElement(/** @type {string} */ (name))
  if (classes.length > 0) element.className = classes.join(' ')
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (typeof value === 'function') element.addEventListener(key.slice(2), value)
    else if (key === 'value' || key === 'checked') /** @type {any} */ (element)[key] = value
    else element.setAttribute(key, value === true ? '' : String(value))
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(typeof child === 'number' ? String(child) : child)
    }
  }
  return element
}

/** @param {string} tag @param {Record<string, string | number>} props @returns {SVGElement} */
export function svg(tag, props) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [key, value] of Object.entries(props)) element.setAttribute(key, String(value))
  return element
}

/** @param {string} id @returns {any} */
export function byId(id) {
  return document.getElementById(id)
}

/** Acts on a click that opens no new tab or window. @param {() => void} act */
export function onPlainClick(act) {
  return (/** @type {Event} */ event) => {
    const { ctrlKey, metaKey, shiftKey } = /** @type {MouseEvent} */ (event)
    if (ctrlKey || metaKey || shiftKey) return
    event.preventDefault()
    act()
  }
}

/** Tells screen readers, and shows for a while. @param {string} text @param {Node} [more] */
export function say(text, more) {
  const box = byId('toast')
  box.replaceChildren(text, ...(more ? [' ', more] : []))
  box.classList.add('shown')
  clearTimeout(say.timer)
  say.timer = setTimeout(() => box.classList.remove('shown'), 8000)
}
/** @type {ReturnType<typeof setTimeout> | undefined} */
say.timer = undefined

/** @param {string} text @param {string} what */
export async function copy(text, what) {
  try {
    // Pages that came by plain HTTP from another machine have no clipboard.
    if (navigator.clipboard) await navigator.clipboard.writeText(text)
    else copyBySelection(text)
    say(`Copied ${what}.`)
  } catch (error) {
    say(`Could not copy: ${/** @type {Error} */ (error).message}`)
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const area = /** @type {HTMLTextAreaElement} */ (h('textarea', { value: text, 'aria-hidden': 'true' }))
  const active = /** @type {HTMLElement | null} */ (document.activeElement)
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  active?.focus()
  if (!done) throw new Error('the browser does not allow it')
}
