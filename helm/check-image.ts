/**
 * Runs the image as pods do, without a container engine or a registry. The Dockerfile's stages are laid out in a folder.
 * This machine's Node, shell and C library replace the base image. The image runs in its own namespaces: not as root,
 * with a read-only root, and within 300 MiB of memory if the machine allows that.
 *
 *   npm run check:image
 *
 * 1. With the image's entry point and the configuration for a first try: its health check passes, and SIGTERM ends it
 *    with 0.
 * 2. With the command of production's pods and each of production's configurations, if they lie beside the checkout.
 *    Only addresses are replaced. It starts, and stores an example of each schema that a stream names. Every example
 *    of `?spec` is valid. It stays below 300 MiB at 1,000 events/s, and SIGTERM ends it with 0 within two seconds.
 *    Needs what the tests with a real Kafka need.
 *
 * Says what it skipped, and why. It does not check the size and the packages of the real base image.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { load } from 'js-yaml'
import { memoryOf } from '../test/reliability/overload.js'
import { freePorts, type KafkaCluster, startKafka } from '../test/support/kafka.js'
import { monitor } from '../test/support/monitoring.js'
import {
  examplesOf,
  isThere,
  REPOSITORY,
  serveProduction,
  streamsOf,
  wholeSchemas,
} from '../test/support/production.js'
import { ROOT, send, WIKIMEDIA } from '../test/support/service.js'
import { type Image, layOut, PATH_INSIDE } from './dockerfile.js'

const LIMIT_MIB = 300
const RATE = 1000
const LOAD_S = 15
const END_MS = 2000
/** What the image uses of a base image besides Node: a shell for preStop, and `ln` while it is built. */
const TOOLS = ['/bin/sh', '/bin/ln', '/bin/sleep', '/usr/bin/env']

const work = mkdtempSync(join(tmpdir(), 'eventgate-image-'))
const ends: (() => unknown)[] = [() => rmSync(work, { recursive: true, force: true })]
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
/** The control group of the pods; empty if the machine allows no control groups. */
let group: string | undefined
const scope = { after: (end: () => void) => void ends.unshift(end) }
/** What the check found. */
class Failure extends Error {}

const absent = ['unshare', 'mount', 'chroot', 'ldd'].filter(tool => spawnSync('which', [tool]).status !== 0)
if (process.getuid?.() !== 0 || absent.length > 0) {
  console.log(`SKIPPED, nothing of the image was run: needs root${absent.map(tool => `, ${tool}`).join('')}`)
  process.exit(0)
}
try {
  await main()
  console.log('check:image: all is well')
} catch (error) {
  console.error(`check:image: ${error instanceof Failure ? error.message : (error as Error).stack}`)
  process.exitCode = 1
} finally {
  for (const end of ends) await end()
}
process.exit()

async function main(): Promise<void> {
  const kafka = isThere ? await startKafka({ brokers: 1, listeners: ['SSL'] }) : undefined
  if (kafka) ends.unshift(() => kafka.close())
  step('laying out the image')
  const schemas = join(work, 'event')
  for (const name of ['primary', 'secondary'])
    mkdirSync(join(schemas, name, 'jsonschema'), { recursive: true })
  if (isThere) cpSync(REPOSITORY, join(schemas, 'primary/jsonschema'), { recursive: true })
  const root = join(work, 'root')
  makeBase(root)
  const args: Record<string, string> = kafka
    ? {
        ...{ SCHEMAS: schemas, SCHEMAS_AT: '/srv/service/schemas/event' },
        ...{ CA: String(kafka.tls?.caFile), CA_AT: '/etc/ssl/certs/wmf-ca-certificates.crt' },
      }
    : {}
  const image = layOut(join(ROOT, 'Dockerfile'), ROOT, root, work, args)
  if (/^(root|0)(:|$)/.test(image.user)) fail(`USER ${image.user} is root`)

  step('its own entry point')
  await checkEntryPoint(image)
  if (!kafka) {
    console.log(`SKIPPED, production's configurations were not tried: ${WIKIMEDIA} is not there`)
    return
  }
  for (const file of readdirSync(join(WIKIMEDIA, 'clusters')).filter(name => name.endsWith('.config.yaml'))) {
    const name = file.replace('.config.yaml', '')
    step(name)
    await checkPod(image, name, kafka)
  }
}

