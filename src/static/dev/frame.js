// @ts-check
// The bar at the top: the views, the state of the connection, the colours, help.
import { byId, onPlainClick } from './dom.js'

const VIEWS = ['events', 'schemas', 'compose']

/** @param {(view: string) => void} go */
export function connectFrame(go) {
  for (const link of document.querySelectorAll('nav [data-view]')) {
    const { view = 'events' } = /** @type {HTMLElement} */ (link).dataset
    link.addEventListener(
      'click',
      onPlainClick(() => go(view)),
    )
  }
  const theme = byId('theme')
  theme.value = document.documentElement.dataset.theme ?? ''
  theme.addEventListener('change', () => chooseTheme(theme.value))
  byId('help-open').addEventListener('click', showHelp)
}

export function showHelp() {
  byId('help').showModal()
}

/** @param {string} view */
export function showView(view) {
  document.title = `EventGate · ${view}`
  for (const name of VIEWS) {
    byId(`view-${name}`).hidden = name !== view
    const link = document.querySelector(`nav [data-view=${name}]`)
    if (name === view) link?.setAttribute('aria-current', 'page')
    else link?.removeAttribute('aria-current')
  }
}

/** @param {import('./store.js').Store} store */
export function showConnection({ state, detail, missed }) {
  const words = {
    connecting: 'Connecting …',
    live: 'Live',
    behind: `Behind: ${detail}`,
    cut: `Cut off, trying again${detail === '' ? ' …' : `: ${detail}`}`,
  }
  byId('live').className = `live is-${state}`
  byId('live-text').textContent = words[state] + (missed > 0 ? ` · ${missed} too fast to show` : '')
}

/** @param {string} name '' for the system's */
function chooseTheme(name) {
  if (name === '') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = name
  try {
    localStorage.setItem('eventgate.theme', name)
  } catch {
    // The browser stores nothing: the choice lasts as long as the page.
  }
}
