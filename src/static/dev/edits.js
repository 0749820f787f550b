// @ts-check
// What the latest edits of schema files break.
import { api } from './api.js'
import { byId, h } from './dom.js'

const EVERY_MS = 2000
const MAX_SHOWN = 5
const SAYS = {
  compatible: 'accepts every event that it accepted before',
  breaks: 'refuses events that it accepted before',
  cannot_tell: 'may refuse events that it accepted before',
}

/** @param {(text: string, from: string) => void} compose shows an event in the editor */
export function watchEdits(compose) {
  let shown = ''
  const look = async () => {
    if (document.hidden) return
    try {
      const { edits } = await api.edits()
      const text = JSON.stringify(edits)
      if (text === shown) return
      shown = text
      byId('edits').hidden = edits.length === 0
      byId('edit-list').replaceChildren(...edits.slice(0, MAX_SHOWN).map(edit => row(edit, compose)))
    } catch {
      // The live connection shows that the service is away.
    }
  }
  void look()
  setInterval(look, EVERY_MS)
}

/** @param {import('./api.js').Edit} edit @param {(text: string, from: string) => void} compose */
function row({ uri, verdict, rule, event }, compose) {
  const text = event === undefined ? '' : JSON.stringify(event, null, 2)
  return h('li', { class: verdict === 'compatible' ? 'good' : 'bad' }, [
    h('code', null, uri),
    ` ${SAYS[verdict]}`,
    rule ? h('span.what', null, ` ${rule.path || 'The event'} ${rule.message}`) : null,
    event === undefined
      ? null
      : h(
          'button',
          { type: 'button', onclick: () => compose(text, `Accepted by ${uri} before its edit.`) },
          'Show the event',
        ),
  ])
}