/** Lays out what replaces the base image. */
function makeBase(root: string): void {
  const files = [...TOOLS, process.execPath].flatMap(tool => {
    const { stdout } = spawnSync('ldd', [tool], { encoding: 'utf8' })
    return [tool, ...[...stdout.matchAll(/(?:=> )?(\/\S+) \(/g)].map(([, path]) => path as string)]
  })
  for (const file of new Set(files)) {
    const target = join(root, file === process.execPath ? '/usr/local/bin/node' : file)
    mkdirSync(dirname(target), { recursive: true })
    cpSync(realpathSync(file), target)
  }
  for (const folder of ['tmp', 'proc', 'dev', 'sys/fs/cgroup', 'etc/eventgate'])
    mkdirSync(join(root, folder), { recursive: true })
}

async function checkEntryPoint(image: Image): Promise<void> {
  const [port] = (await freePorts(1)) as [number]
  const config = mounted(
    'try',
    readFileSync(join(ROOT, 'config.dev.yaml'), 'utf8').replace(/port: \d+/, `port: ${port}`),
  )
  const pod = run(image, [...image.entrypoint, '-c', '/etc/eventgate/config.yaml'], config, {})
  const url = `http://127.0.0.1:${port}`
  await whenReady(url, pod)
  const [node = '', ...words] = image.healthcheck.map(word => word.replace(':8192', `:${port}`))
  if (node !== 'node') fail(`the health check begins with ${node}`)
  if (spawnSync(process.execPath, words).status !== 0) fail('the health check does not pass')
  await end(pod)
}

async function checkPod(image: Image, name: string, kafka: KafkaCluster): Promise<void> {
  const { streams, registry } = await serveProduction(scope, name)
  const [port, metricsPort] = (await freePorts(2)) as [number, number]
  const original = readFileSync(join(WIKIMEDIA, 'clusters', `${name}.config.yaml`), 'utf8')
  const text = original
    .replace(/\bport: 8192\b/, `port: ${port}`)
    .replace(/\bport: 9102\b/, `port: ${metricsPort}`)
    .replaceAll('127.0.0.1:6023', registry)
    .replace('127.0.0.1:6500', streams)
    .replace(/127\.0\.0\.1:9093\S*/, kafka.bootstrapOf('SSL'))
  const command = ['nodejs', '/srv/service/node_modules/.bin/eventgate', '-c', '/etc/eventgate/config.yaml']
  const pod = run(image, command, mounted(name, text), { SERVICE_IDENTIFIER: name })
  const url = `http://127.0.0.1:${port}`
  await whenReady(url, pod)

  const refused: string[] = []
  const examples = examplesOf(streamsOf(name), wholeSchemas())
  for (const { uri, stream, event } of examples) {
    const reply = await post(url, JSON.stringify(event))
    if (reply !== 201) refused.push(`${stream} ${uri}: ${reply}`)
  }
  if (refused.length > 0) fail(`examples were refused:\n${refused.join('\n')}`)
  const { tried, complaints } = await monitor(url)
  if (complaints.length > 0) fail(`examples of ?spec do not hold:\n${complaints.join('\n')}`)

  const { services } = load(original) as { services: [{ conf: { test_events: [object] } }] }
  const { accepted, other } = await offer(url, JSON.stringify(services[0].conf.test_events[0]))
  const most = memoryOf(pod.pid(), 'VmHWM')
  const ms = await end(pod)
  console.log(
    `${examples.length} examples stored, ${tried.length} of ?spec hold; ${(accepted / LOAD_S).toFixed(0)} events/s, ${other} other answers, at most ${most.toFixed(0)} MiB; ended after ${ms.toFixed(0)} ms`,
  )
  if (other > 0) fail(`${other} events were not accepted`)
  if (most >= LIMIT_MIB) fail(`it took ${most.toFixed(0)} MiB`)
}

/** A folder with a configuration, to be mounted as a ConfigMap is. */
function mounted(name: string, config: string): string {
  const folder = join(work, 'mounts', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.yaml'), config)
  return folder
}

interface Pod {
  child: ChildProcess
  output: () => string
  /** Process id of the service on this machine. */
  pid(): number
}

/** Runs a command as process 1 of a pod. It uses this machine's network, because Kafka is there. */
function run(image: Image, command: string[], config: string, env: Record<string, string>): Pod {
  const all = { PATH: PATH_INSIDE, HOME: '/', ...image.env, ...env }
  const variables = Object.entries(all).map(([key, value]) => `${key}=${value}`)
  const script = `set -e
    root=$1 config=$2; shift 2
    for group in ${limited().join(' ')}; do echo $$ > "$group/cgroup.procs"; done
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount --bind "$config" "$root/etc/eventgate"
    mount -t tmpfs tmpfs "$root/tmp"; chmod 1777 "$root/tmp"
    mount -t tmpfs tmpfs "$root/dev"
    for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
    ln -s /proc/self/fd "$root/dev/fd"; ln -s /proc/self/fd/1 "$root/dev/stdout"
    mount -t proc proc "$root/proc"
    mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
    mount -o remount,ro,bind "$root/etc/eventgate"
    mount -o remount,ro,bind "$root"
    exec "$@"`
  const inside = [
    'chroot',
    `--userspec=${image.user}`,
    image.root,
    '/usr/bin/env',
    '-i',
    `--chdir=${image.workdir}`,
  ]
  const unshare = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    'bash',
    '-c',
    script,
    'pod',
    image.root,
    config,
  ]
  const child = spawn('unshare', [...unshare, ...inside, ...variables, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      text = (text + chunk).slice(-100_000)
    })
  }
  const pid = () =>
    Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0])
  scope.after(() => {
    if (child.exitCode === null) process.kill(pid(), 'SIGKILL')
  })
  return { child, output: () => text, pid }
}

