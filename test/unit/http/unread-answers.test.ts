import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { UnreadAnswers } from '#src/lib/http/unread-answers.js'

const MIB = 1024 * 1024

/** A client that is answered. */
function client(order: string[], name: string) {
  const res = Object.assign(new EventEmitter(), { closed: false })
  let timeoutMs = 0
  const socket = {
    destroyed: false,
    setTimeout(ms: number) {
      timeoutMs = ms
    },
    destroy() {
      this.destroyed = true
      order.push(name)
      res.emit('close')
    },
  }
  const req = { socket } as unknown as IncomingMessage
  return {
    req,
    res: res as unknown as ServerResponse,
    read: () => res.emit('close'),
    timeout: () => timeoutMs,
  }
}

test('where there is too much, the oldest are cut, and who makes more waits', async () => {
  const answers = new UnreadAnswers(500)
  const cut: string[] = []
  const [one, two, three] = ['one', 'two', 'three'].map(name => client(cut, name)) as [
    ReturnType<typeof client>,
    ReturnType<typeof client>,
    ReturnType<typeof client>,
  ]
  answers.sent(one.req, one.res, 10 * MIB)
  assert.equal(one.timeout(), 500)
  assert.equal(answers.room(1000), undefined)
  answers.sent(two.req, two.res, 5 * MIB)
  answers.sent(three.req, three.res, 5 * MIB)
  // None is old enough yet.
  assert.deepEqual(cut, [])
  const room = answers.room(10_000)
  assert.ok(room)
  await assert.rejects(answers.room(10) as Promise<void>, { code: 'over_capacity', retriable: true })
  await room
  assert.deepEqual(cut, ['one'])
  assert.equal(answers.bytes, 10 * MIB)
  two.read()
  three.read()
  assert.equal(answers.bytes, 0)
})

test('short answers are left to the kernel', () => {
  const answers = new UnreadAnswers(500)
  const one = client([], 'one')
  answers.sent(one.req, one.res, 1000)
  assert.equal(answers.bytes, 0)
  assert.equal(one.timeout(), 0)
})
