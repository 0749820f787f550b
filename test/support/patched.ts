import assert from 'node:assert/strict'
import { applyPatch } from 'rfc6902'

/** A value with a patch applied, as another's implementation of RFC 6902 does it. */
export function patched(from: unknown, patch: readonly object[]): unknown {
  const holder = { root: structuredClone(from) }
  const prefixed = patch.map(operation => ({
    ...structuredClone(operation),
    path: `/root${(operation as { path: string }).path}`,
  }))
  const failures = applyPatch(holder, prefixed as never[]).filter(Boolean)
  assert.deepEqual(failures, [])
  return holder.root
}
