// @ts-check
// What somebody wants to keep by, in their own browser: it outlives the service's memory and a reload.
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

  /** @param {Entry} entry @returns {string} what was done */
  toggle(entry) {
    if (this.has(entry)) {
      this.all = this.all.filter(pin => !isSameEntry(pin, entry))
      write(this.all)
      return 'Unpinned.'
    }
    const next = [entry, ...this.all]
    if (next.length > MAX_PINS || JSON.stringify(next).length > MAX_LENGTH)
      return `Not pinned: ${this.all.length} are pinned already, which is all there is room for.`
    this.all = next
    write(next)
    return 'Pinned: it stays here when the service forgets it.'
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
    // There is no room, or it is forbidden: they last as long as the page.
  }
}
