// @ts-check
// The overview: counts by stream and schema, and a timeline of two minutes.
import { byId, h, svg } from './dom.js'

const SECONDS = 120
const HEIGHT = 40
const MAX_ROWS = 100

/**
 * @typedef {{ name: string, accepted: number, refused: number, failed: number, last_at: string }} Tally
 * @typedef {{ outcome: string, code?: string, events: number }} Posting
 * @typedef {{ by_stream: (Tally & { account: Posting[] })[], by_schema: Tally[], timeline: { at: string, accepted: number, refused: number }[] }} Counts
 */

/** @param {Counts} counts @param {(name: 'stream' | 'schema', value: string) => void} choose @param {{ stream: string, schema: string }} filter */
export function showOverview(counts, choose, filter) {
  const total = { accepted: 0, refused: 0, failed: 0 }
  for (const { accepted, refused, failed } of counts.by_stream) {
    total.accepted += accepted
    total.refused += refused
    total.failed += failed
  }
  byId('total-accepted').textContent = String(total.accepted)
  byId('total-refused').textContent = String(total.refused)
  byId('total-failed').textContent = String(total.failed)
  byId('total-failed').parentElement.hidden = total.failed === 0
  showTimeline(counts.timeline)
  showTallies('by-stream', counts.by_stream, filter.stream, name => choose('stream', name))
  showAccount(counts.by_stream.find(({ name }) => name === filter.stream))
  showTallies('by-schema', counts.by_schema, filter.schema, name => choose('schema', name))
  return total
}

/** @param {Counts['timeline']} timeline */
function showTimeline(timeline) {
  const now = Math.floor(Date.now() / 1000)
  const peak = Math.max(0, ...timeline.map(({ accepted, refused }) => accepted + refused))
  const most = Math.max(4, peak)
  const bars = timeline.flatMap(({ at, accepted, refused }) => {
    const x = SECONDS - 1 - (now - Math.floor(Date.parse(at) / 1000))
    if (x < 0 || x >= SECONDS) return []
    const up = (/** @type {number} */ count) => (count === 0 ? 0 : Math.max(1.5, (count / most) * HEIGHT))
    const bad = up(refused)
    const good = up(accepted)
    return [
      svg('rect', { class: 'good', x, y: HEIGHT - bad - good, width: 0.8, height: good }),
      svg('rect', { class: 'bad', x, y: HEIGHT - bad, width: 0.8, height: bad }),
    ]
  })
  byId('timeline').replaceChildren(...bars)
  const sum = (/** @type {'accepted' | 'refused'} */ name) =>
    timeline.reduce((all, second) => all + second[name], 0)
  byId('timeline-text').textContent =
    `Last 2 minutes: ${sum('accepted')} accepted, ${sum('refused')} refused; at most ${peak} in a second.`
}

const OUTCOMES = ['accepted', 'refused', 'failed', 'unknown']

/** All that came of the chosen stream, and what became of it. @param {{ account: Posting[] } | undefined} stream */
function showAccount(stream) {
  const box = byId('account')
  box.hidden = stream === undefined
  if (!stream) return
  const received = stream.account.reduce((sum, { events }) => sum + events, 0)
  const sorted = stream.account.toSorted(
    (one, other) =>
      OUTCOMES.indexOf(one.outcome) - OUTCOMES.indexOf(other.outcome) || other.events - one.events,
  )
  const line = (/** @type {string} */ what, /** @type {number} */ events) =>
    h('tr', null, h('th', { scope: 'row' }, what), h('td', null, String(events)))
  byId('account-lines').replaceChildren(
    line('received', received),
    ...sorted.map(({ outcome, code, events }) => line(code ? `${outcome}: ${code}` : outcome, events)),
  )
}

/** @param {string} id @param {Tally[]} tallies @param {string} chosen @param {(name: string) => void} choose */
function showTallies(id, tallies, chosen, choose) {
  const body = byId(id)
  const sorted = tallies
    .slice()
    .sort((one, other) => (one.last_at < other.last_at ? 1 : one.last_at > other.last_at ? -1 : 0))
    .slice(0, MAX_ROWS)
  sorted.sort((one, other) => (one.name < other.name ? -1 : 1))
  // Rows are reused, because somebody may be about to press one.
  const rows = new Map([...body.children].map(row => [/** @type {HTMLElement} */ (row).dataset.name, row]))
  const next = sorted.map(({ name, accepted, refused, failed }) => {
    const row =
      rows.get(name) ??
      h('tr', { 'data-name': name }, [
        h(
          'th',
          { scope: 'row' },
          h('button.link', { type: 'button', onclick: () => choose(row.dataset.chosen ? '' : name) }, name),
        ),
        h('td.good'),
        h('td.bad'),
      ])
    row.dataset.chosen = name === chosen ? 'true' : ''
    row.querySelector('button').setAttribute('aria-pressed', String(name === chosen))
    setCount(row.children[1], accepted)
    setCount(row.children[2], refused + failed)
    return row
  })
  if (next.length === 0) next.push(h('tr', null, h('td', { colspan: 3 }, 'Nothing yet.')))
  if (next.some((row, index) => body.children[index] !== row) || body.children.length !== next.length) {
    const focused = document.activeElement
    body.replaceChildren(...next)
    if (focused instanceof HTMLElement && body.contains(focused)) focused.focus()
  }
}

/** @param {Element} cell @param {number} count */
function setCount(cell, count) {
  const text = String(count)
  if (cell.textContent !== text) cell.textContent = text
  cell.classList.toggle('zero', count === 0)
}
