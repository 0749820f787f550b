import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as library from 'eventgate'
import { load } from 'js-yaml'
import { assertAccepted, assertFailure, eventually, ONE_ACCEPTED } from '../support/http.js'
import { ROOT, startService, temporary, testEvent } from '../support/service.js'

// docs/library.md, verbatim.

const text = readFileSync(join(ROOT, 'docs/library.md'), 'utf8')
const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, block = '']) => ({
  language,
  block,
}))

/** Of the document the file that its first line names. */
function file(name: string): string {
  const found = blocks.find(({ block }) => /^(?:\/\/|#) (.+)\n/.exec(block)?.[1] === name)
  assert.ok(found, `there is no ${name}`)
  return found.block
}

function written(t: TestContext, name: string, content = file(name)): string {
  const path = join(temporary(t), name)
  writeFileSync(path, content)
  return path
}

test('every program of the document is tested here', () => {
  const names = blocks.filter(({ language }) => language === 'js').map(({ block }) => block.split('\n')[0])
  assert.deepEqual(names, ['// gate.mjs', '// own-steps.mjs', '// own-steps.cjs'])
})

test('the program without Express prints what is said', t => {
  const folder = temporary(t)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/eventgate'))
  for (const name of ['gate.mjs', 'streams.yaml']) writeFileSync(join(folder, name), file(name))
  const { stdout, stderr, status } = spawnSync(process.execPath, ['gate.mjs'], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(stderr, '')
  assert.equal(stdout, blocks.find(({ language }) => language === 'text')?.block)
  assert.equal(status, 0)
})

for (const name of ['own-steps.mjs', 'own-steps.cjs']) {
  test(`${name}: a field is added, a domain is refused, in a folder that is not the package's`, async t => {
    const service = await startService(t, {
      eventgate_factory_module: written(t, name),
      error_stream: 'gate.error',
    })
    assert.ok(service.log().some(({ msg }) => msg === 'events of spam.example.org are refused on port 0'))

    assertAccepted(await service.post(testEvent()), 201, ONE_ACCEPTED)
    assertAccepted(await service.post(testEvent({ test_map: { its: 'own' } })), 201, ONE_ACCEPTED)
    assert.deepEqual(
      service.produced().map(event => event.test_map),
      [{ gate: 'eqiad' }, { its: 'own' }],
    )

    const spam = testEvent({ meta: { stream: 's', domain: 'spam.example.org' } })
    const [entry] = assertFailure(await service.post(spam), { status: 400, invalid: ['validation_failed'] })
    assert.equal(entry.context.message, "'.meta.domain' should not be spam.example.org")
    assert.deepEqual(entry.event, spam)

    // The refusal's error event is of the same domain, and goes through the same steps: refused, and no loop.
    await service.stop()
    assert.equal(service.produced().length, 2)
  })
}

test('the line of the configuration, a path relative to the working directory, and a package by its name', async t => {
  const lines = blocks.filter(({ block }) => block.startsWith('eventgate_factory_module:'))
  assert.deepEqual(
    lines.map(({ block }) => load(block)),
    [{ eventgate_factory_module: './own-steps.mjs' }],
  )
  const own = join(ROOT, '.build/library-test')
  mkdirSync(own, { recursive: true })
  writeFileSync(join(own, 'own-steps.mjs'), file('own-steps.mjs'))
  const service = await startService(t, { eventgate_factory_module: './.build/library-test/own-steps.mjs' })
  await service.post(testEvent())
  assert.deepEqual(service.produced()[0]?.test_map, { gate: 'eqiad' })

  // `eventgate` is a package that is there, by its own name, and no module of steps.
  await assert.rejects(
    startService(t, { eventgate_factory_module: 'eventgate' }),
    /eventgate_factory_module .*eventgate.* exports no function/,
  )
})

test('what a module in the package imports is what the service uses', async t => {
  const own = join(ROOT, '.build/library-test')
  mkdirSync(own, { recursive: true })
  const path = join(own, 'importing.mjs')
  writeFileSync(
    path,
    `import { Field, GateError as Imported } from 'eventgate'
    const test = new Field('test')
    export default ({ steps, GateError }) => ({
      ...steps,
      route(...all) {
        if (Imported !== GateError) throw new Error('two classes')
        if (test.get(all[0]) === 'refused') throw new Imported('record_refused', 'no')
        return steps.route(...all)
      },
    })`,
  )
  const service = await startService(t, { eventgate_factory_module: path })
  assertFailure(await service.post([testEvent(), testEvent({ test: 'refused' })]), {
    status: 207,
    invalid: ['record_refused'],
  })
})

test('an asynchronous function is waited for; what a step throws by mistake is a defect, and said to be one', async t => {
  const path = written(
    t,
    'late.mjs',
    `export const factory = async ({ steps }) => {
      await new Promise(resolve => setTimeout(resolve, 50))
      return { ...steps, route: (event, ...all) => event.test === 'x' ? null.topic : steps.route(event, ...all) }
    }`,
  )
  const service = await startService(t, { eventgate_factory_module: path })
  assertFailure(await service.post(testEvent({ test: 'x' })), { status: 500, error: ['internal_error'] })
  assertAccepted(await service.post(testEvent()), 201, ONE_ACCEPTED)
  await eventually(() => assert.equal(service.produced().length, 1))
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
      await assert.rejects(startService(t, { eventgate_factory_module: path }), (error: Error) => {
        assert.match(error.message, /the service ended with [1-9]/)
        const line = error.message.split('\n').find(found => found.includes('eventgate_factory_module'))
        assert.match(String(line), message)
        return true
      })
    })
  }
  await t.test('Wikimedia’s own, where it exists', t => {
    const path = written(t, 'eventgate-wikimedia.js', 'module.exports = { other() {} }')
    return assert.rejects(
      startService(t, { eventgate_factory_module: path }),
      /eventgate-wikimedia\.js.* exports no function/,
    )
  })
  await t.test('a package that is not installed', t =>
    assert.rejects(
      startService(t, { eventgate_factory_module: 'no-such-package-of-ours' }),
      /eventgate_factory_module .*no-such-package-of-ours.*cannot be loaded/,
    ),
  )
})

