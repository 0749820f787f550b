// @ts-check
// The lists of events: refused beside accepted where there is room, else one list of all.
import { byId } from './dom.js'
import { Lane } from './lane.js'

/** @typedef {import('./api.js').Entry} Entry */
/** @typedef {'refused' | 'accepted' | 'all'} LaneName */

const HOW_TO_SEND = 'POST an event to /v1/events, or send one from Schemas or Compose.'
/** @type {Record<LaneName, string>} */
const WHY_EMPTY = {
  refused: 'Nothing was refused.',
  accepted: `Nothing was accepted yet. ${HOW_TO_SEND}`,
  all: `Nothing has arrived yet. ${HOW_TO_SEND}`,
}
const NO_MATCH = 'No event that the page holds matches the filters.'

const wide = matchMedia('(min-width: 1240px)')
const narrow = matchMedia('(max-width: 899px)')

/** One pane at a time has room. */
export function isNarrow() {
  return narrow.matches
}

export class Lists {
  isPaused = false
  #lanes
  /** @type {LaneName[]} */
  #shown = []
  /** @type {LaneName} */
  #current = 'all'
  /** @type {Entry | null} */
  #marked = null

  /** @param {{ onOpen(entry: Entry, how: { soon: boolean }): void, onResize(): void }} told */
  constructor({ onOpen, onResize }) {
    /** @param {LaneName} name @param {string} title */
    const lane = (name, title) =>
      new Lane(name, title, {
        onMove: (entry, isClick) => {
          this.mark(entry)
          if (isClick || !isNarrow()) onOpen(entry, { soon: !isClick })
        },
        onFocus: () => {
          this.#current = name
        },
      })
    this.#lanes = {
      refused: lane('refused', 'Refused'),
      accepted: lane('accepted', 'Accepted'),
      all: lane('all', 'Events'),
    }
    wide.addEventListener('change', onResize)
  }

  /** The list that has the focus, or had it last. */
  get current() {
    return this.#lanes[this.#current]
  }

  /** @param {string} outcome the filter's; a single outcome needs one list only */
  arrange(outcome) {
    /** @type {LaneName[]} */
    const next = wide.matches && outcome === '' ? ['refused', 'accepted'] : ['all']
    if (next.join() === this.#shown.join()) return
    this.#shown = next
    if (!next.includes(this.#current)) this.#current = /** @type {LaneName} */ (next[0])
    byId('lanes').replaceChildren(...next.map(name => this.#lanes[name].element))
    this.mark(this.#marked)
  }

  /** @param {Entry[]} entries the newest last @param {boolean} isFiltered */
  show(entries, isFiltered) {
    for (const name of this.#shown)
      this.#lanes[name].show(
        entries.filter(entry => belongsIn(entry, name)),
        isFiltered ? NO_MATCH : WHY_EMPTY[name],
      )
  }

  /** @param {Entry | null} entry */
  mark(entry) {
    this.#marked = entry
    for (const name of this.#shown) {
      const isHere = entry !== null && belongsIn(entry, name)
      this.#lanes[name].activate(isHere ? entry : null)
      if (isHere) this.#current = name
    }
  }

  /** @param {number} index from the left */
  switchTo(index) {
    const name = this.#shown[Math.min(index, this.#shown.length - 1)]
    if (name === undefined) return
    this.#current = name
    this.current.focus()
    if (!this.current.active) this.current.move(0)
  }

  togglePause() {
    this.isPaused = !this.isPaused
    byId('pause').setAttribute('aria-pressed', String(this.isPaused))
    byId('pause').textContent = this.isPaused ? 'Resume' : 'Pause'
    byId('view-events').classList.toggle('paused', this.isPaused)
  }
}

/** @param {Entry} entry @param {LaneName} name */
function belongsIn({ outcome }, name) {
  return name === 'all' || (name === 'accepted') === (outcome === 'accepted')
}
