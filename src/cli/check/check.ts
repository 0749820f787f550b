import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isBuiltIn } from '../../factory.js'
import { readConf } from '../../lib/config/config.js'
import { readConfigFile } from '../../lib/config/file.js'
import { ConfigError } from '../../lib/config/problems.js'
import type { Event } from '../../lib/eventgate.js'
import { isObject } from '../../lib/eventgate.js'
import { readInfo } from '../../wiring.js'
import { UsageError } from '../usage.js'
import { type Found, filesAt, findFiles, type SourceFile } from './files.js'
import { exitCodeOf, type Problem, type Report, sarifOf, textOf } from './report.js'
import { CheckedSchemas } from './schemas.js'
import { checkStreams } from './streams.js'

export interface CheckOptions {
  /** Folders and files (default: the working directory). */
  files: readonly string[]
  config?: string | undefined
  schemas?: readonly string[] | undefined
  /** A git revision. */
  base?: string | undefined
  /** NDJSON of real events. */
  sample?: string | undefined
  strict?: boolean | undefined
  json?: boolean | undefined
  sarif?: boolean | undefined
}

/** Checks schemas, stream configurations and a configuration file. Prints the results and returns the exit code. */
export async function check(
  options: CheckOptions,
  print: (text: string) => void = text => void process.stdout.write(text),
): Promise<number> {
  const { files, config: file, schemas: more = [], base, strict = false } = options
  if (options.json && options.sarif) throw new UsageError('use either --json or --sarif')
  const conf = readConfiguration(file)
  const report: Report = { results: [], problems: [...conf.problems], schemas: 0, streams: 0 }
  const paths = files.length === 0 && file === undefined ? ['.'] : files
  const found = findFiles(paths)
  const streams = [...found.streams, ...conf.streams]
  for (const { name, message } of found.unreadable)
    report.problems.push({ code: 'unreadable', severity: 'error', message, file: name, line: 1 })
  const roots = [...more, ...((conf.conf.schema_base_uris ?? []) as string[])]
  // The schemas of a stream may be in a repository that is not checked.
  const known = findFiles(more.filter(root => !/^(https?|file):/.test(root)))
  const schemas = await CheckedSchemas.load(found.schemas, conf.conf, roots)
  const all =
    known.schemas.length > 0
      ? await CheckedSchemas.load([...found.schemas, ...known.schemas], conf.conf, roots)
      : schemas
  report.schemas = found.schemas.length
  report.problems.push(...schemas.problems())
  report.results.push(...schemas.compareVersions(progress))
  if (base !== undefined) await addChanges(report, schemas, found, paths, base, conf.conf)
  if (options.sample !== undefined) addSamples(report, schemas, options.sample)
  for (const file of streams) {
    const checked = checkStreams(file, readConf(conf.conf), all)
    report.problems.push(...checked.problems)
    report.streams += checked.streams
  }
  if (
    files.length > 0 &&
    report.schemas + streams.length + found.unreadable.length === 0 &&
    file === undefined
  )
    throw new UsageError(`there is no schema and no stream configuration in ${files.join(', ')}`)
  print(printed(report, options))
  return exitCodeOf(report, strict)
}

function printed(report: Report, { json, sarif, strict = false }: CheckOptions): string {
  if (sarif) return `${JSON.stringify(sarifOf(report, strict, readInfo().version), null, 2)}\n`
  if (!json) return textOf(report, strict)
  const { results, problems } = report
  return `${JSON.stringify({ results, problems }, null, 2)}\n`
}

async function addChanges(
  report: Report,
  schemas: CheckedSchemas,
  found: Found,
  paths: readonly string[],
  base: string,
  conf: Record<string, unknown>,
): Promise<void> {
  if (found.schemas.length === 0) return
  const before = filesAt(base, paths)
  try {
    const files = findFiles(before.paths, before.folder).schemas
    const changes = schemas.since(await CheckedSchemas.load(files, conf, []), base)
    report.results.push(...changes.results)
    report.problems.push(...changes.problems)
  } finally {
    before.drop()
  }
}

function addSamples(report: Report, schemas: CheckedSchemas, file: string): void {
  const events: Event[] = []
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      const event: unknown = JSON.parse(line)
      if (!isObject(event)) throw new Error('it is not an object')
      events.push(event)
    } catch (error) {
      throw new UsageError(`--sample ${file}:${i + 1} is not an event: ${(error as Error).message}`)
    }
  }
  for (const result of report.results) result.sample = schemas.sample(result, events)
}

/** Reads the configuration and finds all that is wrong with it. Of what it names only files are opened. */
function readConfiguration(path: string | undefined): {
  conf: Record<string, unknown>
  problems: Problem[]
  streams: SourceFile[]
} {
  const empty = { conf: {}, problems: [], streams: [] }
  if (path === undefined) return empty
  const problem = (message: string, code = 'config_invalid'): Problem => {
    return { code, severity: 'error', message, file: path, line: 1 }
  }
  let conf: Record<string, unknown>
  try {
    conf = readConfigFile(readFileSync(path, 'utf8'), process.env).services[0]?.conf ?? {}
    const { warnings } = readConf(conf)
    const told = warnings.map(
      ({ path, message }): Problem => ({ ...problem(`${path} ${message}`), severity: 'warning' }),
    )
    return {
      conf,
      problems: [...told, ...missingFiles(conf).map(message => problem(message, 'file_missing'))],
      streams: streamsOf(conf),
    }
  } catch (error) {
    if (error instanceof ConfigError)
      return { ...empty, problems: error.problems.map(({ path, message }) => problem(`${path} ${message}`)) }
    throw new UsageError((error as Error).message)
  }
}

/** Files that the service needs to start. Schema repositories may exist only where it runs. */
function missingFiles(conf: Record<string, unknown>): string[] {
  const module = conf.eventgate_factory_module
  const missing: string[] = []
  if (typeof module === 'string' && module.startsWith('/') && !existsSync(module) && !isBuiltIn(module))
    missing.push(`services[0].conf.eventgate_factory_module ${module} does not exist`)
  const uri = localPath(conf.stream_config_uri)
  if (uri !== undefined && !existsSync(uri))
    missing.push(`services[0].conf.stream_config_uri ${uri} does not exist`)
  return missing
}

function streamsOf(conf: Record<string, unknown>): SourceFile[] {
  const path = localPath(conf.stream_config_uri)
  if (path === undefined || !existsSync(path)) return []
  return findFiles([path]).streams
}

function localPath(uri: unknown): string | undefined {
  if (typeof uri !== 'string' || /^https?:/.test(uri)) return undefined
  return uri.startsWith('file:') ? fileURLToPath(uri) : resolve(uri)
}

function progress(done: number, of: number): void {
  if (!process.stderr.isTTY) return
  process.stderr.write(done === of ? '\r\x1b[K' : `\rcomparing ${done} of ${of}`)
}
