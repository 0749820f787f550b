// @ts-check
// What each key does.
import { curlOf } from './api.js'
import { byId, copy } from './dom.js'
import { showHelp } from './frame.js'
import { pretty } from './json.js'
import { isNarrow } from './lists.js'
import { receivedText } from './store.js'

/** To the element that has the focus, these keys mean something already. */
const NATIVE = new Set(['Enter', 'ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End'])

/**
 * @param {import('./url-state.js').UrlState} url
 * @param {import('./lists.js').Lists} lists
 * @param {import('./detail-pane.js').DetailPane} detail
 * @param {import('./detail.js').Actions} actions
 * @param {() => void} pause
 */
export function connectKeys(url, lists, detail, actions, pause) {
  /** @param {(entry: import('./api.js').Entry, text: string) => void} act */
  const withChosen = act => () => detail.chosen && act(detail.chosen, receivedText(detail.chosen))
  /** @type {Record<string, () => void>} */
  const inEvents = {
    j: () => lists.current.move(1),
    k: () => lists.current.move(-1),
    ArrowDown: () => lists.current.move(1),
    ArrowUp: () => lists.current.move(-1),
    PageDown: () => lists.current.move(lists.current.rowsSeen),
    PageUp: () => lists.current.move(-lists.current.rowsSeen),
    Home: () => lists.current.move(-Infinity),
    End: () => lists.current.move(Infinity),
    h: () => lists.switchTo(0),
    l: () => lists.switchTo(1),
    Enter: () => {
      const entry = lists.current.active
      if (entry) detail.open(entry, { focus: true })
    },
    Escape: () => {
      if (byId('detail').contains(document.activeElement) && !isNarrow()) lists.current.focus()
      else if (url.current.entry !== '') detail.close()
    },
    e: withChosen((entry, text) => entry.cut || actions.edit(pretty(text), entry)),
    p: withChosen(entry => actions.pin(entry)),
    c: withChosen((_entry, text) => void copy(pretty(text), 'the event')),
    u: withChosen((entry, text) => entry.cut || void copy(curlOf(text, entry.delivery), 'a curl command')),
    s: pause,
    '/': () => byId('filter-text').focus(),
  }
  /** @type {Record<string, () => void>} */
  const inSchemas = { '/': () => byId('schema-search').focus() }
  /** @type {Record<string, () => void>} */
  const anywhere = {
    '?': showHelp,
    1: () => url.go({ view: 'events' }),
    2: () => url.go({ view: 'schemas' }),
    3: () => url.go({ view: 'compose' }),
  }

  document.addEventListener('keydown', event => {
    const { key, ctrlKey, metaKey, altKey } = event
    const target = /** @type {HTMLElement} */ (event.target)
    if (ctrlKey || metaKey || altKey || byId('help').open) return
    if (target.matches('input, textarea, select')) {
      if (key === 'Escape' && target.id === 'filter-text') lists.current.focus()
      if (key === 'Escape' && target.id === 'editor-text') byId('editor-send').focus()
      return
    }
    const { view } = url.current
    const inView = view === 'events' ? inEvents : view === 'schemas' ? inSchemas : {}
    const act = anywhere[key] ?? inView[key]
    const isInList = target.matches('[role=listbox]') || target === document.body || target.id === 'main'
    if (!act || (NATIVE.has(key) && !isInList)) return
    event.preventDefault()
    act()
  })
}
