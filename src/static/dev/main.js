// @ts-check
import { api, curlOf } from './api.js'
import { detailView, wholeOf } from './detail.js'
import { byId, copy, h, say } from './dom.js'
import { Editor } from './editor.js'
import { watchEdits } from './edits.js'
import { pretty } from './json.js'
import { Lane, reasonOf, SIGN, WORD } from './lane.js'
import { offer, showOverview } from './overview.js'
import { Pins } from './pins.js'
import { Schemas } from './schemas.js'
import { isSameEntry, matcher, Store } from './store.js'

/** @typedef {import('./api.js').Entry} Entry */

const COUNTS_MS = 1000
/** Screen readers are told of what is refused, and not more often. */
const ANNOUNCE_MS = 15_000

// What is looked at, all of it kept in the URL.

const NAMES = /** @type {const} */ (['view', 'stream', 'schema', 'outcome', 'text', 'entry', 'uri'])
/** @typedef {Record<typeof NAMES[number], string>} State */
/** @type {State} */
let state = readUrl()

/** @returns {State} */
function readUrl() {
  const query = new URLSearchParams(location.search)
  const found = /** @type {State} */ (Object.fromEntries(NAMES.map(name => [name, query.get(name) ?? ''])))
  if (!['events', 'schemas', 'compose'].includes(found.view)) found.view = 'events'
  return found
}

/** @param {State} of */
function urlOf(of) {
  const query = new URLSearchParams()
  for (const name of NAMES)
    if (of[name] !== '' && !(name === 'view' && of[name] === 'events')) query.set(name, of[name])
  const text = query.toString()
  return text === '' ? '/' : `/?${text}`
}

/** @param {Partial<State>} more @param {{ replace?: boolean }} [how] */
function go(more, { replace = false } = {}) {
  const before = state
  state = { ...state, ...more }
  const url = urlOf(state)
  if (url !== urlOf(before)) history[replace ? 'replaceState' : 'pushState'](null, '', url)
  show(before)
}

window.addEventListener('popstate', () => {
  const before = state
  state = readUrl()
  show(before)
})

// The lists.

const wide = matchMedia('(min-width: 1240px)')
const narrow = matchMedia('(max-width: 899px)')
const told = {
  onMove: (/** @type {Entry} */ entry, /** @type {boolean} */ isClick) => {
    mark(entry)
    if (isClick || !narrow.matches) open(entry, { soon: !isClick })
  },
}
const lanes = {
  refused: new Lane('refused', 'Refused', { ...told, onFocus: () => focusedOn('refused') }),
  accepted: new Lane('accepted', 'Accepted', { ...told, onFocus: () => focusedOn('accepted') }),
  all: new Lane('all', 'Events', { ...told, onFocus: () => focusedOn('all') }),
}
/** @type {(keyof typeof lanes)[]} */
let shown = []
/** @type {keyof typeof lanes} */
let current = 'all'

/** @param {keyof typeof lanes} name */
function focusedOn(name) {
  current = name
}

function arrange() {
  const next = /** @type {typeof shown} */ (
    wide.matches && state.outcome === '' ? ['refused', 'accepted'] : ['all']
  )
  if (next.join() === shown.join()) return
  shown = next
  if (!shown.includes(current)) current = /** @type {typeof current} */ (shown[0])
  byId('lanes').replaceChildren(...shown.map(name => lanes[name].element))
  if (chosen) mark(chosen)
}
wide.addEventListener('change', () => show(state))

const store = new Store({ onChange: () => soon(), onState: showLive })
const pins = new Pins()
let isPaused = false
let isFrameAsked = false

/** Once a frame, however much comes. */
function soon() {
  if (isFrameAsked) return
  isFrameAsked = true
  requestAnimationFrame(() => {
    isFrameAsked = false
    if (state.view === 'events' && !isPaused) showLists()
    countSoon()
  })
}

