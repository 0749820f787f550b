// @ts-check
// Pinned events, stored in the browser: they outlive the service's memory and a reload.
import { byId, h } from './dom.js'
import { reasonOf, SIGN, WORD } from './lane.js'
import { isSameEntry } from './store.js'

/** @typedef {import('./api.js').Entry} Entry */

const KEY = 'eventgate.pins'
const MAX_PINS = 50
const MAX_LENGTH = 1024 * 1024

export class Pins {
  /** The newest first. @type {Entry[]} */
  all = read()

  /** @param {Entry} entry */
  has(entry) {
    return this.all.some(pin => isSameEntry(pin, entry))
  }

  /** @param {Entry} entry @returns {string} what to tell the user */
  toggle(entry) {
    if (this.has(entry)) {
      this.all = this.all.filter(pin => !isSameEntry(pin, entry))
      write(this.all)
      return 'Unpinned.'
    }
    const next = [entry, ...this.all]
    if (next.length > MAX_PINS || JSON.stringify(next).length > MAX_LENGTH)
      return `Not pinned: there is no room beside the ${this.all.length} that are pinned.`
    this.all = next
    write(next)
    return 'Pinned: it stays here after the service forgets it.'
  }
}

/** @returns {Entry[]} */
function read() {
  try {
    const pins = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(pins)
      ? pins.filter(pin => typeof pin?.seq === 'number' && typeof pin.outcome === 'string')
      : []
  } catch {
    return []
  }
}

/** @param {Entry[]} pins */
function write(pins) {
  try {
    localStorage.setItem(KEY, JSON.stringify(pins))
  } catch {
    // The browser stores nothing: pins last as long as the page.
  }
}

/** @param {Entry[]} pins @param {{ open(entry: Entry): void, unpin(entry: Entry): void }} actions */
export function showPins(pins, { open, unpin }) {
  byId('pins').hidden = pins.length === 0
  byId('pin-list').replaceChildren(
    ...pins.map(pin =>
      h('li', null, [
        h(
          `button.pin.${pin.outcome in SIGN ? pin.outcome : 'unknown'}`,
          { type: 'button', onclick: () => open(pin) },
          [
            h('span.sign', { 'aria-hidden': 'true' }, SIGN[pin.outcome] ?? '?'),
            h('span.visually-hidden', null, `${WORD[pin.outcome] ?? ''}: `),
            h('span.stream', null, `#${pin.seq} ${pin.stream ?? '(no stream)'}`),
            h('span.what', null, pin.outcome === 'accepted' ? (pin.schema_uri ?? '') : reasonOf(pin)),
          ],
        ),
        h(
          'button.icon',
          { type: 'button', 'aria-label': `Unpin #${pin.seq}`, onclick: () => unpin(pin) },
          '✕',
        ),
      ]),
    ),
  )
}
