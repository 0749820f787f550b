/** A step into a value: a property's name, or an item's index. */
export type Step = string | number

/** The JSON pointer (RFC 6901) of these steps. */
export function pointerOf(steps: readonly Step[]): string {
  return steps.map(step => `/${String(step).replace(/~/g, '~0').replace(/\//g, '~1')}`).join('')
}

/** The steps of a JSON pointer. An index of an array is a text here. */
export function pointerSteps(pointer: string): string[] {
  return pointer.split('/').slice(1).map(unescapedStep)
}

/** One step of a JSON pointer, as the name that it means. */
export function unescapedStep(step: string): string {
  return step.replace(/~1/g, '/').replace(/~0/g, '~')
}

/**
 * The steps of a path as Ajv 6 writes it (`.meta.uri`, `.tags[0]`, `['a key']`) within a value. Ajv 6 does not escape
 * all quotes, so only the value tells where a name ends. If the value has no such place, the path is read alone.
 */
export function stepsOf(dataPath: string, value: unknown): Step[] {
  return stepsWithin(dataPath, value) ?? stepsOfPath(dataPath)
}

function stepsWithin(path: string, value: unknown): Step[] | undefined {
  if (path === '') return []
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value)) {
    const [bracketed, index] = /^\[(\d+)\]/.exec(path) ?? []
    if (bracketed === undefined || Number(index) >= value.length) return undefined
    const rest = stepsWithin(path.slice(bracketed.length), value[Number(index)])
    return rest && [Number(index), ...rest]
  }
  // Names are looked up and not searched for, because a map may have hundreds of thousands.
  for (const { name, length } of namesAt(path)) {
    if (!Object.hasOwn(value, name)) continue
    const rest = stepsWithin(path.slice(length), (value as Record<string, unknown>)[name])
    if (rest) return [name, ...rest]
  }
  return undefined
}

/** The names that a path may begin with, and how much of it each one takes. */
function* namesAt(path: string): Generator<{ name: string; length: number }> {
  if (path.startsWith('.')) {
    for (let end = 1; end <= path.length; end++)
      if (end === path.length || path[end] === '.' || path[end] === '[')
        yield { name: path.slice(1, end), length: end }
  }
  if (!path.startsWith("['")) return
  for (let end = path.indexOf("']", 2); end >= 0; end = path.indexOf("']", end + 1)) {
    const written = path.slice(2, end)
    yield { name: written, length: end + 2 }
    if (written.includes('\\')) yield { name: unescaped(written), length: end + 2 }
  }
}

function unescaped(written: string): string {
  const escapes: Record<string, string> = { n: '\n', r: '\r', f: '\f', t: '\t' }
  return written.replace(/\\(.)/gs, (_, char) => escapes[char] ?? char)
}

function stepsOfPath(path: string): Step[] {
  const steps: Step[] = []
  for (const match of path.matchAll(/\[(\d+)\]|\['((?:\\.|[^'\\])*)'\]|\.?([^.[]+)/g)) {
    const [, index, quoted, name] = match
    if (index !== undefined) steps.push(Number(index))
    else if (quoted !== undefined) steps.push(quoted.replace(/\\(.)/g, '$1'))
    else steps.push(name as string)
  }
  return steps
}

/** The value at these steps; undefined if there is no such place. */
export function at(value: unknown, steps: readonly Step[]): unknown {
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<Step, unknown>)[step]
  }
  return value
}
