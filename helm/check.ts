/**
 * Checks what operators get, without a cluster. Kubernetes' own schemas check the chart's rendered objects, and the
 * service's own reader checks the configuration in them. promtool checks the rules, hadolint the Dockerfile.
 * A missing tool is an error: `helm/tools.sh` installs them all.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dump, load, loadAll } from 'js-yaml'
import { type Config, readConf } from '#src/lib/config/config.js'
import { readConfigFile } from '#src/lib/config/file.js'
import { ConfigError } from '#src/lib/config/problems.js'
import { testAuthority } from '../test/support/kafka-certs.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const HELM = join(ROOT, 'helm')
const CHART = join(HELM, 'eventgate')
const TOOLS_DIR =
  process.env.TOOLS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'eventgate-tools')
const SCHEMAS = process.env.KUBE_SCHEMAS ?? join(TOOLS_DIR, 'kube-schemas')
const PATH = [join(TOOLS_DIR, 'bin'), process.env.PATH].join(delimiter)
const OPERATOR = ['--api-versions', 'monitoring.coreos.com/v1']

/** Each tool, and the command that prints its version. */
const TOOLS = { helm: 'version', kubeconform: '-v', promtool: '--version', hadolint: '--version' }

/** Paths at which a secret can be written into `config.kafka`. */
const SECRETS = [
  ...['sasl\\.password', 'ssl\\.key\\.password', 'ssl\\.key\\.pem', 'ssl\\.keystore\\.password'].flatMap(
    property => ['conf', 'guaranteed.conf', 'hasty.conf'].map(conf => `${conf}.${property}`),
  ),
]

const SORTED = /streams: .*Helm sorts the keys of maps: write streams as a text/