function showLists() {
  const matches = matcher(state)
  const isFiltered = state.stream + state.schema + state.outcome + state.text !== ''
  const found = isFiltered ? store.entries.filter(matches) : store.entries.slice()
  const nothing = isFiltered ? 'Nothing that is held matches the filters.' : null
  if (shown.includes('all'))
    lanes.all.show(
      found,
      nothing ?? 'Nothing has arrived yet. POST an event to /v1/events, or send one from Schemas or Compose.',
    )
  else {
    lanes.refused.show(
      found.filter(({ outcome }) => outcome !== 'accepted'),
      nothing ?? 'Nothing was refused.',
    )
    lanes.accepted.show(
      found.filter(({ outcome }) => outcome === 'accepted'),
      nothing ??
        'Nothing was accepted yet. POST an event to /v1/events, or send one from Schemas or Compose.',
    )
  }
}

/** @param {Entry | null} entry */
function mark(entry) {
  for (const name of shown) {
    const lane = lanes[name]
    const isHere =
      entry !== null && (name === 'all' || (name === 'accepted') === (entry.outcome === 'accepted'))
    lane.activate(isHere ? entry : null)
    if (isHere) current = name
  }
}

function showLive() {
  const words = {
    connecting: 'Connecting …',
    live: 'Live',
    behind: `Behind: ${store.detail}`,
    cut: `Cut off, trying again${store.detail === '' ? ' …' : `: ${store.detail}`}`,
  }
  byId('live').className = `live is-${store.state}`
  byId('live-text').textContent =
    words[store.state] + (store.missed > 0 ? ` · ${store.missed} too fast to show` : '')
}

// Counts, at leisure.

/** @type {import('./overview.js').Counts | null} */
let counts = null
let isCountAsked = false
let announcedRefused = -1
let announcedAt = 0

function countSoon() {
  if (isCountAsked) return
  isCountAsked = true
  setTimeout(
    () => {
      isCountAsked = false
      void count()
    },
    counts === null ? 0 : COUNTS_MS,
  )
}

async function count() {
  if (document.hidden) return
  try {
    counts = await api.counts()
  } catch {
    return
  }
  showCounts()
}
setInterval(() => state.view === 'events' && (counts?.timeline.length ?? 0) > 0 && countSoon(), 3000)
document.addEventListener('visibilitychange', () => document.hidden || soon())

function showCounts() {
  if (!counts) return
  const { by_stream, by_schema } = counts
  const total = showOverview(counts, (name, value) => go({ [name]: value }), state)
  offer(
    byId('filter-stream'),
    by_stream.map(({ name }) => name),
    state.stream,
    'All streams',
  )
  offer(
    byId('filter-schema'),
    by_schema.map(({ name }) => name),
    state.schema,
    'All schemas',
  )
  const refused = total.refused + total.failed
  if (announcedRefused < 0 || refused < announcedRefused) announcedRefused = refused
  if (refused > announcedRefused && Date.now() - announcedAt > ANNOUNCE_MS) {
    byId('announcer').textContent = `${refused - announcedRefused} more refused`
    announcedRefused = refused
    announcedAt = Date.now()
  }
}

// The chosen event.

/** @type {Entry | null} */
let chosen = null
/** @type {ReturnType<typeof setTimeout> | undefined} */
let opening

/** @param {Entry} entry @param {{ soon?: boolean, focus?: boolean }} [how] */
function open(entry, { soon = false, focus = false } = {}) {
  chosen = entry
  const hadOne = state.entry !== ''
  clearTimeout(opening)
  // Who runs through the list asks for what they stop at.
  opening = setTimeout(
    () => {
      go({ view: 'events', entry: String(entry.seq) }, { replace: hadOne })
      void showDetail(entry, focus)
    },
    soon ? 80 : 0,
  )
}

