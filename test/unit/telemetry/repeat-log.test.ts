import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RepeatLog } from '#src/lib/telemetry/repeat-log.js'
import { recordedLog } from '../../support/recorded-log.js'

test('the first line of a kind is logged at once, those of the next second are one line with a count', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { log, lines } = recordedLog()
  const repeatLog = new RepeatLog(log)
  for (let i = 0; i < 5; i++) repeatLog.say('warn', 'full', `line ${i}`, { i })
  repeatLog.say('info', 'other', 'another kind', {})
  assert.deepEqual(
    lines.map(({ level, code, msg, i }) => [level, code, msg, i]),
    [
      [40, 'full', 'line 0', 0],
      [30, 'other', 'another kind', undefined],
    ],
  )
  t.mock.timers.tick(1000)
  assert.deepEqual(
    lines.slice(2).map(({ level, code, count, msg }) => [level, code, count, msg]),
    [[40, 'full', 4, 'and 4 more with full in 1000 ms']],
  )
  repeatLog.say('warn', 'full', 'again', {})
  assert.equal(lines.at(-1)?.msg, 'again')
})

test('isRepeat counts what would repeat, so that its line need not be made', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { log, lines } = recordedLog()
  const repeatLog = new RepeatLog(log)
  assert.equal(repeatLog.isRepeat('full'), false)
  repeatLog.say('warn', 'full', 'first', {})
  assert.equal(repeatLog.isRepeat('full'), true)
  t.mock.timers.tick(1000)
  assert.equal(lines.at(-1)?.count, 1)
})

test('what a client sent is logged at level debug only, and no more than 4096 characters of it', () => {
  const sent = 'x'.repeat(5000)
  const [info, debug] = [recordedLog('info'), recordedLog('debug')]
  for (const { log } of [info, debug]) new RepeatLog(log).say('info', 'invalid', 'refused', {}, () => sent)
  assert.equal('event' in (info.lines[0] as object), false)
  assert.equal(debug.lines[0]?.event, sent.slice(0, 4096))
})