/** The control group; the first call makes it. */
function limited(): string[] {
  if (group !== undefined) return group === '' ? [] : [group]
  const ways: [folder: string, file: string][] = [
    ['/sys/fs/cgroup', 'memory.max'],
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
  ]
  for (const [folder, file] of ways) {
    const made = join(folder, `eventgate-check-${process.pid}`)
    try {
      mkdirSync(made)
      ends.push(() => rmdirSync(made))
      writeFileSync(join(made, file), String(LIMIT_MIB * 1024 * 1024), { flag: 'r+' })
      group = made
      return [made]
    } catch {
      // Another version of control groups, or missing rights.
    }
  }
  group = ''
  console.log(`SKIPPED: no limit of memory can be set here; what the process takes is measured all the same`)
  return []
}

async function whenReady(url: string, { child, output }: Pod): Promise<void> {
  for (const until = Date.now() + 60_000; ; await delay(100)) {
    const reply = await send(`${url}/_info`).catch(() => undefined)
    if (reply?.status === 200) return
    if (child.exitCode !== null || Date.now() > until) fail(`it is not ready:\n${output()}`)
  }
}

function post(url: string, body: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    request(`${url}/v1/events`, { method: 'POST', headers, agent }, res => {
      res.resume().on('end', () => resolve(res.statusCode))
    })
      .on('error', reject)
      .end(body)
  })
}

/** Sends this many single events a second, whether answers arrive or not. */
async function offer(url: string, body: string): Promise<{ accepted: number; other: number }> {
  const counts = { accepted: 0, other: 0 }
  const open = new Set<Promise<void>>()
  const start = performance.now()
  for (let sent = 0; sent < RATE * LOAD_S; await delay(10)) {
    for (
      const due = Math.min(RATE * LOAD_S, ((performance.now() - start) / 1000) * RATE);
      sent < due;
      sent++
    ) {
      const one: Promise<void> = post(url, body)
        .then(status => void (status === 201 ? counts.accepted++ : counts.other++))
        .finally(() => open.delete(one))
      open.add(one)
    }
  }
  await Promise.all(open)
  return counts
}

/** Sends SIGTERM, as to a pod; connections of the load are still open. */
async function end({ child, output, pid }: Pod): Promise<number> {
  const exit = once(child, 'exit')
  const start = performance.now()
  process.kill(pid(), 'SIGTERM')
  const ended = await Promise.race([exit, delay(END_MS)])
  if (!ended) fail(`it still runs ${END_MS} ms after SIGTERM:\n${output()}`)
  if (ended[0] !== 0) fail(`it ended with ${ended[0]}:\n${output()}`)
  return performance.now() - start
}

function step(name: string): void {
  console.log(`== ${name}`)
}

function fail(message: string): never {
  throw new Failure(message)
}