/** @param {Entry} entry @param {boolean} [focus] */
async function showDetail(entry, focus = false) {
  chosen = entry
  const { entry: whole, isWhole } = await wholeOf(entry)
  if (chosen !== entry) return
  chosen = whole
  const box = byId('detail')
  // A click into what is shown already must not throw away where the focus is.
  const focused = box.contains(document.activeElement) ? document.activeElement?.getAttribute('title') : null
  box.replaceChildren(...detailView(whole, isWhole, does))
  box.scrollTop = 0
  showPanes()
  mark(whole)
  if (focus || (narrow.matches && !focused)) byId('detail-title').focus()
  else if (focused) box.querySelector(`[title="${CSS.escape(focused)}"]`)?.focus()
}

const does = {
  close,
  edit: (/** @type {string} */ text, /** @type {Entry} */ from) => {
    const back = h(
      'button.link',
      { type: 'button', onclick: () => open(from, { focus: true }) },
      `event #${from.seq}`,
    )
    editor.load(text, h('span', null, 'Of ', back, `, which was ${WORD[from.outcome].toLowerCase()}.`), {
      hasty: from.delivery === 'hasty',
    })
    go({ view: 'compose' })
    editor.focus()
  },
  filter: (/** @type {Partial<State>} */ more) => go(more),
  showSchema: (/** @type {string} */ uri) => go({ view: 'schemas', uri }),
  isPinned: (/** @type {Entry} */ entry) => pins.has(entry),
  pin: (/** @type {Entry} */ entry) => {
    say(pins.toggle(entry))
    showPins()
    if (chosen && isSameEntry(entry, chosen)) void showDetail(chosen)
  },
}

function close() {
  const entry = chosen
  chosen = null
  clearTimeout(opening)
  go({ entry: '' })
  if (entry) mark(entry)
  lanes[current].focus()
}

function showPanes() {
  const isOpen = chosen !== null && state.entry !== ''
  byId('detail').hidden = !isOpen
  byId('overview').hidden = isOpen
  byId('view-events').classList.toggle('opened', isOpen)
}

async function openOfUrl() {
  const seq = Number(state.entry)
  if (chosen?.seq === seq) return showPanes()
  const pinned = pins.all.find(pin => pin.seq === seq)
  try {
    const entry = await api.entry(seq)
    if (Number(state.entry) === seq) await showDetail(entry)
  } catch (error) {
    const held = store.get(seq) ?? pinned
    if (held) return showDetail(held)
    say(/** @type {Error} */ (error).message)
    chosen = null
    go({ entry: '' }, { replace: true })
  }
}

function showPins() {
  byId('pins').hidden = pins.all.length === 0
  byId('pin-list').replaceChildren(
    ...pins.all.map(pin =>
      h('li', null, [
        h(
          `button.pin.${pin.outcome in SIGN ? pin.outcome : 'unknown'}`,
          { type: 'button', onclick: () => open(pin, { focus: true }) },
          [
            h('span.sign', { 'aria-hidden': 'true' }, SIGN[pin.outcome] ?? '?'),
            h('span.visually-hidden', null, `${WORD[pin.outcome] ?? ''}: `),
            h('span.stream', null, `#${pin.seq} ${pin.stream ?? '(no stream)'}`),
            h('span.what', null, pin.outcome === 'accepted' ? (pin.schema_uri ?? '') : reasonOf(pin)),
          ],
        ),
        h(
          'button.icon',
          { type: 'button', 'aria-label': `Unpin #${pin.seq}`, onclick: () => does.pin(pin) },
          '✕',
        ),
      ]),
    ),
  )
}

// Composing and schemas.

/** @param {string} requestId @param {{ ok: boolean, status: number, message: string }} sent */
function onSent(requestId, { ok, status, message }) {
  const look = h('button.link', { type: 'button', onclick: () => void showRequest(requestId) }, 'Show it')
  say(
    ok
      ? `✓ Sent: ${status === 202 ? 'received hastily' : 'accepted'}.`
      : `✗ Sent, and not accepted (${status}): ${message.slice(0, 200)}`,
    look,
  )
}

