// @ts-check
// JSON as text: the places of its values, a layout for reading, and edits that keep numbers as written.

/** @typedef {{ op: 'add' | 'replace' | 'remove', path: string, value?: any }} Operation */
/** @typedef {'key' | 'string' | 'number' | 'word' | 'mark'} Kind */
/** @typedef {{ pointer: string, depth: number, tokens: { kind: Kind, text: string }[], closes: boolean }} Line */

const TOKEN = /([{}[\],:])|("[^"\\]*(?:\\.[^"\\]*)*")|(-?\d[\d.eE+-]*)|(true|false|null)|\s+|([\s\S])/gy

/**
 * @param {string} text
 * @returns {Generator<{ kind: Kind, text: string, at: number, pointer: string, depth: number, opens: boolean, closes: boolean }>}
 *   The tokens except white space, each with the pointer of the value that it is, names or ends.
 */
function* tokens(text) {
  /** @type {{ pointer: string, isArray: boolean, index: number, key: string | null, isKeyNext: boolean }[]} */
  const stack = []
  for (const match of text.matchAll(TOKEN)) {
    const [all, mark, string, number, word, other] = match
    if (other !== undefined) return
    if (!mark && !string && !number && !word) continue
    const top = stack.at(-1)
    const token = { text: all, at: match.index, opens: false, closes: false }
    const pointer = top ? `${top.pointer}/${top.isArray ? top.index : (top.key ?? '')}` : ''
    if (mark === '{' || mark === '[') {
      yield { ...token, kind: 'mark', pointer, depth: stack.length, opens: true }
      const isArray = mark === '['
      stack.push({ pointer, isArray, index: 0, key: null, isKeyNext: !isArray })
    } else if (mark === '}' || mark === ']') {
      const closed = stack.pop()
      if (!closed) return
      yield { ...token, kind: 'mark', pointer: closed.pointer, depth: stack.length, closes: true }
    } else if (mark) {
      if (top && mark === ',') top.index++
      if (top) top.isKeyNext = mark === ',' && !top.isArray
      yield { ...token, kind: 'mark', pointer: top?.pointer ?? '', depth: stack.length }
    } else if (string && top?.isKeyNext) {
      top.key = escapeStep(unquote(string))
      top.isKeyNext = false
      yield { ...token, kind: 'key', pointer: `${top.pointer}/${top.key}`, depth: stack.length }
    } else {
      const kind = string ? 'string' : number ? 'number' : 'word'
      yield { ...token, kind, pointer, depth: stack.length }
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
    } else if (token.kind === 'mark' && /[,:]/.test(token.text)) {
      // Commas and colons stay on the line.
    } else if (isFresh || wasOpened) start(token.pointer, token.depth, false)
    line?.tokens.push({ kind: token.kind, text: token.text })
    if (token.kind === 'mark' && token.text === ':') line?.tokens.push({ kind: 'mark', text: ' ' })
    wasOpened = token.opens
    isFresh = token.kind === 'mark' && token.text === ','
  }
  return lines
}

/** @param {string} text @returns {string} laid out; unchanged if it is not JSON */
export function pretty(text) {
  const lines = layout(text)
  if (!lines) return text
  return lines
    .map(({ depth, tokens }) => '  '.repeat(depth) + tokens.map(({ text }) => text).join(''))
    .join('\n')
}

/** The line of each value, from 0, by its pointer. @param {string} text @returns {Map<string, number>} */
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

/** The pointer itself if it is there, or else its nearest ancestor. @param {Map<string, unknown> | Set<string>} there @param {string} pointer */
export function nearestOf(there, pointer) {
  while (pointer !== '' && !there.has(pointer)) pointer = pointer.slice(0, pointer.lastIndexOf('/'))
  return pointer
}

/** Numbers stay as written, even those that JavaScript cannot hold. @param {string} text */
export function parseExactly(text) {
  const raw = /** @type {any} */ (JSON).rawJSON
  return JSON.parse(text, (/** @type {any[]} */ ...[, value, context]) => {
    const source = context?.source
    return typeof value === 'number' && raw && source && String(value) !== source ? raw(source) : value
  })
}

/** The operations of JSON Patch that the service uses. @param {any} root @param {Operation[]} operations */
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
    // Assigning to `__proto__` would set the prototype.
    else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true })
  }
  return root
}

/** @param {string} text @param {Operation[]} operations @returns {string} laid out */
export function patched(text, operations) {
  const root = operations[0]?.path === '' ? null : parseExactly(text)
  return JSON.stringify(applyPatch(root, operations), null, 2)
}

/** What is wrong with a text that is not JSON, and where; null if it is JSON. @param {string} text @returns {{ message: string, line: number, column: number, at: number } | null} */
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
