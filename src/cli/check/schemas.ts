import { type Config, readConf } from '../../lib/config/config.js'
import { GateError } from '../../lib/errors.js'
import type { Event } from '../../lib/eventgate.js'
import { isObject } from '../../lib/eventgate.js'
import { Comparison, type Side } from '../../lib/evolution/comparison.js'
import { isSame } from '../../lib/evolution/rules.js'
import { partsOf } from '../../lib/schemas/parts.js'
import type { SchemaRepository } from '../../lib/schemas/repository.js'
import { gateFields, makeSchemas, makeSteps, readInfo } from '../../wiring.js'
import { lineOf, type SchemaFile } from './files.js'
import type { Problem, Result, Sample } from './report.js'

/** The schemas of some folders, compiled as the service compiles them. */
export class CheckedSchemas {
  readonly files: readonly SchemaFile[]
  readonly #repository: SchemaRepository
  readonly #comparison: Comparison
  readonly #failures = new Map<SchemaFile, GateError>()

  private constructor(files: readonly SchemaFile[], repository: SchemaRepository, comparison: Comparison) {
    this.files = files
    this.#repository = repository
    this.#comparison = comparison
  }

  /** `conf` has the options of the service, because they decide which schemas are secure and which fields are filled in. */
  static async load(
    files: readonly SchemaFile[],
    conf: Record<string, unknown>,
    roots: readonly string[],
  ): Promise<CheckedSchemas> {
    const own = [...new Set(files.map(({ root }) => root))]
    const config: Config = readConf({
      ...conf,
      schema_base_uris: [...own, ...roots],
      max_schemas: files.length + 100,
    })
    const repository = makeSchemas(config, readInfo())
    const steps = makeSteps(config, repository, undefined, async () => {})
    const checked = new CheckedSchemas(files, repository, new Comparison(steps, gateFields(config)))
    for (const file of files) {
      await repository.load([uriOf(file)])
      try {
        repository.get(uriOf(file))
      } catch (error) {
        checked.#failures.set(file, GateError.from(error))
      }
    }
    return checked
  }