/** @param {string} requestId */
async function showRequest(requestId) {
  for (let tries = 0; tries < 10; tries++) {
    const entry = await api.ofRequest(requestId)
    if (entry) return open(entry, { focus: true })
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  say('It is not there: the service may have forgotten it already.')
}

const editor = new Editor({ onSent })
/** @param {string} text @param {string} from */
function compose(text, from) {
  editor.load(text, from)
  go({ view: 'compose' })
  editor.focus()
}
const schemas = new Schemas({
  open: uri => go({ view: 'schemas', uri }),
  compose,
  send: async event => {
    try {
      const sent = await api.send(JSON.stringify(event))
      onSent(sent.requestId, sent)
    } catch (error) {
      say(`Not sent: ${/** @type {Error} */ (error).message}`)
    }
  },
  filter: schema => go({ view: 'events', schema, stream: '', outcome: '', text: '', entry: '' }),
  listed: all => editor.offer(all),
})

watchEdits(compose)

// Showing what the URL says.

const TITLES = { events: 'events', schemas: 'schemas', compose: 'compose' }

/** @param {State} [before] */
function show(before) {
  const view = /** @type {keyof typeof TITLES} */ (state.view)
  document.title = `EventGate · ${TITLES[view]}`
  for (const name of Object.keys(TITLES)) {
    byId(`view-${name}`).hidden = name !== view
    const link = document.querySelector(`nav [data-view=${name}]`)
    if (name === view) link?.setAttribute('aria-current', 'page')
    else link?.removeAttribute('aria-current')
  }
  if (view === 'schemas') void schemas.show(state.uri)
  if (view !== 'events') return
  arrange()
  if (byId('filter-text').value !== state.text) byId('filter-text').value = state.text
  byId('filter-outcome').value = state.outcome
  byId('filter-clear').hidden = state.stream + state.schema + state.outcome + state.text === ''
  offer(byId('filter-stream'), counts?.by_stream.map(({ name }) => name) ?? [], state.stream, 'All streams')
  offer(byId('filter-schema'), counts?.by_schema.map(({ name }) => name) ?? [], state.schema, 'All schemas')
  showLists()
  showCounts()
  if (state.entry === '') chosen = null
  showPanes()
  if (state.entry !== '' && (before === undefined || before.entry !== state.entry || chosen === null))
    void openOfUrl()
}

const filters = byId('filters')
filters.addEventListener('submit', (/** @type {Event} */ event) => event.preventDefault())
filters.addEventListener('input', () => {
  go(
    {
      text: byId('filter-text').value,
      outcome: byId('filter-outcome').value,
      stream: byId('filter-stream').value,
      schema: byId('filter-schema').value,
    },
    { replace: true },
  )
})
filters.addEventListener('reset', (/** @type {Event} */ event) => {
  event.preventDefault()
  go({ text: '', outcome: '', stream: '', schema: '' })
  byId('filter-text').focus()
})

/** On a phone some of them are folded away. @param {boolean} isOpen */
function unfold(isOpen) {
  filters.classList.toggle('all', isOpen)
  byId('filter-more').setAttribute('aria-expanded', String(isOpen))
  byId('filter-more').textContent = isOpen ? 'Fewer filters' : 'More filters'
}
byId('filter-more').addEventListener('click', () => unfold(!filters.classList.contains('all')))
if (state.stream + state.schema !== '') unfold(true)

function pause() {
  isPaused = !isPaused
  byId('pause').setAttribute('aria-pressed', String(isPaused))
  byId('pause').textContent = isPaused ? 'Go on' : 'Pause'
  byId('view-events').classList.toggle('paused', isPaused)
  if (!isPaused) soon()
}
byId('pause').addEventListener('click', pause)

byId('reset').addEventListener('click', async () => {
  try {
    await api.reset()
    store.clear()
    counts = null
    announcedRefused = -1
    if (state.entry !== '') go({ entry: '' }, { replace: true })
    await count()
    say('All is forgotten but what is pinned.')
  } catch (error) {
    say(`Not reset: ${/** @type {Error} */ (error).message}`)
  }
})

for (const link of document.querySelectorAll('nav [data-view]')) {
  link.addEventListener('click', event => {
    const { ctrlKey, metaKey, shiftKey } = /** @type {MouseEvent} */ (event)
    if (ctrlKey || metaKey || shiftKey) return
    event.preventDefault()
    go({ view: /** @type {HTMLElement} */ (link).dataset.view ?? 'events' })
  })
}

const theme = byId('theme')
theme.value = document.documentElement.dataset.theme ?? ''
theme.addEventListener('change', () => {
  if (theme.value === '') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.value
  try {
    localStorage.setItem('eventgate.theme', theme.value)
  } catch {
    // It lasts as long as the page.
  }
})

byId('help-open').addEventListener('click', () => byId('help').showModal())

// Keys.

/** @type {Record<string, () => void>} */
const OF_EVENTS = {
  j: () => lanes[current].move(1),
  k: () => lanes[current].move(-1),
  ArrowDown: () => lanes[current].move(1),
  ArrowUp: () => lanes[current].move(-1),
  PageDown: () => lanes[current].move(lanes[current].rowsSeen),
  PageUp: () => lanes[current].move(-lanes[current].rowsSeen),
  Home: () => lanes[current].move(-Infinity),
  End: () => lanes[current].move(Infinity),
  h: () => switchLane(0),
  l: () => switchLane(1),
  Enter: () => {
    const entry = lanes[current].active
    if (entry) open(entry, { focus: true })
  },
  Escape: () => {
    if (byId('detail').contains(document.activeElement) && !narrow.matches) lanes[current].focus()
    else if (state.entry !== '') close()
  },
  e: () => chosen && !chosen.cut && does.edit(pretty(chosen.text ?? JSON.stringify(chosen.event)), chosen),
  p: () => chosen && does.pin(chosen),
  c: () => chosen && void copy(pretty(chosen.text ?? JSON.stringify(chosen.event)), 'the event'),
  u: () =>
    chosen &&
    !chosen.cut &&
    void copy(curlOf(chosen.text ?? JSON.stringify(chosen.event), chosen.delivery), 'a curl command'),
  s: pause,
  '/': () => byId('filter-text').focus(),
}
/** @type {Record<string, () => void>} */
const ANYWHERE = {
  '?': () => byId('help').showModal(),
  1: () => go({ view: 'events' }),
  2: () => go({ view: 'schemas' }),
  3: () => go({ view: 'compose' }),
}
/** These mean something to what has the focus already. */
const OWN = new Set(['Enter', 'ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End'])

/** @param {number} index */
function switchLane(index) {
  const name = shown[Math.min(index, shown.length - 1)]
  if (name === undefined) return
  current = name
  lanes[name].focus()
  if (!lanes[name].active) lanes[name].move(0)
}

document.addEventListener('keydown', event => {
  const { key, ctrlKey, metaKey, altKey } = event
  const target = /** @type {HTMLElement} */ (event.target)
  if (ctrlKey || metaKey || altKey || byId('help').open) return
  if (target.matches('input, textarea, select')) {
    if (key === 'Escape' && target.id === 'filter-text') lanes[current].focus()
    if (key === 'Escape' && target.id === 'editor-text') byId('editor-send').focus()
    return
  }
  const isInList = target.matches('[role=listbox]') || target === document.body || target.id === 'main'
  const act =
    ANYWHERE[key] ??
    (state.view === 'events'
      ? OF_EVENTS[key]
      : key === '/' && state.view === 'schemas'
        ? () => byId('schema-search').focus()
        : undefined)
  if (!act || (OWN.has(key) && !isInList)) return
  event.preventDefault()
  act()
})

show()
showPins()
showLive()
store.connect()
void schemas.load()