/** Values that must be refused, and the expected message. */
const WRONG: [set: string[], said: RegExp][] = [
  [['replica=3'], /replica'? not allowed|'replica'/],
  [['replicas=many'], /\/replicas|replicas: Invalid type/],
  [['config.request_timeout=1'], /request_timeout/],
  [['config.kafka.conf.linger\\.msec=1'], /linger\.msec/],
  [['config.kafka.conf.metadata\\.broker\\.list='], /config\.kafka\.conf: .* no broker is named/],
  [['config.kafka.conf.bootstrap\\.servers=b:1'], /bootstrap\.servers is another name/],
  [['secrets.kafkaTls.secretName=s'], /secrets\.kafkaTls\.secretName: .* is plaintext/],
  [['secrets.kafkaTls.key=k'], /secrets\.kafkaTls: certificate and key go together/],
  [['secrets.kafkaSasl.secretName=s'], /secrets\.kafkaSasl\.secretName: .* is plaintext/],
  [['streams.s.schema_title=t', 'config.stream_config_uri=http://a/'], /streams: are given, and so is/],
  [
    ['streams.s.schema_title=t', 'streams.s.message_key_fields.b=b', 'streams.s.message_key_fields.a=a'],
    SORTED,
  ],
  [['streams./^b/.schema_title=t', 'streams./^a/.schema_title=t'], SORTED],
  [['streams=a: ['], /streams: are no map of streams/],
  [['clientTimeoutSeconds=9'], /config\.request_timeout_ms: is 9000, not below clientTimeoutSeconds, 9/],
  [['config.shutdown_timeout_ms=3000'], /config\.shutdown_timeout_ms: is 3000, more than drainSeconds, 2/],
  ...SECRETS.map((path): [string[], RegExp] => [
    [`config.kafka.${path}=hunter2`],
    /config\.kafka\..*: is a secret, and would stand in a ConfigMap.*secretKeyRef/,
  ]),
  [
    ['config.kafka.conf.sasl\\.password=\\{env(PASSWORD\\,hunter2)}'],
    /config\.kafka\.conf\['sasl\.password'\]: is a secret/,
  ],
  [
    ['config.stream_config_uri_options.headers.authorization=Bearer hunter2'],
    /stream_config_uri_options\.headers\.authorization: is a secret/,
  ],
  [['podLabels.app\\.kubernetes\\.io/instance=a'], /podLabels: .*app\.kubernetes\.io\/instance/],
  [['metrics.port=8192'], /metrics\.port: is 8192, and so is config\.port/],
  [['heapLimitMb=400'], /heapLimitMb: is 400, not below resources\.limits\.memory, 400Mi/],
  [['nodeOptions=--max-old-space-size=300'], /nodeOptions/],
  [
    ['autoscaling.enabled=true', 'autoscaling.minReplicas=11'],
    /minReplicas: is 11, more than maxReplicas, 10/,
  ],
  [['autoscaling.enabled=true', 'resources.requests=null'], /resources\.requests\.cpu: .* not set/],
  [['spool.storage=memory'], /spool/],
  [['spool.storage=emptyDir', 'spool.size=300Mi'], /spool\.size: is 300Mi, and must be at least 320Mi/],
  [['spool.storage=emptyDir', 'config.kafka=null'], /spool\.storage: a spool is for Kafka/],
  [
    ['spool.storage=emptyDir', 'config.spool.directory=/tmp'],
    /config\.spool: directory and persistent follow from spool\.storage/,
  ],
  [
    ['spool.storage=emptyDir', 'spool.size=1Gi', 'config.spool.max_bytes=900000000'],
    /config\.spool\.max_bytes: is 900000000, more than 80% of spool\.size, which is 858993459/,
  ],
  [['spool.storage=emptyDir', 'config.spool.max_bytes=1gb'], /config\.spool\.max_bytes: must be a number/],
  [
    ['spool.storage=persistent', 'autoscaling.enabled=true'],
    /autoscaling\.enabled: .* not with spool\.storage persistent/,
  ],
  [['ingress.enabled=true'], /ingress\.hosts: /],
  [['httpRoute.enabled=true'], /httpRoute\.parentRefs: /],
]

/** Values with which `helm test` must pass too. */
const TESTED: string[][] = [
  ['streams.s.schema_title=t'],
  ['streams.s.schema_title=t', 'serviceName=another'],
  ['streams=s: {schema_title: t}'],
  ['streams=\\{"s": {"schema_title": "t"}}'],
  ['streams./^check-\\.+/.schema_title=test/event'],
  ['streams./^(?<name>check)-/.schema_title=test/event'],
]

/** Ports that NetworkPolicy must leave open, beside those of DNS and Kafka. */
const REACHED: [set: string[], ports: number[]][] = [
  [[], []],
  [otlp('OTEL_EXPORTER_OTLP_ENDPOINT', 'http://otel:4318'), [4318]],
  [otlp('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'https://otel.example.org/v1/traces'), [443]],
  [otlp('OTEL_EXPORTER_OTLP_ENDPOINT', 'otel:4317'), [4317]],
  [otlp('OTEL_EXPORTER_OTLP_ENDPOINT', 'http://localhost:4318'), []],
  [otlp('OTEL_SERVICE_NAME', 'http://otel:4318'), []],
]

/** Time that production gives a pod: for preStop, and in all (s). A spool that ends with the pod has a minute more. */
const ENDS: Record<string, [preStop: number, grace: number]> = {
  'main.yaml': [63, 65],
  'analytics.yaml': [11, 73],
  'analytics-external.yaml': [11, 73],
  'logging-external.yaml': [11, 73],
}

interface Rendered {
  kind: string
  metadata: { name: string }
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds
  [field: string]: any
}

/** A rule that alerts or records. */
type Rule = { expr: string } & (
  | { alert: string; annotations: Record<string, string> }
  | { alert?: never; record: string }
)

const work = mkdtempSync(join(tmpdir(), 'eventgate-check-'))
process.on('exit', () => rmSync(work, { recursive: true }))

requireTools()
writeSecrets()
for (const values of [null, ...valuesFiles()]) checkValues(values)
for (const set of TESTED) {
  step(`the test event is accepted: ${set.join(', ')}`)
  checkTestEvents(render(set.flatMap(value => ['--set', value])))
}
for (const [set, ports] of REACHED) checkReached(set, ports)
for (const [set, said] of WRONG) checkRefused(set, said)
checkRules()
step('Dockerfile')
run('hadolint', ['--no-color', join(ROOT, 'Dockerfile')])
console.log('all is well')

function requireTools(): void {
  const missing = Object.entries(TOOLS)
    .filter(([tool, version]) => spawn(tool, [version]).error !== undefined)
    .map(([tool]) => tool)
  if (!existsSync(SCHEMAS)) missing.push(`schemas for kubeconform (${SCHEMAS}, or KUBE_SCHEMAS)`)
  if (missing.length > 0) fail(`missing: ${missing.join(', ')}. helm/tools.sh installs them`)
}

/** The values files that ship, and one that uses every feature of the chart. */
function valuesFiles(): string[] {
  const folder = join(CHART, 'values')
  return [...readdirSync(folder).map(file => join(folder, file)), join(HELM, 'everything.yaml')]
}

/** What the values files have in Secrets. */
function writeSecrets(): void {
  const authority = testAuthority()
  const { cert, key } = authority.issue('eventgate')
  for (const [file, text] of Object.entries({ 'ca.crt': authority.ca, 'tls.crt': cert, 'tls.key': key }))
    writeFileSync(join(work, file), text)
}

function checkValues(file: string | null): void {
  const values = file === null ? [] : ['--values', file]
  step(file === null ? 'the defaults' : file.slice(HELM.length + 1))
  run('helm', ['lint', '--strict', '--quiet', CHART, ...values])
  for (const cluster of [[], OPERATOR]) {
    const manifest = template([...values, ...cluster])
    const location = join(SCHEMAS, '{{.ResourceKind}}_{{.Group}}_{{.ResourceAPIVersion}}.json')
    const summary = run('kubeconform', ['-strict', '-summary', '-schema-location', location], manifest)
    console.log(summary.trim())
    const objects = objectsOf(manifest)
    checkConfiguration(objects)
    // A remote stream configuration is not available here.
    if (!filesOf(objects).config.includes('stream_config_uri: http')) checkTestEvents(objects)
    checkEnd(podOf(objects), file === null ? undefined : ENDS[basename(file)])
    checkMonitoring(objects, cluster.length > 0, runbookOf(file))
  }
}

/** The service accepts the configuration, and the pod gives it the configured time. */
function checkConfiguration(objects: Rendered[]): void {
  const pod = podOf(objects)
  const { config, streams } = filesOf(objects)
  const env = environmentOf(pod)
  try {
    const { conf } = readConfigFile(config, env).services[0] as { conf: Record<string, unknown> }
    const { request_timeout_ms, shutdown_timeout_ms, stream_config_uri, spool } = readConf(conf)
    const preStopMs = pod.containers[0].lifecycle.preStop.sleep.seconds * 1000
    const graceMs = pod.terminationGracePeriodSeconds * 1000
    if (request_timeout_ms >= preStopMs) fail(`a request may take longer than preStop, ${preStopMs} ms`)
    checkSpool(pod, spool)
    if (preStopMs + shutdown_timeout_ms > graceMs) fail(`preStop and shutdown do not fit into ${graceMs} ms`)
    if (streams !== undefined && !(load(streams) && stream_config_uri)) fail('streams are not taken')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    fail(`the service refuses config.yaml:\n${error.message}`)
  }
}

/** The spool is on a volume of the pod. An emptyDir, with which it ends, has room for all that it may hold. */
function checkSpool(pod: Rendered, spool: Config['spool']): void {
  const mounts: { name: string; mountPath: string }[] = pod.containers[0].volumeMounts
  const mount = mounts.find(({ name }) => name === 'spool')
  if ((spool === null) !== (mount === undefined)) fail('a spool and its volume go together')
  if (spool === null) return
  if (!spool.directory.startsWith(`${mount?.mountPath}/`)) fail(`${spool.directory} is on no volume`)
  const volume = pod.volumes.find(({ name }: { name: string }) => name === 'spool')
  if ((volume === undefined) !== spool.persistent)
    fail('the service must know whether its spool is persistent')
  const [, gib] = /^(\d+)Gi$/.exec(volume?.emptyDir.sizeLimit ?? '') ?? []
  if (volume && !(spool.maxBytes <= 0.8 * Number(gib) * 1024 ** 3)) fail('the kubelet would evict the pod')
}

/** What `helm test` and NOTES.txt send is accepted. */
function checkTestEvents(objects: Rendered[]): void {
  const { config, streams } = filesOf(objects)
  const { env: variables } = one(objects, 'Pod').spec.containers[0]
  const events = variables.find(({ name }: { name: string }) => name === 'EVENTS').value
  const file = join(work, 'config.yaml')
  writeFileSync(file, config)
  writeFileSync(join(work, 'streams.yaml'), streams ?? '{}')
  const { status, stdout, stderr } = spawn(
    process.execPath,
    [join(ROOT, 'dist/cli.js'), 'validate', '-c', file, '--schemas', join(ROOT, 'schemas'), '-'],
    events,
    environmentOf(podOf(objects)),
  )
  if (status !== 0) fail(`the service would not accept the chart's test event:\n${stdout}${stderr}`)
}

/** The service's files, with the mounted ones at their paths on this machine. */
function filesOf(objects: Rendered[]): { config: string; streams: string | undefined } {
  const files = objects.find(({ data }) => data?.['config.yaml'])?.data as Record<string, string>
  const config = (files['config.yaml'] as string)
    .replaceAll('/etc/kafka-tls/', `${work}/`)
    .replaceAll('/etc/eventgate/', `${work}/`)
  return { config, streams: files['streams.yaml'] }
}

function environmentOf(pod: Rendered): Record<string, string> {
  return Object.fromEntries(
    pod.containers[0].env
      .map(({ name }: { name: string }) => [name, `it's "${name}"`])
      .filter(([name]: [string]) => name !== 'NODE_OPTIONS'),
  )
}

function checkReached(set: string[], expected: number[]): void {
  step(`reached: ${[...set, 'DNS and Kafka'].join(', ')}`)
  const { egress } = one(render(set.flatMap(value => ['--set', value])), 'NetworkPolicy').spec
  const ports = egress.flatMap(({ ports }: { ports: { port: number }[] }) => ports.map(({ port }) => port))
  const others = [...new Set<number>(ports)].filter(port => port !== 53 && port !== 9092)
  if (others.join() !== expected.join()) fail(`ports ${others} can be reached, not ${expected}`)
}

function otlp(name: string, value: string): string[] {
  return [`env[0].name=${name}`, `env[0].value=${value}`]
}

function template(args: string[]): string {
  return run('helm', ['template', 'check', CHART, ...args])
}

function render(args: string[]): Rendered[] {
  return objectsOf(template(args))
}

function objectsOf(manifest: string): Rendered[] {
  return (loadAll(manifest) as (Rendered | null)[]).filter(object => object !== null)
}

function checkEnd(pod: Rendered, expected: [number, number] | undefined): void {
  const end = [pod.containers[0].lifecycle.preStop.sleep.seconds, pod.terminationGracePeriodSeconds]
  if (expected && end.join() !== expected.join()) fail(`preStop and grace are ${end}, not ${expected}`)
}

/** The pods of the one workload. */
function podOf(objects: Rendered[]): Rendered {
  const isStateful = objects.some(({ kind }) => kind === 'StatefulSet')
  return one(objects, isStateful ? 'StatefulSet' : 'Deployment').spec.template.spec
}

function runbookOf(file: string | null): string {
  const values =
    file === null ? {} : (load(readFileSync(file, 'utf8')) as { alerts?: { runbookUrl?: string } })
  return values.alerts?.runbookUrl ?? 'docs/runbook.md'
}

function checkMonitoring(objects: Rendered[], hasOperator: boolean, runbook: string): void {
  const kinds = objects.map(({ kind }) => kind)
  if (hasOperator && !(kinds.includes('ServiceMonitor') && kinds.includes('PrometheusRule')))
    fail('a cluster that knows them gets no ServiceMonitor or no PrometheusRule')
  for (const { kind, spec } of objects) {
    if (kind !== 'PrometheusRule') continue
    checkRulesOf({ groups: spec.groups })
    checkNamespace(spec.groups, kinds.includes('ServiceMonitor'))
    for (const rule of spec.groups.flatMap((group: { rules: Rule[] }) => group.rules)) {
      if (rule.alert === undefined) continue
      const url = rule.annotations.runbook_url
      if (url !== `${runbook}#${rule.alert.toLowerCase()}`)
        fail(`the runbook of ${rule.alert} is ${url}, not of ${runbook}`)
    }
  }
}

/** A release of the same name in another namespace is another one. Without a ServiceMonitor the label may be missing. */
function checkNamespace(groups: { rules: Rule[] }[], isLabelled: boolean): void {
  for (const rule of groups.flatMap(({ rules }) => rules)) {
    const { expr } = rule
    const name = rule.alert ?? rule.record
    if (/service=~/.test(expr)) fail(`${name} is of every service`)
    if (expr.includes('namespace="default"') !== isLabelled) fail(`${name}: the namespace in\n${expr}`)
  }
}

function checkRulesOf(rules: object): void {
  const file = join(work, 'rules.yaml')
  writeFileSync(file, dump(rules))
  run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', file])
}

function checkRefused(set: string[], said: RegExp): void {
  step(`refused: ${set.join(', ')}`)
  const { status, stdout, stderr } = spawn('helm', [
    ...['template', 'check', CHART],
    ...set.flatMap(value => ['--set', value]),
  ])
  if (status === 0) fail('it is taken')
  if (!said.test(stderr)) fail(`what is said of it does not name it:\n${stdout}${stderr}`)
}

/** The rules in the files, and their tests. */
function checkRules(): void {
  step('alerts')
  const alerts = join(CHART, 'alerts')
  const files = readdirSync(alerts).map(file => join(alerts, file))
  run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', ...files])
  const tests = join(HELM, 'alerts-tests')
  if (!existsSync(tests)) return
  for (const file of readdirSync(tests)) {
    step(`alerts-tests/${file}`)
    run('promtool', ['test', 'rules', join(tests, file)])
  }
}

function one(objects: Rendered[], kind: string): Rendered {
  const found = objects.filter(object => object.kind === kind)
  if (found.length !== 1) fail(`${found.length} objects of the kind ${kind}`)
  return found[0] as Rendered
}

function spawn(tool: string, args: string[], input = '', env: Record<string, string> = {}) {
  return spawnSync(tool, args, { input, encoding: 'utf8', env: { ...process.env, PATH, ...env } })
}

/** What the tool printed. If the tool finds a fault, prints all of it and ends the process. */
function run(tool: string, args: string[], input?: string): string {
  const { status, stdout, stderr } = spawn(tool, args, input)
  if (status !== 0) fail(`${tool} ${args.join(' ')}:\n${stdout}${stderr}`)
  return stdout
}

function step(name: string): void {
  console.log(`== ${name}`)
}

function fail(message: string): never {
  console.error(`check:operators: ${message}`)
  process.exit(1)
}
