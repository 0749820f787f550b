// @ts-check
// The page: its panes, and what each tells the others.
import { api } from './api.js'
import { CountsPane } from './counts.js'
import { DetailPane } from './detail-pane.js'
import { byId, h, say } from './dom.js'
import { Editor } from './editor.js'
import { watchEdits } from './edits.js'
import { connectFilters, showFilters } from './filters.js'
import { connectFrame, showConnection, showView } from './frame.js'
import { connectKeys } from './keys.js'
import { WORD } from './lane.js'
import { Lists } from './lists.js'
import { Pins, showPins } from './pins.js'
import { Schemas } from './schemas.js'
import { matcher, Store } from './store.js'
import { UrlState } from './url-state.js'

/** @typedef {import('./api.js').Entry} Entry */

const url = new UrlState(show)
const pins = new Pins()
const store = new Store({ onChange: drawSoon, onState: () => showConnection(store) })
const lists = new Lists({
  onOpen: (entry, how) => detail.open(entry, how),
  onResize: () => show(url.current),
})
const counts = new CountsPane(url, () => showFilters(url, counts.latest))

/** @type {import('./detail.js').Actions} */
const actions = {
  close: () => detail.close(),
  edit: (text, from) => {
    const open = () => detail.open(from, { focus: true })
    const back = h('button.link', { type: 'button', onclick: open }, `event #${from.seq}`)
    const source = h('span', null, 'From ', back, ` (${WORD[from.outcome].toLowerCase()}).`)
    compose(text, source, { hasty: from.delivery === 'hasty' })
  },
  showSchema: uri => url.go({ view: 'schemas', uri }),
  isPinned: entry => pins.has(entry),
  pin: entry => {
    say(pins.toggle(entry))
    drawPins()
    detail.redraw(entry)
  },
}
const detail = new DetailPane(
  url,
  lists,
  seq => store.get(seq) ?? pins.all.find(pin => pin.seq === seq),
  actions,
)

const editor = new Editor({ onSent: sayWhatBecame })
const schemas = new Schemas({
  open: uri => url.go({ view: 'schemas', uri }),
  compose,
  send: event => editor.sendText(JSON.stringify(event)),
  filter: schema => url.go({ view: 'events', schema, stream: '', outcome: '', text: '', entry: '' }),
  listed: all => editor.offer(all),
})

/** @param {string} text @param {string | Node} from @param {{ hasty?: boolean }} [how] */
function compose(text, from, how) {
  editor.load(text, from, how)
  url.go({ view: 'compose' })
  editor.focus()
}

/** @param {import('./url-state.js').State} [before] */
function show(before) {
  const { view, uri, outcome, entry } = url.current
  showView(view)
  if (view === 'schemas') void schemas.show(uri)
  if (view !== 'events') return
  lists.arrange(outcome)
  showFilters(url, counts.latest)
  drawLists()
  counts.show()
  detail.follow(before?.entry !== entry)
}

let isFrameAsked = false
/** Once a frame, however much comes. */
function drawSoon() {
  if (isFrameAsked) return
  isFrameAsked = true
  requestAnimationFrame(() => {
    isFrameAsked = false
    if (url.current.view === 'events' && !lists.isPaused) drawLists()
    counts.refreshSoon()
  })
}

function drawLists() {
  const { isFiltered } = url
  lists.show(isFiltered ? store.entries.filter(matcher(url.current)) : store.entries.slice(), isFiltered)
}

function drawPins() {
  showPins(pins.all, { open: entry => detail.open(entry, { focus: true }), unpin: actions.pin })
}

/** @param {{ ok: boolean, status: number, requestId: string, message: string }} sent */
function sayWhatBecame({ ok, status, requestId, message }) {
  const look = h('button.link', { type: 'button', onclick: () => void openRequest(requestId) }, 'Show it')
  say(
    ok
      ? `✓ Sent: ${status === 202 ? 'received hastily' : 'accepted'}.`
      : `✗ Sent, and not accepted (${status}): ${message.slice(0, 200)}`,
    look,
  )
}

/** The outcome of a hasty event is recorded after its answer. @param {string} requestId */
async function openRequest(requestId) {
  for (let tries = 0; tries < 10; tries++) {
    const entry = await api.ofRequest(requestId)
    if (entry) return detail.open(entry, { focus: true })
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  say('The service does not have it: it may have forgotten it already.')
}

async function reset() {
  try {
    await api.reset()
    store.clear()
    counts.clear()
    if (url.current.entry !== '') url.go({ entry: '' }, { replace: true })
    await counts.refresh()
    say('Everything except the pinned events is forgotten.')
  } catch (error) {
    say(`Not reset: ${/** @type {Error} */ (error).message}`)
  }
}

function pause() {
  lists.togglePause()
  drawSoon()
}

byId('pause').addEventListener('click', pause)
byId('reset').addEventListener('click', reset)
document.addEventListener('visibilitychange', () => document.hidden || drawSoon())
connectFrame(view => url.go({ view }))
connectFilters(url)
connectKeys(url, lists, detail, actions, pause)
watchEdits(compose)
show()
drawPins()
showConnection(store)
store.connect()
void schemas.load()
