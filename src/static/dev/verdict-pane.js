// @ts-check
// What would happen to the event in the editor.
import { byId, h } from './dom.js'
import { addedPointers, complaints, culprits, fixAll, inOrder, jsonView } from './explain.js'
import { linesOf, nearestOf, parseExactly } from './json.js'

/** @typedef {import('./json.js').Operation} Operation */
/** @typedef {import('./api.js').Prospect} Prospect */
/** @typedef {{ prefix: string, event: any, lines: Map<string, number> }} Place of an event in the text */

const MAX_SHOWN = 10

export class VerdictPane {
  #box = byId('editor-verdict')
  #status = byId('editor-status')
  #does

  /**
   * @param {{ mark(lines: Set<number>, isBad: boolean): void, apply(patch: Operation[]): void,
   *   goTo(line: number): void, select(at: number): void }} does what it does to the editor; lines count from 0
   */
  constructor(does) {
    this.#does = does
  }

  wait() {
    this.#box.setAttribute('aria-busy', 'true')
  }

  showHint() {
    const hint = 'Choose a schema to make an event, or paste one. The verdict appears here while you type.'
    this.#show('idle', [h('p.empty', null, hint)])
  }

  /** @param {string} message */
  showProblem(message) {
    this.#show('bad', [h('p', null, message)])
  }

  /** @param {NonNullable<ReturnType<typeof import('./json.js').syntaxError>>} syntax */
  showSyntaxError({ message, line, column, at }) {
    const button = { type: 'button', onclick: () => this.#does.select(at) }
    this.#show(
      'bad',
      [
        h('h3', null, '✗ Not JSON yet'),
        h('p', null, [`Line ${line}, column ${column}: ${message} `, h('button.link', button, 'go there')]),
      ],
      new Set([line - 1]),
    )
  }

  /** @param {string} text @param {Prospect[]} results */
  showResults(text, results) {
    const root = parseExactly(text)
    const lines = linesOf(text)
    /** @type {(result: Prospect) => Place} */
    const placeOf = ({ index }) =>
      Array.isArray(root)
        ? { prefix: `/${index}`, event: root[index], lines }
        : { prefix: '', event: root, lines }
    const badLines = new Set(
      results.flatMap(result =>
        (result.error?.details ?? []).flatMap(culprits).map(path => lineOf(placeOf(result), path)),
      ),
    )
    const bad = results.filter(({ outcome }) => outcome !== 'accepted')
    const head = `${results.length - bad.length} of ${results.length} events would be accepted.`
    const shown = (bad.length > 0 ? bad : results).slice(0, MAX_SHOWN)
    this.#show(
      bad.length > 0 ? 'bad' : 'good',
      [
        ...(results.length === 1 ? [] : [h('p', null, head)]),
        ...shown.map(result =>
          result.outcome === 'accepted'
            ? acceptedView(result, placeOf(result))
            : this.#refusedView(result, placeOf(result)),
        ),
      ],
      badLines,
    )
  }

  /** @param {Prospect} result @param {Place} place */
  #refusedView({ outcome, error, index }, place) {
    const { prefix, event } = place
    /** @param {Operation[]} patch */
    const apply = patch =>
      this.#does.apply(patch.map(operation => ({ ...operation, path: prefix + operation.path })))
    const details = inOrder(error?.details ?? [], JSON.stringify(event))
    const fix = fixAll(error, event, apply, '')
    return h('section', null, [
      h('h3', null, [
        `✗ Would be ${outcome === 'refused' ? 'refused' : 'not stored'}${whichOf(index, place)} `,
        h('code.code', null, error?.code ?? ''),
      ]),
      details.length === 0 ? h('p', null, error?.message ?? '') : null,
      fix ? h('div.actions', null, fix.button) : null,
      complaints(details, event, {
        apply,
        applyLabel: 'Apply',
        go: path => this.#does.goTo(lineOf(place, path)),
      }),
      fix?.box,
    ])
  }

  /** @param {'idle' | 'good' | 'bad'} tone @param {HTMLElement[]} content @param {Set<number>} [badLines] */
  #show(tone, content, badLines = new Set()) {
    this.#box.className = `verdict ${tone}`
    this.#box.setAttribute('aria-busy', 'false')
    this.#box.replaceChildren(...content)
    // Screen readers hear of a change only.
    const words = this.#box.querySelector('h3')?.textContent ?? ''
    if (this.#status.textContent !== words) this.#status.textContent = words
    this.#does.mark(badLines, tone === 'bad')
  }
}

/** @param {Prospect} result @param {Place} place */
function acceptedView({ event, topic, key, timestamp, index }, place) {
  return h('section', null, [
    h('h3', null, `✓ Would be accepted${whichOf(index, place)}`),
    h('p.meta', null, [
      'topic ',
      h('code', null, topic ?? ''),
      ...(key === null ? [] : [' · key ', h('code', null, JSON.stringify(key))]),
      timestamp === null ? null : ` · ${new Date(timestamp).toISOString()}`,
    ]),
    event === null
      ? null
      : h('details', { open: true }, [
          h('summary', null, 'As it would be produced'),
          jsonView(JSON.stringify(event), {
            added: addedPointers(place.event, event),
            label: 'The event as it would be produced',
          }),
        ]),
  ])
}

/** @param {number} index @param {Place} place */
function whichOf(index, { prefix }) {
  return prefix === '' ? '' : ` (event ${index + 1})`
}

/** @param {Place} place @param {string} path */
function lineOf({ prefix, lines }, path) {
  return lines.get(nearestOf(lines, prefix + path)) ?? 0
}