  /** Undefined if the schema does not compile. */
  side(file: SchemaFile): Side | undefined {
    if (this.#failures.has(file)) return undefined
    const schema = this.#repository.get(uriOf(file))
    const parts = partsOf(schema)
    return parts && { schema, parts }
  }

  /** The versions of each title, in order. */
  versions(): Map<string, SchemaFile[]> {
    const all = new Map<string, SchemaFile[]>()
    for (const file of this.files) all.set(file.title, [...(all.get(file.title) ?? []), file])
    for (const versions of all.values()) versions.sort((a, b) => order(a.version, b.version))
    return all
  }

  /** Compares each version with the one before it. */
  compareVersions(progress: (done: number, of: number) => void): Result[] {
    const pairs = [...this.versions()].flatMap(([, versions]) =>
      versions.slice(1).map((file, i) => [versions[i] as SchemaFile, file] as const),
    )
    return pairs.flatMap(([older, newer], i) => {
      progress(i + 1, pairs.length)
      return this.compare(this.side(older), older.version, newer) ?? []
    })
  }

  /** Undefined if one of the two does not compile, which is a problem of its own. */
  compare(older: Side | undefined, from: string, file: SchemaFile): Result | undefined {
    const newer = this.side(file)
    if (!older || !newer) return undefined
    const compared = this.#comparison.compare(older, newer)
    return {
      schema: file.title,
      from,
      to: file.version,
      verdict: compared.verdict,
      sameMajor: majorOf(from) === majorOf(file.version),
      event: 'event' in compared ? compared.event : null,
      rule: 'rule' in compared ? compared.rule : null,
      file: file.name,
      line: 1,
      sample: null,
    }
  }

  /** Counts the real events that the older version accepts and the newer one refuses. */
  sample(result: Result, events: readonly Event[]): Sample | null {
    const at = (version: string) =>
      this.files.find(({ title, version: own }) => title === result.schema && own === version)
    const [older, newer] = [at(result.from), at(result.to)].map(file => file && this.side(file)?.schema)
    if (!older || !newer) return null
    const own = events.filter(event => this.#names(event, result.schema, result.from))
    const accepted = own.filter(event => !this.#comparison.refusal(event, older))
    const reasons = new Map<string, { reason: string; count: number; event: Event }>()
    for (const event of accepted) {
      const refusal = this.#comparison.refusal(event, newer)
      if (!refusal) continue
      const reason = `'${refusal.dataPath}' ${refusal.message}`.replace(/\[\d+\]/g, '[*]')
      const known = reasons.get(reason) ?? { reason, count: 0, event }
      known.count++
      reasons.set(reason, known)
    }
    const sorted = [...reasons.values()].sort((a, b) => b.count - a.count)
    return {
      events: accepted.length,
      refused: sorted.reduce((sum, { count }) => sum + count, 0),
      reasons: sorted,
    }
  }

  /** Whether an event names this version or an earlier one. */
  #names(event: Event, title: string, version: string): boolean {
    const [, own, named] = /^\/?(.+)\/(\d+\.\d+\.\d+)(?:\.\w+)?$/.exec(String(event.$schema)) ?? []
    return own === title && named !== undefined && order(named, version) <= 0
  }

  /** All that is wrong with single schemas and with the steps between versions. */
  problems(): Problem[] {
    return [...this.files.flatMap(file => this.#problemsOf(file)), ...this.#wrongSteps()]
  }

  #problemsOf(file: SchemaFile): Problem[] {
    const { value, text, title } = file
    const problems: Problem[] = []
    const add = (code: string, message: string, pattern = /^/, severity: Problem['severity'] = 'error') =>
      void problems.push({ code, severity, message, file: file.name, line: lineOf(text, pattern) })
    const failure = this.#failures.get(file)
    if (failure) add(failure.code, failure.message)
    const uri = uriOf(file)
    if (value.$id === undefined) add('id_missing', `it has no $id: add $id: ${uri}`, /^/, 'warning')
    else if (value.$id !== uri)
      add(
        'id_mismatch',
        `its $id is ${JSON.stringify(value.$id)}, but its path says ${uri}`,
        /["']?\$id["']?\s*:/,
      )
    if (value.title !== title)
      add(
        'title_mismatch',
        `its title is ${JSON.stringify(value.title) ?? 'missing'}, but its folder is ${title}: streams refer to the title`,
        /^\s*["']?title["']?\s*:/m,
      )
    const side = this.side(file)
    if (!side) return problems
    const examples = Array.isArray(value.examples) ? value.examples : []
    for (const [i, example] of examples.entries()) {
      const reason = isObject(example) ? this.#comparison.refusal(example, side.schema) : undefined
      if (!isObject(example))
        add('example_invalid', `example ${i} is not an object`, /["']?examples["']?\s*:/)
      else if (reason)
        add(
          'example_invalid',
          `example ${i} is refused: '${reason.dataPath}' ${reason.message}`,
          /["']?examples["']?\s*:/,
        )
    }
    return problems
  }

  #wrongSteps(): Problem[] {
    const problems: Problem[] = []
    for (const versions of this.versions().values()) {
      for (const [i, file] of versions.entries()) {
        const before = versions[i - 1]?.version
        if (before === undefined || nextVersions(before).includes(file.version)) continue
        const message = `${file.version} does not follow ${before}: ${nextVersions(before).join(', ')} would`
        problems.push({ code: 'version_step', severity: 'warning', message, file: file.name, line: 1 })
      }
    }
    return problems
  }

  /** Finds published versions that a branch changed or removed. */
  since(base: CheckedSchemas, revision: string): { results: Result[]; problems: Problem[] } {
    const results: Result[] = []
    const problems: Problem[] = []
    const now = new Map(this.files.map(file => [uriOf(file), file]))
    for (const before of base.files) {
      const file = now.get(uriOf(before))
      if (!file) {
        const message = `${uriOf(before)} is published at ${revision} and was removed: events that name it would be refused`
        problems.push({ code: 'version_removed', severity: 'error', message, file: before.name, line: 1 })
        continue
      }
      if (isSame(file.value, before.value)) continue
      const onlyWords = isSame(withoutWords(file.value), withoutWords(before.value))
      const message = onlyWords
        ? `descriptions or examples of ${uriOf(file)}, which is published at ${revision}, were edited`
        : `${uriOf(file)} is published at ${revision} and was edited: services keep the schema that they have loaded. Make a new version`
      const severity = onlyWords ? 'warning' : 'error'
      problems.push({ code: 'published_edited', severity, message, file: file.name, line: 1 })
      const result = onlyWords
        ? undefined
        : this.compare(base.side(before), `${before.version} (${revision})`, file)
      if (result) results.push({ ...result, sameMajor: true })
    }
    return { results, problems }
  }

  /** The newest version of a title, if there is one. */
  newest(title: string): SchemaFile | undefined {
    return this.versions().get(title)?.at(-1)
  }
}

export function uriOf({ title, version }: Pick<SchemaFile, 'title' | 'version'>): string {
  return `/${title}/${version}`
}

function order(one: string, other: string): number {
  const [a, b] = [one, other].map(version => version.split('.').map(Number)) as [number[], number[]]
  return a.map((part, i) => part - (b[i] as number)).find(difference => difference !== 0) ?? 0
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10)
}

function nextVersions(version: string): string[] {
  const [major, minor, patch] = version.split('.').map(Number) as [number, number, number]
  return [`${major}.${minor}.${patch + 1}`, `${major}.${minor + 1}.0`, `${major + 1}.0.0`]
}

/** Removes the keywords that do not matter for events. */
function withoutWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutWords)
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(([name, word]) => !(WORDS.has(name) && !isObject(word)))
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutWords(inner)]))
}

const WORDS = new Set(['description', '$comment', 'examples'])
