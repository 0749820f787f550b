import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { applyFactory } from '../factory.js'
import { type Config, readConf } from '../lib/config/config.js'
import { readConfigFile } from '../lib/config/file.js'
import { DryRun, type Prospect } from '../lib/explain/dry-run.js'
import { Explainer } from '../lib/explain/explainer.js'
import { makeLog } from '../lib/telemetry/log.js'
import { knownTo, makeSchemas, makeSteps, openStreamConfigs, readInfo } from '../wiring.js'
import { batchesOf, type Read } from './read-events.js'
import { UsageError } from './usage.js'

export interface ValidateOptions {
  files: readonly string[]
  config?: string | undefined
  schemas?: readonly string[] | undefined
  schema?: string | undefined
  stream?: string | undefined
  json?: boolean | undefined
}

/** Prints what would become of events. Returns the exit code. */
export async function validate(options: ValidateOptions): Promise<number> {
  const { conf, config } = readOptions(options)
  const files = options.files.length > 0 ? options.files : ['-']
  // A missing file is an error before the first verdict.
  for (const file of files) if (file !== '-') statSync(file)
  const { judge, close } = await openJudge(conf, config, options)
  const print = options.json ? printJson : printer(process.stdout.hasColors?.() ?? false)
  const counts = { accepted: 0, refused: 0, failed: 0 }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader such as `head` may close the pipe.
    if (error.code === 'EPIPE') process.exit(exitCodeOf(counts))
    process.stderr.write(`eventgate: the output cannot be written: ${error.message}\n`)
    process.exit(2)
  })
  try {
    for (const file of files) {
      for await (const batch of batchesOf(file)) {
        const prospects = await judge(batch)
        const text = prospects.map((prospect, i) => {
          counts[prospect.outcome]++
          const { file, line, index } = batch[i] as Read
          return print({ file, line }, { ...prospect, index })
        })
        if (!process.stdout.write(text.join(''))) await once(process.stdout, 'drain')
      }
    }
  } finally {
    close()
  }
  if (!options.json) {
    const { accepted, refused, failed } = counts
    const unknown = failed > 0 ? `, of ${failed} it could not be found out` : ''
    process.stdout.write(
      `${accepted + refused + failed} events: ${accepted} would be accepted, ${refused} refused${unknown}\n`,
    )
  }
  return exitCodeOf(counts)
}

function exitCodeOf({ failed, refused }: { failed: number; refused: number }): number {
  return failed > 0 ? 2 : refused > 0 ? 1 : 0
}

function readOptions({ config: file, schemas = [] }: ValidateOptions): {
  conf: Record<string, unknown>
  config: Config
} {
  for (const folder of schemas) {
    if (/^(https?|file):/.test(folder)) continue
    if (!existsSync(folder) || !statSync(folder).isDirectory())
      throw new UsageError(`${folder} is not a folder`)
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

/** Rejects if the stream configuration or the factory module cannot be loaded. */
async function openJudge(
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
          requestId: randomUUID(),
          receivedAt: Date.now(),
          deadline: Infinity,
          headers: {},
          schemaUri,
          stream,
          delivery: 'guaranteed',
          clientIp: () => undefined,
          textOf: index => events[index]?.text ?? '',
        },
      ),
  }
}

type Place = Pick<Read, 'file' | 'line'>

function printJson({ file, line }: Place, prospect: Prospect): string {
  return `${JSON.stringify({ file, line, ...prospect })}\n`
}

function printer(colours: boolean): (place: Place, prospect: Prospect) => string {
  const painted = (code: number) => (text: string) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const bold = painted(1)
  const dim = painted(2)
  const red = painted(31)
  const green = painted(32)
  const yellow = painted(33)
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
    return `${lines.join('\n')}\n`
  }
}
