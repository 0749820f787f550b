/** Hostile requests against the service, and what it promises about them. */
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { CODES, type Code } from '#src/lib/errors.js'
import { assertFailure, type Entry, freePort, samples } from '../support/http.js'
import { type Corpus, makeCorpus } from './corpus.js'
import { WIDE_BODIES } from './json.js'
import { startWatched, type Watched } from './service.js'
import { LARGEST, type Shape, shapeOf, wideShape } from './shapes.js'
import { type Answer, NotAnAnswer, Wire } from './wire.js'

export interface FuzzOptions {
  seed: number
  count: number
  /** Of the pods with the least memory. */
  heapMb?: number
  connections?: number
  log?: (line: string) => void
}

/** What all parts of a run add to. */
export class Tally {
  readonly codes = new Map<Code, number>()
  readonly statuses = new Map<number, number>()
  readonly kinds = new Map<string, number>()
  readonly broken: string[] = []
  /** Events that answers said to be stored, and those that may be though none said so. */
  accepted = 0
  unheard = 0
  answers = 0
  readonly #breaks = new Map<string, number>()

  /** Of one kind of request, the first few times: the rest is likely the same. */
  breaks(what: string): void {
    const kind = what.replace(/^#\d+ /, '').slice(0, 30)
    const times = (this.#breaks.get(kind) ?? 0) + 1
    this.#breaks.set(kind, times)
    if (times <= 3) this.broken.push(what)
  }

  /** Counts an answer, and holds it against what every answer must be. */
  answer(
    answer: Answer,
    where: string,
    { method = 'POST', allowed = [503] }: { method?: string; allowed?: readonly number[] } = {},
  ): void {
    this.answers++
    const { status, reason, body, headers } = answer
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    if (status >= 500 && !allowed.includes(status))
      this.breaks(`${where}: ${status} ${reason}: ${body.slice(0, 500)}`)
    const counted = /^(?:All )?(\d+) (?:out of \d+ events were accepted|events hastily)/.exec(reason)
    if (status === 201) this.accepted += Number(counted?.[1])
    if (status === 202) this.unheard += Number(counted?.[1])
    if (status === 207) this.accepted += Number(counted?.[1])
    if ((status === 201 || status === 202) && (body !== '' || !counted))
      this.breaks(`${where}: ${status} ${reason} with ${body.slice(0, 200)}`)
    if (method === 'HEAD' || (status < 400 && status !== 207)) return
    try {
      const json = () => JSON.parse(body)
      for (const { code } of assertFailure({ status, reason, headers, body, json }, { status }) as Entry[])
        this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
    } catch (error) {
      this.breaks(
        `${where}: a failure's body: ${(error as Error).message.slice(0, 300)}: ${status} ${body.slice(0, 300)}`,
      )
    }
  }
}

export interface FuzzReport {
  options: FuzzOptions
  tally: Tally
  requests: number
  seconds: number
  /** MB after the warm-up and after all of it; the highest; handles likewise. */
  rss: { warm: number; after: number; peak: number; trend: number }
  handles: { warm: number; after: number }
  log: { lines: number; longest: number }
  labels: number
  real: boolean
  stored: number
}

/** An answer comes within this, or the service hangs. Its own deadline is 9 s, and the machine may be busy. */
const WITHIN_MS = 60_000
/** From so many requests on, there are large bodies enough among them to be sent before memory is looked at first. */
const LONG_RUN = 20_000

/** A schema registry and a stream configuration in one, neither of which is always well. */
async function startSources(corpus: Corpus) {
  let fetches = 0
  const strange: string[] = []
  const server = createServer((req, res) => {
    const { url = '' } = req
    if (!/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~@+-]+)+$/.test(url)) strange.push(url)
    if (url === '/streams') {
      if (++fetches % 3 === 0) return void res.writeHead(500).end('trouble')
      return void res.end(JSON.stringify(corpus.streamConfigs))
    }
    if (url.startsWith('/unavailable')) return void res.writeHead(503).end()
    if (url.startsWith('/huge')) return void res.end('x'.repeat(2 * 1024 * 1024))
    if (url.startsWith('/redirected')) return void res.writeHead(302, { location: '/..secret' }).end()
    if (url.startsWith('/..secret')) strange.push(url)
    if (url.startsWith('/rubbish')) return void res.end('\u0000{[%')
    res.writeHead(404).end()
  })
  // Else the service's connections to it would count among its handles for a while.
  server.keepAliveTimeout = 100
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    strange,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Sends a shape on a connection that may be used again; gives it back while it can be. */
async function sendWhole(shape: Shape, wire: Wire, tally: Tally, where: string): Promise<Wire | undefined> {
  await wire.send(shape.pieces)
  const answer = await wire.answer(shape.method, WITHIN_MS)
  if (!answer) {
    tally.breaks(`${where}: the connection was closed without an answer`)
    return undefined
  }
  check(shape, answer, tally, where)
  if (wire.ending || wire.closed) {
    wire.destroy()
    return undefined
  }
  return wire
}

function check(shape: Shape, answer: Answer, tally: Tally, where: string): void {
  tally.answer(answer, where, { method: shape.method })
  if (shape.status && !shape.status.includes(answer.status))
    tally.breaks(
      `${where}: ${answer.status} ${answer.reason}, not ${shape.status}: ${answer.body.slice(0, 500)}`,
    )
}

/** Sends a shape on a connection of its own, and reads to its end. */
async function sendAlone(shape: Shape, port: number, tally: Tally, where: string): Promise<void> {
  const { least, most, after } = shape.own ?? { least: 0, most: 0, after: 'end' }
  const wire = await Wire.open(port)
  try {
    const sending = wire.send(shape.pieces)
    if (after === 'abort') {
      await sending
      // Some leave before the service has seen them, some after.
      if (shape.pieces.length % 2 === 0) await sleep(5)
      tally.unheard += shape.unheard ?? 0
      return
    }
    if (after === 'end') void sending.then(() => wire.socket.end())
    let answers = 0
    for (;;) {
      const answer = await wire.answer(answers === 0 ? shape.method : 'POST', WITHIN_MS)
      if (!answer) break
      answers++
      check(shape, answer, tally, where)
    }
    if (answers < least || answers > most)
      tally.breaks(`${where}: ${answers} answers, not ${least} to ${most}`)
  } finally {
    wire.destroy()
  }
}

function describe(shape: Shape, n: number): string {
  const bytes = Buffer.concat(shape.pieces.filter(piece => typeof piece !== 'number'))
  return `#${n} ${shape.kind} ${JSON.stringify(bytes.toString('latin1', 0, 600))}`
}

/** Sends requests number `from` to below `to`. */
async function sendAll(
  { seed, connections = 32 }: FuzzOptions,
  { from, to }: { from: number; to: number },
  corpus: Corpus,
  service: Watched,
  tally: Tally,
): Promise<void> {
  let next = from
  let heavy: Promise<unknown> = Promise.resolve()
  async function worker(): Promise<void> {
    let wire: Wire | undefined
    while (next < to && service.ended() === undefined) {
      const n = next++
      const shape = shapeOf(seed, n, corpus)
      const size = shape.pieces.reduce<number>(
        (sum, piece) => sum + (typeof piece === 'number' ? 0 : piece.length),
        0,
      )
      tally.kinds.set(shape.kind, (tally.kinds.get(shape.kind) ?? 0) + 1)
      const one = async () => {
        const where = describe(shape, n)
        try {
          if (shape.own) await sendAlone(shape, service.port, tally, where)
          else {
            wire ??= await Wire.open(service.port)
            wire = await sendWhole(shape, wire, tally, where)
          }
        } catch (error) {
          wire?.destroy()
          wire = undefined
          tally.breaks(
            `${where}: ${error instanceof NotAnAnswer ? 'not an answer: ' : ''}${(error as Error).message}`,
          )
        }
      }
      // Large ones one after the other: that there is room for several is not what is asked here.
      if (size > 1024 * 1024 || shape.kind === 'bomb') {
        heavy = heavy.then(one)
        await heavy
      } else await one()
    }
    wire?.destroy()
  }
  await Promise.all(Array.from({ length: connections }, worker))
  if (service.ended() !== undefined)
    tally.breaks(
      `the service ended with ${service.ended()} at about #${next}:\n${service.log.rubbish.join('\n')}`,
    )
}

/** Each large body once: what they leave behind, they leave once. */
async function sendLarge(service: Watched, tally: Tally): Promise<void> {
  for (const name of Object.keys(WIDE_BODIES)) {
    const shape = { ...wideShape(name, LARGEST), own: { least: 1, most: 1, after: 'end' as const } }
    if (service.ended() === undefined) await sendAlone(shape, service.port, tally, shape.kind)
  }
}

/** The main part: a service that is well, and `count` requests. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { count, heapMb = 200, log = () => {} } = options
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-fuzz-'))
  const tally = new Tally()
  const corpus = makeCorpus(folder)
  const sources = await startSources(corpus)
  const metricsPort = await freePort()
  const file = join(folder, 'events.ndjson')
  try {
    const service = await startWatched(folder, mainConf(corpus, sources.url, file), { metricsPort, heapMb })
    try {
      log(`${corpus.examples.length} examples, ${corpus.schemaUris.length} schemas`)
      // By then most schemas are compiled, and explained.
      const warm = Math.max(Math.ceil(count / 10), Math.min(1000, Math.ceil(count / 3)))
      const start = Date.now()
      await sendAll(options, { from: 0, to: warm }, corpus, service, tally)
      if (count >= LONG_RUN) await sendLarge(service, tally)
      await service.settle()
      const before = { rss: service.rss(), handles: service.handles() }
      log(`warm: ${warm} requests in ${(Date.now() - start) / 1000} s, RSS ${before.rss.toFixed(0)} MB`)
      const rss: number[] = []
      const sampler = setInterval(() => {
        if (service.ended() === undefined) rss.push(service.rss())
        if (rss.length % 20 === 0)
          log(`${tally.answers} answers, RSS ${rss.at(-1)?.toFixed(0)} MB, broken: ${tally.broken.length}`)
      }, 1000)
      const began = Date.now()
      await sendAll(options, { from: warm, to: count }, corpus, service, tally).finally(() =>
        clearInterval(sampler),
      )
      const seconds = (Date.now() - began) / 1000
      await service.settle()
      const half = rss.slice(rss.length / 2)
      const trend = median(half.slice(half.length / 2)) - median(half.slice(0, half.length / 2))
      const report: FuzzReport = {
        options,
        tally,
        requests: count,
        seconds,
        rss: { warm: before.rss, after: service.rss(), peak: service.peak(), trend },
        handles: { warm: before.handles, after: service.handles() },
        log: { lines: service.log.lines, longest: service.log.longest },
        labels: 0,
        real: corpus.real,
        stored: 0,
      }
      if (service.ended() === undefined) {
        report.labels = await checkMetrics(metricsPort, corpus, tally)
        const code = await service.stop()
        if (code !== 0) tally.breaks(`the service ended with ${code} after SIGTERM`)
      }
      for (const problem of service.log.problems) tally.breaks(problem)
      for (const line of service.log.rubbish) tally.breaks(`not a line of JSON in the log: ${line}`)
      for (const url of sources.strange) tally.breaks(`the registry was asked for ${JSON.stringify(url)}`)
      report.stored = await checkStored(file, tally)
      judge(report)
      return report
    } finally {
      service.kill()
    }
  } finally {
    sources.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function mainConf(corpus: Corpus, sources: string, file: string): object {
  return {
    schema_timeout_ms: 1000,
    user_agent: 'fuzz-gate',
    cors: ['https://fuzz.example.org'],
    schema_base_uris: [...corpus.repositories, sources],
    stream_config_uri: `${sources}/streams`,
    stream_config_ttl: 60,
    stream_config_min_refresh_ms: 1000,
    error_stream: 'fuzz.errors',
    schema_uri_query_param: 'schema_uri',
    stream_query_param: 'stream',
    overwrite_dt: false,
    transforms: ['processEdgeUniques', 'testKitchen'],
    test_kitchen: { ua_denylist: ['^denied/'] },
    test_events: corpus.examples.slice(0, 3),
    output_path: file,
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

function judge({ tally, rss, handles, requests }: FuzzReport): void {
  if (!(rss.after <= rss.warm + 50))
    tally.breaks(`RSS ${rss.after.toFixed(0)} MB after, ${rss.warm.toFixed(0)} MB before`)
  // A few seconds tell of single bodies: the collector takes its time.
  if (requests >= LONG_RUN && rss.trend > 25)
    tally.breaks(`RSS grew by ${rss.trend.toFixed(0)} MB within the last half`)
  if (!(handles.after <= handles.warm)) tally.breaks(`${handles.after} handles after, ${handles.warm} before`)
  const accepted = tally.statuses.get(201) ?? 0
  if (accepted < requests / 10)
    tally.breaks(`${accepted} of ${requests} requests answered 201: less than a tenth`)
}

/** Values of labels are those that the service knows; gives their number. */
async function checkMetrics(port: number, corpus: Corpus, tally: Tally): Promise<number> {
  const allowed: Record<string, ReadonlySet<string>> = {
    stream: new Set([...Object.keys(corpus.streamConfigs), 'unknown']),
    schema_uri: new Set([...corpus.schemaUris, 'unknown']),
    error_type: new Set(CODES),
    method: new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other']),
  }
  const seen = new Set<string>()
  for (const name of (await samples(port)).keys()) {
    if (!/^(?:eventgate|express)_/.test(name)) continue
    for (const [label, key = '', escaped = ''] of name.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      seen.add(label)
      const value = escaped.replace(/\\(.)/g, '$1')
      if (allowed[key] && !allowed[key].has(value)) tally.breaks(`a metric's label ${label}`)
    }
  }
  if (seen.size > 1000) tally.breaks(`${seen.size} values of metrics' labels`)
  return seen.size
}

/** Holds the answers against the file: every event that was said to be stored is, and none that was refused. */
async function checkStored(file: string, tally: Tally): Promise<number> {
  let stored = 0
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    if (line.includes('"emitter_id":"fuzz-gate"')) continue
    stored++
    try {
      const { meta } = JSON.parse(line)
      if (!/^[A-Za-z0-9._-]{1,249}$/.test(meta.stream)) tally.breaks(`stored: ${line.slice(0, 300)}`)
    } catch {
      tally.breaks(`stored: ${line.slice(0, 300)}`)
    }
  }
  if (stored < tally.accepted) tally.breaks(`${tally.accepted} events were said to be stored, ${stored} are`)
  if (stored > tally.accepted + tally.unheard)
    tally.breaks(
      `${stored} events are stored, answers said ${tally.accepted}, and ${tally.unheard} were not spoken of`,
    )
  return stored
}

/** One request again, by its number: its bytes, and what is answered. */
export async function replay(seed: number, n: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-fuzz-'))
  const corpus = makeCorpus(folder)
  const sources = await startSources(corpus)
  const service = await startWatched(folder, mainConf(corpus, sources.url, join(folder, 'events.ndjson')))
  try {
    const shape = shapeOf(seed, n, corpus)
    const wire = await Wire.open(service.port)
    await wire.send(shape.pieces)
    await sleep(1000)
    const bytes = Buffer.concat(shape.pieces.filter(piece => typeof piece !== 'number'))
    return `${shape.kind}\n>>>\n${bytes.toString('latin1', 0, 5000)}\n<<<\n${wire.rest.slice(0, 5000)}`
  } finally {
    service.kill()
    sources.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
