// @ts-check
// JSON as text: where what stands, laid out for reading, and changed without a change to its numbers.

/** @typedef {{ op: 'add' | 'replace' | 'remove', path: string, value?: any }} Operation */
/** @typedef {'key' | 'string' | 'number' | 'word' | 'mark'} Kind */
/** @typedef {{ pointer: string, depth: number, tokens: { kind: Kind, text: string }[], closes: boolean }} Line */

const TOKEN = /([{}[\],:])|("[^"\\]*(?:\\.[^"\\]*)*")|(-?\d[\d.eE+-]*)|(true|false|null)|\s+|([\s\S])/gy

/**
 * @param {string} text
 * @returns {Generator<{ kind: Kind, text: string, at: number, pointer: string, depth: number, opens: boolean, closes: boolean }>}
 *   Tokens that mean something, with the pointer of the value that they are, name or end.
 */
function* tokens(text) {
  /** @type {{ pointer: string, isArray: boolean, index: number, key: string | null, next: 'key' | 'value' | 'colon' }[]} */
  const stack = []
  for (const match of text.matchAll(TOKEN)) {
    const [all, mark, string, number, word, other] = match
    if (other !== undefined) return
    if (!mark && !string && !number && !word) continue
    const at = match.index
    const top = stack.at(-1)
    const pointer = top ? `${top.pointer}/${top.isArray ? top.index : (top.key ?? '')}` : ''
    if (mark === '{' || mark === '[') {
      yield { kind: 'mark', text: all, at, pointer, depth: stack.length, opens: true, closes: false }
      stack.push({
        pointer,
        isArray: mark === '[',
        index: 0,
        key: null,
        next: mark === '[' ? 'value' : 'key',
      })
    } else if (mark === '}' || mark === ']') {
      const closed = stack.pop()
      if (!closed) return
      yield {
        kind: 'mark',
        text: all,
        at,
        pointer: closed.pointer,
        depth: stack.length,
        opens: false,
        closes: true,
      }
    } else if (mark) {
      if (top && mark === ',') {
        top.index++
        top.next = top.isArray ? 'value' : 'key'
      } else if (top) top.next = 'value'
      yield {
        kind: 'mark',
        text: all,
        at,
        pointer: top?.pointer ?? '',
        depth: stack.length,
        opens: false,
        closes: false,
      }
    } else if (string && top && top.next === 'key') {
      top.key = escapeStep(unquote(string))
      top.next = 'colon'
      yield {
        kind: 'key',
        text: all,
        at,
        pointer: `${top.pointer}/${top.key}`,
        depth: stack.length,
        opens: false,
        closes: false,
      }
    } else {
      const kind = string ? 'string' : number ? 'number' : 'word'
      yield { kind, text: all, at, pointer, depth: stack.length, opens: false, closes: false }
    }
  }
}

/** @param {string} text @returns {string} */
function unquote(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text.slice(1, -1)
  }
}

