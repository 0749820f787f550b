// @ts-check
// What the page shows. All of it is in the URL, so that a reload and a link show the same.

const NAMES = /** @type {const} */ (['view', 'stream', 'schema', 'outcome', 'text', 'entry', 'uri'])
const VIEWS = ['events', 'schemas', 'compose']
/** @typedef {Record<typeof NAMES[number], string>} State */

export class UrlState {
  /** @type {State} */
  current = readUrl()
  #onChange

  /** @param {(before: State) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange
    window.addEventListener('popstate', () => this.#become(readUrl()))
  }

  get isFiltered() {
    const { stream, schema, outcome, text } = this.current
    return stream + schema + outcome + text !== ''
  }

  /** @param {Partial<State>} more @param {{ replace?: boolean }} [how] */
  go(more, { replace = false } = {}) {
    const next = { ...this.current, ...more }
    const url = urlOf(next)
    if (url !== urlOf(this.current)) history[replace ? 'replaceState' : 'pushState'](null, '', url)
    this.#become(next)
  }

  /** @param {State} next */
  #become(next) {
    const before = this.current
    this.current = next
    this.#onChange(before)
  }
}

/** @returns {State} */
function readUrl() {
  const query = new URLSearchParams(location.search)
  const found = /** @type {State} */ (Object.fromEntries(NAMES.map(name => [name, query.get(name) ?? ''])))
  if (!VIEWS.includes(found.view)) found.view = 'events'
  return found
}

/** @param {State} state */
function urlOf(state) {
  const query = new URLSearchParams()
  for (const name of NAMES)
    if (state[name] !== '' && !(name === 'view' && state[name] === 'events')) query.set(name, state[name])
  const text = query.toString()
  return text === '' ? '/' : `/?${text}`
}
