/** Real processes, killed at a random moment, on real files, and on file systems of their own where one can be mounted. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { GateError } from '#src/lib/errors.js'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { Spool } from '#src/lib/spool/spool.js'
import { drain, readAll, record } from '../support/spool.js'
import { REAL_SPOOL_CLOCK, run, Witness, whyNoMount } from '../support/spool-real.js'

const NO_MOUNT = whyNoMount()

function makeRoot(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'spool-'))
  t.after(() => {
    // Also what a test that failed has left mounted.
    for (const name of readdirSync(root, { withFileTypes: true }))
      if (name.isDirectory() && isMounted(join(root, name.name))) run('umount', join(root, name.name))
    rmSync(root, { recursive: true, force: true })
  })
  return root
}

function isMounted(path: string): boolean {
  return NO_MOUNT === false && run('cat', '/proc/mounts').includes(` ${path} `)
}

function mount(root: string, name: string, ...args: string[]): string {
  const directory = join(root, name)
  mkdirSync(directory)
  run('mount', ...args, directory)
  return directory
}

test('a process that is killed, again and again: nothing is lost, nor twice, nor out of order', async t => {
  const directory = join(makeRoot(t), 'spool')
  const witness = new Witness()
  for (let life = 0; life < 6; life++) await witness.live(directory, 200 + 600 * Math.random())
  assert.deepEqual(await witness.finish(directory), [])
  t.diagnostic(`${witness.acknowledged.size} acknowledged, ${witness.inDoubt} batches in doubt`)
  assert.ok(witness.acknowledged.size > 100, `${witness.acknowledged.size}`)
})

test('the power is lost: what was acknowledged is on the disk of a real file system', {
  skip: NO_MOUNT,
}, async t => {
  const root = makeRoot(t)
  const image = join(root, 'image')
  run('truncate', '-s', '128M', image)
  run('mkfs.ext4', '-q', image)
  const directory = mount(root, 'mounted', '-o', 'loop', image)
  const witness = new Witness()
  for (let life = 0; life < 4; life++) await witness.live(join(directory, 'spool'), 200 + 600 * Math.random())
  // The image has what was written to the device. What the kernel still holds in memory is not in the copy.
  copyFileSync(image, join(root, 'copy'))
  const copy = mount(root, 'copied', '-o', 'loop', join(root, 'copy'))
  assert.deepEqual(await witness.finish(join(copy, 'spool')), [])
  t.diagnostic(`${witness.acknowledged.size} acknowledged, ${witness.inDoubt} batches in doubt`)
  assert.ok(witness.acknowledged.size > 100, `${witness.acknowledged.size}`)
})

test('a real disk that is full refuses events, and takes them again when there is room', {
  skip: NO_MOUNT,
}, async t => {
  const root = makeRoot(t)
  const directory = mount(root, 'mounted', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs')
  const spool = await Spool.open(
    { maxBytes: 1e9, segmentBytes: 50_000 },
    new RealDisk(directory),
    REAL_SPOOL_CLOCK,
  )
  let taken = 0
  let refused: GateError | undefined
  while (!refused) {
    const appended = spool.append(record('x'.repeat(1000)))
    assert.ok(appended)
    await appended.then(
      () => taken++,
      error => {
        refused = error
      },
    )
  }
  assert.equal(refused.code, 'produce_failed')
  assert.match(refused.message, /ENOSPC/)
  assert.ok(taken > 500, `${taken}`)
  assert.equal(spool.append(record('x')), undefined)
  const all = await readAll(spool)
  assert.equal(all.length, taken)
  await drain(spool, all).catch(() => {})
  // The journal finds room again once another has made some.
  run('mount', '-o', 'remount,size=4m', directory)
  for (let tries = 0; spool.size > 0 || !spool.accepts('guaranteed'); tries++) {
    assert.ok(tries < 200, `${spool.size} left, ${spool.state.broken}`)
    await new Promise(resolve => setTimeout(resolve, 100))
    await drain(spool, spool.size > 0 ? all : []).catch(() => {})
  }
  await spool.append(record('y'))
  assert.equal(spool.size, 1)
  await spool.close()
})
