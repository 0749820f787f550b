import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as library from 'eventgate'
import { load } from 'js-yaml'
import { startApp } from '../support/app.js'
import { assertAccepted, assertFailure, eventually, ONE_ACCEPTED } from '../support/http.js'
import { ROOT, temporary, testEvent } from '../support/service.js'

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
    const service = await startApp(t, {
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
  const service = await startApp(t, { eventgate_factory_module: './.build/library-test/own-steps.mjs' })
  await service.post(testEvent())
  assert.deepEqual(service.produced()[0]?.test_map, { gate: 'eqiad' })

  // `eventgate` is a package that is there, by its own name, and no module of steps.
  await assert.rejects(
    startApp(t, { eventgate_factory_module: 'eventgate' }),
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
  const service = await startApp(t, { eventgate_factory_module: path })
  assertFailure(await service.post([testEvent(), testEvent({ test: 'refused' })]), {
    status: 207,
    invalid: ['record_refused'],
  })
})

test('what a step throws by mistake is a defect, and said to be one', async t => {
  const path = written(
    t,
    'defect.mjs',
    `export const factory = ({ steps }) => {
      return { ...steps, route: (event, ...all) => event.test === 'x' ? null.topic : steps.route(event, ...all) }
    }`,
  )
  const service = await startApp(t, { eventgate_factory_module: path })
  assertFailure(await service.post(testEvent({ test: 'x' })), { status: 500, error: ['internal_error'] })
  assertAccepted(await service.post(testEvent()), 201, ONE_ACCEPTED)
  await eventually(() => assert.equal(service.produced().length, 1))
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
  const declared = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .flatMap(path => {
      const source = readFileSync(join(ROOT, 'src', path), 'utf8')
      return [
        ...source.matchAll(
          /^(.*)\nexport (?:async )?(?:abstract )?(?:class|interface|type|function|const) (\w+)/gm,
        ),
      ]
    })
  const before = new Map(declared.map(([, line, name]) => [name, line]))
  for (const name of names) assert.match(String(before.get(name)), /\*\/$/, `${name} has no docstring`)
  assert.deepEqual(
    Object.keys(library).filter(name => !names.includes(name)),
    [],
  )
})
