// @ts-check
// The form that filters the lists.
import { byId, h } from './dom.js'

/** @typedef {import('./url-state.js').State} State */
/** @typedef {import('./overview.js').Counts} Counts */

const form = byId('filters')

/** @param {import('./url-state.js').UrlState} url */
export function connectFilters(url) {
  form.addEventListener('submit', (/** @type {Event} */ event) => event.preventDefault())
  form.addEventListener('input', () => {
    url.go(
      {
        text: byId('filter-text').value,
        outcome: byId('filter-outcome').value,
        stream: byId('filter-stream').value,
        schema: byId('filter-schema').value,
      },
      { replace: true },
    )
  })
  form.addEventListener('reset', (/** @type {Event} */ event) => {
    event.preventDefault()
    url.go({ text: '', outcome: '', stream: '', schema: '' })
    byId('filter-text').focus()
  })
  byId('filter-more').addEventListener('click', () => unfold(!form.classList.contains('all')))
  if (url.current.stream + url.current.schema !== '') unfold(true)
}

/** @param {import('./url-state.js').UrlState} url @param {Counts | null} counts */
export function showFilters({ current, isFiltered }, counts) {
  const { text, outcome, stream, schema } = current
  if (byId('filter-text').value !== text) byId('filter-text').value = text
  byId('filter-outcome').value = outcome
  byId('filter-clear').hidden = !isFiltered
  offer(byId('filter-stream'), counts?.by_stream ?? [], stream, 'All streams')
  offer(byId('filter-schema'), counts?.by_schema ?? [], schema, 'All schemas')
}

/** On a phone some of them are folded away. @param {boolean} isOpen */
function unfold(isOpen) {
  form.classList.toggle('all', isOpen)
  byId('filter-more').setAttribute('aria-expanded', String(isOpen))
  byId('filter-more').textContent = isOpen ? 'Fewer filters' : 'More filters'
}

/**
 * Offers the names that were seen, and the chosen one even before it was seen.
 * @param {HTMLSelectElement} select @param {{ name: string }[]} seen @param {string} chosen @param {string} all
 */
function offer(select, seen, chosen, all) {
  const names = seen.map(({ name }) => name)
  const values = ['', ...new Set([...names, ...(chosen === '' ? [] : [chosen])])]
  if (values.join('\n') !== [...select.options].map(({ value }) => value).join('\n'))
    select.replaceChildren(...values.map(value => h('option', { value }, value === '' ? all : value)))
  if (select.value !== chosen) select.value = chosen
}
