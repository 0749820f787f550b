import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { JsonSchema } from './json-schema.js'

/** A schema in a repository, for a person to choose. */
export interface Listed {
  uri: string
  title: string | null
  description: string | null
  /** Their number. */
  examples: number
  /** The base URI of its repository. */
  repository: string
}

/** Bounds of a walk. */
const MAX_FILES = 5000
const MAX_DEPTH = 12
const MAX_BYTES = 1024 * 1024

interface Seen {
  mtimeMs: number
  size: number
  /** Undefined if the file is not a schema. */
  summary: Omit<Listed, 'uri' | 'repository'> | undefined
}

/** Lists the repositories that are folders. A file is read again only when it changes. */
export class Catalog {
  readonly #parse: (text: string) => JsonSchema
  #seen = new Map<string, Seen>()

  constructor(parse: (text: string) => JsonSchema) {
    this.#parse = parse
  }

  /** By URI. The first repository that has a schema wins, as for events. */
  async list(baseUris: readonly string[]): Promise<Map<string, Listed>> {
    const listed = new Map<string, Listed>()
    const seen = new Map<string, Seen>()
    for (const repository of baseUris) {
      if (/^https?:/.test(repository)) continue
      const root = repository.startsWith('file:') ? fileURLToPath(repository) : repository
      for (const path of await filesOf(root, MAX_FILES - seen.size)) {
        const found = await this.#read(join(root, path))
        if (!found) continue
        seen.set(join(root, path), found)
        const uri = `/${path.replace(/\.\w+$/, '')}`
        if (found.summary && !listed.has(uri)) listed.set(uri, { uri, ...found.summary, repository })
      }
    }
    this.#seen = seen
    return new Map([...listed].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #read(path: string): Promise<Seen | undefined> {
    try {
      const { mtimeMs, size } = await stat(path)
      const known = this.#seen.get(path)
      if (known?.mtimeMs === mtimeMs && known.size === size) return known
      const summary = size > MAX_BYTES ? undefined : this.#summary(await readFile(path, 'utf8'))
      return { mtimeMs, size, summary }
    } catch {
      // The file is gone, or may not be read.
      return undefined
    }
  }

  #summary(text: string): Seen['summary'] {
    let schema: JsonSchema
    try {
      schema = this.#parse(text)
    } catch {
      return undefined
    }
    if (!['$schema', '$id', 'properties', 'allOf', 'oneOf', 'anyOf'].some(key => key in schema))
      return undefined
    const { title, description, examples } = schema
    return {
      title: typeof title === 'string' ? title : null,
      description: typeof description === 'string' ? description : null,
      examples: Array.isArray(examples) ? examples.length : 0,
    }
  }
}

/** Files of schemas under a folder, without links to the newest version. */
async function filesOf(root: string, most: number): Promise<string[]> {
  const files: string[] = []
  const open: [folder: string, depth: number][] = [['', 0]]
  for (let next = open.pop(); next && files.length < most; next = open.pop()) {
    const [folder, depth] = next
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => [])
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory() && depth < MAX_DEPTH) open.push([path, depth + 1])
      else if (/^(?!latest\.|current\.).*\.(?:ya?ml|json)$/.test(entry.name)) files.push(path)
    }
  }
  return files.slice(0, Math.max(0, most))
}
