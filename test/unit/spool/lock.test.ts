import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLocked, lockDirectory } from '#src/lib/spool/lock.js'

function makeDirectory(t: { after: (end: () => void) => void }, name = ''): string {
  const root = mkdtempSync(join(tmpdir(), 'lock-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const directory = join(root, name)
  mkdirSync(directory, { recursive: true })
  return directory
}

for (const name of ['', 'x'.repeat(200)])
  test(`one at a time holds a directory${name && ' of a long name'}`, async t => {
    const directory = makeDirectory(t, name)
    assert.equal(await isLocked(directory), false)
    const unlock = await lockDirectory(directory)
    assert.equal(await isLocked(directory), true)
    await assert.rejects(
      lockDirectory(directory),
      /is used by another process: end that, or configure another/,
    )
    unlock()
    assert.equal(await isLocked(directory), false)
    ;(await lockDirectory(directory))()
    assert.deepEqual(readdirSync(directory), [])
  })

/** A process that takes the lock, and says so. */
async function holder(directory: string) {
  const module = new URL('../../../../dist/lib/spool/lock.js', import.meta.url)
  const script = `import(${JSON.stringify(module)}).then(async lock => {
    await lock.lockDirectory(${JSON.stringify(directory)})
    console.log('held')
    setInterval(() => {}, 1000)
  })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

test('what a process held that was killed is free', async t => {
  const directory = makeDirectory(t)
  const child = await holder(directory)
  await assert.rejects(lockDirectory(directory), /another process/)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(readdirSync(directory).length, 1)
  assert.equal(await isLocked(directory), false)
  const unlock = await lockDirectory(directory)
  assert.equal(readdirSync(directory).length, 1, 'what the dead one left is gone')
  await assert.rejects(lockDirectory(directory), /another process/)
  unlock()
})

test('of many that want a directory at one time, one has it at most', async t => {
  const directory = makeDirectory(t)
  for (let round = 0; round < 5; round++) {
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => lockDirectory(directory)))
    const held = all.filter(one => one.status === 'fulfilled')
    assert.ok(held.length <= 1, `${held.length}`)
    for (const one of held) one.value()
  }
})
