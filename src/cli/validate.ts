import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { type Config, readConf, readConfigFile } from '../lib/config.js'
import { DryRun, type Prospect } from '../lib/dry-run.js'
import { GateError } from '../lib/errors.js'
import { Explainer } from '../lib/explain.js'
import { applyFactory } from '../lib/factory.js'
import { readBody } from '../lib/http/body.js'
import { makeLog } from '../lib/log.js'
import { knownTo, makeSchemas, makeSteps, openStreamConfigs, readInfo } from '../parts.js'
import { UsageError } from './usage.js'

export interface ValidateOptions {
  files: readonly string[]
  config?: string | undefined
  schemas?: readonly string[] | undefined
  schema?: string | undefined
  stream?: string | undefined
  json?: boolean | undefined
}

/** Where an event stands. */
interface Place {
  file: string
  /** From 1. */
  line: number
}

interface Read extends Place {
  /** Its place in its file. */
  index: number
  event: unknown
  text: string
}

/** Events that are taken together: as many as are explained of one request. */
const CHUNK = 100

/** Writes what would become of events, and gives the exit code. */
export async function validate(options: ValidateOptions): Promise<number> {
  const { conf, config } = readOptions(options)
  const events = (options.files.length > 0 ? options.files : ['-']).flatMap(read)
  const { judge, close } = await open(conf, config, options)
  const print = options.json ? printJson : printer(process.stdout.hasColors?.() ?? false)
  const counts = { accepted: 0, refused: 0, failed: 0 }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Who reads no further has seen enough.
    if (error.code === 'EPIPE') process.exit(codeOf(counts))
    process.stderr.write(`eventgate: the output cannot be written: ${error.message}\n`)
    process.exit(2)
  })
  try {
    for (let start = 0; start < events.length; start += CHUNK) {
      const chunk = events.slice(start, start + CHUNK)
      for (const [i, prospect] of (await judge(chunk)).entries()) {
        counts[prospect.outcome]++
        const { file, line, index } = chunk[i] as Read
        print({ file, line }, { ...prospect, index })
      }
    }
  } finally {
    close()
  }
  if (!options.json) {
    const { accepted, refused, failed } = counts
    const unknown = failed > 0 ? `, of ${failed} it could not be found out` : ''
    process.stdout.write(
      `${events.length} events: ${accepted} would be accepted, ${refused} refused${unknown}\n`,
    )
  }
  return codeOf(counts)
}

function codeOf({ failed, refused }: { failed: number; refused: number }): number {
  return failed > 0 ? 2 : refused > 0 ? 1 : 0
}

function readOptions({ config: file, schemas = [] }: ValidateOptions): {
  conf: Record<string, unknown>
  config: Config
} {
  for (const folder of schemas) {
    if (/^(https?|file):/.test(folder)) continue
    if (!existsSync(folder) || !statSync(folder).isDirectory())
      throw new UsageError(`there is no folder ${folder}`)
  }
  const conf =
    file === undefined
      ? {}
      : (readConfigFile(readFileSync(file, 'utf8'), process.env, ({ path, message }) =>
          warn(`${file}: ${path} ${message}`),
        ).services[0]?.conf ?? {})
  const configured = (conf.schema_base_uris ?? []) as string[]
  const own = file === undefined && schemas.length === 0 && existsSync('schemas') ? ['schemas'] : schemas
  const all = { ...conf, schema_base_uris: [...own, ...configured] }
  return { conf: all, config: readConf(all) }
}

function warn(reason: string): void {
  process.stderr.write(`eventgate: ${reason}\n`)
}

/** Rejects if what the configuration names cannot be had. */
async function open(
  conf: Record<string, unknown>,
  config: Config,
  { schema: schemaUri, stream }: ValidateOptions,
): Promise<{ judge(events: readonly Read[]): Promise<Prospect[]>; close(): void }> {
  const info = readInfo()
  const schemas = makeSchemas(config, info, { warn })
  const configs = await openStreamConfigs(config, info, {
    fetched: ({ warnings }) => warnings.forEach(warn),
    failed: warn,
  })
  const log = makeLog({ level: 'warn', streams: [{ type: 'stderr' }] }, info.name)
  const own = makeSteps(config, schemas, configs, async () => {})
  const steps = await applyFactory(config.eventgate_factory_module, { conf, log, steps: own })
  const dryRun = new DryRun(steps, new Explainer(steps, knownTo(config, schemas, configs)))
  return {
    close: () => configs?.close(),
    judge: events =>
      dryRun.process(
        events.map(({ event }) => event),
        {
          ...{ requestId: randomUUID(), receivedAt: Date.now(), deadline: Infinity, headers: {} },
          ...{ schemaUri, stream, delivery: 'guaranteed' },
          clientIp: () => undefined,
          textOf: index => events[index]?.text ?? '',
        },
      ),
  }
}

/** The events of a file: JSON if it is that as a whole, else a JSON value a line. */
function read(file: string): Read[] {
  const bytes = readFileSync(file === '-' ? 0 : file)
  const name = file === '-' ? 'stdin' : file
  const lines = bytes.toString().split('\n')
  const found =
    isJson(bytes.toString()) || !lines.some(isEventByItself)
      ? eventsOf(bytes, { file: name, line: 1 })
      : lines.flatMap((line, i) =>
          line.trim() === '' ? [] : eventsOf(Buffer.from(line), { file: name, line: i + 1 }),
        )
  return found.map((one, index) => ({ ...one, index }))
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Lines of one document are none, or begin with blanks. */
function isEventByItself(line: string): boolean {
  return line.startsWith('{') && isJson(line)
}

/** What cannot be taken stands in the place of its event as the reason. */
function eventsOf(bytes: Buffer, place: Place): Omit<Read, 'index'>[] {
  try {
    const { events, textOf } = readBody(bytes)
    return events.map((event, i) => ({ ...place, event, text: textOf(i) }))
  } catch (error) {
    return [{ ...place, event: GateError.from(error), text: bytes.toString() }]
  }
}

function printJson({ file, line }: Place, prospect: Prospect): void {
  process.stdout.write(`${JSON.stringify({ file, line, ...prospect })}\n`)
}

function printer(colours: boolean): (place: Place, prospect: Prospect) => void {
  const painted = (code: number) => (text: string) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const [bold, red, green, yellow, dim] = [1, 31, 32, 33, 2].map(painted) as [
    Paint,
    Paint,
    Paint,
    Paint,
    Paint,
  ]
  const marks = { accepted: green('accepted'), refused: red('refused '), failed: yellow('unclear ') }
  return ({ file, line }, { outcome, stream, schema_uri, topic, error }) => {
    const to =
      outcome === 'accepted' ? `${schema_uri} → ${topic}` : [schema_uri, stream].filter(Boolean).join(' ')
    const lines = [`${marks[outcome]} ${bold(`${file}:${line}`)} ${dim(to)}`.trimEnd()]
    for (const { explanation, suggestion, why_not } of error?.details ?? []) {
      lines.push(`  ${explanation}`)
      lines.push(suggestion ? `    ${green('would pass:')} ${suggestion.text}` : `    ${dim(why_not ?? '')}`)
    }
    if (error && error.details.length === 0) lines.push(`  ${error.message}`)
    process.stdout.write(`${lines.join('\n')}\n`)
  }
}

type Paint = (text: string) => string
