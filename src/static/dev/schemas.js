// @ts-check
// The schema browser: every schema of the repositories, and its examples to send.
import { api } from './api.js'
import { byId, copy, h, onPlainClick, say } from './dom.js'
import { jsonView } from './explain.js'

const MAX_SHOWN = 200
const MAX_FIELDS = 500

export class Schemas {
  /** @type {{ uri: string, title: string | null, description: string | null, examples: number }[]} */
  #all = []
  #shown = MAX_SHOWN
  #uri = ''
  #does
  /** @type {(uri: string) => void} */
  #open

  /**
   * @param {{ open(uri: string): void, compose(text: string, from: string): void, send(event: any): Promise<void>,
   *   filter(schema: string): void, listed(schemas: { uri: string }[]): void }} does
   */
  constructor(does) {
    this.#does = does
    this.#open = does.open
    byId('schema-search').addEventListener('input', () => {
      this.#shown = MAX_SHOWN
      this.#list()
    })
  }

  async load() {
    try {
      const { schemas } = await api.schemas()
      this.#all = schemas
      this.#does.listed(schemas)
      this.#list()
    } catch (error) {
      byId('schema-list').replaceChildren(h('li.empty', null, /** @type {Error} */ (error).message))
    }
  }

  #list() {
    const wanted = byId('schema-search').value.toLowerCase()
    const found = this.#all.filter(({ uri, title, description }) =>
      `${uri}\n${title}\n${description}`.toLowerCase().includes(wanted),
    )
    byId('schema-count').textContent = String(found.length)
    const items = found.slice(0, this.#shown).map(({ uri, description, examples }) =>
      h('li', null, [
        h(
          'a',
          {
            href: `?view=schemas&uri=${encodeURIComponent(uri)}`,
            'aria-current': uri === this.#uri ? 'true' : undefined,
            onclick: onPlainClick(() => this.#open(uri)),
          },
          [
            h('span.stream', null, uri),
            h('span.what', null, `${description ?? ''}`),
            examples > 0 ? h('span.note', null, `${examples} example${examples > 1 ? 's' : ''}`) : null,
          ],
        ),
      ]),
    )
    if (found.length > this.#shown) {
      items.push(
        h(
          'li',
          null,
          h(
            'button',
            {
              type: 'button',
              onclick: () => {
                this.#shown += MAX_SHOWN
                this.#list()
              },
            },
            `Show ${Math.min(MAX_SHOWN, found.length - this.#shown)} more of ${found.length}`,
          ),
        ),
      )
    }
    if (items.length === 0)
      items.push(h('li.empty', null, this.#all.length === 0 ? 'There are no schemas.' : 'No schema matches.'))
    byId('schema-list').replaceChildren(...items)
  }

  /** @param {string} uri '' for none */
  async show(uri) {
    const box = byId('schema-detail')
    if (uri === this.#uri && box.dataset.shown === uri) return
    this.#uri = uri
    byId('view-schemas').classList.toggle('opened', uri !== '')
    this.#list()
    if (uri === '') {
      box.dataset.shown = ''
      box.replaceChildren(
        h('p.empty', null, 'Choose a schema to see its fields and its examples, and to send them.'),
      )
      return
    }
    try {
      const found = await api.schema(uri)
      if (this.#uri === uri) box.replaceChildren(...this.#view(found))
      box.dataset.shown = uri
    } catch (error) {
      if (this.#uri === uri)
        box.replaceChildren(
          h('div.title', null, [h('h2', { tabindex: -1 }, uri), this.#close()]),
          h('p.warning', null, /** @type {Error} */ (error).message),
        )
    }
    box.querySelector('h2')?.focus({ preventScroll: true })
  }

  #close() {
    return h(
      'button.icon',
      { type: 'button', 'aria-label': 'Back to the list of schemas', onclick: () => this.#open('') },
      '✕',
    )
  }

  /** @param {{ uri: string, schema: any, examples: any[], sample: any }} found */
  #view({ uri, schema, examples, sample }) {
    const text = (/** @type {any} */ value) => JSON.stringify(value, null, 2)
    const exampleView = (/** @type {any} */ example, /** @type {string} */ title) =>
      h('section.example', { 'aria-label': title }, [
        h('div.title', null, [
          h('h3', null, title),
          h('div.actions', null, [
            h(
              'button.primary',
              { type: 'button', onclick: () => void this.#does.send(example) },
              'Send this example',
            ),
            h(
              'button',
              { type: 'button', onclick: () => this.#does.compose(text(example), `${title} of ${uri}.`) },
              'Edit it',
            ),
            h('button', { type: 'button', onclick: () => void copy(text(example), 'the example') }, 'Copy'),
          ]),
        ]),
        jsonView(text(example), { label: `${title}, as JSON` }),
      ])
    return [
      h('div.title', null, [h('h2', { tabindex: -1 }, uri), this.#close()]),
      ...(typeof schema.description === 'string' ? [h('p', null, schema.description)] : []),
      h('div.actions', { role: 'group', 'aria-label': 'Actions' }, [
        h(
          'button.primary',
          {
            type: 'button',
            onclick: () => {
              const event = sample ?? examples[0]
              if (event) this.#does.compose(text(event), `Made for ${uri}.`)
              else say('No event could be made for this schema.')
            },
          },
          'Compose an event',
        ),
        h('button', { type: 'button', onclick: () => this.#does.filter(uri) }, 'Show its events'),
        h(
          'button',
          { type: 'button', onclick: () => void copy(text(schema), 'the schema') },
          'Copy the schema',
        ),
      ]),
      h('section', { 'aria-label': 'Fields' }, [h('h3', null, 'Fields'), fieldsView(schema)]),
      ...(examples.length > 0
        ? examples
            .slice(0, 20)
            .map((example, index) =>
              exampleView(example, examples.length === 1 ? 'Example' : `Example ${index + 1}`),
            )
        : sample
          ? [exampleView(sample, 'An event made for it')]
          : []),
      h('details', null, [
        h('summary', null, 'The schema as its file has it'),
        jsonView(text(schema), { label: 'The schema' }),
      ]),
    ]
  }
}

/** @param {any} schema */
function fieldsView(schema) {
  /** @type {HTMLElement[]} */
  const rows = []
  add(schema, '', 0)
  if (rows.length === 0) return h('p.empty', null, 'The schema declares no fields.')
  return h(
    'div.scroll',
    { tabindex: 0, role: 'region', 'aria-label': 'Table of fields' },
    h('table', null, [
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          ['Field', 'Type', 'Description'].map(name => h('th', { scope: 'col' }, name)),
        ),
      ),
      h('tbody', null, rows),
    ]),
  )

  /** @param {any} inner @param {string} prefix @param {number} depth */
  function add(inner, prefix, depth) {
    if (typeof inner !== 'object' || inner === null || depth > 8) return
    const required = new Set(Array.isArray(inner.required) ? inner.required : [])
    for (const part of Array.isArray(inner.allOf) ? inner.allOf : []) add(part, prefix, depth + 1)
    if (typeof inner.$ref === 'string' && !inner.properties)
      rows.push(row(prefix || '(all)', `→ ${inner.$ref}`, '', false))
    for (const [name, field] of Object.entries(inner.properties ?? {})) {
      if (rows.length >= MAX_FIELDS) return
      const path = prefix === '' ? name : `${prefix}.${name}`
      rows.push(row(path, typeOf(field), limitsOf(field), required.has(name)))
      add(field, path, depth + 1)
      if (field && typeof field.items === 'object') add(field.items, `${path}[]`, depth + 1)
      if (field && typeof field.additionalProperties === 'object')
        add(field.additionalProperties, `${path}.*`, depth + 1)
    }
  }

  /** @param {string} path @param {string} type @param {string} what @param {boolean} isRequired */
  function row(path, type, what, isRequired) {
    return h('tr', null, [
      h('th', { scope: 'row' }, [
        h('code', null, path),
        isRequired ? h('span.note', null, 'required') : null,
      ]),
      h('td', null, h('code', null, type)),
      h('td', null, what),
    ])
  }
}

/** @param {any} field */
function typeOf(field) {
  if (typeof field !== 'object' || field === null) return String(field)
  if (typeof field.$ref === 'string') return `→ ${field.$ref}`
  const type = Array.isArray(field.type) ? field.type.join(' | ') : (field.type ?? 'any')
  return type === 'array' && field.items?.type ? `array of ${field.items.type}` : String(type)
}

/** @param {any} field */
function limitsOf(field) {
  if (typeof field !== 'object' || field === null) return ''
  const skipped = new Set([
    'type',
    'description',
    'properties',
    'required',
    'items',
    'additionalProperties',
    'title',
    'examples',
    'allOf',
    '$ref',
  ])
  const limits = Object.entries(field)
    .filter(([name]) => !skipped.has(name))
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  const text = [typeof field.description === 'string' ? field.description.trim() : '', limits.join(', ')]
    .filter(part => part !== '')
    .join(' · ')
  return text.length > 400 ? `${text.slice(0, 400)} …` : text
}
