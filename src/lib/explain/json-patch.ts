import { isObject } from '../eventgate.js'
import { pointerOf, type Step } from '../json-pointer.js'

/** An operation of a JSON Patch (RFC 6902), of the kinds that are made here. */
export type PatchOperation =
  | { op: 'add' | 'replace'; path: string; value: unknown }
  | { op: 'remove'; path: string }

/** What turns `from` into `to`, in linear time: of arrays only the equal ends are compared. */
export function diff(from: unknown, to: unknown): PatchOperation[] {
  const operations: PatchOperation[] = []
  compare(from, to, [], operations)
  return operations
}

function compare(from: unknown, to: unknown, steps: readonly Step[], operations: PatchOperation[]): void {
  if (from === to) return
  if (Array.isArray(from) && Array.isArray(to)) compareArrays(from, to, steps, operations)
  else if (isObject(from) && isObject(to)) compareObjects(from, to, steps, operations)
  else operations.push({ op: 'replace', path: pointerOf(steps), value: to })
}

function compareObjects(
  from: Members,
  to: Members,
  steps: readonly Step[],
  operations: PatchOperation[],
): void {
  for (const name of Object.keys(from)) {
    if (Object.hasOwn(to, name)) compare(from[name], to[name], [...steps, name], operations)
    else operations.push({ op: 'remove', path: pointerOf([...steps, name]) })
  }
  for (const name of Object.keys(to)) {
    if (!Object.hasOwn(from, name))
      operations.push({ op: 'add', path: pointerOf([...steps, name]), value: to[name] })
  }
}

function compareArrays(
  from: unknown[],
  to: unknown[],
  steps: readonly Step[],
  operations: PatchOperation[],
): void {
  let start = 0
  while (start < from.length && start < to.length && isSame(from[start], to[start])) start++
  let end = 0
  const shorter = Math.min(from.length, to.length) - start
  while (end < shorter && isSame(from[from.length - 1 - end], to[to.length - 1 - end])) end++
  const both = shorter - end
  for (let i = start; i < start + both; i++) compare(from[i], to[i], [...steps, i], operations)
  // From the end, so that the indexes before it stay valid.
  for (let i = from.length - end - 1; i >= start + both; i--)
    operations.push({ op: 'remove', path: pointerOf([...steps, i]) })
  for (let i = start + both; i < to.length - end; i++)
    operations.push({ op: 'add', path: pointerOf([...steps, i]), value: to[i] })
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other)
}

type Members = Record<string, unknown>

/** Put in place of a value, removes it. */
export const GONE = Symbol('gone')

/** A copy with this value at these steps, with the objects around it. It shares what did not change. */
export function put(root: unknown, [step, ...rest]: readonly Step[], value: unknown): unknown {
  if (step === undefined) return value
  if (typeof root !== 'object' || root === null) {
    if (value === GONE) return root
    root = typeof step === 'number' ? [] : {}
  }
  if (Array.isArray(root)) {
    const copy = root.slice()
    if (rest.length === 0 && value === GONE) copy.splice(Number(step), 1)
    else copy[Number(step)] = put(copy[Number(step)], rest, value)
    return copy
  }
  const entries = Object.entries(root as Members)
  if (rest.length === 0 && value === GONE)
    return Object.fromEntries(entries.filter(([name]) => name !== step))
  const inner = put((root as Members)[step], rest, value)
  return Object.fromEntries(
    Object.hasOwn(root as Members, step)
      ? entries.map(([name, old]) => [name, name === step ? inner : old])
      : [...entries, [step, inner]],
  )
}

/**
 * Does to `received` what turned `seen` into `made`. `seen` is `received` with more filled in, which its sender can
 * leave out.
 */
export function carryOver(received: unknown, seen: unknown, made: unknown): unknown {
  if (isSame(seen, made)) return received
  if (!isObject(received) || !isObject(seen) || !isObject(made)) return made
  const names = new Set([...Object.keys(received), ...Object.keys(made)])
  const result: [string, unknown][] = []
  for (const name of names) {
    if (!Object.hasOwn(made, name)) continue
    const value = Object.hasOwn(seen, name) ? carryOver(received[name], seen[name], made[name]) : made[name]
    if (value !== undefined) result.push([name, value])
  }
  return Object.fromEntries(result)
}
