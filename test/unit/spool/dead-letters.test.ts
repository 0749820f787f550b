import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadLetters, readDeadLetters } from '#src/lib/spool/dead-letters.js'
import { drain, makeWorld, readAll, record } from '../../support/spool.js'

test('dead letters are kept with their reasons, over restarts', async () => {
  const { open, machine } = makeWorld()
  for (const reason of ['too large', 'the topic is gone']) {
    const spool = await open()
    await spool.append(record(reason, { topic: 'dead' }))
    await spool.append(record('well'))
    const all = await readAll(spool)
    for (const one of all) if (one.topic === 'dead') await spool.refuse(one, reason)
    await drain(
      spool,
      all.filter(({ topic }) => topic === 't'),
    )
    await spool.close()
  }
  const letters: string[] = []
  for await (const { reason, record: dead } of readDeadLetters(machine.mount()))
    letters.push(`${reason}: ${dead.topic} ${dead.value}`)
  assert.deepEqual(letters, ['too large: dead too large', 'the topic is gone: dead the topic is gone'])
  const { state } = await open()
  assert.equal(state.deadLetters, 2)
  for (const name of machine.names) if (DeadLetters.has(name)) machine.delete(name)
  assert.equal((await open()).state.deadLetters, 0, 'an operator has removed them')
})
