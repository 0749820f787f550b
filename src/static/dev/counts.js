// @ts-check
// Asks for the counts, now and then, and shows them.
import { api } from './api.js'
import { byId } from './dom.js'
import { showOverview } from './overview.js'

/** @typedef {import('./overview.js').Counts} Counts */

const MIN_MS = 1000
/** The timeline moves on when nothing arrives, too. */
const TICK_MS = 3000
/** Screen readers hear of refused events no more often than this. */
const ANNOUNCE_MS = 15_000

export class CountsPane {
  /** @type {Counts | null} */
  latest = null
  #url
  #onCounted
  #isDue = false
  #announced = -1
  #announcedAt = 0

  /** @param {import('./url-state.js').UrlState} url @param {() => void} onCounted */
  constructor(url, onCounted) {
    this.#url = url
    this.#onCounted = onCounted
    setInterval(() => {
      if (url.current.view === 'events' && (this.latest?.timeline.length ?? 0) > 0) this.refreshSoon()
    }, TICK_MS)
  }

  refreshSoon() {
    if (this.#isDue) return
    this.#isDue = true
    setTimeout(
      () => {
        this.#isDue = false
        void this.refresh()
      },
      this.latest === null ? 0 : MIN_MS,
    )
  }

  async refresh() {
    if (document.hidden) return
    try {
      this.latest = await api.counts()
    } catch {
      return
    }
    this.show()
    this.#onCounted()
  }

  clear() {
    this.latest = null
    this.#announced = -1
  }

  show() {
    if (!this.latest) return
    const total = showOverview(
      this.latest,
      (name, value) => this.#url.go({ [name]: value }),
      this.#url.current,
    )
    this.#announce(total.refused + total.failed)
  }

  /** @param {number} refused */
  #announce(refused) {
    if (this.#announced < 0 || refused < this.#announced) this.#announced = refused
    if (refused === this.#announced || Date.now() - this.#announcedAt <= ANNOUNCE_MS) return
    byId('announcer').textContent = `${refused - this.#announced} more refused`
    this.#announced = refused
    this.#announcedAt = Date.now()
  }
}
