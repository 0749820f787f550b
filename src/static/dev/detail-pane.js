// @ts-check
// The pane of the chosen event, opened from the lists, the pins and the URL.
import { api } from './api.js'
import { detailView, wholeOf } from './detail.js'
import { byId, say } from './dom.js'
import { isNarrow } from './lists.js'
import { isSameEntry } from './store.js'

/** @typedef {import('./api.js').Entry} Entry */

/** Moving through a list quickly fetches only the event where it stops. */
const SETTLE_MS = 80

export class DetailPane {
  /** @type {Entry | null} */
  chosen = null
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #opening
  /** Counts what was asked for, so that a late answer does not undo a newer choice. */
  #asked = 0
  #url
  #lists
  #find
  #actions

  /**
   * @param {import('./url-state.js').UrlState} url
   * @param {import('./lists.js').Lists} lists
   * @param {(seq: number) => Entry | undefined} find what the page itself holds
   * @param {import('./detail.js').Actions} actions
   */
  constructor(url, lists, find, actions) {
    this.#url = url
    this.#lists = lists
    this.#find = find
    this.#actions = actions
  }

  /** @param {Entry} entry @param {{ soon?: boolean, focus?: boolean }} [how] */
  open(entry, { soon = false, focus = false } = {}) {
    this.#choose(entry)
    const replace = this.#url.current.entry !== ''
    clearTimeout(this.#opening)
    this.#opening = setTimeout(
      () => {
        this.#url.go({ view: 'events', entry: String(entry.seq) }, { replace })
        void this.#show(entry, focus)
      },
      soon ? SETTLE_MS : 0,
    )
  }

  close() {
    const entry = this.chosen
    this.#choose(null)
    clearTimeout(this.#opening)
    this.#url.go({ entry: '' })
    this.#lists.mark(entry)
    this.#lists.current.focus()
  }

  /** Draws the entry again if it is the chosen one. @param {Entry} entry */
  redraw(entry) {
    if (this.chosen && isSameEntry(entry, this.chosen)) void this.#show(this.chosen)
  }

  /** Shows what the URL names. @param {boolean} isChanged whether the URL named another entry before */
  follow(isChanged) {
    const { entry } = this.#url.current
    if (entry === '') this.#choose(null)
    this.#layOut()
    if (entry !== '' && (isChanged || this.chosen === null)) void this.#openOfUrl(Number(entry))
  }

  /** @param {number} seq */
  async #openOfUrl(seq) {
    if (this.chosen?.seq === seq) return
    try {
      const entry = await api.entry(seq)
      if (Number(this.#url.current.entry) === seq) await this.#show(entry)
    } catch (error) {
      const held = this.#find(seq)
      if (held) return this.#show(held)
      say(/** @type {Error} */ (error).message)
      this.#choose(null)
      this.#url.go({ entry: '' }, { replace: true })
    }
  }

  /** @param {Entry} entry @param {boolean} [focus] */
  async #show(entry, focus = false) {
    const asked = this.#choose(entry)
    const { entry: whole, isWhole } = await wholeOf(entry)
    if (asked !== this.#asked) return
    this.chosen = whole
    const box = byId('detail')
    // Drawing it anew must not lose the focus that is in it.
    const focused = box.contains(document.activeElement)
      ? document.activeElement?.getAttribute('title')
      : null
    box.replaceChildren(...detailView(whole, isWhole, this.#actions))
    box.scrollTop = 0
    this.#layOut()
    this.#lists.mark(whole)
    if (focus || (isNarrow() && !focused)) byId('detail-title').focus()
    else if (focused) box.querySelector(`[title="${CSS.escape(focused)}"]`)?.focus()
  }

  /** @param {Entry | null} entry */
  #choose(entry) {
    this.chosen = entry
    return ++this.#asked
  }

  #layOut() {
    const isOpen = this.chosen !== null && this.#url.current.entry !== ''
    byId('detail').hidden = !isOpen
    byId('overview').hidden = isOpen
    byId('view-events').classList.toggle('opened', isOpen)
  }
}
