/** The chart, rendered by Helm itself, which `helm/tools.sh` installs. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { load } from 'js-yaml'
import { StreamTable } from '#src/lib/streams/table.js'
import { CHART } from '../docs/chart-schema.js'
import { temporary } from '../support/service.js'

const TOOLS =
  process.env.TOOLS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'eventgate-tools')
const env = { ...process.env, PATH: [join(TOOLS, 'bin'), process.env.PATH].join(delimiter) }

/** What Helm makes of values. */
function render(t: TestContext, values: string, ...more: string[]) {
  return renderTemplate(t, 'configmap', values, more)
}

function renderTemplate(t: TestContext, name: string, values: string, more: string[] = []) {
  const file = join(temporary(t), 'values.yaml')
  writeFileSync(file, values)
  const only = ['--show-only', `templates/${name}.yaml`]
  const args = ['template', 'check', CHART, ...only, '--values', file, ...more]
  const { status, stdout, stderr, error } = spawnSync('helm', args, { env, encoding: 'utf8' })
  assert.equal(error, undefined, 'helm is missing: helm/tools.sh installs it')
  return { status, stdout, stderr }
}

/** The stream configuration that the service is given. */
function streamsOf({ status, stdout, stderr }: ReturnType<typeof render>): StreamTable {
  assert.equal(status, 0, stderr)
  const { data } = load(stdout) as { data: Record<string, string> }
  return StreamTable.read(data['streams.yaml'] as string, {
    objectPath: undefined,
    destination: undefined,
    topicPrefix: '',
  })
}

const STREAMS = `page.change: { schema_title: page/change, message_key_fields: { wiki_id: wiki_id, page_id: page.page_id } }
"/^z.+/": { schema_title: z }
"/^.+$/": { schema_title: a }
`
const indented = (text: string) => text.replace(/^/gm, '  ')

function assertOrder(table: StreamTable): void {
  assert.deepEqual(
    table.find('page.change')?.key?.map(({ name }) => name),
    ['wiki_id', 'page_id'],
  )
  assert.equal(table.find('zed')?.schemaTitle, 'z')
  assert.equal(table.find('another')?.schemaTitle, 'a')
}

test('streams as a text keep their order: of key fields, and of expressions', t => {
  assertOrder(streamsOf(render(t, `streams: |\n${indented(STREAMS)}`)))
  const file = join(temporary(t), 'streams.yaml')
  writeFileSync(file, STREAMS)
  assertOrder(streamsOf(render(t, '', '--set-file', `streams=${file}`)))
  writeFileSync(file, ` ${JSON.stringify(load(STREAMS))}\n`)
  assertOrder(streamsOf(render(t, '', '--set-file', `streams=${file}`)))
})

test('streams as a map are refused where Helm would change what they mean', t => {
  const { status, stderr } = render(t, `streams:\n${indented(STREAMS)}`)
  assert.equal(status, 1)
  assert.match(
    stderr,
    /streams: page\.change has several message_key_fields, .* but Helm sorts the keys of maps: write streams as a text/,
  )
  assert.match(
    stderr,
    /streams: \/\^\.\+\$\/ and \/\^z\.\+\/ are expressions, and the first that matches wins/,
  )
})

test('streams as a map are taken where no order matters', t => {
  const table = streamsOf(
    render(
      t,
      'streams: { s: { schema_title: x, message_key_fields: { a: b } }, "/^z/": { schema_title: z } }',
    ),
  )
  assert.equal(table.find('s')?.key?.length, 1)
  assert.equal(table.find('zed')?.schemaTitle, 'z')
})

test("the stream of the chart's own test event is added to a text, unless something takes it", t => {
  const own = 'check-eventgate.test.event'
  for (const text of [
    's: { schema_title: x }',
    '{ s: { schema_title: x } }',
    '{"s": {"schema_title": "x"}}',
    '# mine\ns: &d {schema_title: x}\nt: {<<: *d}',
  ]) {
    const table = streamsOf(render(t, `streams: |\n${indented(text)}`))
    assert.equal(table.find(own)?.schemaTitle, 'test/event', text)
    assert.equal(table.find('s')?.schemaTitle, 'x', text)
  }
  const known = streamsOf(render(t, 'streams: |\n  "/^check-/": { schema_title: test/event }'))
  assert.deepEqual(Object.keys(known.settings), ['/^check-/'])
})

test('a text that is no map of streams, or that the test event cannot be added to, is refused', t => {
  const refused: [values: string, said: RegExp][] = [
    ['streams: "a: ["', /streams: are no map of streams: /],
    ['streams: "[a]"', /streams: are no map of streams: /],
    [
      'streams: "  a: { schema_title: x }\\n  b: { schema_title: y }"',
      /the chart's own test event cannot be added/,
    ],
    ['streams: [a]', /streams/],
  ]
  for (const [values, said] of refused) {
    const { status, stderr } = render(t, values)
    assert.equal(status, 1, values)
    assert.match(stderr, said)
  }
})

test('the thresholds of alerts are those of the values, and without values those of the rules', t => {
  const rulesOf = (values: string) => {
    const { status, stdout, stderr } = renderTemplate(
      t,
      'prometheusrule',
      `alerts: { enabled: always${values} }`,
    )
    assert.equal(status, 0, stderr)
    const { spec } = load(stdout) as { spec: { groups: { rules: { alert?: string; expr: string }[] }[] } }
    return spec.groups.flatMap(({ rules }) => rules)
  }
  const refusing = (values: string) =>
    rulesOf(values)
      .find(({ alert }) => alert === 'EventGateStreamRefusing')
      ?.expr.trim()
  assert.match(refusing('') ?? '', /> 0\.01$/)
  assert.match(refusing(', refusedShare: 0.05') ?? '', /> 0\.05$/)
  assert.match(refusing(', refusedShare: 0') ?? '', /> 0$/)
  const levels = (values: string) =>
    rulesOf(values).filter(({ expr }) => expr.includes(`1 - 0.999${values ? 5 : ''}\n`))
  assert.equal(levels('').length, 7)
  assert.equal(levels(', serviceLevel: 0.9995').length, 7)
})
