// @ts-check
// One list of events. Only the rows in sight are in the document.
import { h } from './dom.js'
import { isSameEntry } from './store.js'

/** @typedef {import('./api.js').Entry} Entry */

/** The height of a row, as `--row` in the styles. */
const ROW = 54
const BEYOND = 4

export const SIGN = { accepted: '✓', refused: '✗', failed: '!', unknown: '?' }
export const WORD = { accepted: 'Accepted', refused: 'Refused', failed: 'Failed', unknown: 'Unknown' }

export class Lane {
  /** The newest last. @type {Entry[]} */
  #items = []
  /** @type {Map<Entry, HTMLElement>} */
  #rows = new Map()
  /** @type {Entry | null} */
  #active = null
  #id
  #box
  #space
  #count
  #news
  #empty
  #unread = 0
  #onMove
  element

  /**
   * @param {string} id @param {string} title
   * @param {{ onMove(entry: Entry, isClick: boolean): void, onFocus(): void }} told
   */
  constructor(id, title, { onMove, onFocus }) {
    this.#id = id
    this.#onMove = onMove
    this.#space = h('div.space', { role: 'presentation' })
    this.#box = h('div.rows', {
      ...{ role: 'listbox', tabindex: 0, 'aria-labelledby': `${id}-title`, id: `${id}-rows` },
      onscroll: () => {
        if (this.#box.scrollTop < ROW) this.#read()
        this.render()
      },
      onfocus: onFocus,
      onclick: (/** @type {MouseEvent} */ event) => {
        const row = /** @type {Element} */ (event.target).closest('[role=option]')
        const found = [...this.#rows].find(([, element]) => element === row)
        if (found) this.#onMove(found[0], true)
      },
    })
    this.#box.append(this.#space)
    this.#count = h('span.count')
    this.#news = h('button.news', {
      type: 'button',
      hidden: true,
      onclick: () => this.#box.scrollTo({ top: 0 }),
    })
    this.#empty = h('p.empty')
    this.element = h(`section.lane.${id}`, { 'aria-labelledby': `${id}-title` }, [
      h('h2', { id: `${id}-title` }, [title, ' ', this.#count]),
      this.#news,
      this.#box,
      this.#empty,
    ])
    new ResizeObserver(() => this.render()).observe(this.#box)
  }

  get active() {
    return this.#active
  }

  focus() {
    this.#box.focus({ preventScroll: true })
  }

  /** @param {Entry[]} items the newest last @param {string} whyEmpty */
  show(items, whyEmpty) {
    const before = this.#items.at(-1)?.seq ?? 0
    const added = countAfter(items, before)
    this.#items = items
    const isScrolled = this.#box.scrollTop > ROW
    this.#space.style.height = `${items.length * ROW}px`
    if (isScrolled && added > 0 && added < items.length) {
      this.#box.scrollTop += added * ROW
      this.#unread += added
    }
    this.#count.textContent = String(items.length)
    this.#news.hidden = this.#unread === 0
    this.#news.textContent = `↑ ${this.#unread} new`
    this.#empty.textContent = items.length === 0 ? whyEmpty : ''
    this.render()
  }

  #read() {
    this.#unread = 0
    this.#news.hidden = true
  }

  render() {
    const { length } = this.#items
    const { scrollTop, clientHeight } = this.#box
    const first = Math.max(0, Math.floor(scrollTop / ROW) - BEYOND)
    const end = Math.min(length, Math.ceil((scrollTop + clientHeight) / ROW) + BEYOND)
    /** @type {Map<Entry, HTMLElement>} */
    const rows = new Map()
    for (let i = first; i < end; i++) {
      const entry = /** @type {Entry} */ (this.#items[length - 1 - i])
      const row = this.#rows.get(entry) ?? rowOf(entry, `${this.#id}-${entry.seq}`)
      rows.set(entry, row)
      row.style.transform = `translateY(${i * ROW}px)`
      row.setAttribute('aria-posinset', String(i + 1))
      row.setAttribute('aria-setsize', String(length))
      row.setAttribute('aria-selected', String(isSameEntry(entry, this.#active)))
      if (!this.#rows.has(entry)) this.#space.append(row)
    }
    for (const [entry, row] of this.#rows) if (!rows.has(entry)) row.remove()
    this.#rows = rows
    const active = [...rows.keys()].find(entry => isSameEntry(entry, this.#active))
    const row = active && rows.get(active)
    if (row) this.#box.setAttribute('aria-activedescendant', row.id)
    else this.#box.removeAttribute('aria-activedescendant')
  }

  /** @param {Entry | null} entry */
  activate(entry) {
    this.#active = entry
    const at = this.#indexOf(entry)
    if (at >= 0) {
      const index = this.#items.length - 1 - at
      const { scrollTop, clientHeight } = this.#box
      if (index * ROW < scrollTop) this.#box.scrollTop = index * ROW
      else if ((index + 1) * ROW > scrollTop + clientHeight)
        this.#box.scrollTop = (index + 1) * ROW - clientHeight
    }
    this.render()
  }

  /** @param {Entry | null} entry */
  #indexOf(entry) {
    return this.#items.findLastIndex(item => isSameEntry(item, entry))
  }

  /** Moves to the entry that is so many rows below the active one. @param {number} by */
  move(by) {
    const { length } = this.#items
    if (length === 0) return
    const at = this.#indexOf(this.#active)
    const index = at < 0 ? 0 : Math.min(length - 1, Math.max(0, length - 1 - at + by))
    this.#onMove(/** @type {Entry} */ (this.#items[length - 1 - index]), false)
  }

  get rowsSeen() {
    return Math.max(1, Math.floor(this.#box.clientHeight / ROW) - 1)
  }
}

/** @param {Entry[]} items @param {number} seq */
function countAfter(items, seq) {
  let count = 0
  while (count < items.length && /** @type {Entry} */ (items[items.length - 1 - count]).seq > seq) count++
  return count
}

/** @param {Entry} entry @param {string} id */
function rowOf(entry, id) {
  const { outcome, stream, schema_uri, received_at } = entry
  const what = outcome === 'accepted' ? (schema_uri ?? '(no schema)') : reasonOf(entry)
  return h(`div.row.${outcome}`, { role: 'option', id }, [
    h('span.sign', { 'aria-hidden': 'true' }, SIGN[outcome]),
    h('span.visually-hidden', null, `${WORD[outcome]}: `),
    h('span.stream', null, stream ?? '(no stream)'),
    h('time', { datetime: received_at }, clock(received_at).slice(0, 8)),
    h('span.what', { title: what }, what),
  ])
}

/** The reason in one line. @param {Entry} entry */
export function reasonOf({ error }) {
  if (!error) return ''
  const [first, ...rest] = error.details
  if (!first?.keyword) return error.message.slice(0, 300)
  const more = rest.length > 0 ? ` (and ${rest.length} more)` : ''
  return `${first.path || 'the event'} ${first.message}${more}`.slice(0, 300)
}

/** @param {string} iso */
export function clock(iso) {
  const date = new Date(iso)
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}