/** @param {string} step */
export function escapeStep(step) {
  return step.replace(/~/g, '~0').replace(/\//g, '~1')
}

/** @param {string} pointer @returns {string[]} */
export function stepsOf(pointer) {
  return pointer
    .split('/')
    .slice(1)
    .map(step => step.replace(/~1/g, '/').replace(/~0/g, '~'))
}

/** @param {string} text @returns {boolean} */
export function isJson(text) {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Lines for reading, tokens as they stand in the text; null if it is not JSON. @param {string} text @returns {Line[] | null} */
export function layout(text) {
  // The same event is asked for several times in a row.
  if (text !== latest.text) latest = { text, lines: laidOut(text) }
  return latest.lines
}

/** @type {{ text: string | null, lines: Line[] | null }} */
let latest = { text: null, lines: null }

/** @param {string} text @returns {Line[] | null} */
function laidOut(text) {
  if (!isJson(text)) return null
  /** @type {Line[]} */
  const lines = []
  /** @type {Line | undefined} */
  let line
  /** @param {string} pointer @param {number} depth @param {boolean} closes */
  const start = (pointer, depth, closes) => {
    line = { pointer, depth, tokens: [], closes }
    lines.push(line)
  }
  let wasOpened = false
  let isFresh = true
  for (const token of tokens(text)) {
    if (token.closes) {
      if (!wasOpened) start(token.pointer, token.depth, true)
    } else if (token.text === ',' && token.kind === 'mark') {
      // stays on its line
    } else if (token.text === ':' && token.kind === 'mark') {
      // too
    } else if (isFresh || wasOpened) start(token.pointer, token.depth, false)
    line?.tokens.push({ kind: token.kind, text: token.text })
    if (token.kind === 'mark' && token.text === ':') line?.tokens.push({ kind: 'mark', text: ' ' })
    wasOpened = token.opens
    isFresh = token.kind === 'mark' && token.text === ','
  }
  return lines
}

/** @param {string} text @returns {string} laid out, or as it is if it is not JSON */
export function pretty(text) {
  const lines = layout(text)
  if (!lines) return text
  return lines
    .map(({ depth, tokens }) => '  '.repeat(depth) + tokens.map(({ text }) => text).join(''))
    .join('\n')
}

/** The line, from 0, on which each value stands, by its pointer. @param {string} text @returns {Map<string, number>} */
export function linesOf(text) {
  /** @type {Map<string, number>} */
  const found = new Map()
  let line = 0
  let upTo = 0
  for (const { pointer, at } of tokens(text)) {
    for (; upTo < at; upTo++) if (text.charCodeAt(upTo) === 10) line++
    if (!found.has(pointer)) found.set(pointer, line)
  }
  return found
}

/** What there is of a path: itself, or what is nearest above it. @param {Map<string, unknown> | Set<string>} there @param {string} pointer */
export function nearestOf(there, pointer) {
  while (pointer !== '' && !there.has(pointer)) pointer = pointer.slice(0, pointer.lastIndexOf('/'))
  return pointer
}

/** Numbers stay as they are written, be they larger than JavaScript's. @param {string} text */
export function parseExactly(text) {
  const raw = /** @type {any} */ (JSON).rawJSON
  return JSON.parse(text, (/** @type {any[]} */ ...[, value, context]) => {
    const source = context?.source
    return typeof value === 'number' && raw && source && String(value) !== source ? raw(source) : value
  })
}

/** JSON Patch, as far as the service makes it. @param {any} root @param {Operation[]} operations */
export function applyPatch(root, operations) {
  for (const { op, path, value } of operations) {
    const steps = stepsOf(path)
    const last = steps.pop()
    if (last === undefined) {
      root = op === 'remove' ? null : value
      continue
    }
    let parent = root
    for (const step of steps) parent = parent?.[step]
    if (typeof parent !== 'object' || parent === null) throw new Error(`there is nothing at ${path}`)
    if (Array.isArray(parent)) {
      const index = last === '-' ? parent.length : Number(last)
      if (op === 'add') parent.splice(index, 0, value)
      else if (op === 'remove') parent.splice(index, 1)
      else parent[index] = value
    } else if (op === 'remove') delete parent[last]
    // `__proto__` is a name like another.
    else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true })
  }
  return root
}

/** @param {string} text @param {Operation[]} operations @returns {string} laid out */
export function patched(text, operations) {
  const root = operations[0]?.path === '' ? null : parseExactly(text)
  return JSON.stringify(applyPatch(root, operations), null, 2)
}

/** Of a text that is no JSON, what is wrong and where. @param {string} text @returns {{ message: string, line: number, column: number, at: number } | null} */
export function syntaxError(text) {
  try {
    JSON.parse(text)
    return null
  } catch (error) {
    const { message } = /** @type {Error} */ (error)
    const found = /position (\d+)/.exec(message)
    const at = found ? Math.min(Number(found[1]), text.length) : text.length
    const before = text.slice(0, at).split('\n')
    return {
      message: message.replace(/ in JSON at position.*$/, '').replace(/ \(line.*\)$/, ''),
      line: before.length,
      column: (before.at(-1)?.length ?? 0) + 1,
      at,
    }
  }
}
