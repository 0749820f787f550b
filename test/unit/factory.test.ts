import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { applyFactory } from '#src/factory.js'
import type { Steps } from '#src/lib/eventgate.js'
import { recordedLog } from '../support/recorded-log.js'
import { temporary } from '../support/service.js'

const none = () => {
  throw new Error('not called here')
}
const steps = {
  load: none,
  schemaFor: none,
  streamFor: none,
  enrich: none,
  route: none,
  produce: none,
} as Steps

function written(t: TestContext, name: string, content: string): string {
  const path = join(temporary(t), name)
  writeFileSync(path, content)
  return path
}

const apply = (path: string | null, log = recordedLog().log) =>
  applyFactory(path, { conf: { topic: 'configured' }, log, steps })

test('without a module the steps stay', async () => {
  assert.equal(await apply(null), steps)
})

test('an asynchronous function is waited for, and its steps are the ones that are used', async t => {
  const path = written(
    t,
    'late.mjs',
    `export const factory = async ({ steps, conf }) => {
      await new Promise(resolve => setTimeout(resolve, 50))
      return { ...steps, route: () => ({ topic: conf.topic }) }
    }`,
  )
  const made = await apply(path)
  assert.deepEqual(made.route({}, {} as never, {} as never, {} as never), { topic: 'configured' })
  assert.equal(made.enrich, steps.enrich)
})

test('a module that is of no use fails the start, with a message that names the option', async t => {
  const cases: [what: string, content: string | undefined, message: RegExp][] = [
    ['absent', undefined, /cannot be loaded: Cannot find module/],
    ['broken', 'export default (', /cannot be loaded: /],
    ['without a function', 'export const other = () => {}', /exports no function/],
    ['whose function throws', `export default () => { throw new Error('my reason') }`, /failed: my reason/],
    ['whose function rejects', `export default async () => { throw 'my reason' }`, /failed: my reason/],
    ['that makes nothing', 'export default () => {}', /makes steps without a function load/],
    [
      'that leaves out a step',
      'export default ({ steps: { route, ...rest } }) => rest',
      /makes steps without a function route/,
    ],
    [
      'that makes a step of text',
      "export default ({ steps }) => ({ ...steps, produce: 'kafka' })",
      /makes steps without a function produce/,
    ],
  ]
  for (const [what, content, message] of cases) {
    await t.test(what, async t => {
      const path = content === undefined ? '/no/such/module.mjs' : written(t, 'own.mjs', content)
      await assert.rejects(apply(path), (error: Error) => {
        assert.ok(
          error.message.startsWith(`eventgate_factory_module ${JSON.stringify(path)} `),
          error.message,
        )
        assert.match(error.message, message)
        return true
      })
    })
  }
  await t.test('Wikimedia’s own, where it exists', t => {
    const path = written(t, 'eventgate-wikimedia.js', 'module.exports = { other() {} }')
    return assert.rejects(apply(path), /eventgate-wikimedia\.js.* exports no function/)
  })
  await t.test('a package that is not installed', () =>
    assert.rejects(
      apply('no-such-package-of-ours'),
      /eventgate_factory_module .*no-such-package-of-ours.*cannot be loaded/,
    ),
  )
})

test('Wikimedia’s own module means the built-in behaviour where there is no such file, which is said once', async () => {
  for (const path of [
    '/srv/service/eventgate-wikimedia.js',
    './eventgate-wikimedia.js',
    'eventgate-wikimedia.js',
  ]) {
    const { log, lines } = recordedLog()
    assert.equal(await apply(path, log), steps)
    assert.equal(lines.length, 1)
    assert.equal(lines[0]?.level, 30)
    assert.match(
      String(lines[0]?.msg),
      /does not exist: the behaviour of eventgate-wikimedia\.js is built in/,
    )
  }
})
