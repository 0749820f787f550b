import {
  type AliasNode,
  boolCoreTag,
  CORE_SCHEMA,
  eventsToAst,
  floatCoreTag,
  intCoreTag,
  type MappingNode,
  NOT_RESOLVED,
  type Node,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  type ScalarNode,
  visit,
} from 'js-yaml'
import { quote } from './errors.js'
import { numberOf } from './yaml-numbers.js'

/** A document, and what an operator should know about it. */
export interface Text {
  value: unknown
  notes: Note[]
}

/** A place on which YAML readers disagree, or that is probably a mistake. */
export interface Note {
  /** Such as `a.b[0]['c.d']`. */
  path: string
  message: string
}

/** How much a document may hold, with its aliases and merge keys written out. */
export interface Bounds {
  maxValues: number
  maxDepth: number
}

const MAX_NOTES = 20
const MAX_PATH_LENGTH = 200

/** Reads JSON or YAML, told apart by content. Throws an Error that says in one line why it is neither. */
export function readText(text: string, bounds: Bounds): Text {
  const content = withoutMark(text)
  if (!/^\s*(?:[{[]|\/[/*])/.test(content)) return readYaml(content, bounds)
  let reason: string
  try {
    const value: unknown = JSON.parse(content)
    bound(value, bounds)
    return { value, notes: [] }
  } catch (error) {
    reason = oneLine(error)
    if (!(error instanceof SyntaxError)) throw error
  }
  if (isCommented(content)) throw new Error(COMMENTED)
  try {
    return readYaml(content, bounds)
  } catch (error) {
    throw new Error(`it is neither JSON (${reason}) nor YAML (${oneLine(error)})`)
  }
}

/**
 * Reads one document of YAML as js-yaml 3 does, which the original uses. Merge keys are merged, and numbers are those
 * of YAML 1.1, but dates and words such as `yes` are texts. Throws an Error of one line.
 */
export function readYaml(text: string, bounds: Bounds): Text {
  const content = withoutMark(text)
  try {
    const events = parseEvents(content, { maxDepth: bounds.maxDepth })
    const documents = eventsToAst(events, { source: content, schema: CORE_SCHEMA })
    if (documents.length !== 1) throw new Error(`it holds ${documents.length} documents, not one`)
    const [{ contents } = { contents: null }] = documents
    if (contents === null) throw new Error('it is empty')
    return new Reader(targetsOf(documents), bounds).read(contents)
  } catch (error) {
    throw new Error(oneLine(error))
  }
}

/** Writes a document out: every alias is replaced by what it stands for, every merge key by what it merges. */
class Reader {
  readonly #targets: ReadonlyMap<AliasNode, Node>
  readonly #bounds: Bounds
  readonly #notes: Note[] = []
  readonly #noted = new Set<Node>()
  readonly #open = new Set<Node>()
  #values = 0

  constructor(targets: ReadonlyMap<AliasNode, Node>, bounds: Bounds) {
    this.#targets = targets
    this.#bounds = bounds
  }

  read(node: Node): Text {
    const value = this.#value(node, '', 0)
    return { value, notes: this.#notes }
  }

  #value(node: Node, path: string, depth: number): unknown {
    charge(++this.#values, depth, this.#bounds)
    if (node.kind === 'alias') return this.#value(this.#target(node, path), path, depth)
    if (node.kind === 'scalar') return this.#scalar(node, path)
    if (node.tagged && node.tag !== (node.kind === 'mapping' ? '!!map' : '!!seq') && node.tag !== '!')
      throw new Error(`${at(path)} has the tag ${quote(node.tag)}, which JSON does not have`)
    if (this.#open.has(node)) throw new Error(`${at(path)} is part of itself`)
    this.#open.add(node)
    const value =
      node.kind === 'sequence'
        ? node.items.map((item, i) => this.#value(item, `${path}[${i}]`, depth + 1))
        : Object.fromEntries(this.#pairs(node, path, depth))
    this.#open.delete(node)
    return value
  }

  /** Own pairs win over merged ones, and earlier merged ones over later ones. Keys keep their first place. */
  #pairs(node: MappingNode, path: string, depth: number): Map<string, unknown> {
    const pairs = new Map<string, unknown>()
    const own = new Set<string>()
    for (const item of node.items) {
      if (isMergeKey(item.key)) {
        for (const source of this.#sources(item.value, path)) {
          charge(++this.#values, depth, this.#bounds)
          if (this.#open.has(source)) throw new Error(`${at(path)} is part of itself`)
          this.#open.add(source)
          for (const [key, value] of this.#pairs(source, path, depth + 1))
            if (!pairs.has(key)) pairs.set(key, value)
          this.#open.delete(source)
        }
        continue
      }
      const key = this.#key(item.key, path)
      if (own.has(key)) throw new Error(`${at(path)} has the key ${quote(key)} twice`)
      own.add(key)
      const inner = join(path, key)
      if (isEmpty(item.value) && isPlain(item.key) && /:\S/.test(key))
        this.#note(item.key, inner, 'has no value: is a space missing after its colon?')
      pairs.set(key, this.#value(item.value, inner, depth + 1))
    }
    return pairs
  }

  /** What a merge key stands for: a mapping, or a list of them. */
  #sources(node: Node, path: string): MappingNode[] {
    const found = node.kind === 'alias' ? this.#target(node, path) : node
    const nodes = found.kind === 'sequence' ? found.items : [found]
    return nodes.map(node => {
      const source = node.kind === 'alias' ? this.#target(node, path) : node
      if (source.kind === 'mapping') return source
      throw new Error(`${at(join(path, '<<'))} cannot be merged: it must be a mapping, or a list of them`)
    })
  }

  #key(node: Node, path: string): string {
    const key = node.kind === 'alias' ? this.#target(node, path) : node
    if (key.kind !== 'scalar') throw new Error(`${at(path)} has a key that is not a text`)
    const text = String(this.#scalar(key, join(path, key.value), true))
    if (/^\/[/*]/.test(text) && isPlain(key)) throw new Error(COMMENTED)
    return text
  }

  #scalar(node: ScalarNode, path: string, isKey = false): unknown {
    const { value: text } = node
    if (node.tagged) return tagged(node, path)
    if (node.style !== SCALAR_STYLE.PLAIN) return text
    if (node.tag === nullCoreTag.tagName) return null
    if (node.tag === boolCoreTag.tagName) return /^t/i.test(text)
    if (!/^[-+.\d]/.test(text)) {
      if (!isKey && WORDS.test(text))
        this.#disagree(node, path, text, `${/^(?:yes|on)$/i.test(text)} in YAML 1.1`)
      return text
    }
    const other = coreNumber(node)
    const value = numberOf(text) ?? text
    if (!Object.is(value, other)) this.#disagree(node, path, value, `${quote(other)} in YAML 1.2`)
    else if (value === text && DATE.test(text)) this.#disagree(node, path, text, 'a date in YAML 1.1')
    return value
  }

  #target(alias: AliasNode, path: string): Node {
    const target = this.#targets.get(alias)
    if (target) return target
    throw new Error(`${at(path)} is the alias ${quote(alias.anchor)}, and no such anchor comes before it`)
  }

  #disagree(node: Node, path: string, value: unknown, other: string): void {
    const { value: text } = node as ScalarNode
    const read = typeof value === 'number' ? `the number ${value}` : 'a text'
    const message = `is ${quote(text)}, read as ${read}, and as ${other}: write it so that all readers agree`
    this.#note(node, path, message)
  }

  #note(node: Node, path: string, message: string): void {
    if (this.#noted.has(node) || this.#notes.length >= MAX_NOTES) return
    this.#noted.add(node)
    this.#notes.push({ path: at(path), message })
  }
}

const COMMENTED =
  'it is JSON with comments, which JSON does not have: take them out, or write YAML with # comments'

/** The text without its byte order mark. Throws an Error for a text that was not UTF-8. */
function withoutMark(text: string): string {
  if (text.includes('\0')) throw new Error('it is not UTF-8: it has zero bytes, like UTF-16')
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** Whether it would be JSON without comments. No part of the expression backtracks, so it takes linear time. */
function isCommented(text: string): boolean {
  const bare = text.replace(/("(?:[^"\\]|\\.)*"?)|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g, '$1 ')
  try {
    JSON.parse(bare.replace(/,(?=\s*[\]}])/g, ''))
    return true
  } catch {
    return false
  }
}

/** The node that each alias means: the nearest anchor of its name before it. */
function targetsOf(documents: Parameters<typeof visit>[0]): Map<AliasNode, Node> {
  const anchors = new Map<string, Node>()
  const targets = new Map<AliasNode, Node>()
  visit(documents, node => {
    if (node.kind === 'alias') {
      const target = anchors.get(node.anchor)
      if (target) targets.set(node, target)
    } else if (node.anchor !== undefined) anchors.set(node.anchor, node)
  })
  return targets
}

function bound(value: unknown, bounds: Bounds): void {
  let values = 0
  const count = (value: unknown, depth: number): void => {
    charge(++values, depth, bounds)
    if (typeof value !== 'object' || value === null) return
    for (const item of Object.values(value)) count(item, depth + 1)
  }
  count(value, 0)
}

function charge(values: number, depth: number, { maxValues, maxDepth }: Bounds): void {
  if (values > maxValues) throw new Error(`it has more than ${maxValues} values`)
  if (depth > maxDepth) throw new Error(`it nests deeper than ${maxDepth} levels`)
}

function isMergeKey(key: Node): boolean {
  return key.kind === 'scalar' && isPlain(key) && key.value === '<<'
}

function isPlain(node: Node): boolean {
  return node.kind === 'scalar' && node.style === SCALAR_STYLE.PLAIN && !node.tagged
}

function isEmpty(node: Node): boolean {
  return isPlain(node) && (node as ScalarNode).value === ''
}

/** Words that mean true or false in YAML 1.1, and not in YAML 1.2. */
const WORDS = /^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$/
const DATE = /^\d{4}-\d\d?-\d\d?(?:$|[Tt \t])/

/** A number as YAML 1.2 reads it; the text itself for what is not a number. */
function coreNumber({ tag, value }: ScalarNode): unknown {
  if (tag === intCoreTag.tagName) return intCoreTag.resolve(value, false, tag)
  return tag === floatCoreTag.tagName ? floatCoreTag.resolve(value, false, tag) : value
}

const TAGS = [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag]

function tagged({ tag, value }: ScalarNode, path: string): unknown {
  if (tag === '!!str' || tag === '!') return value
  const known = TAGS.find(({ tagName }) => tagName.replace('tag:yaml.org,2002:', '!!') === tag)
  if (!known) throw new Error(`${at(path)} has the tag ${quote(tag)}, which JSON does not have`)
  const resolved = known.resolve(value, true, known.tagName)
  if (resolved === NOT_RESOLVED) throw new Error(`${at(path)} is ${quote(value)}, which is not a ${tag}`)
  return resolved
}

function join(path: string, key: string): string {
  if (!/^[\w$-]+$/.test(key)) return `${path}['${key}']`
  return path === '' ? key : `${path}.${key}`
}

function at(path: string): string {
  return path === '' ? 'the document' : path.slice(0, MAX_PATH_LENGTH)
}

function oneLine(error: unknown): string {
  return (error as Error).message.split('\n')[0] as string
}