test('Wikimedia’s own module means the built-in behaviour where there is no such file, which is said once', async t => {
  for (const path of [
    '/srv/service/eventgate-wikimedia.js',
    './eventgate-wikimedia.js',
    'eventgate-wikimedia.js',
  ]) {
    const service = await startService(t, { eventgate_factory_module: path })
    assertAccepted(await service.post(testEvent()), 201, ONE_ACCEPTED)
    const said = service.log().filter(({ msg }) => String(msg).includes('eventgate_factory_module'))
    assert.equal(said.length, 1)
    assert.equal(said[0]?.level, 30)
    assert.match(String(said[0]?.msg), /does not exist: the behaviour of eventgate-wikimedia\.js is built in/)
  }
})

test('whatever the package exports says what it is', () => {
  const index = readFileSync(join(ROOT, 'src/index.ts'), 'utf8')
  const exported = [...index.matchAll(/^export (?:type )?\{([^}]+)\} from '\.\/[^']+\.js'/gm)]
  const names = exported.flatMap(([, list = '']) =>
    list
      .split(',')
      .map(name => name.replace(/^\s*type\s/, '').trim())
      .filter(name => name !== ''),
  )
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => readFileSync(join(ROOT, 'src', path), 'utf8'))
  for (const name of names) {
    const declared = new RegExp(
      `(.*)\\nexport (?:async )?(?:abstract )?(?:class|interface|type|function|const) ${name}\\b`,
    )
    const before = sources.map(source => declared.exec(source)?.[1]).find(line => line !== undefined)
    assert.match(String(before), /\*\/$/, `${name} has no docstring`)
  }
  assert.deepEqual(
    Object.keys(library).filter(name => !names.includes(name)),
    [],
  )
})
