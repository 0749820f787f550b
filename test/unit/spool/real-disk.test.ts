import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { Spool } from '#src/lib/spool/spool.js'
import { drain, readAll, record, valuesOf } from '../../support/spool.js'

function makeDirectory(t: { after: (end: () => void) => void }): string {
  const root = mkdtempSync(join(tmpdir(), 'spool-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  return join(root, 'a/b')
}

const CLOCK = {
  now: () => performance.now(),
  wall: () => Date.now(),
  at: (time: number, callback: () => void) => {
    const timer = setTimeout(callback, Math.max(0, time - performance.now()))
    return () => clearTimeout(timer)
  },
}

test('files are written, read, cut and renamed as the spool needs it', async t => {
  const disk = new RealDisk(makeDirectory(t))
  assert.deepEqual(await disk.list(), [], 'there is no directory')
  const unlock = await disk.lock()
  const file = await disk.open('a', 'create')
  await assert.rejects(disk.open('a', 'create'), { code: 'EEXIST' })
  await assert.rejects(disk.open('b', 'read'), { code: 'ENOENT' })
  await assert.rejects(disk.open('b', 'write'), { code: 'ENOENT' })
  await file.write(Buffer.from('abcdef'), 0)
  await file.write(Buffer.from('X'), 2)
  await file.sync()
  assert.equal(`${await file.read(1, 100)}`, 'bXdef')
  assert.equal((await file.read(100, 5)).length, 0)
  await file.truncate(3)
  await file.close()
  await disk.rename('a', 'c')
  await disk.syncDirectory()
  assert.deepEqual(await disk.list(), [{ name: 'c', bytes: 3 }])
  await disk.remove('c')
  assert.deepEqual(await disk.list(), [])
  unlock()
})

test('a spool on a real disk', async t => {
  const directory = makeDirectory(t)
  const open = () =>
    Spool.open({ maxBytes: 10_000_000, segmentBytes: 20_000 }, new RealDisk(directory), CLOCK)
  let spool = await open()
  await assert.rejects(open(), /used by another process/)
  await Promise.all(Array.from({ length: 500 }, (_, i) => spool.append(record(`${i}`.padEnd(100)))))
  await drain(spool, (await readAll(spool)).slice(0, 400))
  await spool.close()
  spool = await open()
  assert.equal(spool.size, 100)
  assert.equal(Number(valuesOf(await readAll(spool))[0]), 400)
  await spool.close()
  assert.deepEqual(
    readdirSync(directory).filter(name => name.startsWith('lock')),
    [],
  )
})

test('a directory that is a file is refused with a reason', async t => {
  const root = mkdtempSync(join(tmpdir(), 'spool-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  writeFileSync(join(root, 'f'), '')
  const opened = Spool.open({ maxBytes: 1e9 }, new RealDisk(join(root, 'f')), CLOCK)
  await assert.rejects(opened, {
    code: 'ENOTDIR',
    message: /^spool .*\/f cannot be used: .*check its permissions/,
  })
})
